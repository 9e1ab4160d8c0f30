"""The state of a store outside its file: the marker beside it, by which a file that was replaced by an older copy is
detected.

A cursor has the position of its client in one epoch of a store. If an older copy replaces the file, new events would get
positions that clients believe they have seen, and no client would get them. So the store counts its generations, in the file
and in the marker: a file with a lower count than its marker is an older copy, and one without its own marker comes from
another place. Both begin a new epoch, after which every client fetches the state again.

The file is always written first, so a crash or a power cut leaves the marker behind it, never ahead.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import Annotated

import msgspec

SUFFIX = ".marker"
"""Appended to the name of the store's file, as SQLite appends -wal and -shm."""
BYTES = 512
"""Size of the marker: one sector, which a disk writes as a whole."""


MOST = 1 << 62
"""No count reaches it, and SQLite can store the next one: its largest number is 2^63 - 1."""
_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""The flags of opening: no other file by a link, and no waiting for the other end of a pipe."""


class Marker(msgspec.Struct, frozen=True):
    """The last known state of a store. ``inode`` is that of its file, ``process`` the one that has it open, 0 after a close.
    ``base`` is the minimum generation of the file without its write-ahead log. Without an ``epoch`` the file is another one,
    or another program changed it, and its new epoch has not begun yet."""

    epoch: str
    generation: _Count
    position: _Count
    inode: int
    process: int = 0
    base: _Count = 0


_decode = msgspec.json.Decoder(Marker).decode


def path_of(store: Path) -> Path:
    """The path of the marker of a store's file."""
    return Path(f"{store}{SUFFIX}")


def read(store: Path) -> Marker | None:
    """The marker beside a store's file; None if it is missing or unreadable."""
    try:
        file = _opened(store, os.O_RDONLY)
    except OSError:
        return None
    try:
        return _decode(os.pread(file, BYTES, 0))
    except (OSError, msgspec.DecodeError):
        return None
    finally:
        os.close(file)


def running_process(store: Path) -> int:
    """The number of the process that had the store open last, if a process of this number runs, and is another than this
    one; else 0. After a kill the number may be that of any program."""
    known = read(store)
    if known is None or known.process in (0, os.getpid()):
        return 0
    try:
        os.kill(known.process, 0)  # the signal 0 only checks
    except PermissionError:
        return known.process
    except (OSError, OverflowError):
        return 0
    return known.process


def _opened(store: Path, flags: int) -> int:
    """The marker beside a store. Raises OSError if it cannot be opened, or is no file."""
    try:
        file = os.open(path_of(store), flags | _SAFELY, 0o600)
    except OSError:
        if why := problem(store):
            raise OSError(why) from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(problem(store))
    return file


def problem(store: Path) -> str:
    """The reason why no server can use the marker beside a store; empty if one can, or there is none."""
    path = path_of(store)
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return f"{path} is a symbolic link, which is not followed: remove it"
    return "" if stat.S_ISREG(mode) else f"{path} is no regular file: remove it"


def restored(marker: Marker | None, found: Marker) -> str:
    """The reason why the file as ``found`` cannot be the one that was last open here; empty if it is, or is new."""
    if marker is None:
        return "it has no marker beside it, as a copy has none" if found.generation else ""
    if marker.epoch and found.epoch != marker.epoch:
        return "its marker is that of another store"
    if found.generation < marker.generation:
        older = "it is older than the one that was open here"
        if found.position >= marker.position:  # the marker's position is not the last one of its store
            return f"{older}, as its count of generations shows"
        return f"{older}: it ends at position {found.position}, that one was at {marker.position} at least"
    if found.inode == marker.inode and not marker.epoch:
        return "another program changed it while it was open here, or it took the place of another file"
    if found.inode != marker.inode:
        return "it is another file than the one that was open here, as a copy is"
    return ""


class MarkerFile:
    """The marker, open for writing. It is overwritten in place: that needs no space on a full disk, and a kill leaves the
    old or the new one."""

    def __init__(self, store: Path) -> None:
        """Raises OSError if it cannot be created."""
        self._file = _opened(store, os.O_RDWR | os.O_CREAT)
        if os.fstat(self._file).st_size > BYTES:
            os.ftruncate(self._file, BYTES)

    def write(self, marker: Marker, *, durable: bool = False) -> None:
        """Replace it. ``durable``: it survives a power cut from now on; without, one may bring back the last. Raises
        OSError."""
        os.pwrite(self._file, msgspec.json.encode(marker).ljust(BYTES - 1) + b"\n", 0)
        if durable:
            os.fsync(self._file)

    def close(self) -> None:
        """Close the marker."""
        with contextlib.suppress(OSError):
            os.close(self._file)


def replace(store: Path, marker: Marker) -> None:
    """Replace the marker of a store that is not open; it survives a power cut from now on. Raises OSError."""
    file = MarkerFile(store)
    try:
        file.write(marker, durable=True)
    finally:
        file.close()
