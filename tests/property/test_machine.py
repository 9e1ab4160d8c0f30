"""Random histories on the reference and on another store side by side: whatever can be read must be the same.

``HYPOTHESIS_PROFILE=deep`` tries many more and longer histories, each time others, and shrinks those that
fail. A failure prints its history as the commands that were written.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.backends import BACKENDS, DEFERRING, opened
from tests.checkers.adapters import ALL, all_groups
from tests.checkers.paging import complete, walk
from tests.harness import WORK, Harness
from tests.property.comparison import Scope, alike, comparable, same, same_filtered, same_state
from tests.property.faults import FAULTS
from tests.property.strategies import (
    FOLLOWED,
    TOPICS,
    TYPES,
    USERS,
    VERBS,
    Draft,
    drafts,
    kinds,
    new_endpoints,
    publishes,
    shown,
    topics,
    users,
    verbs,
)
from tests.property.worlds import World, group_pages, pages, plain_group
from tidings.errors import KeyReused
from tidings.filters import Choice, FeedFilter, FeedOf
from tidings.inbox_commands import MarkAllNotificationsRead, UndoMarkAllRead
from tidings.model import (
    Command,
    CommandResult,
    EraseUser,
    FireReminder,
    InboxUpdateResult,
    MarkFeedRead,
    NewEvent,
    Outcome,
    Publish,
    Published,
    Receipt,
    Retract,
    SetBlock,
    SetMute,
    UndoMarkFeedRead,
)
from tidings.personal_data import Endpoint, Reminder
from tidings.ports import Store
from tidings.testing import FakeClock, MemoryStore
from tidings.timeutil import DAY_MS, HOUR_MS
from tidings.user_merges import MergeUsers

COMMON = settings(deadline=None, report_multiple_bugs=False)
settings.register_profile(
    "ci", COMMON, max_examples=16, stateful_step_count=30, derandomize=True, phases=[Phase.generate]
)
settings.register_profile("deep", COMMON, max_examples=1_500, stateful_step_count=60)
PROFILE = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

T = TypeVar("T")
SCOPE = Scope(USERS, TOPICS, VERBS)
DUPLICATE_WINDOW_S = 2
"""The default window: so short that events fall on both sides of it."""
READ_ALLS = 3
"""Read-alls that are kept one by one: so few that some are merged in most histories."""


def choices(values: st.SearchStrategy[str]) -> st.SearchStrategy[Choice[str] | None]:
    """Any value, or some but not others."""
    some = st.lists(values, max_size=2, unique=True).map(tuple)
    return st.none() | st.builds(Choice, some, some)


filters = st.builds(
    FeedFilter,
    verb=choices(verbs),
    object_type=choices(st.sampled_from(("item", "other"))),
    object_id=st.sampled_from((None, None, "1")),
    actor_id=choices(users),
    topic=choices(topics),
    read=st.sampled_from((None, None, True, False)),
    include_own=st.booleans(),
)


drawn: st.SearchStrategy[Draft] = st.runner().flatmap(lambda history: history.drafts)
"""A command of those that the history is made of."""


class Histories(RuleBasedStateMachine):
    """One history on two stores."""

    backend = "memory"
    drafts = drafts
    made: type[MemoryStore] | None = None

    @property
    def defers(self) -> bool:
        """Whether the other store tells followers later."""
        return self.made is None and self.backend in DEFERRING

    @initialize(
        reached=st.lists(new_endpoints, max_size=3),
        past=st.lists(st.tuples(drawn, drawn, publishes(2)), min_size=10, max_size=12),
        unused=st.sets(kinds, max_size=3),
    )
    def open(self, reached: list[Draft], past: list[tuple[Draft, ...]], unused: set[type[Command]]) -> None:
        """Two stores, with endpoints of some users, and enough of a past that marks and masks have something to act on."""
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.runner = asyncio.Runner()
        self.law = World(
            self._harness(
                MemoryStore(
                    self.clock, types=TYPES, read_all_history=READ_ALLS, duplicate_window_s=DUPLICATE_WINDOW_S
                )
            )
        )
        self.other = World(self._harness(self._open()))
        self.event_ids = ["none"]
        self.ids = count()
        self.masks: list[SetMute | SetBlock] = []
        self.read_alls: list[UndoMarkAllRead] = []
        self.feed_read_alls: list[UndoMarkFeedRead] = []
        self.widely: set[str] = set()
        self.unused = unused
        self.compared: list[FeedFilter] = []
        for some in [reached, *past]:
            self._write([draft(self) for draft in some])

    def _open(self) -> Store:
        if self.made is not None:
            return self.made(
                self.clock, types=TYPES, read_all_history=READ_ALLS, duplicate_window_s=DUPLICATE_WINDOW_S
            )
        return self.runner.run(
            opened(
                self.backend,
                self.folder,
                self.clock,
                TYPES,
                read_all_history=READ_ALLS,
                duplicate_window_s=DUPLICATE_WINDOW_S,
            )
        )

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

    def unmask(self, n: int) -> SetMute | SetBlock:
        """Take back a mask that somebody made."""
        mask = self.masks.pop(n % len(self.masks)) if self.masks else SetMute("ann", TOPICS[0])
        return msgspec.structs.replace(mask, on=False)

    def number(self, user: str, back: int) -> int:
        """The number of one of the user's notifications, counted back from the last that changed; 1 without any."""
        rows = self.law.changes(user, 0, ALL).rows or self.law.inbox(user)
        return int(rows[-1 - back % len(rows)].id) if rows else 1

    def newest(self, user: str, back: int) -> str:
        """The newest event of that notification; any event for a tombstone."""
        rows = self.law.changes(user, 0, ALL).rows or self.law.inbox(user)
        found = rows[-1 - back % len(rows)].event_ids if rows else ()
        return found[0] if found else self.event_id(0)

    def undo(self, n: int) -> UndoMarkAllRead:
        """Take back a read-all that somebody made, perhaps once more."""
        return self.read_alls[-1 - n % len(self.read_alls)] if self.read_alls else UndoMarkAllRead("ann", 1)

    def undo_feed(self, n: int) -> UndoMarkFeedRead:
        """Take back a read-all of a feed that somebody made, perhaps once more."""
        made = self.feed_read_alls
        return made[-1 - n % len(made)] if made else UndoMarkFeedRead("ann", 1)

    def reminder(self, key: str) -> Reminder:
        """The reminder with this key, or one that was never set."""
        return self.law.read(self.law.store.reminder(key)) or Reminder(key, 0, b"{}")

    def endpoint(self, n: int) -> Endpoint:
        """An endpoint of some user; one that was never registered when there is none."""
        found = [one for user in USERS for one in self.law.preferences(user)[2]]
        return found[n % len(found)] if found else Endpoint("none", "ann", "email", "x", "", 0)

    def new_id(self) -> str:
        """The id of an endpoint that is registered now: no other has it, also once users are merged."""
        return f"endpoint {next(self.ids)}"

    # --- what happens ---------------------------------------------------------------------------------------

    @rule(some=st.lists(drawn, min_size=2, max_size=8))
    def write(self, some: list[Draft]) -> None:
        """Several commands in one transaction, as group commit joins them."""
        self._write([draft(self) for draft in some])

    @rule(ms=st.sampled_from((1, 2, 1_000, HOUR_MS, 3 * DAY_MS)))
    def time_passes(self, ms: int) -> None:
        self.compared.clear()
        self.clock.advance(ms)

    @rule(budget=st.integers(1, 6))
    def some_work_is_done(self, budget: int) -> None:
        self.compared.clear()
        for world in (self.law, self.other):
            world.read(world.store.work(budget))

    def _write(self, commands: list[Command]) -> None:
        wanted = [command for command in commands if type(command) not in self.unused]
        self.agreed = False
        self.compared.clear()
        for some, late in batches(wanted, self.widely, self.defers):
            self._write_one(some)
            if late:
                # Each step of a merge takes a seq of the source's inbox: here it has as many steps as in the reference.
                self.other.harness.settle(ALL if isinstance(some[-1], MergeUsers) else WORK)
        alike(self.law, self.other, World.counts, USERS)
        for user in USERS:
            self.other.first_page_holds(user)
        self.agreed = True

    def _write_one(self, commands: list[Command]) -> None:
        """Write the commands in one transaction."""
        note(f"at {self.clock.ms}: " + ", ".join(map(shown, commands)))
        pending = self.other.pending_work()
        expected, found = self.law.apply(commands), self.other.apply(commands)
        # What arrived unread shares its read state with the feed: a store that notifies later counts other events as unread.
        pending = pending or self.other.pending_work() or self.defers
        for command, one, law in zip(commands, found, expected, strict=True):
            same(comparable(command, one, pending), comparable(command, law, pending), shown(command))
            self._remember(command, one)

    def _remember(self, command: Command, outcome: Outcome | KeyReused) -> None:
        """Keep what later commands may be about."""
        if isinstance(command, SetMute | SetBlock) and command.on:
            self.masks.append(command)
        if isinstance(outcome, Published):
            ids = [receipt.event_id for receipt in outcome.receipts]
            sent = zip(ids, _events(command), strict=False)
            self.widely |= {id for id, event in sent if event.audience or event.verb in FOLLOWED}
            self.event_ids += ids
        if isinstance(command, MarkFeedRead) and isinstance(outcome, CommandResult) and outcome.marked:
            self.feed_read_alls.append(UndoMarkFeedRead(command.user, outcome.marked))
        if (
            isinstance(command, MarkAllNotificationsRead)
            and isinstance(outcome, InboxUpdateResult)
            and outcome.updated
        ):
            self.read_alls.append(UndoMarkAllRead(command.user, outcome.seq))

    @rule(user=users, drafts=st.lists(publishes(), min_size=1, max_size=3))
    def walk_a_feed_while_others_write(self, user: str, drafts: list[Draft]) -> None:
        """I4, page by page, with an event in between each time."""
        self.other.harness.settle()
        before = {item.key for item in self.other.feed(user, FeedFilter())}
        seen = self._while_others_write(drafts, lambda between: walk(pages(self.other, user), between))
        complete(seen, before, {item.key for item in self.other.feed(user, FeedFilter())})

    @rule(user=users, drafts=st.lists(publishes(), min_size=1, max_size=3))
    def walk_groups_while_others_write(self, user: str, drafts: list[Draft]) -> None:
        """The pages of one cursor show the groups of one snapshot."""
        self.other.harness.settle()
        before = [group for group, _ in self.other.groups(FeedOf(user), FeedFilter())]
        seen = self._while_others_write(
            drafts, lambda between: all_groups(group_pages(self.other, user), between)
        )
        same([plain_group(group) for group in seen], before, f"groups of {user}")

    def _while_others_write(
        self, drafts: list[Draft], walked: Callable[[Callable[[], Awaitable[None]]], Coroutine[Any, Any, T]]
    ) -> T:
        self.compared.clear()
        waiting = [untold(draft(self)) for draft in drafts]
        written: list[Command] = []

        async def between() -> None:
            if waiting:
                written.append(waiting.pop())
                await self.other.store.write(written[-1:])

        seen = self.runner.run(walked(between))
        for command in written:
            self.event_ids += [r.event_id for out in self.law.apply([command]) for r in _receipts(out)]
        self.other.harness.settle()
        return seen

    # --- what must be so ------------------------------------------------------------------------------------

    @rule(want=filters)
    def everything_is_the_same(self, want: FeedFilter) -> None:
        """Once the fan-out has ended. What has been compared is compared again only after something has happened."""
        self.agreed = False
        if not self.compared:
            same_state(self.law, self.other, SCOPE, want)
        elif want not in self.compared:
            same_filtered(self.law, self.other, SCOPE, want)
        self.compared.append(want)
        self.agreed = True


def batches(
    commands: list[Command], widely: set[str], defers: bool = True
) -> Iterator[tuple[list[Command], bool]]:
    """The commands as transactions which tell followers by their last event, or by their last command take back what was
    ``widely`` told, block, or erase, if at all: done at once, what is pending of that comes in the order of the log. For a
    store that does not ``defer`` these, only a broadcast ends one: a job delivers it to users with endpoints."""
    batch: list[Command] = []
    for command in commands:
        late = (event.audience or (defers and event.verb in FOLLOWED) for event in _events(command))
        place = next((n for n, is_late in enumerate(late) if is_late), None)
        if isinstance(command, Publish) and place is not None:
            command = Publish(command.events[: place + 1])
        batch.append(command)
        if place is not None or (defers and _changes_inboxes_later(command, widely)):
            yield batch, True
            batch = []
    if batch:
        yield batch, False


def _changes_inboxes_later(command: Command, widely: set[str]) -> bool:
    if isinstance(command, SetBlock):
        return command.on
    return isinstance(command, EraseUser | MergeUsers) or (
        isinstance(command, Retract) and command.event_id in widely
    )


def untold(command: Command) -> Command:
    """The same without events that tell followers."""
    return Publish(tuple(event for event in _events(command) if event.verb not in FOLLOWED))


def _events(command: Command) -> tuple[NewEvent, ...]:
    if isinstance(command, FireReminder):
        return (command.event,)
    return command.events if isinstance(command, Publish) else ()


def _receipts(outcome: object) -> tuple[Receipt, ...]:
    return outcome.receipts if isinstance(outcome, Published) else ()


@pytest.mark.parametrize("backend", BACKENDS)
def test_histories_read_the_same(backend: str) -> None:
    """Whatever happened, in whatever order, a store shows what the reference shows."""
    machine = type("Histories", (Histories,), {"backend": backend})
    run_state_machine_as_test(machine, settings=PROFILE)


SEARCH = 400
"""Short histories that are tried until a fault shows; each shows in the first few."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: type[MemoryStore]) -> None:
    """The comparison is able to fail: each planted fault is found by the same histories, with more of the commands that it
    concerns."""
    planted = [name for name, value in vars(fault).items() if callable(value)]
    assert all(hasattr(MemoryStore, name) for name in planted), (
        "a fault that changes nothing is not found, after all tries"
    )
    more = {"made": fault, "drafts": st.one_of(drafts, *FAULTS[fault])}
    search = settings(PROFILE, phases=[Phase.generate], max_examples=SEARCH, stateful_step_count=12)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(type("Histories", (Histories,), more), settings=search)
