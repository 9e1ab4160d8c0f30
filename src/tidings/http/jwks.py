"""A JSON Web Key Set (RFC 7517) that is kept fresh, from a file or a URL.

The issuer may be down, slow or hostile in what it serves; none of that may stop requests whose key is known.
"""

import asyncio
import ipaddress
import logging
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError
from urllib.parse import urlsplit

import jwt
import msgspec

from tidings.config import KIB, ConfigError
from tidings.errors import Unauthenticated, Unavailable
from tidings.http.clock import Clock
from tidings.http.tokens import Material, VerifyingKey

REFRESH_S = 300
"""Seconds after which the set is fetched anew, behind the requests: how long a revoked key may live."""
FORCED_S = 60
"""Seconds between fetches that an unknown ``kid`` can cause: random ones must not become a flood."""
FETCH_TIMEOUT_S = 5
MAX_SET_BYTES = 256 * KIB
MAX_KEYS = 64
"""Keys in one set. Real ones hold a handful; the cap bounds what a hostile reply can make us build."""
_ALGORITHMS = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
"""What a key may be used for. Symmetric keys ("oct") have no entry: they do not belong into a public set."""
_log = logging.getLogger("tidings.auth")

Load = Callable[[], bytes]


class KeySet:
    """The keys of a set by ``kid``; a stale set is used until a newer one could be had."""

    def __init__(self, load: Load, clock: Clock) -> None:
        self.generation = 0
        self._load = load
        self._clock = clock
        self._keys: dict[str | None, VerifyingKey] = {}
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str | None) -> VerifyingKey:
        """The key of that name; without a name, the only key there is.

        Raises Unauthenticated for an unknown name, Unavailable while no set could be fetched at all.
        """
        found = self._find(kid)
        if found is None and self._age() >= FORCED_S:
            await self.refresh()
            found = self._find(kid)
        if found is None:
            raise self._missing()
        return found

    def keep_fresh(self) -> None:
        """Begin to fetch the set anew when it is old; requests go on with the one at hand."""
        if self._age() >= REFRESH_S:
            self._begin()

    async def refresh(self) -> None:
        """Fetch the set now, or wait for the fetch under way. A failure is logged, and the old set stays."""
        await asyncio.shield(self._begin())

    async def close(self) -> None:
        """Wait for a fetch that is under way; it ends by itself within its time limit."""
        if self._fetching is not None:
            await self._fetching

    def _age(self) -> float:
        return self._clock.monotonic() - self._tried_at

    def _find(self, kid: str | None) -> VerifyingKey | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _missing(self) -> Unauthenticated | Unavailable:
        if not self._keys:
            return Unavailable("The keys of the token issuer could not be fetched.")
        return Unauthenticated("The token is signed with a key that is not known here.")

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            self._tried_at = self._clock.monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            keys = parse_set(await asyncio.to_thread(self._load))
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            _log.warning("the key set could not be fetched: %s", error)
            return
        if keys != self._keys:
            self._keys = keys
            self.generation += 1


def parse_set(raw: bytes) -> dict[str | None, VerifyingKey]:
    """The signature keys of a JSON Web Key Set by ``kid``.

    Keys of unknown kinds, and broken ones, are passed over (RFC 7517, section 5). Raises ValueError when it
    is no key set, or is larger than the caps.
    """
    if len(raw) > MAX_SET_BYTES:
        raise ValueError("the key set is too large")
    document = msgspec.json.decode(raw, type=dict[str, Any])
    entries = document.get("keys")
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError(f"a key set has a list of at most {MAX_KEYS} keys")
    found = (_verifying_key(entry) for entry in entries if isinstance(entry, dict))
    return {kid: key for kid, key in found if key is not None}


def _verifying_key(entry: dict[str, Any]) -> tuple[str | None, VerifyingKey | None]:
    kid = entry.get("kid")
    allowed = _ALGORITHMS.get(str(entry.get("kty")), frozenset())
    if not (kid is None or isinstance(kid, str)) or entry.get("use", "sig") != "sig" or not allowed:
        return None, None
    public = {name: value for name, value in entry.items() if name != "d"}
    try:
        key = jwt.PyJWK.from_dict(public)
    except jwt.PyJWTError as error:
        _log.warning("a key of the key set is passed over: %s", error)
        return None, None
    usable = key.algorithm_name in allowed
    return kid, VerifyingKey(key.algorithm_name, cast(Material, key.key)) if usable else None


def loader(place: str) -> Load:
    """How to read the set that the setting names: an https URL, an http URL of this machine, or a file.

    Raises ConfigError for any other URL.
    """
    if "://" not in place:
        return Path(place).read_bytes
    url = urlsplit(place)
    if url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.hostname or "")):
        return lambda: _download(place)
    raise ConfigError("jwks must be a file, an https URL, or an http URL of this machine")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The configured address is trusted; where it points to is not."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        raise URLError("the key set's address redirects")


def _download(url: str) -> bytes:
    with urllib.request.build_opener(_NoRedirect).open(url, timeout=FETCH_TIMEOUT_S) as reply:
        return cast(bytes, reply.read(MAX_SET_BYTES + 1))
