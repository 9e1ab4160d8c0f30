"""JSON Web Tokens: the verification of a token (RFC 7519, with the rules of RFC 8725).

The algorithm belongs to the configured key and is never taken from the token, so a public key cannot be used as an HMAC
secret, and no key accepts "none".
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.types import Options

from tidings.config import KIB, ConfigError
from tidings.errors import Unauthenticated
from tidings.events import Id

MAX_TOKEN_BYTES = 8 * KIB
"""Longer tokens are refused unread: parsing is the only work that an unauthenticated client can cause."""
LAST_SECOND = 253_402_300_800
"""The end of the year 9999, in seconds since 1970: a later time in a token is invalid."""
MIN_RSA_BITS = 2048
"""RFC 7518, 3.3 requires as much; the library refuses each token of a shorter key."""
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_OPTIONS: Options = {
    "require": ["exp", "sub"],
    # Times are checked in `_in_time`, against the clock that was passed in.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "enforce_minimum_key_length": True,
}

_MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Exceptions that reading a token raises if a part of it has an unexpected type, size or depth."""

T = TypeVar("T")
Material = bytes | RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class VerifyingKey(NamedTuple):
    """A key together with the one algorithm it is used for."""

    algorithm: str
    material: Material


class Claims(NamedTuple):
    """The claims of a verified token: the user, the scopes, and the expiry (seconds since 1970)."""

    user_id: str
    scopes: frozenset[str]
    expires_at: float


class KeySource(Protocol):
    """The source of the key for a token. ``generation`` grows when keys were replaced."""

    generation: int

    def keep_fresh(self) -> None:
        """Called for every token, verified before or not: begin to renew the keys if they are stale."""
        ...

    async def key(self, kid: str | None, algorithm: object) -> VerifyingKey:
        """The key that a token names by ``kid``, and by its ``alg`` if several keys have one name.

        Raises Unauthenticated if there is none, Unavailable if keys cannot be fetched.
        """
        ...


class SingleKey:
    """A source of one key that is never replaced; it accepts any ``kid``."""

    generation = 0

    def __init__(self, key: VerifyingKey) -> None:
        self._key = key

    def keep_fresh(self) -> None:
        """No effect: this key is never renewed."""

    async def key(self, kid: str | None, algorithm: object) -> VerifyingKey:
        """The key."""
        return self._key


def secret_key(secret: str) -> VerifyingKey:
    """The HS256 key of a shared secret, which ``api_keys.check_secrets`` found strong enough."""
    return VerifyingKey("HS256", secret.encode())


def public_key(pem: bytes) -> VerifyingKey:
    """The key of a PEM public key, its algorithm by its type: RS256, ES256/384/512 or EdDSA.

    Raises ConfigError if it is no public key, or of another type.
    """
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        raise ConfigError("jwt_public_key is not a public key in PEM form", "jwt_public_key") from None
    if isinstance(key, RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ConfigError(
                f"jwt_public_key is an RSA key of {key.key_size} bits; at least {MIN_RSA_BITS} are needed",
                "jwt_public_key",
            )
        return VerifyingKey("RS256", key)
    if isinstance(key, Ed25519PublicKey):
        return VerifyingKey("EdDSA", key)
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return VerifyingKey(_CURVES[key.curve.name], key)
    raise ConfigError(
        "jwt_public_key must be an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key", "jwt_public_key"
    )


class ClaimRules(NamedTuple):
    """The claims that a token must have in addition to a valid signature. Empty ``issuer`` or ``audience`` accepts any."""

    issuer: str
    audience: str
    leeway_s: int


async def verify(token: str, keys: KeySource, rules: ClaimRules, now_s: float) -> Claims:
    """The claims of a token that is valid at ``now_s`` (seconds since 1970).

    Raises Unauthenticated with the reason if it is not.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Unauthenticated("The token is too long.")
    kid, algorithm = _read(lambda: _named_key(jwt.get_unverified_header(token)))
    key = await keys.key(kid, algorithm)
    return _read(lambda: _claims(_decoded(token, key, rules), rules, now_s))


def _read(step: Callable[[], T]) -> T:
    """The result of one step of reading a token. Raises Unauthenticated for every error in it: the token is untrusted, and
    the libraries that parse it raise more than they document."""
    try:
        return step()
    except jwt.PyJWTError as error:
        raise Unauthenticated(f"The token is invalid: {_printable(str(error))}.") from None
    except _MALFORMED:
        raise Unauthenticated("The token is not well-formed.") from None


def _printable(text: str) -> str:
    """Text that a response can contain: the library quotes the token in some of its messages."""
    return text.encode("ascii", "backslashreplace").decode()


def _named_key(header: Mapping[str, Any]) -> tuple[str | None, object]:
    kind = header.get("typ", "JWT")
    if not (isinstance(kind, str) and kind.lower() in _TYPES):
        raise jwt.InvalidTokenError("it is of another type")
    if "crit" in header:
        raise jwt.InvalidTokenError("its header crit requires an unknown extension")
    return header.get("kid"), header.get("alg")


def _decoded(token: str, key: VerifyingKey, rules: ClaimRules) -> dict[str, Any]:
    options: Options = {**_OPTIONS, "verify_aud": bool(rules.audience), "verify_iss": bool(rules.issuer)}
    return jwt.decode(
        token,
        key.material,
        algorithms=[key.algorithm],
        options=options,
        audience=rules.audience or None,
        issuer=rules.issuer or None,
    )


def _claims(payload: Mapping[str, Any], rules: ClaimRules, now_s: float) -> Claims:
    subject = _subject(payload["sub"])
    expires_at = _time(payload["exp"])
    if expires_at + rules.leeway_s <= now_s:
        raise Unauthenticated("The token has expired.")
    if "nbf" in payload and _time(payload["nbf"]) - rules.leeway_s > now_s:
        raise Unauthenticated("The token is not valid yet.")
    return Claims(subject, _scopes(payload.get("scope", "")), expires_at)


def _subject(value: object) -> str:
    """The user id, by the rule for one in a query or a path. A lone surrogate, which only JSON can spell, has no UTF-8 and
    so could be neither stored nor sent."""
    try:
        subject: str = msgspec.convert(value, Id)
        subject.encode()
    except (msgspec.ValidationError, UnicodeEncodeError):
        raise Unauthenticated(
            "The token's sub is not a user id: 1 to 128 characters without control characters are."
        ) from None
    return subject


def _time(value: object) -> float:
    # JSON as Python reads it has NaN, which no comparison excludes, so it is refused here too.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LAST_SECOND:
        return float(value)
    raise Unauthenticated("A time in the token is not a number of seconds.")


def _scopes(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split(" "))  # RFC 6749, section 3.3: U+0020 alone; others are part of a name
    if isinstance(value, list):
        return frozenset(scope for scope in value if isinstance(scope, str))
    raise Unauthenticated("The token's scope is not text.")
