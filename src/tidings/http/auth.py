"""Authentication and authorisation: a credential becomes a Principal, which may act for a user or may not."""

import hashlib
import os
import stat
from collections import OrderedDict
from pathlib import Path
from typing import Literal, NamedTuple

from tidings.config import PEM, ConfigError, Settings
from tidings.errors import BadParameter, FieldError, Forbidden, Unauthenticated
from tidings.http.api_keys import ApiKeys, check_secrets, split_keys
from tidings.http.jwks import KeySet, loader
from tidings.http.tokens import ClaimRules, Claims, KeySource, SingleKey, public_key, secret_key, verify
from tidings.setting_checks import shown
from tidings.timeutil import Clock
from tidings.visibility import VISITOR

ADMIN = "admin"
"""The scope that allows a user's token the routes that otherwise need an API key."""
KEY_FILES = (".pem", ".pub", ".key", ".crt")
"""The usual ends of the name of a file with a public key."""
REMEMBERED_TOKENS = 20_000
"""Verified tokens kept, some 300 bytes each: enough that after a mass reconnect no token is verified twice."""


class Principal(NamedTuple):
    """The authenticated sender of a request.

    ``user_id`` is that of a user's token, ``key_id`` the name of an API key in logs; ``expires_at`` is in seconds since
    1970, None if the credential does not expire.
    """

    kind: Literal["user", "key", "dev", "visitor", "nobody"]
    user_id: str = ""
    scopes: frozenset[str] = frozenset()
    key_id: str = ""
    expires_at: float | None = None

    @property
    def is_server(self) -> bool:
        """Whether this is the host application itself (or development), which may act for any user."""
        return self.kind in ("key", "dev")

    @property
    def may_administer(self) -> bool:
        """Whether the routes that need an API key are allowed."""
        return self.is_server or ADMIN in self.scopes


DEVELOPER = Principal("dev")
NOBODY = Principal("nobody")
"""The principal of routes that need no credential."""
ANONYMOUS = Principal("visitor", VISITOR)
"""The principal of a request without a credential that the setting ``public_reads`` permits."""
USER_NEEDED = "missing; expected a user, since this credential is not that of one"


def acting_for(principal: Principal, asked: str | None, admin_for_all: bool = False) -> str:
    """The user on whose behalf a request is, from its ``user_id`` (None if not given).

    A user's token stands for its own user only; with ``admin_for_all``, one with the scope ``admin`` for any. Raises
    Forbidden for another user, BadParameter if a server gave no user, Unauthenticated for a visitor who gave one.
    """
    if principal is ANONYMOUS:
        if asked:
            raise Unauthenticated("A request for a user_id needs a credential.")
        return VISITOR
    if principal.is_server:
        if not asked:
            raise BadParameter(f"user_id: {USER_NEEDED}", (FieldError("user_id", USER_NEEDED),))
        return asked
    if asked in (None, principal.user_id) or (admin_for_all and ADMIN in principal.scopes):
        return asked or principal.user_id
    raise Forbidden("The user_id is not the user of the token, which gives access to that user alone.")


class Authenticator:
    """Turns the Authorization header into a Principal, by the settings.

    Raises ConfigError if no authentication is configured outside development, or if keys of different kinds could be
    confused.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        if not settings.dev:
            check_secrets(settings)
        self._dev = settings.dev
        self._clock = clock
        self._api_keys = ApiKeys(split_keys(settings.api_keys))
        self._source = _key_source(settings, clock)
        self._rules = ClaimRules(settings.jwt_issuer, settings.jwt_audience, settings.jwt_leeway_s)
        self._seen: OrderedDict[bytes, Claims] = OrderedDict()
        self._seen_with = 0
        if not (self._dev or self._api_keys or self._source):
            raise ConfigError(
                "no keys are configured, so every request would get 401: set TIDINGS_API_KEYS (TIDINGS_API_KEY is the key "
                "of a client, which the server ignores), or TIDINGS_JWT_SECRET, TIDINGS_JWT_PUBLIC_KEY or TIDINGS_JWKS; "
                "or use --dev to try things out on this machine"
            )

    async def start(self) -> None:
        """Fetch the key set, if one is configured: in the background if API keys are configured too, else before the first
        request, within the deadline of a fetch. While there is no set, tokens get 503."""
        if self._dev or not isinstance(self._source, KeySet):
            return
        if self._api_keys:
            self._source.begin()
        else:
            await self._source.refresh()

    async def close(self) -> None:
        """Cancel a running fetch."""
        if isinstance(self._source, KeySet):
            await self._source.close()

    async def principal(self, authorization: bytes | None) -> Principal:
        """The principal of this header (None: there was none). Raises Unauthenticated."""
        if self._dev:
            return DEVELOPER
        token = _bearer(authorization)
        name = self._api_keys.name(token)
        if name is not None:
            return Principal("key", key_id=name)
        if self._source is None or token.count(".") != 2:
            raise Unauthenticated(
                "The credential is neither a known API key nor a token that this server verifies."
            )
        claims = await self._claims(token, self._source)
        return Principal("user", claims.user_id, claims.scopes, expires_at=claims.expires_at)

    async def _claims(self, token: str, source: KeySource) -> Claims:
        now_s = self._clock.now() / 1000
        mark = hashlib.blake2b(token.encode(), digest_size=16).digest()
        if self._seen_with != source.generation:
            # A key may have been withdrawn: tokens signed with it must be verified again.
            self._seen.clear()
            self._seen_with = source.generation
        source.keep_fresh()
        claims = self._seen.get(mark)
        if claims is None or claims.expires_at + self._rules.leeway_s <= now_s:
            claims = await verify(token, source, self._rules, now_s)
        self._remember(mark, claims)
        return claims

    def _remember(self, mark: bytes, claims: Claims) -> None:
        self._seen[mark] = claims
        self._seen.move_to_end(mark)
        if len(self._seen) > REMEMBERED_TOKENS:
            self._seen.popitem(last=False)


def _bearer(authorization: bytes | None) -> str:
    if authorization is None:
        raise Unauthenticated("Send Authorization: Bearer with an API key or a token.")
    scheme, _, token = authorization.partition(b" ")
    try:
        text = token.strip().decode()
    except UnicodeDecodeError:
        raise Unauthenticated("The Authorization header is not UTF-8.") from None
    if scheme.lower() != b"bearer" or not text:
        raise Unauthenticated(
            "The Authorization header has no Bearer credential: send Authorization: Bearer with an API key or a token."
        )
    return text


def _key_source(settings: Settings, clock: Clock) -> KeySource | None:
    given = [name for name in ("jwt_secret", "jwt_public_key", "jwks") if getattr(settings, name)]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} exclude each other: tokens have one kind of key", given[0])
    if settings.jwt_secret:
        return SingleKey(secret_key(settings.jwt_secret))
    if settings.jwt_public_key:
        return SingleKey(public_key(_pem(settings.jwt_public_key)))
    if not settings.jwks:
        return None
    if "://" not in settings.jwks:
        _check_file(settings.jwks)
    return KeySet(loader(settings.jwks), clock)


def _check_file(jwks: str) -> None:
    """Refuse a missing file: an issuer may recover, a misspelt path does not. The file is not read here, since a pipe can be
    read only once."""
    try:
        found = Path(jwks).stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"jwks is neither a URL nor an existing file: {shown(jwks)}: {why}", "jwks"
        ) from None
    if stat.S_ISDIR(found.st_mode) or not os.access(jwks, os.R_OK):
        raise ConfigError(f"jwks: {shown(jwks)} is no file that can be read", "jwks")


def _pem(setting: str) -> bytes:
    if setting.lstrip().startswith(PEM):
        return setting.encode()
    try:
        return Path(setting).read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        # Anything else may be the secret of other tokens, set in the wrong place.
        if setting.endswith(KEY_FILES):
            why = f"{shown(setting)}: {why}"
        raise ConfigError(
            f"jwt_public_key: neither PEM nor a readable file, {why}", "jwt_public_key"
        ) from None
