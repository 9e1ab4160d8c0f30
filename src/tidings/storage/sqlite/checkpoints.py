"""Copying the write-ahead log into the database file, and detecting changes of either by another program.

Only checkpoints write the database file, and only this module makes them, on the thread that writes. So size, time of change
and two pages of the file are as the last checkpoint left them, or another program wrote it. ``cp backup.db tidings.db``
keeps the inode, so the names of the files do not show it. A checkpoint after that would mix the pages of two databases. Of a
file of the same size the other pages are not compared: a change of only those goes undetected (docs/adr/0016).

Other programs may read, set the time of change, and make a checkpoint: SQLite reports how many frames were copied. A
checkpoint of another program may be running, or have been killed, with pages copied that are not counted: a page that equals
its copy in the log is no change. In doubt the store continues, because a false alarm ends all writes.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import apsw

from tidings.errors import Unavailable
from tidings.storage.sqlite import wal
from tidings.storage.sqlite.commit_guard import CommitGuard
from tidings.storage.sqlite.connection import CHECKPOINT_PAGES, DISK_ERRORS, empty_wal, unavailable
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.file_lock import RETRY_S, FileLock
from tidings.storage.sqlite.statements import sql

LOOKS = 5
"""Attempts to read a file that seems changed: one may find a half-written page, or the end of a checkpoint."""
PAUSE_S = 0.01
"""Seconds between these attempts, far longer than the write of a page takes."""


class _Baseline(NamedTuple):
    """The database file after a checkpoint. ``samples`` are the two pages that distinguish it from a copy."""

    size: int
    changed_at_ns: int
    samples: list[bytes]


class Checkpoints:
    """Makes the checkpoints of the one connection that writes. Used by one thread at a time. ``guard``: counts commits."""

    def __init__(self, db: Db, file_lock: FileLock) -> None:
        """Raises OSError or apsw.Error if the files cannot be read."""
        file_lock.watch()
        self.guard = CommitGuard(file_lock)
        self._db = db
        self._file_lock = file_lock
        (self._page_bytes,) = db.one("PRAGMA page_size")
        (root,) = db.one(sql("root_page_of_meta"))
        self._sampled = (1, int(root))
        self._frames = self._copied = 0
        self._salts = b""
        self._baseline: _Baseline | None = None
        # SQLite locks no byte of the log, so a second descriptor may be opened and closed.
        self._log = os.open(wal.path_of(file_lock.path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._record_baseline()
        except BaseException:
            os.close(self._log)
            raise
        db.set_wal_hook(self._committed)

    def check(self, *, committed: bool = False) -> None:
        """Raises Unavailable if a write now would be lost. Takes some microseconds. ``committed``: the write is in the log
        already, so a disk that cannot be read now is left to the next check."""
        file, log, *_ = self._file_lock.check()
        if not self._is_as_left(file) or log.st_size < self._log_bytes():
            with suppress(OSError, *DISK_ERRORS) if committed else _disk():
                self.guard.check()  # first: the program that made a commit may have made a checkpoint too
                self._check_contents()

    def empty(self, wait_ms: int = 0) -> str:
        """Copy the whole log and truncate it, waiting for readers. Returns the reason if that was not done, else "". A file
        that another program changed is left as it is, and so is the log."""
        try:
            with _disk():
                self._check_contents()
                try:
                    return empty_wal(self._db, wait_ms)
                finally:
                    self._record_baseline()
        except Unavailable as error:
            return error.for_log

    def finish(self, wait_ms: int) -> str:
        """Empty the log for the last time. Returns the reason if that was not done; SQLite then leaves the files unchanged
        when it closes them."""
        # First: after any error below, SQLite copies nothing into a file in an unknown state.
        self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        why = self.empty(wait_ms)
        if not why:
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        return why

    def log_salts(self) -> bytes:
        """The salts that distinguish one write-ahead log from the next under its name. Raises Unavailable."""
        with _disk():
            return self._read_salts()

    def close(self) -> None:
        """Close the log."""
        os.close(self._log)

    # --- copying ------------------------------------------------------------------------------------------------------

    def _committed(self, _db: apsw.Connection, _name: str, frames: int) -> int:
        """Called by SQLite after each commit with the number of frames in the log. An error here does not fail the commit,
        which is in the log: the next commit tries again."""
        self.guard.committed()
        with suppress(Unavailable, OSError, *DISK_ERRORS):
            salts = self._read_salts()
            if salts != self._salts:  # the log was restarted: all of it had been copied
                if self._copied < self._frames:
                    self._record_baseline()  # by another program
                self._salts, self._copied = salts, 0
            self._frames = frames
            if frames >= CHECKPOINT_PAGES:
                self._copy()
        return apsw.SQLITE_OK

    def _copy(self) -> None:
        self._check_contents()
        try:
            self._db.wal_checkpoint(None)
        finally:
            self._record_baseline()

    def _record_baseline(self) -> None:
        """Store the current state of the files. If that fails, the next check does it: without a baseline no change is
        detected, but there is no false alarm either."""
        self._baseline = None
        with suppress(*DISK_ERRORS):  # it fails while a statement runs: then nothing was copied either
            self._frames, self._copied = self._db.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)
        self._salts = self._read_salts()
        found = self._file_lock.status()
        self._baseline = _Baseline(found.st_size, found.st_mtime_ns, self._read_samples())

    # --- changes by other programs ------------------------------------------------------------------------------------

    def _check_contents(self) -> None:
        path = self._file_lock.path
        log = f"{path.name}-wal"
        if self._surely(self._is_file_changed):
            raise Unavailable(
                "a file of the store was changed by another program while it was open",
                RETRY_S,
                for_log=f"{path} was changed by another program while it was open, and {log} may not fit it any more: "
                f"stop the server, keep a copy of both, and check which of them is intact (docs/guides/running-it.md)",
            )
        if self._surely(self._is_log_cut):
            raise Unavailable(
                "a file of the store was truncated by another program while it was open",
                RETRY_S,
                for_log=f"{path}-wal was truncated by another program while it was open, and its commits are lost: "
                "restart the server, which continues with the commits that are left",
            )

    @staticmethod
    def _surely(seems: Callable[[], bool]) -> bool:
        for _ in range(LOOKS - 1):
            if not seems():
                return False
            time.sleep(PAUSE_S)
        return seems()

    def _is_file_changed(self) -> bool:
        found = self._file_lock.status()
        if self._is_as_left(found):
            return False
        known = self._baseline
        if (
            known is None
            or self._others_checkpointed()
            or (found.st_size == known.size and self._read_samples() == known.samples)
            or self._is_partly_copied(found.st_size, known)
        ):
            self._record_baseline()
            return False
        return True

    def _is_partly_copied(self, size: int, known: _Baseline) -> bool:
        """Whether all differences may come from a checkpoint that has not counted the frames that it copied."""
        frames, _ = self._db.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)
        sizes, versions = [known.size], [{page} for page in known.samples]
        for page, pages, content_at in wal.frames(self._log, range(self._copied, frames), self._page_bytes):
            sizes += [pages * self._page_bytes] if pages else []
            if page in self._sampled:
                content = os.pread(self._log, self._page_bytes, content_at)
                versions[self._sampled.index(page)].add(content)
        samples = zip(self._read_samples(), versions, strict=True)
        return min(sizes) <= size <= max(sizes) and all(page in found for page, found in samples)

    def _is_log_cut(self) -> bool:
        if os.fstat(self._log).st_size < self._log_bytes() and self._others_checkpointed():
            self._record_baseline()
        return os.fstat(self._log).st_size < self._log_bytes()

    def _is_as_left(self, file: os.stat_result) -> bool:
        return (file.st_size, file.st_mtime_ns) == (self._baseline or ())[:2]

    def _log_bytes(self) -> int:
        """The minimum length of the log."""
        return wal.size(self._frames, self._page_bytes)

    def _others_checkpointed(self) -> bool:
        """Whether another program copied frames, or truncated the log through SQLite."""
        frames, copied = self._db.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)
        return frames < self._frames or copied > self._copied

    def _read_salts(self) -> bytes:
        return os.pread(self._log, wal.SALTS.stop, 0)[wal.SALTS]

    def _read_samples(self) -> list[bytes]:
        """Two pages that distinguish a file from a copy: the first, and that of the generation."""
        return [
            self._file_lock.read((page - 1) * self._page_bytes, self._page_bytes) for page in self._sampled
        ]


@contextmanager
def _disk() -> Iterator[None]:
    """Raises Unavailable for a failure of the disk: the callers expect no other error."""
    try:
        yield
    except (OSError, *DISK_ERRORS) as error:
        raise unavailable(error, "checked") from error
