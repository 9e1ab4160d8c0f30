"""A small sample of real data for a new server."""

from importlib.resources import as_file, files

import click

from tidings.cli.client import CommandClient
from tidings.cli.importer import Tally
from tidings.cli.progress import Progress
from tidings.cli.replay import replay
from tidings.contrib.gharchive import publication

SAMPLE = "gharchive-2015-01-01.json.gz"


def load_sample(url: str) -> None:
    """Load the sample into the server at ``url``, unless it has events. Raises ClickException."""
    with CommandClient(url, None) as client:
        if not client.activity_page(limit=1).items:
            _replay(client)


def _replay(client: CommandClient) -> None:
    progress, tally = Progress("events"), Tally()
    click.echo(
        "Loading 22 minutes of GitHub's public events of 2015, moved to now; notifications arrive read ..."
    )
    with as_file(files("tidings") / "sample" / SAMPLE) as path:
        replay(client, (path,), publication, to_now=True, tally=tally, progress=progress)
    progress.end()
    click.echo("\n".join(tally.lines(progress.seconds)))
