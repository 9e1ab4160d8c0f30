"""The protection of the file of a store: the lock on its inode, and the check that its name still leads to that inode.

**The lock** is on the database file itself, not on a file beside it: every name of the database, a symbolic link, a hard
link, another mount, leads to the same lock, and there is no lock file to delete. SQLite locks bytes of that file too, with
POSIX locks. This one is a lock of an open file description (``F_OFD_SETLK``) on a byte that SQLite never touches. It belongs
to the open file, so it is not lost when SQLite closes another one, and unlike flock it does not conflict with SQLite's locks
on systems where flock and byte locks are one thing (macOS).

**The hazard** is POSIX's: a process that closes *any* descriptor of a file loses all its POSIX locks on it, SQLite's too. So
the descriptor here is closed after SQLite's connections, the file is never opened a second time in this process (``_HELD``),
and the check of its name uses stat. The same holds for the index of the log (``-shm``).
"""

import errno
import fcntl
import os
import re
import struct
import sys
from pathlib import Path

from tidings import marker
from tidings.errors import InUse, Unavailable

LOCKED_BYTE = 1 << 62
"""Offset of the byte that is locked. SQLite locks 512 bytes from 2^30 on, and no file is as long as this."""
RETRY_S = 5
"""Seconds after which a client may retry when the file or its disk fails: an operator has to repair it."""
OWNER_ONLY = 0o600
"""Mode of a new file: it holds private data of all users. SQLite gives the files that it makes beside it the same."""
MOUNTS = Path("/proc/self/mountinfo")
"""The mounts of this process on Linux; elsewhere there is no such file, nor a mount of a single file."""
_ESCAPED = re.compile(r"\\([0-7]{3})")
_HELD: set[tuple[int, int]] = set()
"""(device, inode) of the files that this process has open."""

_Identity = tuple[int, int]


class FileLock:
    """Holds a database file for this process until :meth:`close`. ``path`` is its real name, links resolved."""

    def __init__(self, path: Path) -> None:
        """Raises InUse if the file is in use, Unavailable if it has several names, or cannot be made."""
        self.path = _real(path)
        self._watched: dict[Path, _Identity] = {}
        self._index: int | None = None
        self._made = not self.path.exists()
        self._file = _open(self.path, fcntl.F_OFD_SETLK, os.O_CREAT)
        self.identity = _identity_of(os.fstat(self._file))
        _HELD.add(self.identity)

    def watch(self) -> None:
        """Store the identity of the database, its write-ahead log and the index of that: all exist once SQLite has opened
        them. Raises OSError if the index does not."""
        self._made = False  # it is filled: if it is empty later, it was truncated
        self._watched = {
            name: found
            for name in (self.path, *(Path(f"{self.path}{suffix}") for suffix in ("-wal", "-shm")))
            if (found := _identity(name)) is not None
        }
        self._index = os.open(f"{self.path}-shm", os.O_RDONLY | os.O_CLOEXEC)

    def check(self) -> list[os.stat_result]:
        """The current status of the database, its write-ahead log and its index. Raises Unavailable if their names do not
        lead to them any more."""
        found = []
        for name, known in self._watched.items():
            status = status_of(name)
            if status is None or _identity_of(status) != known:
                what = "deleted or moved" if status is None else "replaced by another file"
                # A clean end needs the database itself, to copy the log into it; the log is still open here.
                advice = "put it back" if name == self.path else "put it back, or restart the server"
                raise Unavailable(
                    f"a file of the store was {what} while it was open",
                    RETRY_S,
                    for_log=f"{name} was {what} while it was open: {advice}",
                )
            found.append(status)
        return found

    def status(self) -> os.stat_result:
        """The current status of the open database, whatever its name leads to."""
        return os.fstat(self._file)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the database, without its log. Through this descriptor: to close another one would unlock the file."""
        return os.pread(self._file, size, offset)

    def read_index(self, part: slice) -> bytes:
        """Bytes of the index of the log, after :meth:`watch`. SQLite locks bytes of it, too."""
        assert self._index is not None
        return os.pread(self._index, part.stop - part.start, part.start)

    def close(self) -> None:
        """Close the files, after SQLite has closed them. A database that was created here and is still empty is deleted."""
        if self._made and _identity(self.path) == self.identity and os.fstat(self._file).st_size == 0:
            os.unlink(self.path)
        _HELD.discard(self.identity)
        os.close(self._file)
        if self._index is not None:
            os.close(self._index)


def check_free(path: Path) -> Path:
    """The real name of an existing database file that could be locked now. Nothing is locked: a server may start meanwhile.
    Raises the errors of :class:`FileLock`."""
    real = _real(path)
    os.close(_open(real, fcntl.F_OFD_GETLK))
    return real


def _real(path: Path) -> Path:
    real = Path(os.path.realpath(path))
    if not real.parent.is_dir():
        raise Unavailable(f"{path} cannot be opened: the folder {real.parent} does not exist")
    if str(real) in _mount_points():
        raise Unavailable(
            f"{path} is mounted by itself, so its write-ahead log would be in another folder and be lost: mount its folder"
        )
    if _identity(real) in _HELD:  # before it is opened a second time
        raise InUse(_in_use(real))
    return real


def _open(path: Path, command: int, create: int = 0) -> int:
    """A descriptor of the file, once it is locked (``F_OFD_SETLK``) or found not to be (``F_OFD_GETLK``)."""
    try:
        file = os.open(path, os.O_RDWR | create | os.O_CLOEXEC, OWNER_ONLY)
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened: {os.strerror(error.errno or 0)}") from None
    try:
        _lock(file, path, command)
        names = os.fstat(file).st_nlink
        if names != 1 or _identity(path) != _identity_of(os.fstat(file)):
            raise Unavailable(_names(path, names))
    except Unavailable:
        os.close(file)
        raise
    return file


def _lock(file: int, path: Path, command: int) -> None:
    kind, where = fcntl.F_WRLCK, os.SEEK_SET
    # struct flock: its fields have another order on macOS.
    if sys.platform == "darwin":
        layout, kind_at, fields = "qqihh", 3, (LOCKED_BYTE, 1, 0, kind, where)
    else:
        layout, kind_at, fields = "hhqqi", 0, (kind, where, LOCKED_BYTE, 1, 0)
    try:
        found = fcntl.fcntl(file, command, struct.pack(layout, *fields))
        if command == fcntl.F_OFD_GETLK and struct.unpack(layout, found)[kind_at] != fcntl.F_UNLCK:
            raise InUse(_in_use(path))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise InUse(_in_use(path)) from None
        reason = os.strerror(error.errno or 0)
        raise Unavailable(f"{path} cannot be locked, which needs a local disk: {reason}") from None


def _mount_points() -> set[str]:
    """The mount points: the fifth field of each line, blanks in it as octal numbers (proc_pid_mountinfo(5))."""
    try:
        lines = os.fsdecode(MOUNTS.read_bytes()).splitlines()
    except OSError:
        return set()
    points = (fields[4] for line in lines if len(fields := line.split(" ")) > 4)
    return {_ESCAPED.sub(lambda found: chr(int(found[1], 8)), point) for point in points}


def _in_use(path: Path) -> str:
    """The process that has the file, by the marker beside it, which may be outdated."""
    known = marker.read(path)
    holder = f"process {known.process}" if known is not None and known.process else "another process"
    return f"{path} is in use by {holder}"


def _names(path: Path, names: int) -> str:
    if names > 1:
        return (
            f"{path} has {names} names (hard links), but its write-ahead log belongs to one of them alone: "
            "remove the others"
        )
    return f"{path} was replaced while it was being opened"


def _identity(path: Path) -> _Identity | None:
    found = status_of(path)
    return None if found is None else _identity_of(found)


def status_of(path: Path) -> os.stat_result | None:
    """The status of the file of this name; None if there is none."""
    try:
        return os.stat(path)
    except OSError:
        return None


def size_of(path: Path) -> int:
    """The bytes of the file of this name; 0 if there is none."""
    found = status_of(path)
    return 0 if found is None else found.st_size


def _identity_of(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino
