"""Detection of commits by other programs: ``.restore`` of the SQLite shell, or an UPDATE.

Such commits go through SQLite, so the comparisons of the files in checkpoints.py do not find them. The index of the
write-ahead log counts the commits of all programs, and no checkpoint changes that count. After a commit by another program
caches and cursors may be wrong, so nothing is read or written.
"""

from tidings.errors import ForeignCommit
from tidings.storage.sqlite import wal
from tidings.storage.sqlite.file_lock import RETRY_S, FileLock


class CommitGuard:
    """Counts the commits of the one connection that writes, and compares the number with that of all programs. Only the
    thread of that connection uses it; :meth:`refuse` is for any thread."""

    def __init__(self, file_lock: FileLock) -> None:
        """Counts from now on; ``file_lock`` watches the index already. Raises OSError when it cannot be read."""
        self._file_lock = file_lock
        self._commits = self._counted()
        self._for_log = ""

    def committed(self) -> None:
        """The connection has made a commit."""
        self._commits = wal.next_commit(self._commits)

    def check(self) -> None:
        """Raises ForeignCommit when another program has made a commit, OSError when the index cannot be read. It takes a
        microsecond. During a write transaction no other program can make a commit."""
        self.refuse()
        if self._counted() != self._commits:
            self._for_log = (
                f"another program made a commit in {self._file_lock.path} while it was open: "
                "restart the server, which begins a new epoch, so clients fetch their state again"
            )
            self.refuse()

    def refuse(self) -> None:
        """Raises ForeignCommit if one was detected before."""
        if self._for_log:
            raise ForeignCommit(
                "another program made a commit in the store while it was open, and the server must be restarted",
                RETRY_S,
                for_log=self._for_log,
            )

    def _counted(self) -> int:
        return wal.commits(self._file_lock.read_index(wal.COMMITS))
