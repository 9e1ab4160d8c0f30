"""Compression of replies, by what the client accepts (RFC 9110, 12.5.3) and what is installed."""

import gzip
import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tidings.config import KIB

MIN_BYTES = KIB
"""Shorter bodies fit into a packet or two anyway."""
_LONGEST_HEADER = 256
"""Bytes of Accept-Encoding that are read; browsers send some 30. Bounds what the cache of answers keeps."""
_GZIP_LEVEL, _ZSTD_LEVEL, _BROTLI_LEVEL = 5, 3, 4
"""Levels at which a page of a feed costs well under a millisecond."""

Compress = Callable[[bytes], bytes]


def choose(accepted: bytes) -> str | None:
    """The best installed coding that an Accept-Encoding header, empty without one, allows; None for none."""
    return _choose(accepted) if accepted and len(accepted) <= _LONGEST_HEADER else None


def compress(body: bytes, coding: str) -> bytes:
    """The body in one of :data:`CODINGS`."""
    return CODINGS[coding](body)


@lru_cache(maxsize=256)
def _choose(accepted: bytes) -> str | None:
    wishes = dict(_wish(part) for part in accepted.decode("latin-1").lower().split(","))
    others = wishes.get("*", 0.0)
    best = max(CODINGS, key=lambda coding: wishes.get(coding, others))
    return best if wishes.get(best, others) > 0 else None


def _wish(part: str) -> tuple[str, float]:
    name, _, parameter = part.partition(";")
    key, _, value = parameter.partition("=")
    if key.strip() != "q":
        return name.strip(), 1.0
    try:
        return name.strip(), float(value)
    except ValueError:
        return name.strip(), 0.0


def _codings() -> dict[str, Compress]:
    """What is installed, the preferred one first: of equal wishes the first wins."""
    found: dict[str, Compress] = {}
    if zstandard := _module("zstandard"):
        found["zstd"] = lambda body: bytes(zstandard.compress(body, _ZSTD_LEVEL))
    if brotli := _module("brotli"):
        found["br"] = lambda body: bytes(brotli.compress(body, quality=_BROTLI_LEVEL))
    found["gzip"] = lambda body: gzip.compress(body, _GZIP_LEVEL, mtime=0)
    return found


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


CODINGS = _codings()
"""The codings at hand, preferred ones first."""
