"""A server that starts where nothing can be written."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.filters import FeedFilter
from tidings.rules import CHANNELS
from tidings.server import _StoreWatch, running
from tidings.storage.factory import open_store
from tidings.storage.sqlite.connection import unavailable
from tidings.testing import FakeClock

MOVED = "a file of the store was deleted or moved while it was open"


@contextmanager
def full_disk() -> Iterator[list[bool]]:
    """No connection opened inside begins to write, until the list is emptied."""
    full = [True]

    def trace(_cursor: apsw.Cursor, statement: str, _bindings: object) -> bool:
        if full and statement == "BEGIN IMMEDIATE":
            raise apsw.FullError("the disk is full")
        return True

    def hook(connection: apsw.Connection) -> None:
        connection.exec_trace = trace

    apsw.connection_hooks.append(hook)
    try:
        yield full
    finally:
        apsw.connection_hooks.remove(hook)


def test_a_start_on_a_full_disk_is_not_ready(tmp_path: Path) -> None:
    """It serves what is there, and says why it is not ready from its first moment; it is, once a write succeeded."""
    settings, clock = Settings(store=f"sqlite:///{tmp_path}/tidings.db"), FakeClock()

    async def work() -> None:
        store, _ = await open_store(settings, clock, CHANNELS)
        await store.close()
        with full_disk() as full:
            async with running(settings, clock) as services:
                assert "the disk is full" in (services.ready() or "")
                assert await services.reader.feed("bob", FeedFilter(), 20, None)
                full.clear()
            store, _ = await open_store(settings, clock, CHANNELS)
            watch = _StoreWatch(store)
            full.append(True)
            await watch.look()
            assert "the disk is full" in watch.problem
            full.clear()
            await watch.look()
            assert watch.problem == ""
            await store.close()

    asyncio.run(work())


def test_only_the_log_names_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The fault: /readyz and every 503 told callers without a credential the path of the database on the disk."""
    path, clock = tmp_path / "tidings.db", FakeClock()

    async def work() -> None:
        async with running(Settings(store=f"sqlite:///{path}"), clock) as services:
            path.rename(tmp_path / "moved.db")
            with pytest.raises(Unavailable) as refused:
                await services.endpoints.remove("bob", "e1")
            assert refused.value.detail == services.ready() == MOVED
            (tmp_path / "moved.db").rename(path)  # or the end would be an error too

    asyncio.run(work())
    assert f"{path} was deleted or moved" in caplog.text


def test_what_sqlite_says_of_a_failure_is_for_the_log() -> None:
    """Callers are told the kind of failure; a message of SQLite's may name tables and files."""
    told = unavailable(apsw.CorruptError("malformed database schema (log) in /srv/tidings.db"), "written")
    assert told.detail == "the store cannot be written now: its file is damaged"
    assert "malformed database schema (log) in /srv/tidings.db" in told.for_log
    assert told.for_log.endswith("restore a backup, as docs/guides/running-it.md describes at Restore")
    assert unavailable(apsw.IOError("disk I/O error"), "read").detail.endswith("its file cannot be used")
