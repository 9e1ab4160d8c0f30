"""Noticing commits by other programs: ``.restore`` of the SQLite shell, or an UPDATE.

They go through SQLite, so no comparison of the files in checkpoints.py finds them. The index of the write-ahead log counts
the commits of all programs, and no checkpoint changes that count. Caches and cursors have what the file held before such a
commit, so nothing is read or written after it.
"""

from collections.abc import Callable

from tidings.errors import ForeignCommit
from tidings.storage.sqlite import wal
from tidings.storage.sqlite.file_lock import RETRY_S, FileLock


class CommitGuard:
    """Counts the commits of the one connection that writes, and compares them with those of all. Used by its thread, but for
    :meth:`refuse`. ``on_found``: called at the first commit of another program; says for the log what became of the file."""

    def __init__(self, file_lock: FileLock) -> None:
        """From now on; the index is watched already. Raises OSError when it cannot be read."""
        self._file_lock = file_lock
        self._commits = self._counted()
        self._for_log = ""
        self.on_found: Callable[[], str] = lambda: ""

    def committed(self) -> None:
        """The connection has made a commit."""
        self._commits = wal.next_commit(self._commits)

    def check(self) -> None:
        """Raises ForeignCommit when another program has made a commit, OSError when that cannot be found out. A microsecond.
        Inside a write transaction no other program makes one until its end."""
        self.refuse()
        if self._counted() != self._commits:
            self._for_log = (
                f"another program made a commit in {self._file_lock.path} while it was open{self.on_found()}: "
                "restart the server, which begins a new epoch, and clients fetch afresh"
            )
            self.refuse()

    def refuse(self) -> None:
        """Raises ForeignCommit when one was found before."""
        if self._for_log:
            raise ForeignCommit(
                "another program made a commit in the store while it was open, and the server must be restarted",
                RETRY_S,
                for_log=self._for_log,
            )

    def _counted(self) -> int:
        return wal.commits(self._file_lock.read_index(wal.COMMITS))
