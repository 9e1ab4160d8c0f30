"""Rewrites the whole file of a store while no server has it open.

SQLite overwrites deleted rows, but not the copies of rows that it moved to another page (docs/adr/0018).
"""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import apsw
from msgspec import structs

from tidings import marker
from tidings.errors import Unavailable
from tidings.storage.sqlite import preflight
from tidings.storage.sqlite.connection import BUSY_MS, RESTORE, empty_wal, keep_log, version_problem
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.file_lock import FileLock
from tidings.storage.sqlite.statements import sql

PROGRESS_STEPS = 200_000
"""Instructions of SQLite's virtual machine between two calls of ``progress``, some ten milliseconds."""

TEMPORARY_FOLDERS = ("/var/tmp", "/usr/tmp", "/tmp", ".")
"""Where SQLite makes temporary files if no variable names a folder: the first of these in which it can."""


def compact(path: Path, progress: Callable[[int], object]) -> tuple[int, int]:
    """Rewrite the file with VACUUM, and lock it meanwhile. Returns its bytes before and after. It stays the same store
    and keeps its epoch; its generation is raised. ``progress`` gets the number of steps so far. An exception that it raises
    ends the work, and the store is as before; the same holds for a kill and a power cut.

    Raises InUse while a process has the file open, Unavailable if a server would not open it, if a disk has not enough
    space, or if a reader prevents that the log is emptied, apsw.Error, OSError.
    """
    if problem := version_problem():
        raise Unavailable(problem)
    if not path.exists() or not path.stat().st_size:
        raise Unavailable(f"{path} is missing or empty")
    # First: without one free byte SQLite cannot make the files that it needs beside this one, and names no cause.
    if not shutil.disk_usage(path.parent).free:
        raise Unavailable(f"the disk of {path} is full, and nothing was changed")
    with ExitStack() as release:
        lock = FileLock(path)
        release.callback(lock.close)
        path = lock.path
        preflight.prepare(path)
        db = Db(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        release.callback(db.close)
        keep_log(db, path)
        # A copy by VACUUM INTO has no log. Its rewrite would have a rollback journal, which a kill leaves for the next file.
        db.execute("PRAGMA journal_mode=WAL")
        _check(db, path)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        _empty_log(db)
        before = lock.status().st_size
        _check_space(path.parent, before)
        _end_generation(db, path)
        steps = 0

        def step() -> bool:
            nonlocal steps
            steps += PROGRESS_STEPS
            progress(steps)
            return False

        db.set_progress_handler(step, PROGRESS_STEPS)
        db.execute("VACUUM")
        db.set_progress_handler(None)
        _empty_log(db)
        return before, lock.status().st_size


def _check_space(folder: Path, size: int) -> None:
    """VACUUM writes the whole file twice before it ends: into a temporary file, and into the log."""
    needs = {"the log of the rewrite": folder, "the temporary copy": temporary_folder()}
    for place in needs.values():
        here = [what for what, other in needs.items() if other.stat().st_dev == place.stat().st_dev]
        free, needed = shutil.disk_usage(place).free, size * len(here)
        if free < needed:
            raise Unavailable(
                f"{place} has {free:,} bytes free, and {needed:,} are needed for {' and '.join(here)}"
            )


def temporary_folder() -> Path:
    """Where SQLite makes temporary files (https://sqlite.org/tempfiles.html)."""
    named = (os.environ.get(name) for name in ("SQLITE_TMPDIR", "TMPDIR"))
    places = (Path(place) for place in (*named, *TEMPORARY_FOLDERS) if place)
    return next(place for place in places if place.is_dir() and os.access(place, os.W_OK | os.X_OK))


def _check(db: Db, path: Path) -> None:
    """Raises Unavailable if file and log together are damaged: once the log is emptied, or the file rewritten, neither can
    be separated or repaired any more."""
    (found,) = db.one("PRAGMA quick_check(1)")
    if found != "ok":
        raise Unavailable(f"{path} is damaged, and nothing was changed: {found}: {RESTORE}")


def _end_generation(db: Db, path: Path) -> None:
    """Have a copy of before the rewrite refused beside any later log: its pages have other numbers. A file without its
    marker, or one that does not match it, is left as it is: its next start begins a new epoch, and must find it older."""
    known = marker.read(path)
    try:
        found = preflight.marker_of(db, path)
    except (apsw.SQLError, KeyError):
        return  # no store yet, as a crash during the creation leaves it
    if known is None or marker.restored(known, found):
        return
    generation = found.generation + 1
    db.execute(sql("set_generation"), (generation,))
    _empty_log(db)  # before the marker: the base is what the file has without a log
    marker.replace(path, structs.replace(known, generation=generation, base=generation))


def _empty_log(db: Db) -> None:
    if why := empty_wal(db, BUSY_MS):
        raise Unavailable(why)
