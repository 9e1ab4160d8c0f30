"""``tidings doctor``: checks whether this machine and these settings can run a server."""

import asyncio
import http.client
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import apsw
import click
import msgspec

from tidings import marker
from tidings.cli.options import SettingsCommand, check_flags, settings_from, settings_options
from tidings.config import ConfigError, Settings
from tidings.errors import PROBLEM_TYPE, InUse, Unavailable, UnknownPath
from tidings.hosts import is_loopback
from tidings.http import schemas
from tidings.http.jwks import FETCH_DEADLINE_S, Load, loader, parse_set
from tidings.marker import Marker
from tidings.outbound.channel_registry import unsendable
from tidings.outbound.email import relay, relay_fault
from tidings.process import listen
from tidings.rules import Rule, Rules, VerbClash
from tidings.server_parts import make_parts
from tidings.setting_checks import masked
from tidings.storage.factory import store_file, types_clash
from tidings.storage.sqlite import file_lock, preflight, wal
from tidings.storage.sqlite.connection import RESTORE, stored_rules, with_way_out
from tidings.timeutil import SystemClock

MIN_PYTHON = (3, 11)
MIN_SQLITE = (3, 51, 3)
"""Before it, a write-ahead log that is reset during a read could lose a commit."""

FSYNCS = 20
FSYNC_BYTES = 4096
SLOW_FSYNC_MS = 20.0
"""Above this the disk, not Tidings, limits the rate of single events: fewer than 50 commits a second."""
IDLE_FSYNC_MS = 0.01
"""Below this no data can have reached a disk: a memory file system, or a disk that does not wait."""

SPARE_FILES = 500
"""Open files in addition to streams: requests, the store and its readers, logs."""

ALIVE = msgspec.json.encode(schemas.HealthReport(status="alive"))
"""The response of a server at /livez."""
_UNKNOWN_PATH = PROBLEM_TYPE + UnknownPath.code
ANSWER_S = 5.0
"""Seconds within which a server must send it, a busy one included."""
MAX_REPLY_BYTES = 2_000
"""Bytes that are read of a response, and shown of the reason why a server is not ready."""
RELAY_S = 10.0
"""Seconds in which a mail server must respond and accept the user and password: some first resolve the client's address."""
_REACHED = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The address of a server that listens on all addresses."""

Level = Literal["ok", "warn", "fail"]


class _Problem(msgspec.Struct):
    type: str = ""


class Running(NamedTuple):
    """The server of this deployment that runs. ``at``: its address, with the prefix of the settings; ``prefixed``: whether
    it has that prefix, which it read at its start."""

    at: str
    prefixed: bool = True


class CheckResult(NamedTuple):
    """One check: its result, and the advice if it failed."""

    level: Level
    name: str
    detail: str


@click.command("doctor", cls=SettingsCommand, short_help="Check this machine, these settings and this store.")
@settings_options
def command(config: Path | None, **flags: Any) -> None:
    """Check this machine, these settings and this store; the exit code is 1 when anything would fail.

    It takes the same flags, variables and file as "tidings serve" and changes nothing. It fetches the key set of
    jwks. It connects to the mail server of smtp_url and authenticates, but sends no mail.

    \b
    Examples:
      tidings doctor --dev
      tidings doctor --config /etc/tidings.toml
      TIDINGS_API_KEYS=… tidings doctor --store sqlite:////var/lib/tidings/tidings.db
    """
    settings = settings_from(flags, config)
    check_flags(settings, flags)
    found = list(checks(settings))
    for check in found:
        click.echo(
            f"{click.style(f'{check.level:4}', fg=_COLOURS[check.level])}  {check.name:10}  {check.detail}"
        )
    if any(check.level == "fail" for check in found):
        raise click.exceptions.Exit(1)


_COLOURS: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


def checks(settings: Settings) -> Iterator[CheckResult]:
    """All checks, in the order of cause and effect."""
    yield python(sys.version_info[:3])
    yield sqlite(apsw.sqlite_lib_version())
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0], settings)
    types = dict(settings.types)
    try:
        path = store_path(settings)
    except ConfigError as error:
        yield port(settings, None)
        yield CheckResult("fail", "store", str(error))
    else:
        running = running_server(settings, path)
        yield port(settings, running)
        yield from ready(running)
        yield from stored(path, running)
        declared = stored_types(path)
        yield from clashes(settings, declared)
        types |= declared
    judged = list(refused(settings))
    yield from judged
    if all(check.level == "ok" for check in judged):
        yield from tokens(settings)
    yield from outside(settings, types)
    if not any(check.level == "fail" and check.name == "outside" for check in judged):
        yield from mail(settings)


def running_server(settings: Settings, path: Path | None) -> Running | None:
    """The server of this deployment; None if it does not run. It is the server that has this store open and listens at this
    port: another one at the port, or on the store, prevents a start."""
    if path is None or not _in_use(path):
        return None
    host = _REACHED.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}{settings.prefix.rstrip('/')}"
    try:
        status, body = _get(f"{url}/livez", MAX_REPLY_BYTES)
    except (OSError, http.client.HTTPException):
        return None
    if (status, body) == (HTTPStatus.OK, ALIVE):
        return Running(url)
    return Running(url, prefixed=False) if _lacks_path(status, body) else None


def _lacks_path(status: int, body: bytes) -> bool:
    """Whether this is the response of a Tidings server that does not have the path."""
    try:
        return status == UnknownPath.status and msgspec.json.decode(body, type=_Problem).type == _UNKNOWN_PATH
    except msgspec.DecodeError:
        return False


def ready(running: Running | None) -> Iterator[CheckResult]:
    """Why the server that runs takes no requests; nothing when it does, or does not run, or has another prefix."""
    if running is None or not running.prefixed:
        return
    at = running.at
    try:
        status, body = _get(f"{at}/readyz", MAX_REPLY_BYTES)
    except (OSError, http.client.HTTPException) as error:
        yield CheckResult("fail", "ready", f"{at}/readyz does not answer: {type(error).__name__}")
        return
    if status != HTTPStatus.OK:
        detail = body.decode(errors="replace")
        yield CheckResult("fail", "ready", f"{at}/readyz answers {status}: {detail}")


def _get(url: str, most: int) -> tuple[int, bytes]:
    """The status of a response, and up to ``most`` bytes of its body. Raises OSError, HTTPException."""
    place = urlsplit(url)
    with closing(
        http.client.HTTPConnection(place.hostname or "", place.port, timeout=ANSWER_S)
    ) as connection:
        connection.request("GET", place.path)
        reply = connection.getresponse()
        return reply.status, reply.read(most)


def _in_use(path: Path) -> bool:
    try:
        if not _is_empty(path):
            file_lock.check_free(path)
    except InUse:
        return True
    except Unavailable:
        pass  # the check of the store reports it
    return marker.running_process(path) != 0  # it may have open what had this name before


def _is_empty(path: Path) -> bool:
    return not path.exists() or path.stat().st_size == 0


def stored(path: Path | None, running: Running | None) -> Iterator[CheckResult]:
    """The checks of the disk and the file of a store; none for a store that is no file."""
    if path is not None:
        yield disk(path.parent)
        yield store(path, running)
        yield from readable(path)


def stored_types(path: Path | None) -> dict[str, Rule]:
    """The types that were declared over the API, also while a server has the store open; none if the store cannot be opened,
    which :func:`store` reports."""
    if path is None or _is_empty(path):
        return {}
    try:
        with preflight.reading(path) as connection:
            return stored_rules(connection)
    except InUse:
        return _types_beside_server(path)
    except (Unavailable, apsw.Error, msgspec.MsgspecError):
        return {}


def _types_beside_server(path: Path) -> dict[str, Rule]:
    try:
        with preflight.reading_beside_server(path) as connection:
            return {} if connection is None else stored_rules(connection)
    except (apsw.Error, msgspec.MsgspecError):
        return {}


def clashes(settings: Settings, declared: Mapping[str, Rule]) -> Iterator[CheckResult]:
    """Whether types of the settings and types of the store claim one verb."""
    try:
        Rules({**settings.types, **declared})
    except VerbClash as error:
        yield CheckResult("fail", "types", str(types_clash(error, settings)))


def port(settings: Settings, running: Running | None) -> CheckResult:
    """Whether the server can listen at its address, or does so already."""
    if running is not None:
        return CheckResult("ok" if running.prefixed else "warn", "port", runs(running))
    try:
        for one in listen(settings.host, settings.port):
            one.close()
    except (ConfigError, Unavailable) as error:
        return CheckResult("fail", "port", str(error))
    if not settings.port:
        return CheckResult("ok", "port", f"0: the server takes a free port of {settings.host}")
    return CheckResult("ok", "port", f"{settings.port} of {settings.host} is free")


def runs(running: Running) -> str:
    """The state of the server that runs."""
    if running.prefixed:
        return f"the server of this store runs and answers at {running.at}"
    return (
        f"the server of this store runs, but has no {running.at}/livez: prefix was changed after its start, "
        "which takes effect at a restart; whether it is ready was not checked"
    )


def refused(settings: Settings) -> Iterator[CheckResult]:
    """The error of these settings at which the server would not start; without one, the clients that it admits."""
    parts, refusals = make_parts(settings, SystemClock())
    if parts is not None:
        asyncio.run(parts.channels.close())
    if not any(refusal.area == "access" for refusal in refusals):
        where = "loopback" if is_loopback(settings.host) else "a private network"
        dev = f"dev mode on {settings.host}: no credentials, which is for {where} only"
        yield CheckResult("ok", "access", dev if settings.dev else "credentials are required")
    for refusal in refusals:
        yield CheckResult("fail", refusal.area, str(refusal.error))


def outside(settings: Settings, types: Mapping[str, Rule]) -> Iterator[CheckResult]:
    """The channels on which declared types are not delivered; ``types`` are those of the settings and of the store."""
    for unsent in unsendable(types, settings):
        yield CheckResult("warn", "outside", unsent)
    if settings.smtp_url and (detail := _confirming(settings)):
        yield CheckResult("warn", "outside", detail)


def _confirming(settings: Settings) -> str:
    """What is wrong with the confirmation of mail addresses, or ""."""
    if settings.confirm_addresses == "none":
        return "confirm_addresses is none: a user can have mails sent to the addresses of others"
    if settings.server_url:
        return ""
    if settings.confirm_addresses == "all":
        return "server_url is empty: nobody can register mail addresses, since confirm_addresses is all"
    return "server_url is empty: users cannot register mail addresses, only the application can"


def mail(settings: Settings) -> Iterator[CheckResult]:
    """Whether the mail server responds and accepts the user and password. A fault is a warning, since it may be temporary.
    Nothing without a mail server."""
    if settings.smtp_url:
        place = relay(settings.smtp_url)
        fault = asyncio.run(relay_fault(place, RELAY_S))
        takes = f"smtp_url: {place.host}:{place.port} answers{' and accepts the password' if place.password else ''}"
        yield CheckResult("warn" if fault else "ok", "mail", f"smtp_url: {fault}" if fault else takes)


def python(version: tuple[int, ...]) -> CheckResult:
    """The interpreter's version."""
    enough = version >= MIN_PYTHON
    return CheckResult("ok" if enough else "fail", "python", ".".join(map(str, version)))


def sqlite(version: str) -> CheckResult:
    """The version of SQLite that apsw was linked with."""
    enough = tuple(map(int, version.split("."))) >= MIN_SQLITE
    need = ".".join(map(str, MIN_SQLITE))
    return CheckResult(
        "ok" if enough else "fail", "sqlite", version if enough else f"{version}; at least {need} is needed"
    )


def open_files(limit: int, settings: Settings) -> CheckResult:
    """Whether the soft limit of open files leaves room for every stream."""
    need = settings.max_streams + SPARE_FILES
    if limit >= need or limit == resource.RLIM_INFINITY:
        return CheckResult("ok", "files", f"{limit:,} may be open, {need:,} are needed at most")
    advice = f"{limit:,} may be open, {need:,} are needed: raise it (ulimit -n) or lower max_streams"
    return CheckResult("warn", "files", advice)


def store_path(settings: Settings) -> Path | None:
    """The file of a SQLite store, at the end of links; None for a store that is no file. Raises ConfigError for another
    address."""
    file = store_file(settings.store)
    return None if file is None else Path(os.path.realpath(file))


def disk(folder: Path) -> CheckResult:
    """How long the folder's disk takes to make a page durable: the median of a few real writes."""
    try:
        ms = fsync_ms(folder)
    except OSError as error:
        return CheckResult("fail", "disk", f"{folder} cannot be written: {error.strerror}")
    detail = f"fsync takes {ms:.2f} ms in {folder}"
    if ms < IDLE_FSYNC_MS:
        return CheckResult(
            "warn", "disk", f"{detail}: too fast for a disk, so data there does not survive a power cut"
        )
    return CheckResult("warn" if ms > SLOW_FSYNC_MS else "ok", "disk", detail)


def fsync_ms(folder: Path) -> float:
    """Milliseconds to write and fsync one page, median of several. Raises OSError."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(FSYNC_BYTES), 0)
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def store(path: Path, running: Running | None = None) -> CheckResult:
    """Whether the file opens, SQLite finds it intact, it is the store that was last open here, and no server has it open,
    except that of this deployment."""
    known = marker.read(path)  # first: a running server updates it after the file
    if _is_empty(path):
        return _lacking(path)
    try:
        with preflight.reading(path) as connection:
            damage = [str(row[0]) for row in connection.execute("PRAGMA quick_check")]
            if damage != ["ok"]:
                return CheckResult("fail", "store", f"{path}: {damage[0]}: {RESTORE}")
            found = _as_found(connection, path)
    except InUse as error:
        if running:
            return CheckResult("ok", "store", f"{error}, the server that runs; its file is not checked")
        return CheckResult(
            "fail", "store", f"{error}: stop it; a restart does, if it is this server on another host or port"
        )
    except Unavailable as error:
        return CheckResult("fail", "store", str(error))
    except apsw.Error as error:
        return CheckResult("fail", "store", f"{path}: {with_way_out(error)}")
    if found is None:
        return CheckResult("fail", "store", f"{path}: a sound database, but not one of Tidings")
    if why := marker.problem(path):
        return CheckResult("fail", "store", why)
    return _as_known(path, known, found)


def readable(path: Path) -> Iterator[CheckResult]:
    """Whether other users of the machine may read the store."""
    beside = [Path(f"{path}{suffix}") for suffix in ("-wal", "-shm", "-journal")]
    files = [path, *beside, marker.path_of(path)]
    open_to = [file.name for file in files if file.exists() and file.stat().st_mode & 0o077]
    if open_to:
        detail = f"other users may open {', '.join(open_to)}: restrict them with chmod 600"
        yield CheckResult("warn", "store", detail)


def _lacking(path: Path) -> CheckResult:
    """The check of a missing store."""
    if why := preflight.lost(path):
        return CheckResult("fail", "store", why)
    if not path.exists():
        return CheckResult("ok", "store", f"{path} does not exist yet")
    return CheckResult("warn", "store", f"{path} is empty: a server would begin a new store in it")


def _as_found(connection: apsw.Connection, path: Path) -> Marker | None:
    """The marker that fits the store in a file; None if it is no store of Tidings."""
    try:
        return preflight.marker_of(connection, path)
    except (apsw.SQLError, KeyError):
        return None


def _as_known(path: Path, known: Marker | None, found: Marker) -> CheckResult:
    if why := marker.restored(known, found):
        advice = "a start begins a new epoch, so clients fetch their state again. If you restored nothing, data may be lost"
        return CheckResult("warn", "store", f"{path}: {why}; {advice}")
    if wal.ends_within_a_frame(wal.path_of(path)):
        advice = "a crash during a write, or a truncation; a start continues with the commits that are left"
        return CheckResult("warn", "store", f"{path}: its write-ahead log ends within a frame: {advice}")
    return CheckResult("ok", "store", f"{path}: sound, at position {found.position}")


def tokens(settings: Settings) -> Iterator[CheckResult]:
    """Whether the issuer serves keys, and which tokens are accepted; none if tokens are not used."""
    if settings.jwks:
        yield _key_set(settings.jwks)
    used = settings.jwt_secret or settings.jwt_public_key or settings.jwks
    lacking = [name for name in ("jwt_issuer", "jwt_audience") if not getattr(settings, name)]
    if used and lacking:
        detail = f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} empty, so any is accepted in tokens"
        yield CheckResult("warn", "tokens", detail)


def _key_set(given: str) -> CheckResult:
    """Fetch the set as the server would. An issuer that does not respond now may do so later; a file will not change."""
    shown = masked(given)
    try:
        keys = parse_set(asyncio.run(fetched(loader(given))))
    except Exception as error:  # any response of an issuer is its fault, and no reason to stop the checks
        level: Level = "warn" if "://" in given else "fail"
        why = str(error).replace(given, shown)
        return CheckResult(
            level, "tokens", f"jwks: {shown} cannot be used now: {type(error).__name__} {why!a}"
        )
    return CheckResult(
        "ok" if keys else "fail", "tokens", f"jwks: {sum(map(len, keys.values()))} usable keys"
    )


async def fetched(load: Load) -> bytes:
    """The response of an issuer, within the deadline of the server."""
    async with asyncio.timeout(FETCH_DEADLINE_S):
        return await load()
