"""Imports publications into a server, exactly as if they had been sent one by one, but in batches.

A follow covers events that are stored after it. So that a replay always ends in the same feeds, each follow must be made
after its own event and before the next event of the followed topic; its position between those two changes nothing. A batch
of events is therefore cut only before an event of a topic that a user in it began to follow.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click

from tidings.cli.client import CommandClient
from tidings.client.replies import LineResult
from tidings.contrib.gharchive import Publication

KEY_REUSED = "idempotency-key-reused"
SHOWN_REASONS = 5
"""Different reasons of refusals in a summary, whatever the size of the file."""
SHOWN_PLACES = 5
"""Lines that a summary names for each reason."""


class Step(NamedTuple):
    """Events to store together, each with the place of its line, then the follows to make, each (user, topic)."""

    events: list[dict[str, Any]]
    follows: list[tuple[str, str]]
    places: list[str]


def steps(publications: Iterable[Publication | None], batch: int) -> Iterator[Step]:
    """The publications in order, in steps of at most ``batch`` events. None ends a step early."""
    step = Step([], [], [])
    followed: set[str] = set()
    for one in publications:
        full = one is None or len(step.events) == batch or not followed.isdisjoint(_topics(one.body))
        if full and step.events:
            yield step
            step, followed = Step([], [], []), set()
        if one is None:
            continue
        step.events.append(one.body)
        step.places.append(one.place)
        if one.follow is not None:
            step.follows.append(one.follow)
            followed.add(one.follow[1])
    if step.events:
        yield step


def _topics(body: dict[str, Any]) -> Iterable[str]:
    own = (f"user:{body.get('actor_id')}", f"{body.get('object_type')}:{body.get('object_id')}")
    return (*own, *body.get("topics", ()))


class Refusals:
    """The number of events that were refused for one reason, and the places of the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.places: list[str] = []

    def add(self, place: str) -> None:
        """Count one."""
        self.count += 1
        if place and len(self.places) < SHOWN_PLACES:
            self.places.append(place)

    def line(self, reason: str) -> str:
        """The reason with its places, as text."""
        more = self.count - len(self.places)
        where = ", ".join(self.places) + (f" and {more:,} more" if more and self.places else "")
        return f"  refused {self.count:,} x: {reason}" + (f" ({where})" if where else "")


class Tally:
    """The results of the events so far."""

    def __init__(self) -> None:
        self.read = self.stored = self.already = self.refused = self.follows = 0
        self.reasons: dict[str, Refusals] = {}
        self._others = Refusals()

    def refuse(self, reason: str, place: str) -> None:
        """Count a refused event at a place."""
        self.refused += 1
        if reason in self.reasons or len(self.reasons) < SHOWN_REASONS:
            self.reasons.setdefault(reason, Refusals()).add(place)
        else:
            self._others.add(place)

    def lines(self, seconds: float) -> list[str]:
        """The summary, as text."""
        rate = self.read / seconds if seconds else 0.0
        head = f"{self.read:,} events read in {seconds:.1f} s ({rate:,.0f}/s)"
        counts = f"{self.stored:,} stored, {self.already:,} already there, {self.refused:,} refused"
        why = [refusals.line(reason) for reason, refusals in self.reasons.items()]
        others = [self._others.line("other reasons")] if self._others.count else []
        return [f"{head}: {counts}, {self.follows:,} follows", *why, *others]


class Sender:
    """Sends steps to a server and keeps the tally."""

    def __init__(self, client: CommandClient, tally: Tally, *, moved: bool) -> None:
        """``moved``: times were shifted, so an event with another time counts as the same."""
        self._client = client
        self._moved = moved
        self.tally = tally

    def send(self, step: Step) -> None:
        """Store the events, then make the follows. Raises ClickException if the server fails or is lost."""
        results = list(self._client.import_lines(step.events))
        for result, place in zip(results, step.places, strict=False):
            self._count(result, place)
        if len(results) != len(step.events):
            raise click.ClickException(f"the server answered {len(results)} of {len(step.events)} events")
        for user, topic in step.follows:
            self._client.follow(topic, user=user, backfill=0)
            self.tally.follows += 1

    def _count(self, result: LineResult, place: str) -> None:
        error = result.error
        if error is None:
            self.tally.already += result.replayed
            self.tally.stored += not result.replayed
        elif self._moved and error.type.endswith(KEY_REUSED):
            self.tally.already += 1
        else:
            errors = "; ".join(f"{one.pointer}: {one.detail}" for one in error.errors)
            self.tally.refuse(errors or error.detail, place)
