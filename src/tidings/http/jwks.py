"""A JSON Web Key Set (RFC 7517) from a file or a URL, refreshed in the background.

The issuer may be down, slow or hostile; none of that may stop requests whose key is known.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tidings.config import KIB, ConfigError
from tidings.errors import Unauthenticated, Unavailable
from tidings.hosts import is_loopback
from tidings.http.tokens import Material, VerifyingKey
from tidings.timeutil import Clock

REFRESH_S = 300
"""Seconds after which the set is fetched again in the background: the longest time for which a revoked key is accepted."""
FORCED_S = 60
"""Seconds between fetches that an unknown ``kid`` can cause: random ones must not cause a flood of fetches."""
RETRY_S = 10
"""The same while no set could be fetched yet: until then every token gets 503. It is longer than a fetch may take, or each
token would wait for one."""
FETCH_DEADLINE_S = 5
"""Seconds for a whole fetch, from the name lookup to the last byte, at any rate of bytes."""
MAX_SET_BYTES = 256 * KIB
MAX_KEYS = 64
"""Keys in one set. Real sets have a handful; the cap bounds the memory that a hostile response can use."""
MAX_RSA_BITS = 16_384
"""Bits of an RSA key: OpenSSL verifies nothing with a longer one."""
MAX_LOGGED = 200
"""Characters of an error in the log: some errors quote the issuer's response."""
_ALGORITHMS = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA"}),
}
"""The permitted algorithms by type of key. Symmetric keys ("oct") have no entry: they do not belong into a public set."""
_log = logging.getLogger("tidings.auth")

Load = Callable[[], Awaitable[bytes]]
Keys = dict[str | None, tuple[VerifyingKey, ...]]
"""Keys by ``kid``; several keys for different algorithms may have one name."""


class KeySet:
    """The keys of a set by ``kid``; a stale set is used until a newer one is fetched. ``deadline_s``: seconds after which a
    fetch is cancelled."""

    def __init__(self, load: Load, clock: Clock, deadline_s: float = FETCH_DEADLINE_S) -> None:
        self.generation = 0
        self._load = load
        self._clock = clock
        self._deadline_s = deadline_s
        self._keys: Keys = {}
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: object) -> VerifyingKey:
        """The key of that name; without a name, the only key of the set. ``algorithm``, which the token names, only chooses
        between keys of one name.

        Raises Unauthenticated for an unknown name, Unavailable while no set could be fetched yet.
        """
        found = self._find(kid, algorithm)
        if found is None and (self._is_fetching() or self._age() >= (FORCED_S if self._keys else RETRY_S)):
            await self.refresh()
            found = self._find(kid, algorithm)
        if found is None:
            raise self._missing()
        return found

    def keep_fresh(self) -> None:
        """Begin to fetch a stale set again; requests use the current one meanwhile."""
        if self._age() >= REFRESH_S:
            self.begin()

    async def refresh(self) -> None:
        """Fetch the set now, or wait for the running fetch. A failure is logged, and the old set stays."""
        await asyncio.shield(self.begin())

    def begin(self) -> asyncio.Task[None]:
        """The running fetch, or a new one. It never fails."""
        if self._fetching is None or self._fetching.done():
            self._tried_at = self._clock.monotonic()
            self._fetching = asyncio.create_task(self._fetch(), name="jwks-fetch")
        return self._fetching

    async def close(self) -> None:
        """Cancel a running fetch."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _is_fetching(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _age(self) -> float:
        return self._clock.monotonic() - self._tried_at

    def _find(self, kid: str | None, algorithm: object) -> VerifyingKey | None:
        named = self._keys.get(kid, ())
        if kid is None and len(self._keys) == 1:
            (named,) = self._keys.values()
        if len(named) == 1:
            return named[0]
        return next((key for key in named if key.algorithm == algorithm), None)

    def _missing(self) -> Unauthenticated | Unavailable:
        if not self._keys:
            return Unavailable("The keys of the token issuer could not be fetched.", RETRY_S)
        return Unauthenticated("The key that signed the token is not in the key set.")

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                raw = await self._load()
            keys = parse_set(raw)
        except TimeoutError:
            _log.warning("the key set could not be fetched: not complete within %s s", self._deadline_s)
        # No response of an issuer, and no library that reads it, may cause a failure of the requests that wait.
        except Exception as error:
            _log.warning("the key set could not be fetched: %s", _named(error))
        else:
            if keys != self._keys:
                self._keys = keys
                self.generation += 1


def _named(error: Exception) -> str:
    """An error for the log, on one line: its text may come from the issuer."""
    return f"{type(error).__name__}: {str(error)[:MAX_LOGGED]!a}"


def parse_set(raw: bytes) -> Keys:
    """The signature keys of a JSON Web Key Set.

    Keys of unknown kinds, and broken ones, are skipped (RFC 7517, section 5), as are further ones of one name and algorithm.
    Raises ValueError or RecursionError for a document that is no key set, exceeds the caps, or has no usable key among its
    keys.
    """
    if len(raw) > MAX_SET_BYTES:
        raise ValueError(f"the key set has more than {MAX_SET_BYTES} bytes")
    document = json.loads(raw)  # not msgspec, which refuses the whole document for one lone surrogate
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError(f"a key set has a list of at most {MAX_KEYS} keys")
    keys = _by_name(entries)
    if entries and not keys:
        # An empty list withdraws every key. Unusable keys are an issuer's mistake: the old ones stay.
        raise ValueError("none of the keys can be used")
    return keys


def _by_name(entries: Iterable[object]) -> Keys:
    keys: Keys = {}
    for entry in entries:
        try:
            kid, key = _verifying_key(entry)
        # The libraries check the types of few members: an "alg" that is a list is a TypeError.
        except Exception as error:
            _log.warning("a key of the key set is ignored: %s", _named(error))
            continue
        if key is None:
            continue
        named = keys.get(kid, ())
        if any(other.algorithm == key.algorithm for other in named):
            _log.warning("a further %s key with the kid %a is ignored", key.algorithm, kid)
        else:
            keys[kid] = (*named, key)
    return keys


def _verifying_key(entry: object) -> tuple[str | None, VerifyingKey | None]:
    if not isinstance(entry, dict):
        raise TypeError("it is no object")
    kid = entry.get("kid")
    allowed = _ALGORITHMS.get(str(entry.get("kty")), frozenset())
    if not (kid is None or isinstance(kid, str)) or entry.get("use", "sig") != "sig" or not allowed:
        return None, None
    key = jwt.PyJWK.from_dict({name: value for name, value in entry.items() if name != "d"})
    if isinstance(key.key, RSAPublicKey) and key.key.key_size > MAX_RSA_BITS:
        raise ValueError(f"it has more than {MAX_RSA_BITS} bits")
    usable = key.algorithm_name in allowed
    return kid, VerifyingKey(key.algorithm_name, cast(Material, key.key)) if usable else None


def loader(source: str) -> Load:
    """The loader of the set that the setting names: an https URL, an http URL of this machine, or a file.

    Raises ConfigError for any other URL.
    """
    if "://" not in source:
        return lambda: asyncio.to_thread(_read, Path(source))
    url = urlsplit(source)
    is_local = url.scheme == "http" and is_loopback(url.hostname or "")
    if not (url.scheme == "https" or is_local):
        raise ConfigError("jwks must be a file, an https URL, or an http URL of this machine", "jwks")
    from tidings.http.jwks_download import download  # httpx is slow to import, and few servers need it

    return lambda: download(source, MAX_SET_BYTES, use_proxy=not is_local)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_SET_BYTES + 1)
