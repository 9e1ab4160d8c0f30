"""The generation that a file belongs to, counted in the file and in the marker beside it."""

import logging
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

import apsw
from msgspec import structs

from tidings.errors import ForeignCommit, Unavailable
from tidings.marker import Marker, MarkerFile, path_of, read, restored
from tidings.storage.sqlite.checkpoints import Checkpoints
from tidings.storage.sqlite.connection import BUSY_MS, DISK_ERRORS, unavailable
from tidings.storage.sqlite.file_lock import FileLock
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Generations:
    """Keeps file and marker at one generation, and begins a new epoch for a file that is not the one that was here.

    A generation ends when :meth:`keep` finds a commit since the last one, which it checks once a second: commits and copies
    within one generation are not distinguished (docs/adr/0016). Each start begins one too, before it empties the log: so a
    copy of before the start is older than the base, even if the file was rewritten since (``VACUUM``, a new schema).
    """

    def __init__(
        self, writer: WriteSession, file_lock: FileLock, checkpoints: Checkpoints, process: int
    ) -> None:
        """Raises OSError if the marker cannot be written, apsw.Error if a new epoch cannot be."""
        self._writer = writer
        self._file_lock = file_lock
        self._checkpoints = checkpoints
        self._process = process
        self._generation = int(writer.meta("generation"))
        self._commits = -1
        self._close_problem = ""
        self._foreign = self._distrusted = False
        known = read(file_lock.path)
        self._base = known.base if known else 0
        self._file = MarkerFile(file_lock.path)
        try:
            if why := restored(known, self._found()):
                self._base = 0  # the base in the marker was of another file
                if known is not None:
                    # First: a kill may leave the new epoch in the file before the marker has it (preflight.py).
                    self._file.write(structs.replace(known, epoch="", base=0), durable=True)
                self._renew(why, known.generation if known else 0)
            counted = bool(why) or self._count_start()
            # Rows that a crash left in the log may be of users who were erased since.
            if why := checkpoints.empty(BUSY_MS):
                _log.warning("%s", why)
            elif counted:
                self._base = self._generation
            # Last: a log that a new epoch began is not one that began anew since its generation was copied.
            self._salts = checkpoints.log_salts()
            self._file.write(self._found(), durable=True)
        except BaseException:
            self._file.close()
            raise

    def _found(self, process: int | None = None) -> Marker:
        w, inode = self._writer, self._file_lock.identity[1]
        process = self._process if process is None else process
        return Marker(w.epoch, self._generation, w.committed, inode, process, self._base)

    def _renew(self, why: str, known: int) -> None:
        self._begin(max(self._generation, known) + 1, secrets.token_hex(6))
        _log.warning(
            "%s: a new epoch begins, so clients fetch their state again: %s", self._file_lock.path, why
        )

    def _count_start(self) -> bool:
        """Begin a generation, so that a copy of before this start is older, whatever was rewritten since it was made. False
        if the disk takes nothing: reads go on then, and the base stays as it is."""
        try:
            self._begin(self._generation + 1, self._writer.epoch)
        except DISK_ERRORS as error:
            _log.warning("%s", unavailable(error, "written").for_log)
            return False
        return True

    def _begin(self, generation: int, epoch: str) -> None:
        w = self._writer

        def begin() -> None:
            w.db.execute(sql("set_epoch"), (epoch,))
            w.db.execute(sql("set_generation"), (generation,))

        w.transaction(begin)
        w.epoch, self._generation = epoch, generation

    def guarded(self, work: Callable[[], T]) -> T:
        """Do something with the store on the thread that writes. When another program has made a commit, have the next start
        begin a new epoch: the marker is written at each call until that succeeds. Raises ForeignCommit."""
        try:
            self._checkpoints.guard.refuse()
            return work()
        except ForeignCommit:
            self._distrust()
            raise

    def keep(self) -> None:
        """End the generation if anything was committed in it, or could not be; by :meth:`guarded`. Raises Unavailable when
        what is written could not be found again, apsw.Error or OSError when the files cannot be used."""
        self._checkpoints.guard.check()
        self._checkpoints.check()
        if self._commits != self._writer.commits or self._writer.failed:
            self._end()
        if self._writer.scrub and not self._checkpoints.empty():
            self._writer.scrub = False  # a reader delays it to the next second

    def _end(self) -> None:
        generation = self._generation + 1
        query = sql("set_generation")
        self._writer.transaction(lambda: self._writer.db.execute(query, (generation,)))
        salts = self._checkpoints.log_salts()
        if salts != self._salts:
            # The log was restarted, at this commit or before it. All its earlier frames are in the file, the last generation
            # too.
            self._base, self._salts = self._generation, salts
        self._generation, self._commits = generation, self._writer.commits
        self._mark(self._found())

    def _distrust(self) -> None:
        if not self._distrusted:
            self._distrusted = self._mark(structs.replace(self._found(), epoch="", base=0), durable=True)
        if not self._foreign:
            self._foreign = True
            if why := self._replaced():
                _log.error("%s %s", self._file_lock.path, why)

    def _replaced(self) -> str:
        """What the file is now, after a commit by another program; "" if generation and epoch are the same."""
        try:
            found = dict(self._writer.db.all(sql("generation_and_epoch")))
        except apsw.Error as error:
            return f"is no store of Tidings any more ({error})"
        known = {"generation": self._generation, "epoch": self._writer.epoch}
        if found == known:
            return ""
        was, now = (
            "generation {generation} of epoch {epoch}".format(**one) for one in (known, known | found)
        )
        return f"is an older or another store now, as after a restore ({now}, it was {was})"

    def close(self) -> None:
        """End the last generation. If the marker cannot be written, it stays behind: a later start knows less then, but
        nothing false."""
        try:
            self.guarded(self.keep)
            self._mark(self._found(process=0), durable=True)
        except Unavailable as error:
            self._close_problem = error.for_log
            if self._foreign and not self._distrusted:
                marker = path_of(self._file_lock.path).name
                self._close_problem += f"; {marker} could not be written: delete it before the next start"
        except (OSError, apsw.Error) as error:
            self._close_problem = unavailable(error, "written").for_log
        finally:
            self._file.close()

    def finish(self) -> None:
        """Empty the log and close the file, after :meth:`close` and once no other connection of this process has it open.
        Raises Unavailable if the one file is not complete. Everything is closed, even after an error."""
        with ExitStack() as release:
            # The last one: closing its descriptor releases the locks of SQLite.
            release.callback(self._file_lock.close)
            release.callback(self._writer.db.close)
            release.callback(self._checkpoints.close)
            why = self._checkpoints.finish(BUSY_MS) or self._close_problem
        if why:
            raise Unavailable(f"the file of the store is not complete: {why}")

    def _mark(self, marker: Marker, *, durable: bool = False) -> bool:
        """Write the marker; whether that succeeded."""
        try:
            self._file.write(marker, durable=durable)
        except OSError as error:
            _log.warning("the marker beside %s could not be written: %s", self._file_lock.path, error)
            return False
        return True
