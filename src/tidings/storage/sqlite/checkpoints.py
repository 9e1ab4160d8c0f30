"""Copying the write-ahead log into the database file, and noticing when another program changes either of them.

Only checkpoints write the database file, and only this module makes them, on the thread that writes. So size, time of change
and two pages of the file are as the last checkpoint left them, or another program wrote it. ``cp backup.db tidings.db``
keeps the inode, so the names of the files do not tell. A checkpoint after that would mix the pages of two databases.

Others may read, set the time of change, and make a checkpoint: SQLite says how many frames were copied. While that of
another program is under way, the file may be taken for changed until the next check. In doubt the store goes on, because a
false alarm takes every write.
"""

import os
from contextlib import suppress

import apsw

from tidings.errors import Unavailable
from tidings.storage.sqlite.connection import CHECKPOINT_PAGES, DISK_ERRORS, empty_wal
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.file_lock import RETRY_S, FileLock
from tidings.storage.sqlite.statements import sql

LOG_HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first frame of a write-ahead log, and before the page of each frame
(https://sqlite.org/fileformat2.html#the_write_ahead_log)."""


class Checkpoints:
    """Makes the checkpoints of the one connection that writes. Used by one thread at a time."""

    def __init__(self, db: Db, file_lock: FileLock) -> None:
        """Raises OSError or apsw.Error when the files cannot be looked at."""
        file_lock.watch()
        self._db = db
        self._file_lock = file_lock
        (self._page_bytes,) = db.one("PRAGMA page_size")
        (root,) = db.one(sql("root_page_of_meta"))
        self._sampled = (1, int(root))
        self._frames = self._copied = 0
        # SQLite locks no byte of the log, so a second descriptor may be opened and closed.
        self._log = os.open(f"{file_lock.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        self._note()
        db.set_wal_hook(self._committed)

    def check(self) -> None:
        """Raises Unavailable when what is written now could not be found again. Some microseconds."""
        file, log = self._file_lock.check()
        if not self._is_as_left(file) or log.st_size < self._log_bytes():
            self._check_contents()

    def empty(self, wait_ms: int = 0) -> str:
        """Copy the whole log and cut it to nothing; readers are waited for. Says why that was not done. A file that another
        program changed is left as it is, and so is the log."""
        try:
            self._check_contents()
        except Unavailable as error:
            return error.for_log
        try:
            return empty_wal(self._db, wait_ms)
        finally:
            self._note()

    def finish(self, wait_ms: int) -> str:
        """Empty the log for the last time. Says why that was not done; SQLite then leaves the files alone when it closes
        them."""
        why = self.empty(wait_ms)
        if why:
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return why

    def close(self) -> None:
        """Let go of the log."""
        os.close(self._log)

    # --- copying ------------------------------------------------------------------------------------------------------

    def _committed(self, _db: apsw.Connection, _name: str, frames: int) -> int:
        """Called by SQLite after each commit with the frames in the log. A failure here is none of the commit, which is in
        the log: the next one tries again."""
        with suppress(Unavailable, OSError, *DISK_ERRORS):
            if frames < self._frames:  # the log began anew: all of it had been copied
                if self._copied < self._frames:
                    self._note()  # by another program
                self._copied = 0
            self._frames = frames
            if frames >= CHECKPOINT_PAGES:
                self._copy()
        return apsw.SQLITE_OK

    def _copy(self) -> None:
        self._check_contents()
        try:
            self._db.wal_checkpoint(None)
        finally:
            self._note()

    def _note(self) -> None:
        """Remember the files as they are now."""
        with suppress(*DISK_ERRORS):  # while a statement runs: then nothing was copied either
            self._frames, self._copied = self._db.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)
        found = self._file_lock.status()
        self._left = (found.st_size, found.st_mtime_ns)
        self._samples = self._read_samples()

    # --- what others did ----------------------------------------------------------------------------------------------

    def _check_contents(self) -> None:
        path = self._file_lock.path
        log = f"{path.name}-wal"
        if self._is_file_changed():
            raise Unavailable(
                "a file of the store was changed by another program while it was open",
                RETRY_S,
                for_log=f"{path} was changed by another program while it was open, and {log} does not fit it any more: "
                f"stop the server, put a backup there if this is none, and remove {log} and {path.name}-shm",
            )
        if self._is_log_cut():
            raise Unavailable(
                "a file of the store was cut by another program while it was open",
                RETRY_S,
                for_log=f"{path}-wal was cut by another program while it was open, and what it held is lost: "
                "restart the server, which goes on with what is whole",
            )

    def _is_file_changed(self) -> bool:
        found = self._file_lock.status()
        if self._is_as_left(found):
            return False
        if self._others_checkpointed() or (
            found.st_size == self._left[0] and self._read_samples() == self._samples
        ):
            self._note()
            return False
        return True

    def _is_log_cut(self) -> bool:
        if os.fstat(self._log).st_size < self._log_bytes() and self._others_checkpointed():
            self._note()
        return os.fstat(self._log).st_size < self._log_bytes()

    def _is_as_left(self, file: os.stat_result) -> bool:
        return (file.st_size, file.st_mtime_ns) == self._left

    def _log_bytes(self) -> int:
        """How long the log is at least."""
        return LOG_HEADER + self._frames * (FRAME_HEADER + self._page_bytes) if self._frames else 0

    def _others_checkpointed(self) -> bool:
        """Whether more was copied than here, or the log was cut through SQLite."""
        frames, copied = self._db.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_NOOP)
        return frames < self._frames or copied > self._copied

    def _read_samples(self) -> list[bytes]:
        """Two pages by which a file is told from a copy: the first, and that of the generation."""
        return [
            self._file_lock.read((page - 1) * self._page_bytes, self._page_bytes) for page in self._sampled
        ]
