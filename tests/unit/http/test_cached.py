"""Bodies that many are sent, and how large ones are compressed."""

import asyncio
import threading

import pytest

from tidings.http import compress
from tidings.http.compress import LARGE_BYTES, MAX_LARGE, CachedBody, Compressor
from tidings.http.metrics import CACHED_S, Metrics
from tidings.testing import FakeClock


def test_an_exposition_is_sent_for_a_second() -> None:
    """Then the next request makes another."""
    clock = FakeClock()
    metrics = Metrics(clock)
    first = metrics.body()
    clock.advance(int(CACHED_S * 1_000) - 1)
    assert metrics.body() is first
    clock.advance(1)
    assert metrics.body() is not first


def test_a_cached_body_is_compressed_once() -> None:
    """However many ask for it while it is compressed, and whoever of them leaves."""

    async def play() -> None:
        body = CachedBody(b"x" * LARGE_BYTES)
        calls, go_on = [], asyncio.Event()

        async def first_byte(plain: bytes, coding: str) -> bytes:
            calls.append(coding)
            await go_on.wait()
            return plain[:1]

        asking = [asyncio.create_task(body.encoded("gzip", first_byte)) for _ in range(9)]
        await asyncio.wait(asking, timeout=0)
        asking[0].cancel()
        await asyncio.wait(asking[:1])
        go_on.set()
        assert await asyncio.gather(*asking[1:]) == [b"x"] * 8
        assert await body.encoded("gzip", first_byte) == b"x"
        assert calls == ["gzip"]

    asyncio.run(play())


def test_large_bodies_that_wait_to_be_compressed_are_bounded() -> None:
    """The next ones are sent as they are; small ones are compressed at once."""

    async def play() -> None:
        compressor = Compressor()
        asking = [
            asyncio.create_task(compressor.encoded(b"x" * LARGE_BYTES, "gzip")) for _ in range(2 * MAX_LARGE)
        ]
        found = await asyncio.gather(*asking)
        assert sum(body is None for body in found) == MAX_LARGE
        assert await compressor.encoded(b"x" * LARGE_BYTES, "gzip") is not None
        assert await compressor.encoded(b"x" * (LARGE_BYTES - 1), "gzip") is not None
        compressor.close()

    asyncio.run(play())


def test_large_bodies_are_compressed_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two megabytes of text kept the event loop for 89 ms; handing a small body over would cost more than it takes."""
    threads: list[threading.Thread] = []

    def remember(body: bytes) -> bytes:
        threads.append(threading.current_thread())
        return body

    async def play() -> None:
        compressor = Compressor()
        for size in (LARGE_BYTES, LARGE_BYTES - 1):
            assert await compressor.encoded(b"x" * size, "gzip") == b"x" * size
        assert await compressor.encoded(CachedBody(b"x"), "gzip") == b"x"
        compressor.close()

    monkeypatch.setitem(compress.CODINGS, "gzip", remember)
    asyncio.run(play())
    here = threading.current_thread()
    assert [thread is here for thread in threads] == [False, True, False]
