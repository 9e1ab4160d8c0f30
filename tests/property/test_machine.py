"""Random histories on the reference and on another store side by side: whatever can be read must be the same.

``HYPOTHESIS_PROFILE=deep`` tries many more and longer histories, each time others, and shrinks those that
fail. A failure prints its history as the commands that were written.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, cast

import msgspec
import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.backends import BACKENDS, opened
from tests.checkers.paging import complete, walk
from tests.harness import Harness
from tests.property.worlds import World, comparable, pages, same, same_feed, shown
from tidings.model import (
    Command,
    Erase,
    FeedFilter,
    Follow,
    LogEntry,
    Marked,
    MarkInbox,
    MarkState,
    Mask,
    NewEvent,
    Page,
    Publish,
    Published,
    ReadFeed,
    ReadInbox,
    Receipt,
    Retract,
    Unfollow,
)
from tidings.ports import Store
from tidings.testing import FakeClock, MemoryStore, event
from tidings.times import DAY_MS, HOUR_MS

COMMON = settings(deadline=None, report_multiple_bugs=False)
settings.register_profile(
    "ci", COMMON, max_examples=40, stateful_step_count=30, derandomize=True, phases=[Phase.generate]
)
settings.register_profile("deep", COMMON, max_examples=1_500, stateful_step_count=60)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

USERS = ("ann", "ben", "cid", "dot")
VERBS = ("like", "post")
OBJECTS = ("item:1", "item:2", "user:ann")
EXTRA = ("category:x", "category:y", "user:ben")
TOPICS = (*(f"user:{user}" for user in USERS), "item:1", "category:x")

users, verbs, topics = st.sampled_from(USERS), st.sampled_from(VERBS), st.sampled_from(TOPICS)
ages = st.sampled_from((0, 0, 0, 1, 2, 1_000, 1_001, -1_000))
"""Milliseconds by which an event lies in the past; some lie ahead."""
keys = st.sampled_from((None, None, None, b"1" * 16, b"2" * 16))
refs = st.lists(st.integers(0, 9), min_size=1, max_size=4)
"""Numbers of things that exist, counted from the newest."""

P = ParamSpec("P")
Draft = Callable[["Histories"], Command]
"""A command that is completed when the history is known."""


@st.composite
def events(draw: st.DrawFn) -> Callable[[int], NewEvent]:
    """An event, given the time of now."""
    actor, verb, obj = draw(users), draw(verbs), draw(st.sampled_from(OBJECTS))
    targets = tuple(draw(st.lists(users, max_size=4)))
    extra = tuple(draw(st.lists(st.sampled_from(EXTRA), max_size=2)))
    age, key, print_ = draw(ages), draw(keys), draw(st.sampled_from((b"a", b"a", b"b")))
    return lambda now: event(
        actor, verb, obj, targets=targets, topics=extra, at=now - age, name=actor, key=key, fingerprint=print_
    )


@st.composite
def publishes(draw: st.DrawFn, at_least: int = 1) -> Draft:
    """Publish a few events as one command."""
    some = draw(st.lists(events(), min_size=at_least, max_size=4))
    return lambda h: Publish(tuple(one(h.clock.ms) for one in some))


def fixed(commands: st.SearchStrategy[Command]) -> st.SearchStrategy[Draft]:
    """Commands that need no history."""
    return commands.map(lambda command: lambda _: command)


people = users.map(lambda user: f"user:{user}")
masks = st.one_of(st.builds(Mask, users, topics), st.builds(Mask, users, people, block=st.just(True)))
unmasks = st.integers(0, 9).map(lambda n: lambda h: h.unmask(n))
follows = st.builds(Follow, users, topics, backfill=st.sampled_from((0, 1, 3, 100)))
unfollows = st.tuples(users, st.integers(0, 9), st.booleans()).map(
    lambda t: lambda h: Unfollow(t[0], h.followed(t[0], t[1]), t[2])
)
back = st.none() | st.integers(-1, 6)
"""How far behind the head a watermark is set; now and then beyond it."""
read_feeds = st.tuples(users, back).map(
    lambda t: lambda h: ReadFeed(t[0], None, h.behind(h.position(), t[1]))
)
read_inboxes = st.tuples(users, back, st.none() | verbs).map(
    lambda t: lambda h: ReadInbox(t[0], h.behind(h.seq(t[0]), t[1]), t[2])
)
retracts = st.integers(0, 30).map(lambda n: lambda h: Retract(h.event_id(n)))
read_ids = st.tuples(users, refs).map(lambda t: lambda h: ReadFeed(t[0], tuple(h.event_id(n) for n in t[1])))
marks = st.tuples(users, refs, st.sampled_from(MarkState)).map(
    lambda t: lambda h: MarkInbox(t[0], tuple(str(h.behind(h.seq(t[0]), n)) for n in t[1]), t[2])
)
COMMANDS: list[tuple[int, st.SearchStrategy[Draft]]] = [
    (6, publishes()),
    (4, fixed(follows)),
    (4, unfollows),
    (2, fixed(masks)),
    (2, unmasks),
    (2, read_feeds),
    (2, read_ids),
    (3, marks),
    (2, read_inboxes),
    (2, retracts),
    (1, fixed(st.builds(Erase, users))),
]
"""How often each kind of command comes: enough of a past must stand for the others to act on."""
drafts = st.sampled_from([kind for weight, kind in COMMANDS for _ in range(weight)]).flatmap(
    lambda kind: kind
)
kinds = st.sampled_from((Mask, Unfollow, Retract, Erase, ReadFeed))
"""Kinds of commands that a history may do without: one without masks takes paths that no other takes."""
filters = st.builds(
    FeedFilter,
    verb=st.none() | verbs,
    object_type=st.sampled_from((None, "item")),
    object_id=st.sampled_from((None, None, "1")),
    actor_id=st.none() | users,
    topic=st.none() | topics,
    read=st.sampled_from((None, None, True, False)),
    include_own=st.booleans(),
)


class Histories(RuleBasedStateMachine):
    """One history on two stores."""

    backend = "memory"
    made: type[MemoryStore] | None = None

    @initialize(
        past=st.lists(st.tuples(drafts, publishes(2)), min_size=8, max_size=12), unused=st.sets(kinds)
    )
    def open(self, past: list[tuple[Draft, Draft]], unused: set[type[Command]]) -> None:
        """Two stores, and enough of a past that marks and masks have something to act on."""
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.runner = asyncio.Runner()
        self.law = World(self._harness(MemoryStore(self.clock)))
        self.other = World(self._harness(self._open()))
        self.event_ids = ["none"]
        self.masks: list[Mask] = []
        self.unused = unused
        for drafts in past:
            self._write([draft(self) for draft in drafts])

    def _open(self) -> Store:
        if self.made is not None:
            return self.made(self.clock)
        return self.runner.run(opened(self.backend, self.folder, self.clock))

    def _harness(self, store: Store) -> Harness:
        return Harness(store, self.clock, self.runner)

    def teardown(self) -> None:
        """Compare everything a last time, unless a failure is on its way already: it must not be covered."""
        if not hasattr(self, "other"):
            return
        try:
            if self.agreed:
                self.everything_is_the_same(FeedFilter())
        finally:
            for world in (self.law, self.other):
                world.read(world.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def event_id(self, back: int) -> str:
        """An event that was published, counted back from the newest."""
        return self.event_ids[-1 - back % len(self.event_ids)]

    def position(self) -> int:
        """The head of the log."""
        return self.law.position()

    def seq(self, user: str) -> int:
        """The head of an inbox."""
        return self.law.counts([user])[0].seq

    def followed(self, user: str, n: int) -> str:
        """One of the topics that the user follows; any topic when there is none."""
        rows = self.law.follows(user)
        return rows[n % len(rows)].topic if rows else TOPICS[n % len(TOPICS)]

    def unmask(self, n: int) -> Mask:
        """Take back a mask that somebody made."""
        mask = self.masks.pop(n % len(self.masks)) if self.masks else Mask("ann", TOPICS[0])
        return Mask(mask.user, mask.topic, mask.block, on=False)

    @staticmethod
    def behind(head: int, back: int | None) -> int | None:
        """A number so far behind the head, not below zero; None stays None."""
        return None if back is None else max(0, head - back)

    # --- what happens ---------------------------------------------------------------------------------------

    @rule(some=st.lists(drafts, min_size=1, max_size=5))
    def write(self, some: list[Draft]) -> None:
        """Several commands in one transaction, as group commit joins them."""
        self._write([draft(self) for draft in some])

    @rule(ms=st.sampled_from((1, 2, 1_000, HOUR_MS, 3 * DAY_MS)))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms)

    @rule(budget=st.integers(1, 6))
    def some_work_is_done(self, budget: int) -> None:
        for world in (self.law, self.other):
            world.read(world.store.work(budget))

    def _write(self, commands: list[Command]) -> None:
        commands = [command for command in commands if type(command) not in self.unused]
        note(f"at {self.clock.ms}: " + ", ".join(map(shown, commands)))
        self.agreed = False
        owed = self.other.owes()
        expected, found = self.law.apply(commands), self.other.apply(commands)
        owed = owed or self.other.owes()
        for command, one, law in zip(commands, found, expected, strict=True):
            same(comparable(command, one, owed), comparable(command, law, owed), shown(command))
        self.masks += [command for command in commands if isinstance(command, Mask) and command.on]
        for outcome in found:
            if isinstance(outcome, Published):
                self.event_ids += [receipt.event_id for receipt in outcome.receipts]
        self._same("counts", World.counts, USERS)
        for user in USERS:
            self.other.first_page_holds(user)
        self.agreed = True

    @rule(user=users, drafts=st.lists(publishes(), min_size=1, max_size=3))
    def walk_a_feed_while_others_write(self, user: str, drafts: list[Draft]) -> None:
        """I4, page by page, with an event in between each time."""
        self.other.harness.settle()
        before = {item.key for item in self.other.feed(user, FeedFilter())}
        waiting = [draft(self) for draft in drafts]
        written: list[Command] = []

        async def between() -> None:
            if waiting:
                written.append(waiting.pop())
                await self.other.store.write(written[-1:])

        seen = self.runner.run(walk(pages(self.other, user), between))
        for command in written:
            self.event_ids += [r.event_id for out in self.law.apply([command]) for r in _receipts(out)]
        self.other.harness.settle()
        complete(seen, before, {item.key for item in self.other.feed(user, FeedFilter())})

    # --- what must be so ------------------------------------------------------------------------------------

    @rule(want=filters)
    def everything_is_the_same(self, want: FeedFilter) -> None:
        """Once the fan-out has ended."""
        self.agreed = False
        for world in (self.law, self.other):
            world.harness.settle()
        self._same_log(want)
        for user in USERS:
            self.other.first_page_holds(user)
            self._same_feeds(user, want)
            self._same_inbox(user)
        self._same_graph()
        self.agreed = True

    def _same(
        self, what: str, read: Callable[Concatenate[World, P], object], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """The same question to both has the same answer."""
        found, expected = read(self.other, *args, **kwargs), read(self.law, *args, **kwargs)
        same(found, expected, f"{what} {args}")

    def _same_log(self, want: FeedFilter) -> None:
        self._same("log", World.log)
        self._same("head", World.position)
        for topic in (None, *TOPICS):
            self._same("activity", World.activity, topic, FeedFilter())
            self._same("activity", World.activity, topic, want)

    def _same_feeds(self, user: str, want: FeedFilter) -> None:
        law = cast(MemoryStore, self.law.store)
        for each in (FeedFilter(), FeedFilter(include_own=True), want):
            found, expected = self.other.feed(user, each), self.law.feed(user, each)
            same_feed(law, user, expected, found, f"feed of {user} {each}")
        self._same("feed by position", World.feed_since, user)
        self._same("new counts", World.new_counts, user, range(0, len(self.event_ids), 3))
        self._same("summary", World.summary, user)
        self.other.check_stream(user)

    def _same_inbox(self, user: str) -> None:
        for type in (None, *VERBS):
            self._same("inbox", World.inbox, user, False, type)
            self._same("unread inbox", World.inbox, user, True, type)
        self._same("changes", World.changes, user)
        self.other.check_inbox(user)

    def _same_graph(self) -> None:
        for user in USERS:
            self._same("follows", World.follows, user)
        for topic in TOPICS:
            self._same("topic", World.topic, topic, "ann")


def _receipts(outcome: object) -> tuple[Receipt, ...]:
    return outcome.receipts if isinstance(outcome, Published) else ()


@pytest.mark.parametrize("backend", BACKENDS)
def test_histories_read_the_same(backend: str) -> None:
    """Whatever happened, in whatever order, a store shows what the reference shows."""
    machine = type("Histories", (Histories,), {"backend": backend})
    run_state_machine_as_test(machine, settings=PROFILE)


class Unmasked(MemoryStore):
    """Shows what was muted."""

    def _masked(self, viewer: str, entry: LogEntry) -> bool:
        return False


class Swallowing(MemoryStore):
    """Reads all, whatever the watermark."""

    def _read_inbox(self, read: ReadInbox) -> Marked:
        return super()._read_inbox(ReadInbox(read.user, None, read.type))


class Repeating(MemoryStore):
    """Begins a page with the last item of the one before."""

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        return await super().feed(user, want, limit, None if before is None else before + 1)


class ByTime(MemoryStore):
    """Takes the newest for the latest: what was published late is not announced."""

    async def feed_since(self, user: str, after: int, limit: int) -> Page:
        page = await super().feed_since(user, after, limit)
        newest = max((item.key for item in page.items), default=0)
        return page._replace(items=[item for item in page.items if item.key >= newest - (1 << 30)])


class Unreasonable(MemoryStore):
    """Gives every item the same reason."""

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        page = await super().feed(user, want, limit, before)
        return page._replace(
            items=[msgspec.structs.replace(item, reason="target", topic="") for item in page.items]
        )


@pytest.mark.parametrize("fault", [Unmasked, Swallowing, Repeating, ByTime, Unreasonable])
def test_a_fault_is_found(fault: type[MemoryStore]) -> None:
    """The comparison is able to fail: each planted fault is found by the same histories."""
    machine = type("Histories", (Histories,), {"made": fault})
    search = settings(PROFILE, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=search)
