"""The command line: one module for each command."""

import click

from tidings.cli import bench, doctor, replay, serve, tail, top


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="tidings")
def main() -> None:
    """One self-hosted server for activity feeds, notification inboxes, live delivery and trends.

    \b
    Begin with:
      tidings serve --dev --sample                 a server with something to look at
      tidings tail                                 what happens on it
      tidings replay FILE --format ndjson          your own events
    """


for module in (serve, replay, tail, top, doctor, bench):
    main.add_command(module.command)
