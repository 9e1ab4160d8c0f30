"""A file that is no store any more."""

import asyncio
from pathlib import Path

import apsw
import pytest

from tests.crash.checker import opened
from tidings.storage.sqlite.file_lock import FileLock
from tidings.testing import START_MS


def test_a_file_that_cannot_be_opened_is_left_alone(tmp_path: Path) -> None:
    """It is neither changed nor kept from others, who may want to repair it."""
    path = tmp_path / "tidings.db"
    path.write_bytes(damaged := b"no database" * 1_000)
    with asyncio.Runner() as runner, pytest.raises(apsw.NotADBError), opened(path, START_MS, runner):
        pass
    FileLock(path).close()
    assert path.read_bytes() == damaged
