"""API keys: the credentials of the host application's own servers."""

import hashlib
import secrets
from collections.abc import Iterable

from tidings.config import ConfigError, Settings

MIN_CHARACTERS = 32
"""Minimum size of a key or secret, in bytes of UTF-8: 32 random hexadecimal digits are 128 bits, which cannot be guessed;
and RFC 7518, 3.2 requires as much of a secret of HS256."""
MIN_DISTINCT = 8
"""Minimum number of different characters. Practically all strings of 32 random hexadecimal digits have more; repeated ones
have fewer."""
HOW_TO_MAKE_ONE = "make one with: openssl rand -hex 32"
_NOT_IN_KEYS = frozenset(";\"'")
"""Characters that no bearer token has (RFC 6750, 2.1) and that lists in other notations do."""
_DIGEST_BYTES = 32
_SHOWN = 6
"""Characters of a key that may appear in logs; enough to distinguish keys."""
_SHOWN_FROM = 24
"""Length from which a key shows its first characters: they would be a real part of a shorter one."""


class ApiKeys:
    """The configured keys, kept only as keyed hashes.

    A presented key is hashed with this process's random secret and looked up. The timing of a comparison could only reveal
    hashes, which cannot be computed outside of this process (BLAKE2b in keyed mode, RFC 7693).
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._secret = secrets.token_bytes(_DIGEST_BYTES)
        self._names = {self._digest(key): visible_name(key) for key in keys}

    def __len__(self) -> int:
        return len(self._names)

    def name(self, presented: str) -> str | None:
        """The name for logs of the presented key; None if the key is unknown."""
        return self._names.get(self._digest(presented))

    def _digest(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES, key=self._secret).digest()


def weakness(secret: str) -> str:
    """The reason why a key or secret could be guessed, or ""."""
    size, distinct = len(secret.encode()), len(set(secret))
    if size < MIN_CHARACTERS:
        return f"has {size} characters, at least {MIN_CHARACTERS} are needed"
    if distinct < MIN_DISTINCT:
        return f"consists of {distinct} different characters, at least {MIN_DISTINCT} are needed"
    return ""


def malformed(key: str) -> str:
    """The reason why a text is no key that a client could send, but probably a list in another notation, or ""."""
    found = next((one for one in key if one in _NOT_IN_KEYS or one.isspace()), "")
    return f"has {found!r} in it: expected keys separated by commas, without quotes" if found else ""


def check_secrets(settings: Settings) -> None:
    """Raises ConfigError for an API key or a token secret that could be guessed. The error has the number of the key, not
    its text."""
    keys = split_keys(settings.api_keys)
    for number, key in enumerate(keys, 1):
        if wrong := malformed(key):
            raise ConfigError(f"api_keys: key {number} of {len(keys)} {wrong}; {HOW_TO_MAKE_ONE}", "api_keys")
        if weak := weakness(key):
            raise ConfigError(f"api_keys: key {number} of {len(keys)} {weak}; {HOW_TO_MAKE_ONE}", "api_keys")
    if settings.jwt_secret and (weak := weakness(settings.jwt_secret)):
        raise ConfigError(f"jwt_secret {weak}; {HOW_TO_MAKE_ONE}", "jwt_secret")


def split_keys(text: str) -> list[str]:
    """The keys of a comma-separated setting, without surrounding blanks."""
    return [key for part in text.split(",") if (key := part.strip())]


def visible_name(key: str) -> str:
    """The name of a key in logs: its first characters, or none of them if it is short."""
    return f"key:{key[:_SHOWN]}…" if len(key) >= _SHOWN_FROM else "key:…"
