"""A SQLite store that a test looks into: its writer, and the statements that it executes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Self

import pytest

from tests.backends import SMALL
from tests.harness import Harness
from tidings.config import Settings
from tidings.model import EraseUser
from tidings.storage.sqlite import SqliteStore
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.fanout_queue import MAX_ATTEMPTS
from tidings.storage.sqlite.write_session import WriteSession
from tidings.testing import FakeClock


class Inside(Harness):
    """A harness that shows what the port hides."""

    store: SqliteStore

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, settings: Settings = SMALL, salt: int | None = None) -> Iterator[Self]:
        """An empty store in a file of this folder."""
        clock = FakeClock()
        with asyncio.Runner() as runner:
            store = runner.run(SqliteStore.open(folder / "store.db", clock, settings, salt=salt))
            yield cls(store, clock, runner)
            runner.run(store.close())

    @property
    def writer(self) -> WriteSession:
        """What writes the store's file."""
        return self.store._writer

    def fail_job(self, error: type[Exception], budget: int) -> None:
        """Attempt a job that fails with this error until it is a dead letter."""
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(error):
                self.run(self.store.work(budget))

    def begin_erasure(self, user: str) -> None:
        """The transaction of the erasure, and nothing after it."""
        self.run(self.store.write([EraseUser(user)]))

    def erasure_steps(self, user: str, budget: int) -> Iterator[int]:
        """Step after step of so many rows, until the erasure has ended; before each of them the number of those done."""
        for done in count():
            yield done
            if user not in self.store.erasures.under_way:
                return
            self.run(self.store.work(budget))


@contextmanager
def traced(db: Db) -> Iterator[list[str]]:
    """The statements that a connection executes inside."""
    seen: list[str] = []

    def note(_cursor: object, text: str, _values: object) -> bool:
        seen.append(text)
        return True

    db.exec_trace = note
    try:
        yield seen
    finally:
        db.exec_trace = None
