"""The checks before SQLite opens a file: opening one merges the write-ahead log beside it, and cannot be undone.

**The hazard**: SQLite finds the log by its name alone. A copy that replaces a store whose server was killed gets the pages
of that server's log, and is corrupt. Neither file shows it; the marker does (docs/adr/0016).
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
from msgspec import structs

from tidings import marker
from tidings.errors import Unavailable
from tidings.marker import Marker
from tidings.storage.sqlite import rollback_journal, wal
from tidings.storage.sqlite.connection import BUSY_MS, schema_problem
from tidings.storage.sqlite.file_lock import check_free, size_of, status_of
from tidings.storage.sqlite.statements import sql

_OURS = sql("is_ours")  # valid for every schema version
_IDENTITY = sql("generation_and_epoch")
_FORMAT_VERSIONS = slice(18, 20)
"""The bytes in the header of a database that state how it is written and read (https://sqlite.org/fileformat2.html)."""
_WITHOUT_WAL = b"\1\1"
"""The versions in a file that never had a write-ahead log. SQLite makes them 2, and syncs that, before it makes the log."""
_WITHOUT_LOCKS = "unix-none"
"""The VFS of SQLite that takes no locks (https://sqlite.org/vfs.html)."""


def prepare(path: Path) -> None:
    """Make sure that a kill at any time during the opening leaves a store that can be opened again: a log that begins beside
    another file than the marker's belongs to that file, and must not be refused. Raises Unavailable if the file must not be
    opened, OSError if the marker cannot be written."""
    if why := problem(path):
        raise Unavailable(why)
    known = marker.read(path)
    if known is None or size_of(wal.path_of(path)) or (size_of(path) and not _replaced(path, known)):
        return
    marker.replace(path, structs.replace(known, epoch="", inode=path.stat().st_ino, base=0))


def marker_of(connection: apsw.Connection, path: Path) -> Marker:
    """The marker that fits the store in this file. Raises apsw.SQLError or KeyError if it is no store of this program."""
    rows: list[Any] = connection.execute(sql("all_meta")).fetchall()
    meta: dict[str, Any] = dict(rows)
    ((last,),) = connection.execute(sql("log_position")).fetchall()
    return Marker(meta["epoch"], meta["generation"], max(last, meta["position"]), path.stat().st_ino)


def problem(path: Path) -> str:
    """The reason why this file must not be opened; empty if it may be. Nothing is written, and no log is merged."""
    if not size_of(path):
        return lost(path)
    if why := _foreign_files(path):
        return why + _stop_first(path)
    return _unfit(path, merged=bool(size_of(wal.path_of(path))))


def _foreign_files(path: Path) -> str:
    """The reason why a journal or a log beside the file must not be merged into it; empty if there is none."""
    if rollback_journal.undoes(path):
        left = rollback_journal.path_of(path).name
        return (
            f"{left} beside {path} has pages of a change that was interrupted, and SQLite would write them into the file: "
            f"if the file was put there since, as a backup is, remove {left}; if another program was killed while it "
            f"changed this file, open the file with that program once, which undoes the change"
        )
    known, log = marker.read(path), wal.path_of(path)
    remove = f"remove {log.name} and {path.name}-shm"
    if size_of(log) and _never_had_a_log(path):
        return f"{path} is a copy as made by VACUUM INTO, and {log.name} beside it would corrupt it: {remove}"
    if known is not None and size_of(log) and (why := _replaced(path, known)):
        return (
            f"{path} {why}, and {log.name} beside it would corrupt it: if the file is a backup, {remove}; "
            f"if the file and its log were moved here together, remove {marker.path_of(path).name}"
        )
    return ""


def lost(path: Path) -> str:
    """The reason why no new store may begin here, if the file is missing or empty; empty if one may. SQLite would delete the
    log beside it, and with it acknowledged writes."""
    why = _lost(path)
    return why and why + _stop_first(path)


def _stop_first(path: Path) -> str:
    """The end of an advice to remove files: a server writes to them even after the database file was deleted."""
    process = marker.running_process(path)
    if not process:
        return ""
    return f". Process {process}, which had the store open, may still run: stop it before you remove a file"


def _lost(path: Path) -> str:
    known, log = marker.read(path), wal.path_of(path)
    if rollback_journal.undoes(path):
        left = rollback_journal.path_of(path).name
        return (
            f"{path} is missing or empty, but {left} beside it is not: put the file back, or remove {left} "
            "if a new store is to begin"
        )
    if size_of(log):
        left = f"{log.name} beside it is not"
    elif known is not None and known.position:
        left = f"the store that was open here was at position {known.position}"
    else:
        return ""
    both = f"{log.name} and {marker.path_of(path).name}"
    return f"{path} is missing or empty, but {left}: put the file back, or remove {both} if a new store is to begin"


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """A connection that only reads a store that no server has open. It locks nothing and leaves no file, so a server may
    start meanwhile, and write during the reads: then their results mean nothing.

    Raises InUse while a process has the file open, Unavailable if it must not be opened, or was changed while it was read,
    apsw.Error.
    """
    path = check_free(path)
    before = _states(path)
    try:
        if why := problem(path):
            raise Unavailable(why)
        with closing(_opened(path, merged=bool(size_of(wal.path_of(path))))) as connection:
            yield connection
    finally:
        if _states(path) != before:
            check_free(path)
            raise Unavailable(f"{path} was changed while it was read: repeat the check")


@contextmanager
def reading_beside_server(path: Path) -> Iterator[apsw.Connection | None]:
    """A connection that only reads a store while a server has it open, for a moment; None when a file of it is missing,
    which SQLite would make anew. It takes SQLite's own lock of a reader, as the server's readers do, so what it reads is
    one state of the store. Raises apsw.Error."""
    if not all(size_of(Path(f"{path}{suffix}")) for suffix in ("", "-shm")) or not wal.path_of(path).exists():
        yield None
        return
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with closing(apsw.Connection(f"file:{quote(str(path))}?mode=ro", flags=flags)) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # the server may end meanwhile
        connection.set_busy_timeout(BUSY_MS)
        yield connection


def _states(path: Path) -> list[tuple[int, int, int] | None]:
    """The identities of a database and its log, and the times of their last change."""
    found = (status_of(file) for file in (path, wal.path_of(path)))
    return [status and (status.st_ino, status.st_size, status.st_mtime_ns) for status in found]


def _replaced(path: Path, known: Marker) -> str:
    """The reason why the write-ahead log beside the file does not belong to it."""
    if path.stat().st_ino != known.inode:
        return "is another file than the one that was open here"
    own = _own_identity(path)
    if own is not None and own[0] < known.base:
        return "is older than the one that was open here"
    # With a base the file has the marker's epoch, whatever the log holds: see Generations.
    if own is not None and known.base and own[1] != known.epoch:
        return "is of another epoch than the one that was open here"
    return ""


def _own_identity(path: Path) -> tuple[int, str] | None:
    """The generation and the epoch in the file itself, without its log; None if they cannot be read, as in the middle of a
    checkpoint."""
    try:
        with closing(_opened(path, merged=False)) as connection:
            found = {row[0]: row[1] for row in connection.execute(_IDENTITY)}
    except apsw.Error:
        return None
    match found:
        case {"generation": int(generation), "epoch": str(epoch)}:
            return generation, epoch
        case _:
            return None


def _never_had_a_log(path: Path) -> bool:
    """Whether SQLite wrote this file without ever making a write-ahead log beside it, as it writes copies."""
    try:
        with path.open("rb") as file:
            return file.read(_FORMAT_VERSIONS.stop)[_FORMAT_VERSIONS] == _WITHOUT_WAL
    except OSError:
        return False


def _unfit(path: Path, *, merged: bool) -> str:
    """The reason why the file is no store that this program can read; empty if it is, and if it cannot be read at all, which
    the opening reports."""
    try:
        with closing(_opened(path, merged=merged)) as connection:
            if not _is_ours(connection):
                return f"{path}: a sound database, but not one of Tidings"
            ((schema,),) = connection.execute("PRAGMA user_version").fetchall()
    except apsw.Error:
        return ""
    why = schema_problem(int(str(schema)))
    return f"{path}: {why}" if why else ""


def _is_ours(connection: apsw.Connection) -> bool:
    if not connection.execute(sql("has_a_table")).fetchall():
        return True  # as a crash during the creation leaves it
    try:
        return connection.execute(_OURS).fetchall() == [(2,)]
    except apsw.SQLError:
        return False


def _opened(path: Path, *, merged: bool) -> apsw.Connection:
    """A connection that only reads, takes no lock and makes no file: in exclusive mode SQLite has the index of a log in
    memory."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    name = f"file:{quote(str(path))}"
    if not merged:
        return apsw.Connection(f"{name}?immutable=1", flags=flags)
    connection = apsw.Connection(f"{name}?mode=ro", flags=flags, vfs=_WITHOUT_LOCKS)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # or its close would delete the log
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    return connection
