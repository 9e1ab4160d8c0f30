"""The common behaviour of all commands: their end after an interrupt or a closed output, and the encoding of the
terminal."""

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from signal import SIGINT
from typing import Any

import click

KILLED = 128
"""Exit code of a command that a signal ended, without the signal's number: the convention of shells."""
SIGPIPE = 13
"""The signal's number, which the signal module has only where there is the signal."""


class Program(click.Group):
    """A group of commands that behave like others of the system: an interrupt, or a reader that closes the output (``tidings
    tail | head``), ends them without a message, with 130 or 141, as if by the signal."""

    def __init__(self, *args: Any, names: Sequence[str] = (), **extra: Any) -> None:
        """``names``: the commands, each of which is ``command`` in the module of its name."""
        super().__init__(*args, **extra)
        self._names = names

    def list_commands(self, context: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(self._names)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command of a name. Only its own module is loaded, since a server needs no client."""
        if name not in self._names:
            return None
        command: click.Command = import_module(f"tidings.cli.{name}").command
        return command

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command. Characters that the terminal cannot encode are written as escapes."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **extra)

    def invoke(self, context: click.Context) -> Any:
        """Run the command that the arguments name."""
        try:
            return super().invoke(context)
        except (KeyboardInterrupt, click.Abort):
            raise click.exceptions.Exit(KILLED + SIGINT) from None
        except BrokenPipeError:
            # The rest of the buffer would fail again when the interpreter flushes it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(KILLED + SIGPIPE) from None
