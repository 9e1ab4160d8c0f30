"""A history that takes every path of the store, as a script of steps, and the law's answer to each of them.

It is drawn by a seed: four people and a crowd, events single and in arrays, late and repeated ones, follows with
backfill, both kinds of unfollow, masks, marks, retractions, an erasure, sleepers that come back, a topic that is merged
at read and pushed again, and between them single steps of the owed work. Whatever is read of a store after some of
these steps can be compared with the reference after the same steps.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, islice, repeat
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from tests.harness import Harness
from tests.property.comparison import comparable
from tests.property.worlds import World
from tidings.config import Settings
from tidings.errors import KeyReused
from tidings.filters import FeedFilter
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import (
    Command,
    EraseUser,
    Follow,
    MarkFeedRead,
    NewEvent,
    Outcome,
    Publish,
    Published,
    RebuildFeeds,
    Receipt,
    Retract,
    SetBlock,
    SetMute,
    Unfollow,
)
from tidings.testing import START_MS, FakeClock, MemoryStore, event
from tidings.timeutil import HOUR_MS

SETTINGS = Settings(
    duplicate_window_s=0,
    fan_out="worker",
    fanout_sync_max_followers=20,
    fanout_read_threshold_followers=300,
    fanout_read_threshold_rows_per_s=6,
    sqlite_partition_rows=12,
    sqlite_event_partition_rows=30,
    feed_max_scanned_rows=100_000,
)
"""Settings under which a few hundred rows take every large path. The crowd's topic is merged at read from its third
event in a minute on."""
USERS = ("ann", "ben", "cid", "dot")
CROWD = tuple(f"crowd-{n}" for n in range(110))
"""Just over ``writer.WIDE``, so that the fan-out of their topic is owed."""
WATCHED = (*USERS, CROWD[0], CROWD[-1])
WIDE = "category:wide"
TOPICS = (*(f"user:{user}" for user in USERS), "item:1", "item:2", "category:x", WIDE)
VERBS = ("like", "post")
SLEEP_MS = 31 * 24 * HOUR_MS
"""Longer than ``dormant_days``."""
ERASING_BUDGET = 100
"""Rows of a step of an erasure: a few events, so that it takes several."""
NAP_AT = 80
STEPS = 220
"""Steps of a history; before the NAP_ATth, everybody sleeps."""

T = TypeVar("T")


class Write(NamedTuple):
    """Commands of one transaction."""

    commands: tuple[Command, ...]


class Pass(NamedTuple):
    """Milliseconds that go by."""

    ms: int


class Work(NamedTuple):
    """One step of owed work."""

    budget: int


class Visit(NamedTuple):
    """Somebody looks at their feed, which wakes them when they slept."""

    user: str


Step = Write | Pass | Work | Visit


class Run:
    """A store that lives through steps, and its clock."""

    def __init__(self, harness: Harness) -> None:
        self.world = World(harness)
        self._clock = harness.clock

    def take(self, step: Step) -> list[Outcome | str]:
        """Take one step; returns the outcomes of its commands."""
        match step:
            case Write(commands):
                told = self.world.apply(commands)
                self._end_erasures()
                return [_comparable(*pair) for pair in zip(commands, told, strict=True)]
            case Pass(ms):
                self._clock.advance(ms)
            case Work(budget):
                self.world.read(self.world.store.work(budget))
            case Visit(user):
                self.world.read(self.world.store.feed(user, FeedFilter(), 1, None))
        return []

    def _end_erasures(self) -> None:
        """Who erases is answered when nothing is left, and so a step that erases ends then; it may die before."""
        while self.world.store.erasures.under_way:
            self.world.read(self.world.store.work(ERASING_BUDGET))


class History:
    """The steps of a seed, and what the reference says of them: ``outcomes`` of each, and its state after any."""

    def __init__(self, seed: int, runner: asyncio.Runner, length: int = STEPS) -> None:
        self._runner = runner
        self.steps: list[Step] = []
        self.outcomes: list[list[Outcome | str]] = []
        drawing = _Drawing(random.Random(seed))
        law = self.lived(0)
        for step in islice(drawing.steps(), length):
            self.steps.append(step)
            self.outcomes.append(law.take(step))
            drawing.note(step, self.outcomes[-1])

    @lru_cache(maxsize=16)  # noqa: B019 - a history lives as long as its test
    def law(self, upto: int) -> Run:
        """The reference after the first ``upto`` steps; it is only read."""
        return self.lived(upto)

    def lived(self, upto: int) -> Run:
        """The same to go on with."""
        law = Run(Harness(MemoryStore(clock := FakeClock()), clock, self._runner))
        for step in self.steps[:upto]:
            law.take(step)
        return law

    def receipts(self, upto: int) -> list[Receipt]:
        """What the publishers of the first ``upto`` steps were told."""
        return [receipt for told in self.outcomes[:upto] for receipt in _receipts(told)]

    def retracted(self, upto: int) -> set[str]:
        """The events that the first ``upto`` steps took back."""
        return {
            command.event_id
            for step in self.steps[:upto]
            if isinstance(step, Write)
            for command in step.commands
            if isinstance(command, Retract)
        }

    def last_keyed(self, upto: int) -> tuple[Publish, Published] | None:
        """The latest single event with a key that is still remembered after ``upto`` steps, and its outcome."""
        for step, told in zip(reversed(self.steps[:upto]), reversed(self.outcomes[:upto]), strict=True):
            if step == Pass(SLEEP_MS):
                return None
            for command, outcome in zip(step.commands, told, strict=True) if isinstance(step, Write) else ():
                if isinstance(outcome, Published) and isinstance(command, Publish) and _is_keyed(command):
                    return command, outcome
        return None


class _Drawing:
    """Draws steps one after the other, knowing what was published before."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._now = START_MS
        self._keyed: list[Publish] = []
        self._ids: list[str] = []

    def note(self, step: Step, outcomes: Sequence[Outcome | str]) -> None:
        """What came of a step."""
        self._ids += [receipt.event_id for receipt in _receipts(outcomes)]
        if isinstance(step, Write):
            published = [command for command in step.commands if isinstance(command, Publish)]
            self._keyed += [command for command in published if command.events[0].key]

    def steps(self) -> Iterator[Step]:
        """Without end."""
        yield Write(tuple(Follow(user, WIDE) for user in CROWD))
        for number in count():
            if number % 8 == 0:
                yield Write((Publish((self._event(WIDE),)),))
            if number == NAP_AT:
                yield self._pass(SLEEP_MS)
            if number % 30 == 29:
                yield from repeat(Work(400), 20)
            yield self._step()

    def _step(self) -> Step:
        choice = self._chance.random()
        if choice < 0.4:
            return Work(self._chance.choice((7, 40, 400)))
        if choice < 0.47:
            return self._pass(self._chance.choice((1, 1_000, 61_000, HOUR_MS)))
        if choice < 0.52:
            return Visit(self._one(WATCHED))
        return Write(tuple(self._command() for _ in range(self._chance.randint(1, 3))))

    def _pass(self, ms: int) -> Pass:
        self._now += ms
        return Pass(ms)

    def _command(self) -> Command:
        kinds = (self._publish, self._graph, self._mark, self._end)
        return self._chance.choices(kinds, (8, 4, 4, 1))[0]()

    def _publish(self) -> Command:
        if self._keyed and self._chance.random() < 0.2:
            return self._one(self._keyed)
        events = [self._event() for _ in range(self._chance.choice((1, 1, 3)))]
        if self._chance.random() < 0.4:
            key = b"%016d" % len(self._keyed)  # drawn twice in one step, the second is refused or a repeat
            events[0] = replace(events[0], key=key, fingerprint=b"%08d" % self._chance.randrange(2))
        return Publish(tuple(events))

    def _event(self, *topics: str) -> NewEvent:
        chance = self._chance
        return event(
            self._one(USERS),
            self._one(VERBS),
            self._one(("item:1", "item:2", "user:ann")),
            targets=tuple(chance.sample(USERS, chance.randrange(4))),
            topics=topics or tuple(chance.sample(("category:x", "user:ben"), chance.randrange(2))),
            at=self._now - self._one((0, 0, 0, 1, 1_000, HOUR_MS)),
        )

    def _graph(self) -> Command:
        user, topic, on = self._one(WATCHED), self._one(TOPICS), self._chance.random() < 0.7
        changes: tuple[Command, ...] = (
            Follow(user, topic, self._one((0, 1, 3, 100))),
            Follow(user, topic),
            Unfollow(user, topic, keep=on),
            SetMute(user, topic, on=on),
            SetBlock(user, f"user:{self._one(USERS)}", on=on),
        )
        return self._one(changes)

    def _mark(self) -> Command:
        user, back = self._one(WATCHED), self._chance.randrange(12)
        orders = tuple(str(self._chance.randint(1, 20)) for _ in range(3))
        changes: tuple[Command, ...] = (
            MarkFeedRead(user),
            MarkFeedRead(user, None, len(self._ids) // 2),
            MarkFeedRead(user, (self._id(),)),
            SetNotificationState(user, orders, self._one(tuple(NotificationState))),
            MarkAllNotificationsRead(user, back),
            MarkAllNotificationsRead(user, None, self._one(VERBS)),
        )
        return self._one(changes)

    def _end(self) -> Command:
        commands = (EraseUser(USERS[-1]), RebuildFeeds(), Retract(self._id()))
        return self._chance.choices(commands, (1, 2, 7))[0]

    def _id(self) -> str:
        return self._one(self._ids) if self._ids else "none"

    def _one(self, some: Sequence[T]) -> T:
        return self._chance.choice(some)


def _comparable(command: Command, outcome: Outcome | KeyReused) -> Outcome | str:
    """What stores must agree on; how much they have to reconcile is their own affair."""
    return "done" if isinstance(command, RebuildFeeds) else comparable(command, outcome, owed=True)


def _receipts(outcomes: Sequence[Outcome | str]) -> list[Receipt]:
    return [one for outcome in outcomes if isinstance(outcome, Published) for one in outcome.receipts]


def _is_keyed(command: Publish) -> bool:
    return len(command.events) == 1 and command.events[0].key is not None
