"""``tidings replay``: files of events into a server or a store."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import click
from click.core import ParameterSource

from tidings.cli.client import CommandClient, connect, key_env_option, url_option
from tidings.cli.importer import Sender, Tally, steps
from tidings.cli.input_files import FORMATS, STDIN, InputLines, Parse, newest_ms, paced, shifted
from tidings.cli.progress import Progress
from tidings.cli.temporary_server import private_server
from tidings.config import CONFIG_ENV
from tidings.contrib.gharchive import Publication
from tidings.timeutil import SystemClock

SILENT = "Notifications of these events arrived read, except where an event says otherwise (notify)."
MAX_BATCH = 1_000
"""Events in one request: with the largest events allowed (64 KiB) that is the largest import allowed (64
MiB)."""


def replay(
    client: CommandClient,
    paths: tuple[Path, ...],
    parse: Parse,
    *,
    batch: int = 500,
    speed: float | None = None,
    to_now: bool = False,
    notify: bool = False,
    tally: Tally,
    progress: Progress,
) -> None:
    """Send every line of the files, in order, and count the results in ``tally``.

    ``speed``: times the original pace, None for the maximum. ``to_now``: move all times by the same amount, so that the
    newest is now; the files are then read twice. ``notify``: notify of events that do not say their own. Raises
    ClickException if the server fails or is lost."""
    newest = newest_ms(InputLines(paths), parse) if to_now else None
    by_ms = 0 if newest is None else SystemClock().now() - newest
    lines = InputLines(paths)
    sender = Sender(client, tally, moved=by_ms != 0)
    read = _parsed(lines, parse, by_ms, notify, tally)
    for step in steps(read if speed is None else paced(read, speed), batch):
        sender.send(step)
        progress.update(tally.read, lines.fraction)


def _parsed(lines: InputLines, parse: Parse, by_ms: int, notify: bool, tally: Tally) -> Iterator[Publication]:
    for line in lines:
        tally.read += 1
        try:
            one = parse(line)
        except ValueError as error:
            tally.refuse(str(error), lines.place)
            continue
        one = one._replace(place=lines.place)
        if notify:
            one.body.setdefault("notify", True)
        yield shifted(one, by_ms) if by_ms else one


def _given(*names: str) -> str:
    """The first of these flags that is on the command line; "" if none is."""
    context = click.get_current_context()
    on_it = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    return "--" + on_it[0].replace("_", "-") if on_it else ""


@click.command("replay", short_help="Load files of events into a server or a store.")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@click.option(
    "--format", "kind", type=click.Choice(sorted(FORMATS)), required=True, help="The format of a line."
)
@url_option
@key_env_option
@click.option(
    "--store", help="Write into this store (sqlite:///FILE) instead of --url; no server may have it open."
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar=CONFIG_ENV,
    help="With --store: the settings file of the server, such as for its types; ./tidings.toml is read when it exists.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="The speed, as a multiple of the original. [default: as fast as possible]",
)
@click.option(
    "--shift-to-now",
    is_flag=True,
    help="Shift all times by the same amount, so that the newest event is now.",
)
@click.option(
    "--notify",
    is_flag=True,
    help="Notify recipients as of new events; without it, notifications arrive read and no channel delivers them.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, MAX_BATCH),
    default=500,
    show_default=True,
    help="Events in one request.",
)
def command(
    files: tuple[Path, ...],
    kind: str,
    url: str,
    key_env: str,
    store: str | None,
    config: Path | None,
    speed: float | None,
    shift_to_now: bool,
    notify: bool,
    batch: int,
) -> None:
    """Load files of events, plain or gzip, in their order; "-" is standard input.

    gharchive is one of GitHub's public events a line; ndjson is one body of POST /v1/events a line. GitHub's events are
    known by their id, so a replay can be repeated; ndjson can when its lines carry an idempotency_key. An import is silent:
    notifications arrive read, and no channel delivers them, unless a line has "notify": true, or with --notify. A star makes
    its author follow the repository from the next event on. Progress goes to standard error. A refused line does not stop
    the others; the summary names it, and the exit code is 1.

    \b
    Examples:
      tidings replay 2015-01-01-0.json.gz --format gharchive
      tidings replay 2015-01-01-0.json.gz --format gharchive --shift-to-now --speed 60
      tidings replay events.ndjson --format ndjson --store sqlite:///tidings.db
      TIDINGS_API_KEY=… tidings replay - --format ndjson --url https://example.com/feeds < events.ndjson
    """
    if store and (given := _given("url", "key_env")):
        raise click.UsageError(
            f"--store and {given} exclude each other: a store is written without a running server"
        )
    if not store and (given := _given("config")):
        raise click.UsageError(f"{given} is for --store: a running server has its own settings")
    if shift_to_now and STDIN in files:
        raise click.UsageError("--shift-to-now reads the files twice, which standard input cannot do")
    target: AbstractContextManager[CommandClient] = (
        private_server(store, config) if store else connect(url, key_env)
    )
    progress, tally = Progress("events"), Tally()
    try:
        with target as client:
            replay(
                client,
                files,
                FORMATS[kind],
                batch=batch,
                speed=speed,
                to_now=shift_to_now,
                notify=notify,
                tally=tally,
                progress=progress,
            )
    finally:  # events that were stored before a failure or an interrupt stay stored
        progress.end()
        if tally.read:
            click.echo("\n".join([*tally.lines(progress.seconds), *([] if notify else [SILENT])]))
    if not tally.read:
        click.echo("Nothing was imported: the input has no line.", err=True)
    if tally.refused:
        raise click.exceptions.Exit(1)
