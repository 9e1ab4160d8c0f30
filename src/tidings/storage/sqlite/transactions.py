"""The work of one transaction, which ends early if others would wait too long for it."""

from collections.abc import Callable, Collection, Sequence
from itertools import groupby

from tidings.errors import KeyReused
from tidings.model import Command, Outcome, Publish
from tidings.storage.sqlite import publish
from tidings.storage.sqlite.write_session import WriteSession

LONGEST_S = 0.05
"""Seconds of a transaction after which it takes no more commands: events published meanwhile wait as long. Publishing itself
does not count, because its transactions are bounded by their events, and more commits would only slow it down."""


def apply(
    w: WriteSession,
    change: Callable[[Command], Outcome | KeyReused],
    commands: Sequence[Command],
    ends: Collection[int],
) -> list[Outcome | KeyReused]:
    """Apply the commands in order, or as many of them as fit: ``ends`` are the numbers of commands after which it may stop.
    ``change`` applies one that is not a Publish."""
    outcomes: list[Outcome | KeyReused] = []
    spent = 0.0
    for kind, group in groupby(commands, type):
        if kind is Publish:
            outcomes.extend(publish.publish(w, [c for c in group if isinstance(c, Publish)]))
            continue
        began = w.clock.monotonic()
        for command in group:
            outcomes.append(change(command))
            if len(outcomes) in ends and spent + w.clock.monotonic() - began >= LONGEST_S:
                return outcomes
        spent += w.clock.monotonic() - began
    return outcomes
