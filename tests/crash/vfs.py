"""A disk that can lose its power: an SQLite VFS that notes every write, and what of them survives a cut.

A write is on the disk for certain only when its file was synced after it. Before that the operating system and the
drive may have kept it from the disk, may have written later ones first, or only a part of one. The VFS writes through
to the real files, so the store runs as usual, and keeps a record of what was written and synced when. From that record
:func:`survivors` makes the files as a cut at any moment could have left them.

The WAL index (``-shm``) is memory shared between connections; the VFS below maps it, and no cut leaves anything of it.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import apsw

NAME = "power"
KEPT = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Op(NamedTuple):
    """What happened to a file: ``data`` at ``offset`` was written, or (None) it was cut there. ``acked``: how many
    steps had ended by then."""

    file: str
    kind: "Kind"
    acked: int
    offset: int = 0
    data: bytes = b""


class Kind(Enum):
    """The operations that change what is on a disk."""

    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    DELETE = "delete"


class Cut(Enum):
    """What becomes of the writes that no sync covered."""

    ALL_LOST = "all lost"
    NONE_LOST = "none lost: the process died, the machine did not"
    LATER_LOST = "those after some moment lost"
    SOME_LOST = "some lost, in any order"
    TORN = "those after some moment lost, and the last one before it torn"


class PowerVFS(apsw.VFS):
    """Registers itself under NAME until :meth:`unregister`. ``record`` holds what happened so far; ``acked``, which
    the test keeps up to date, goes into it."""

    def __init__(self) -> None:
        super().__init__(NAME, "")
        self.record: list[Op] = []
        self.acked = 0

    def note(self, file: str, kind: Kind, offset: int = 0, data: bytes = b"") -> None:
        """Something happened to a file."""
        self.record.append(Op(file, kind, self.acked, offset, data))

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """Open a file; of databases, their WAL and journal all changes are noted."""
        if name is None or not flags[0] & KEPT:
            return super().xOpen(name, flags)
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete a file."""
        super().xDelete(filename, syncdir)
        self.note(Path(filename).name, Kind.DELETE)


class _File(apsw.VFSFile):
    def __init__(self, vfs: PowerVFS, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._vfs, self._name = vfs, Path(path).name

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._vfs.note(self._name, Kind.WRITE, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._vfs.note(self._name, Kind.TRUNCATE, newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._vfs.note(self._name, Kind.SYNC)


def survivors(record: Sequence[Op], cut: Cut, chance: random.Random) -> dict[str, bytes]:
    """The files, by name, as a cut right after these operations could have left them."""
    durable: dict[str, bytearray] = {}
    pending: list[Op] = []
    for op in record:
        if op.kind is Kind.SYNC:
            _apply(durable, [one for one in pending if one.file == op.file])
            pending = [one for one in pending if one.file != op.file]
        elif op.kind is Kind.DELETE:
            durable.pop(op.file, None)
            pending = [one for one in pending if one.file != op.file]
        else:
            pending.append(op)
    _apply(durable, _LOSSES[cut](pending, chance))
    return {file: bytes(content) for file, content in durable.items()}


def _apply(files: dict[str, bytearray], changes: Iterable[Op]) -> None:
    for op in changes:
        content = files.setdefault(op.file, bytearray())
        if op.kind is Kind.TRUNCATE:
            del content[op.offset :]
        else:
            content.extend(bytes(max(0, op.offset - len(content))))
            content[op.offset : op.offset + len(op.data)] = op.data


def _later_lost(pending: list[Op], chance: random.Random) -> list[Op]:
    return pending[: chance.randint(0, len(pending))]


def _some_lost(pending: list[Op], chance: random.Random) -> list[Op]:
    return [op for op in pending if chance.random() < 0.5]


def _torn(pending: list[Op], chance: random.Random) -> list[Op]:
    kept = _later_lost(pending, chance)
    if not kept or not kept[-1].data:
        return kept
    *before, last = kept
    return [*before, last._replace(data=last.data[: chance.randrange(len(last.data))])]


_LOSSES: dict[Cut, Callable[[list[Op], random.Random], list[Op]]] = {
    Cut.ALL_LOST: lambda pending, chance: [],
    Cut.NONE_LOST: lambda pending, chance: pending,
    Cut.LATER_LOST: _later_lost,
    Cut.SOME_LOST: _some_lost,
    Cut.TORN: _torn,
}
