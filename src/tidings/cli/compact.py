"""``tidings compact``: rewrites the file of a stopped server."""

from pathlib import Path
from typing import Any

import apsw
import click

from tidings.cli.options import SettingsCommand, settings_from, settings_options
from tidings.cli.progress import Progress
from tidings.config import ConfigError
from tidings.errors import Unavailable
from tidings.storage.factory import store_file
from tidings.storage.sqlite.compaction import compact
from tidings.storage.sqlite.connection import with_way_out


@click.command("compact", cls=SettingsCommand, short_help="Rewrite the file of a stopped server.")
@settings_options
def command(config: Path | None, **flags: Any) -> None:
    """Rewrite the file of the store without unused space, in which copies of deleted rows may remain.

    Stop the server first; none can start meanwhile. The command takes the same flags, variables and file as "tidings
    serve". The store stays the same, and its cursors stay valid. An interrupt leaves the file as it was.

    \b
    Examples:
      tidings compact --store sqlite:////var/lib/tidings/tidings.db
      tidings compact --config /etc/tidings.toml
    """
    settings = settings_from(flags, config)
    try:
        path = store_file(settings.store)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    if path is None:
        raise click.ClickException(f"store: {settings.store} has no file")
    progress = Progress("steps")
    try:
        before, after = compact(path, lambda steps: progress.update(steps, None))
    except (Unavailable, apsw.Error, OSError) as error:
        raise click.ClickException(with_way_out(error)) from None
    finally:
        progress.end()
    click.echo(f"{path} is rewritten: {before:,} bytes before, {after:,} now")
