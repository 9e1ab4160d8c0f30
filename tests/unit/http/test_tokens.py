"""Which tokens hold: a corpus of good and forged ones, whatever library verifies them."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import hypothesis
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from tidings.config import ConfigError, Settings
from tidings.errors import Unauthenticated
from tidings.events import Id
from tidings.http.auth import Authenticator, Principal
from tidings.http.tokens import public_key
from tidings.testing import START_MS, FakeClock

NOW = START_MS // 1000
SECRET = "0123456789abcdef0123456789abcdef"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def claims(**changed: Any) -> dict[str, Any]:
    """Good claims with some changed; None removes one."""
    whole = {"sub": "alice", "exp": NOW + 600, "iss": "https://issuer.test", "aud": "tidings"} | changed
    return {name: value for name, value in whole.items() if value is not None}


def signed(
    header: dict[str, Any] | None = None, key: Any = SECRET, alg: str = "HS256", **changed: Any
) -> str:
    return jwt.encode(claims(**changed), key, algorithm=alg, headers=header)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hand_made(header: bytes, payload: bytes, secret: str = SECRET) -> str:
    """A token whose header and payload are these bytes, signed with HS256."""
    signing = f"{b64(header)}.{b64(payload)}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        signing.encode(), secret.encode()
    )
    return f"{signing}.{b64(signature)}"


def hs256_of(payload: dict[str, Any]) -> str:
    return hand_made(b'{"alg":"HS256","typ":"JWT"}', json.dumps(payload).encode())


def settings(**changed: Any) -> Settings:
    base = {"jwt_secret": SECRET, "jwt_issuer": "https://issuer.test", "jwt_audience": "tidings"}
    return Settings(**(base | changed))


def ask(token: str, given: Settings | None = None, clock: FakeClock | None = None) -> Principal:
    authenticator = Authenticator(given or settings(), clock or FakeClock())
    return asyncio.run(authenticator.principal(b"Bearer " + token.encode()))


def unsigned(alg: str) -> str:
    return f"{b64(json.dumps({'alg': alg}).encode())}.{b64(json.dumps(claims()).encode())}."


def with_flipped_signature() -> str:
    token = signed()
    return token[:-2] + ("AA" if token[-2:] != "AA" else "BB")


FORGED: dict[str, Callable[[], str]] = {
    "no algorithm": lambda: unsigned("none"),
    "no algorithm, capitals": lambda: unsigned("None"),
    "another hmac": lambda: signed(alg="HS512", key=SECRET * 2),
    "another secret": lambda: signed(key="x" * 32),
    "asymmetric where hmac is expected": lambda: signed(alg="RS256", key=RSA_KEY),
    "signature changed": with_flipped_signature,
    "signature missing": lambda: signed().rpartition(".")[0] + ".",
    "expired": lambda: signed(exp=NOW - 31),
    "not yet valid": lambda: signed(nbf=NOW + 31),
    "no exp": lambda: signed(exp=None),
    "no sub": lambda: signed(sub=None),
    "exp is text": lambda: hs256_of(claims(exp="tomorrow")),
    "exp is true": lambda: hs256_of(claims(exp=True)),
    "exp is not a number": lambda: hs256_of(claims(exp=float("nan"))),
    "exp is infinite": lambda: hs256_of(claims(exp=float("inf"))),
    "exp is absurd": lambda: hs256_of(claims(exp=10**400)),
    "exp has too many digits": lambda: hand_made(
        b'{"alg":"HS256"}', b'{"sub":"a","exp":' + b"9" * 5000 + b"}"
    ),
    "nbf is text": lambda: hs256_of(claims(nbf="yesterday")),
    "sub is a number": lambda: hs256_of(claims(sub=7)),
    "sub is empty": lambda: signed(sub=""),
    "sub is too long": lambda: signed(sub="u" * 129),
    "sub has a control character": lambda: signed(sub="alice\n"),
    "sub has a deletion": lambda: signed(sub="al\x7fice"),
    "sub is a lone surrogate": lambda: signed(sub="alice\ud800"),
    "sub is a list": lambda: hs256_of(claims(sub=["alice"])),
    "sub is true": lambda: hs256_of(claims(sub=True)),
    "jti is a number": lambda: hs256_of(claims(jti=7)),
    "issuer is a lone surrogate": lambda: signed(iss="https://issuer.test\ud800"),
    "issuer is a list": lambda: hs256_of(claims(iss=["https://issuer.test"])),
    "audience is a number": lambda: hs256_of(claims(aud=7)),
    "audience is a list of numbers": lambda: hs256_of(claims(aud=[7, None])),
    "exp is a list": lambda: hs256_of(claims(exp=[NOW + 600])),
    "exp is null": lambda: hs256_of(claims() | {"exp": None}),
    "nbf is infinite": lambda: hs256_of(claims(nbf=float("-inf"))),
    "payload is not encoded": lambda: hand_made(
        b'{"alg":"HS256","b64":false}', json.dumps(claims()).encode()
    ),
    "algorithm is a list": lambda: hand_made(b'{"alg":["HS256"]}', json.dumps(claims()).encode()),
    "algorithm is a lone surrogate": lambda: hand_made(b'{"alg":"\\ud800"}', json.dumps(claims()).encode()),
    "sub is null": lambda: hs256_of(claims() | {"sub": None}),
    "another issuer": lambda: signed(iss="https://issuer.test.evil"),
    "no issuer": lambda: signed(iss=None),
    "another audience": lambda: signed(aud="other"),
    "no audience": lambda: signed(aud=None),
    "scope is a number": lambda: hs256_of(claims(scope=1)),
    "unknown crit": lambda: signed(header={"crit": ["exp-policy"], "exp-policy": "x"}),
    "empty crit": lambda: signed(header={"crit": []}),
    "known crit": lambda: signed(header={"crit": ["b64"], "b64": True}),
    "another type": lambda: signed(header={"typ": "secevent+jwt"}),
    "type is a number": lambda: hand_made(b'{"alg":"HS256","typ":1}', json.dumps(claims()).encode()),
    "kid is a number": lambda: hand_made(b'{"alg":"HS256","kid":1}', json.dumps(claims()).encode()),
    "too long": lambda: signed(padding="x" * 8192),
    "header is no object": lambda: hand_made(b"[]", json.dumps(claims()).encode()),
    "payload is no object": lambda: hand_made(b'{"alg":"HS256"}', b'["sub"]'),
    "payload is not json": lambda: hand_made(b'{"alg":"HS256"}', b"{"),
    "header nested deeply": lambda: hand_made(b"[" * 3000, b"{}"),
    "payload nested deeply": lambda: hand_made(b'{"alg":"HS256"}', b"[" * 3000),
    "not base64": lambda: "!!!.???.###",
    "two parts": lambda: "abc.def",
    "five parts": lambda: "a.b.c.d.e",
    "empty parts": lambda: "..",
    "garbage": lambda: "\x01\x02",
    "not ascii": lambda: "é.é.é",
}


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
def test_forged_token_is_refused(make: Callable[[], str]) -> None:
    """No token of the corpus of forgeries is anybody's."""
    with pytest.raises(Unauthenticated):
        ask(make())


def test_good_token_is_its_user() -> None:
    """A token that holds gives its user, scopes and end."""
    principal = ask(signed(scope="admin feed:read"))
    assert principal == Principal("user", "alice", frozenset({"admin", "feed:read"}), "", NOW + 600)


@pytest.mark.parametrize(
    "token",
    [
        signed(header={"typ": "at+jwt"}),
        signed(header={"typ": "jwt"}),
        signed(header={"kid": "whatever"}),
        signed(exp=NOW - 29),
        signed(nbf=NOW + 29),
        signed(exp=NOW + 0.5),
        signed(aud=["other", "tidings"]),
        signed(iat=NOW + 10_000),
        signed(sub="ü" * 128),
        signed(scope=["admin"]),
    ],
)
def test_unusual_tokens_hold(token: str) -> None:
    """Leeway, lists of audiences, other spellings of the type and ids in any script are all allowed."""
    assert ask(token).kind == "user"


@pytest.mark.parametrize("blank", ["\u00a0", "\u2003", "\t", "\n"])
def test_scopes_are_separated_by_spaces_alone(blank: str) -> None:
    """RFC 6749, section 3.3: an issuer that splits at U+0020 has checked ``user<blank>admin`` as one name."""
    assert "admin" not in ask(signed(scope=f"user{blank}admin")).scopes


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256"), (ED_KEY, "EdDSA")], ids=["rsa", "ec", "ed"]
)
def test_public_key_pins_its_algorithm(key: Any, algorithm: str) -> None:
    """A public key verifies tokens of its own algorithm, and is never used as the secret of an HMAC."""
    given = settings(jwt_secret="", jwt_public_key=pem(key))
    assert ask(signed(key=key, alg=algorithm), given).user_id == "alice"
    confused = hand_made(b'{"alg":"HS256","typ":"JWT"}', json.dumps(claims()).encode(), pem(key))
    with pytest.raises(Unauthenticated):
        ask(confused, given)


def test_other_algorithm_of_the_same_key_is_refused() -> None:
    """Even an algorithm that the key could do is refused when it is not the pinned one."""
    given = settings(jwt_secret="", jwt_public_key=pem(RSA_KEY))
    for algorithm in ("RS512", "PS256"):
        with pytest.raises(Unauthenticated):
            ask(signed(key=RSA_KEY, alg=algorithm), given)


def test_issuer_and_audience_are_free_when_not_configured() -> None:
    """Without jwt_issuer and jwt_audience, tokens may name any, or none."""
    open_rules = settings(jwt_issuer="", jwt_audience="")
    assert ask(signed(iss="x", aud="y"), open_rules).user_id == "alice"
    assert ask(signed(iss=None, aud=None), open_rules).user_id == "alice"


def test_remembered_token_still_expires() -> None:
    """A token that was verified once is not remembered beyond its end."""
    clock = FakeClock()
    authenticator = Authenticator(settings(), clock)
    header = b"Bearer " + signed().encode()
    assert asyncio.run(authenticator.principal(header)).user_id == "alice"
    clock.advance(629_000)
    assert asyncio.run(authenticator.principal(header)).user_id == "alice"
    clock.advance(1_000)
    with pytest.raises(Unauthenticated, match="expired"):
        asyncio.run(authenticator.principal(header))


def test_keys_that_are_unfit_stop_the_server() -> None:
    """A private key, text that is no key, and a weak kind of key are refused at start."""
    with pytest.raises(ConfigError, match="PEM"):
        public_key(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    small_curve = ec.generate_private_key(ec.SECP256K1())
    with pytest.raises(ConfigError, match="must be"):
        public_key(pem(small_curve).encode())
    # The fault: it was accepted, and each of its tokens refused.
    short = rsa.generate_private_key(65537, 1024)
    with pytest.raises(ConfigError, match="RSA key of 1024 bits; at least 2048"):
        public_key(pem(short).encode())


_ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=140),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
"""Anything that JSON can say, with what only Python's reader of it understands: NaN, infinities, lone surrogates."""
settled = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
"""How fast a machine makes up tokens proves nothing."""
_CLAIMS = ("sub", "exp", "nbf", "iat", "iss", "aud", "scope", "jti", "sid")
_HEADERS = ("alg", "typ", "kid", "crit", "b64", "cty", "jwk")


@example({"sub": "alice\ud800"}, {}, "")
@settled
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(_CLAIMS, _ODD)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(_HEADERS, _ODD)),
    st.sampled_from(["", "tidings"]),
)
def test_no_token_is_a_fault_of_the_server(
    changed: dict[str, Any], header: dict[str, Any], audience: str
) -> None:
    """Whatever claims and header are signed, the token is a user's with a usable id, or it is refused in text that can
    be sent: a lone surrogate in ``sub`` was answered 500, and control characters were taken."""
    token = hand_made(json.dumps({"alg": "HS256"} | header).encode(), json.dumps(claims() | changed).encode())
    said = ""
    try:
        said = ask(token, settings(jwt_audience=audience)).user_id
        msgspec.convert(said, Id)
    except Unauthenticated as refusal:
        said = refusal.detail
    assert said.encode()


@settled
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_no_signed_bytes_are_a_fault_of_the_server(header: bytes, payload: bytes) -> None:
    """The same of bytes that are no JSON."""
    with pytest.raises(Unauthenticated):
        ask(hand_made(header, payload))
