"""Compression of responses, by the codings that the client accepts (RFC 9110, 12.5.3) and the installed ones."""

import asyncio
import gzip
import importlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from tidings.config import KIB
from tidings.turns import lower_priority

MIN_BYTES = KIB
"""Bytes from which a body is compressed: shorter ones fit into a packet or two anyway."""
LARGE_BYTES = 64 * KIB
"""Bytes from which a body is compressed in a thread: half a megabyte would block the event loop for 20 ms or more."""
THREADS = 2
"""Threads that compress; their libraries release the interpreter's lock."""
MAX_LARGE = 16
"""Large bodies that wait or are compressed at one time; further ones are sent uncompressed, so that the queue is bounded."""
_LONGEST_HEADER = 256
"""Bytes of Accept-Encoding that are read; browsers send some 30. Bounds the cache of choices."""
_GZIP_LEVEL, _ZSTD_LEVEL, _BROTLI_LEVEL = 5, 3, 4
"""Levels at which a page of a feed costs well under a millisecond."""

Compress = Callable[[bytes], bytes]


def choose(accepted: bytes) -> str | None:
    """The best installed coding that an Accept-Encoding header, empty without one, allows; None for none."""
    return _choose(accepted) if accepted and len(accepted) <= _LONGEST_HEADER else None


class Compressor:
    """Compresses bodies: small ones at once, large ones in its own threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "tidings-compress", lower_priority)
        self._large = 0

    def close(self) -> None:
        """Stop compressing."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def encoded(self, body: "bytes | CachedBody", coding: str) -> bytes | None:
        """The body in one of :data:`CODINGS`; None if too many large ones wait already."""
        if isinstance(body, CachedBody):
            return await body.encoded(coding, self._compress)
        if len(body) < LARGE_BYTES:
            return CODINGS[coding](body)
        return await self._compress(body, coding) if self._large < MAX_LARGE else None

    async def _compress(self, body: bytes, coding: str) -> bytes:
        self._large += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, CODINGS[coding], body)
        finally:
            self._large -= 1


class CachedBody:
    """A body that is sent to many clients; it is compressed once for each coding."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._encoded: dict[str, bytes] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def encoded(self, coding: str, compress: Callable[[bytes, str], Awaitable[bytes]]) -> bytes:
        """The body in this coding. Concurrent calls wait for the same compression."""
        if coding not in self._encoded:
            task = self._tasks.get(coding)
            if task is None:
                task = self._tasks[coding] = asyncio.create_task(self._encode(coding, compress))
                task.add_done_callback(lambda _: self._tasks.pop(coding, None))
            await asyncio.shield(task)  # a client that leaves must not cancel it for the others
        return self._encoded[coding]

    async def _encode(self, coding: str, compress: Callable[[bytes, str], Awaitable[bytes]]) -> None:
        self._encoded[coding] = await compress(self.body, coding)


@lru_cache(maxsize=256)
def _choose(accepted: bytes) -> str | None:
    qualities = dict(_quality(part) for part in accepted.decode("latin-1").lower().split(","))
    others = qualities.get("*", 0.0)
    best = max(CODINGS, key=lambda coding: qualities.get(coding, others))
    return best if qualities.get(best, others) > 0 else None


def _quality(part: str) -> tuple[str, float]:
    name, _, parameter = part.partition(";")
    key, _, value = parameter.partition("=")
    if key.strip() != "q":
        return name.strip(), 1.0
    try:
        return name.strip(), float(value)
    except ValueError:
        return name.strip(), 0.0


def _codings() -> dict[str, Compress]:
    """The installed codings, the preferred one first: of equal weights the first wins."""
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
"""The installed codings, preferred ones first."""
