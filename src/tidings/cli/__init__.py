"""The command line: one module for each command."""

import click

from tidings.cli.program import Program

COMMANDS = ("serve", "replay", "tail", "top", "doctor", "preview", "backfill", "compact", "bench")
"""The commands, each in the module of its name, in the order of the help."""


@click.group(
    cls=Program,
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="tidings")
def main() -> None:
    """One self-hosted server for activity feeds, notification inboxes, live delivery and trends.

    \b
    Begin with:
      tidings serve --dev --sample                 a server with sample data
      tidings tail                                 its events as they are published
      tidings replay FILE --format ndjson          your own events
      tidings doctor                               check this machine and the settings

    "tidings COMMAND --help" shows examples of each. A command ends with 0 when it succeeds, 1 when it fails, 2 when
    its arguments are wrong, and 130 when it is interrupted.
    """
