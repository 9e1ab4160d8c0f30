"""Opening the file: pragmas and migrations; file_lock.py has excluded a second process before.

Exactly one connection writes and checkpoints; the others are read-only and short. Two connections that write and checkpoint
at once could corrupt a WAL before SQLite 3.51.3, so an older library is refused.
"""

import secrets
import time
from pathlib import Path
from typing import Any

import apsw
import msgspec

from tidings.errors import Unavailable
from tidings.rules import Rule
from tidings.storage.sqlite import wal
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.file_lock import RETRY_S, size_of
from tidings.storage.sqlite.statements import sql
from tidings.storage.statements import migrations

OLDEST_SQLITE = (3, 51, 3)
CHECKPOINT_PAGES = 2_000
"""Pages (4 KiB each) in the WAL before a commit checkpoints it: 8 MiB are some 10 ms of work. With 32 MiB writing was a
twentieth faster, and every fiftieth page read meanwhile took 10 ms longer."""
WAL_LIMIT_BYTES = 64 * 1024 * 1024
BUSY_MS = 5_000
BUSY_PAUSE_S = 0.01
"""Seconds between two attempts to empty the log while another program checkpoints."""
DISK_ERRORS = (
    apsw.FullError,
    apsw.IOError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ProtocolError,
    apsw.CorruptError,
    apsw.NotADBError,
)
"""Failures of the file and of its disk; all others are faults of this program."""
_REASONS: dict[type[apsw.Error], str] = {
    apsw.FullError: "the disk is full",
    apsw.ReadOnlyError: "its file is read-only",
    apsw.PermissionsError: "its file is not accessible",
    apsw.BusyError: "another program holds its file",
    apsw.LockedError: "another program holds its file",
    apsw.CorruptError: "its file is damaged",
    apsw.NotADBError: "its file is damaged",
}
"""The texts for callers for these failures."""
_DAMAGES = (apsw.CorruptError, apsw.NotADBError)
RESTORE = "restore a backup, as docs/guides/running-it.md describes at Restore"
"""The way out of a damaged file, for operators."""
STATEMENTS = 500
"""Prepared statements kept per connection: statements times partitions, with room."""


def version_problem() -> str:
    """The reason why the SQLite library cannot be used; empty if it can."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version >= OLDEST_SQLITE:
        return ""
    return f"SQLite {apsw.sqlite_lib_version()} has the WAL-reset bug; 3.51.3 or newer is needed"


def schema_problem(found: int) -> str:
    """The reason why this program cannot read a file of this schema version; empty if it can."""
    scripts = migrations("sqlite")
    if found > scripts[-1][0]:
        return f"the file has schema {found}, newer than this program's {scripts[-1][0]}"
    if 0 < found < scripts[0][0]:
        return f"the file has schema {found}, of a version before 1.0 that this program cannot read; begin a new store"
    return ""


def stored_rules(connection: apsw.Connection) -> dict[str, Rule]:
    """The types that were set over the API. Raises apsw.Error, msgspec.MsgspecError."""
    rows: list[Any] = connection.execute(sql("notification_types")).fetchall()
    return {name: msgspec.json.decode(rule, type=Rule) for name, rule in rows}


def unavailable(error: apsw.Error | OSError, doing: str) -> Unavailable:
    """The error for callers for a failure of the disk, or of another program that holds the file. SQLite's message goes to
    the log only: it may name tables and files."""
    reasons = (reason for kind, reason in _REASONS.items() if isinstance(error, kind))
    reason = next(reasons, "its file cannot be used")
    what = f"the store cannot be {doing} now"
    detail = f"{what}: {type(error).__name__}: {with_way_out(error)}"
    return Unavailable(f"{what}: {reason}", RETRY_S, for_log=detail)


def with_way_out(error: Exception) -> str:
    """The message of an error for operators. SQLite's for a damaged file ("database disk image is malformed") names no
    repair."""
    return f"{error}: {RESTORE}" if isinstance(error, _DAMAGES) else str(error)


def open_writer(path: Path, cache_mib: int, vfs: str | None = None, salt: int | None = None) -> Db:
    """The one connection that writes, with the schema migrated; a new store's ids get ``salt``, or a random one. Raises
    Unavailable for an old SQLite, and for a file of another schema than this program's."""
    if problem := version_problem():
        raise Unavailable(problem)
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = Db(str(path), flags=flags, vfs=vfs, statementcachesize=STATEMENTS)
    try:
        keep_log(connection, path)
        _pragmas(connection, cache_mib)
        _prepare_writing(connection)
        _migrate(connection, salt)
    except BaseException:
        connection.close()
        raise
    return connection


def keep_log(connection: Db, path: Path) -> None:
    """Have the close leave a log alone that was beside the file before. By default SQLite merges it into the file and
    deletes it, also after an opening that failed because the two do not fit. Emptying the log (:func:`empty_wal`) is for
    whoever has read the store; checkpoints.py allows the merge at the end."""
    if size_of(wal.path_of(path)):
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def _prepare_writing(connection: Db) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    # FULL: a commit returns after the fsync of the WAL, so acknowledged writes survive a power cut.
    connection.execute("PRAGMA synchronous=FULL")
    # Deleted rows are overwritten, because users are erased: no measurable cost, as little is deleted (docs/adr/0018).
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
    # checkpoints.py makes the checkpoints, once the generation of this start is in the log.
    connection.wal_autocheckpoint(0)


def open_reader(path: Path, cache_mib: int, vfs: str | None = None) -> Db:
    """A read-only connection; its snapshots must be short, or the WAL cannot be checkpointed."""
    flags = apsw.SQLITE_OPEN_READONLY
    connection = Db(str(path), flags=flags, vfs=vfs, statementcachesize=STATEMENTS)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # the writer decides about the log
    _pragmas(connection, cache_mib)
    connection.execute("PRAGMA query_only=1")
    connection.wal_autocheckpoint(0)
    return connection


def empty_wal(connection: Db, wait_ms: int = 0) -> str:
    """Copy all commits into the file itself, and truncate the write-ahead log, waiting for readers. Returns the reason if
    that fails, a reader or a full disk: the log is needed as before then."""
    until = time.monotonic() + wait_ms / 1_000
    try:
        while True:
            left_ms = max(0, int((until - time.monotonic()) * 1_000))
            connection.set_busy_timeout(left_ms)
            try:
                connection.wal_checkpoint(None, apsw.SQLITE_CHECKPOINT_TRUNCATE)
                return ""
            except apsw.BusyError:
                if not left_ms:
                    raise
            time.sleep(BUSY_PAUSE_S)  # SQLite does not wait for a checkpoint of another program
    except apsw.Error as error:
        return f"the write-ahead log could not be emptied, a copy of the file needs it: {error}"
    finally:
        connection.set_busy_timeout(BUSY_MS)


def _pragmas(connection: Db, cache_mib: int) -> None:
    connection.set_busy_timeout(BUSY_MS)
    connection.execute(f"PRAGMA cache_size={-cache_mib * 1024}")
    connection.execute("PRAGMA temp_store=MEMORY")


def _migrate(connection: Db, salt: int | None) -> None:
    (found,) = connection.one("PRAGMA user_version")
    if problem := schema_problem(found):
        raise Unavailable(problem)
    scripts = migrations("sqlite")
    for number, script in scripts:
        if number > found:
            with connection:
                connection.execute(script)
                if number == scripts[0][0]:
                    # In the same transaction: with a schema but no salt a file could never be opened again.
                    _found(connection, salt)
                connection.execute(f"PRAGMA user_version={number}")


def _found(connection: Db, salt: int | None) -> None:
    """Create the identity of this store: the salt of its ids, its epoch and generation, the key of its cursors."""
    values = {
        "salt": secrets.randbits(62) if salt is None else salt,
        "epoch": secrets.token_hex(6),
        "cursor_key": secrets.token_bytes(32),
        "position": 0,
        "generation": 0,
        "renames": 0,
        "retractions_deleted_to": 0,
    }
    for name, value in values.items():
        connection.execute(sql("insert_meta"), (name, value))
