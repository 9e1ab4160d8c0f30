"""When reminders fire, on a clock that the tests turn: once, not too early, whatever happened in between."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.backends import opened
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.errors import InvalidFields, KeyReused, NotFound, TooLarge
from tidings.field_errors import find
from tidings.model import Command, FireReminder, InboxCounters, Outcome, Published, SetReminder
from tidings.personal_data import Reminder
from tidings.ports import Store
from tidings.reminder_input import ReminderInput
from tidings.reminders import FIRED_AT_ONCE, FIRED_BYTES, ReminderService
from tidings.testing import START_MS, FakeClock, MemoryStore
from tidings.timeutil import DAY_MS, HOUR_MS
from tidings.validation import decode

_input = msgspec.json.Decoder(ReminderInput)
LIMIT_S = 20
"""How long a test waits for what must come before it fails."""


class World:
    """A store, its log, and reminders that fire by a clock which stands until it is turned."""

    def __init__(self, store: Store, clock: FakeClock, settings: Settings | None = None) -> None:
        self.store = store
        self.clock = clock
        self.settings = settings or Settings()
        self.fired: asyncio.Queue[FireReminder] = asyncio.Queue()
        self.log = GroupCommitQueue(store, batch_events=100, queue=1_000, on_commit=self._committed)
        self.reminders = ReminderService(store, self.log, self.settings, clock, Cursors(b"key"))

    def _committed(self, commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]) -> None:
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(command, FireReminder) and isinstance(outcome, Published) and outcome.receipts:
                self.fired.put_nowait(command)

    async def turn(self, ms: int) -> None:
        """Let time pass, and have the reminders notice."""
        self.clock.advance(ms)
        self.reminders.nudge()

    async def next_fired(self) -> FireReminder:
        """The next reminder that fires."""
        return await asyncio.wait_for(self.fired.get(), LIMIT_S)

    async def events(self) -> list[dict[str, Any]]:
        """All that was published, in order."""
        return [msgspec.json.decode(entry.body) for entry in await self.store.tail(0, 1_000)]

    async def counts(self, user: str) -> InboxCounters:
        """The head of one inbox."""
        return (await self.store.counts([user]))[0]


Play = Callable[[World], Awaitable[None]]


def play(store: Store, clock: FakeClock, scene: Play, settings: Settings | None = None) -> None:
    """Run a scene with the log and the loop going."""

    async def run() -> None:
        world = World(store, clock, settings)
        world.log.start()
        world.reminders.start()
        try:
            await scene(world)
        finally:
            await world.reminders.close()
            await world.log.close()
            await store.close()

    asyncio.run(run())


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Play], None]:
    """Runs a scene on an empty store of each kind."""

    def run(scene: Play) -> None:
        clock = FakeClock()
        play(asyncio.run(opened(request.param, tmp_path, clock)), clock, scene)

    return run


def given(**changed: Any) -> ReminderInput:
    """A reminder for bob, an hour from the beginning."""
    body: dict[str, Any] = {"type": "renewal", "object_type": "plan", "object_id": "7", "user_ids": ["bob"]}
    if not {"deliver_at", "after_s", "every"} & changed.keys():
        body |= {"deliver_at": at(HOUR_MS)}
    return decode(_input, msgspec.json.encode(body | changed))


def at(ms: int) -> datetime:
    """The time so many milliseconds after the beginning."""
    return datetime.fromtimestamp(START_MS / 1000, UTC) + timedelta(milliseconds=ms)


def test_a_reminder_fires_when_it_is_due_and_not_before(world: Callable[[Play], None]) -> None:
    async def scene(world: World) -> None:
        await world.reminders.set("r", given(title="Renew"))
        await world.turn(HOUR_MS - 1)
        await world.reminders.set("later", given(deliver_at=at(2 * HOUR_MS)))  # has the loop look once more
        assert await world.events() == []
        await world.turn(1)
        fired = await world.next_fired()
        (event,) = await world.events()
        assert fired.event.targets == ("bob",)
        assert (event["actor_id"], event["verb"], event["title"]) == ("tidings", "renewal", "Renew")
        assert event["created_at"] == "2023-11-14T23:13:20.000Z"
        assert (await world.counts("bob")).unread_count == 1
        with pytest.raises(NotFound):
            await world.reminders.show("r")

    world(scene)


def test_past_means_now(world: Callable[[Play], None]) -> None:
    async def scene(world: World) -> None:
        standing = await world.reminders.set("r", given(deliver_at=at(-DAY_MS)))
        assert (standing.fired, standing.due_at) == (True, None)
        assert (await world.counts("bob")).unread_count == 1

    world(scene)


def test_what_was_set_once_fires_once_however_often_it_is_set(world: Callable[[Play], None]) -> None:
    """The reply to the first request may have been lost: the second is not another reminder."""

    async def scene(world: World) -> None:
        for _ in range(3):
            assert (await world.reminders.set("r", given(deliver_at=at(-1)))).fired
        await world.reminders.set("r", given(deliver_at=at(HOUR_MS)))
        await world.turn(HOUR_MS)
        await world.next_fired()
        await world.reminders.set("r", given(deliver_at=at(HOUR_MS)))
        assert len(await world.events()) == 2

    world(scene)


def test_another_event_under_the_same_key_fires_again(world: Callable[[Play], None]) -> None:
    async def scene(world: World) -> None:
        await world.reminders.set("r", given(deliver_at=at(-1), title="one"))
        await world.reminders.set("r", given(deliver_at=at(-1), title="two"))
        assert [event["title"] for event in await world.events()] == ["one", "two"]

    world(scene)


def test_a_key_stands_for_one_reminder(world: Callable[[Play], None]) -> None:
    """Setting it again moves it and changes what it says; of the old one nothing is left."""

    async def scene(world: World) -> None:
        await world.reminders.set("r", given(title="old"))
        await world.reminders.set("r", given(title="new", deliver_at=at(2 * HOUR_MS)))
        await world.turn(HOUR_MS)
        await world.turn(HOUR_MS)
        await world.next_fired()
        assert [event["title"] for event in await world.events()] == ["new"]

    world(scene)


def test_a_cancelled_reminder_does_not_fire(world: Callable[[Play], None]) -> None:
    async def scene(world: World) -> None:
        await world.reminders.set("r", given(title="cancelled"))
        await world.reminders.set("s", given(title="kept"))
        await world.reminders.cancel("r")
        with pytest.raises(NotFound):
            await world.reminders.cancel("r")
        await world.turn(HOUR_MS)
        await world.next_fired()
        assert [event["title"] for event in await world.events()] == ["kept"]

    world(scene)


def test_it_recurs_on_its_raster(world: Callable[[Play], None]) -> None:
    """Daily at the same hour, whenever exactly the loop looked."""

    async def scene(world: World) -> None:
        await world.reminders.set("r", given(every="P1D", deliver_at=at(HOUR_MS)))
        await world.turn(HOUR_MS + 12_345)
        assert (await world.next_fired()).next_at == START_MS + HOUR_MS + DAY_MS
        await world.turn(DAY_MS)
        assert (await world.next_fired()).next_at == START_MS + HOUR_MS + 2 * DAY_MS
        assert (await world.reminders.show("r")).due_at == START_MS + HOUR_MS + 2 * DAY_MS

    world(scene)


def test_what_was_missed_fires_once(world: Callable[[Play], None]) -> None:
    """After ten days away there is one reminder, and the next one lies ahead."""

    async def scene(world: World) -> None:
        await world.reminders.set("r", given(every="P1D", deliver_at=at(HOUR_MS)))
        await world.turn(10 * DAY_MS)
        assert (await world.next_fired()).next_at == START_MS + HOUR_MS + 10 * DAY_MS
        await world.reminders.set("other", given(deliver_at=at(0)))
        assert [event["created_at"] for event in await world.events()] == ["2023-11-24T22:13:20.000Z"] * 2
        assert (await world.counts("bob")).unread_items == 2

    world(scene)


def test_a_recurrence_that_is_set_again_keeps_its_next_time(world: Callable[[Play], None]) -> None:
    """An application sets it at each of its starts: that neither fires it nor puts it off."""

    async def scene(world: World) -> None:
        daily = given(every="P1D", deliver_at=at(-2 * DAY_MS))
        assert (await world.reminders.set("r", daily)).fired
        await world.turn(HOUR_MS)
        standing = await world.reminders.set("r", daily)
        assert (standing.fired, standing.due_at) == (False, START_MS + DAY_MS)
        moved = await world.reminders.set("r", given(every="P1D", deliver_at=at(2 * DAY_MS)))
        assert moved.due_at == START_MS + 2 * DAY_MS

    world(scene)


def test_without_a_time_it_begins_one_interval_from_now(world: Callable[[Play], None]) -> None:
    async def scene(world: World) -> None:
        weekly = given(every="P1W")
        assert (await world.reminders.set("r", weekly)).due_at == START_MS + 7 * DAY_MS
        await world.turn(DAY_MS)
        assert (await world.reminders.set("r", weekly)).due_at == START_MS + 7 * DAY_MS
        assert (await world.reminders.set("r", given(every="P1D"))).due_at == START_MS + 2 * DAY_MS

    world(scene)


def test_more_than_are_fired_at_once_all_fire(world: Callable[[Play], None]) -> None:
    async def scene(world: World) -> None:
        many = FIRED_AT_ONCE * 2 + 1
        for i in range(many):
            await world.reminders.set(f"r{i}", given(object_id=str(i)))
        await world.turn(HOUR_MS)
        fired = {(await world.next_fired()).reminder.key for _ in range(many)}
        assert len(fired) == many == (await world.counts("bob")).unread_count

    world(scene)


class Counting(MemoryStore):
    """A store that notes how much was read at once, of what is due."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.sizes: list[int] = []

    async def reminders(
        self,
        due_by: int | None,
        limit: int,
        after: tuple[int, str] | None = None,
        max_bytes: int = sys.maxsize,
    ) -> list[Reminder]:
        """Reads, and notes."""
        found = await super().reminders(due_by, limit, after, max_bytes)
        self.sizes.append(sum(one.size for one in found))
        return found


def test_large_reminders_fire_a_few_at_a_time() -> None:
    """The fault: a hundred of megabytes each were read and decoded together."""
    clock = FakeClock()
    store = Counting(clock)

    async def scene(world: World) -> None:
        users = [f"{n:04d}" + "x" * 100 for n in range(1_000)]
        for i in range(5):
            await world.reminders.set(f"r{i}", given(object_id=str(i), user_ids=users))
        await world.turn(HOUR_MS)
        assert {(await world.next_fired()).reminder.key for _ in range(5)} == {f"r{i}" for i in range(5)}
        assert FIRED_BYTES // 2 < max(store.sizes) <= FIRED_BYTES

    play(store, clock, scene)


def test_followers_of_a_topic_are_notified_as_an_audience(world: Callable[[Play], None]) -> None:
    async def scene(world: World) -> None:
        await world.reminders.set("r", given(user_ids=[], topic="club:chess", after_s=0))
        fired = await world.next_fired()
        assert (fired.event.audience, fired.event.targets) == ("club:chess", ())
        assert fired.event.expires_at == START_MS + 30 * DAY_MS

    world(scene)


@pytest.mark.parametrize(
    "lower",
    [{"max_targets": 2}, {"max_metadata_bytes": 5}, {"max_metadata_depth": 1}, {"max_event_bytes": 50}],
    ids=lambda lower: "".join(lower),
)
def test_a_reminder_fires_under_a_limit_that_was_lowered(
    lower: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: it was cancelled when it fell due, for good, also if it recurs. One restart with a wrong setting deleted
    every larger reminder that fell due until the next one."""
    clock = FakeClock()
    large = given(
        user_ids=["a", "b", "c"], every="P1D", deliver_at=at(HOUR_MS), metadata={"list": [{"plan": "seven"}]}
    )

    async def scene(world: World) -> None:
        await world.reminders.set("r", large)
        limits = msgspec.structs.replace(Settings(), **lower)
        world.reminders = ReminderService(world.store, world.log, limits, clock, Cursors(b"key"))
        world.reminders.start()
        await world.turn(HOUR_MS)
        fired = await world.next_fired()
        assert (fired.event.targets, fired.next_at) == (("a", "b", "c"), START_MS + HOUR_MS + DAY_MS)
        with pytest.raises((InvalidFields, TooLarge)):
            await world.reminders.set("r", large)
        assert (await world.reminders.show("r")).due_at == fired.next_at

    play(MemoryStore(clock), clock, _without_first_loop(scene))
    assert caplog.records == []


def test_a_reminder_that_cannot_be_read_is_cancelled_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """No setting causes it. It holds up no other."""
    clock = FakeClock()

    async def scene(world: World) -> None:
        await world.reminders.set("good", given())
        good = await world.store.reminder("good")
        assert good is not None
        broken = msgspec.structs.replace(good, key="broken", event=b'{"actor_id":"tidings","verb":""}')
        await world.log.submit(SetReminder(broken))
        await world.turn(HOUR_MS)
        assert (await world.next_fired()).reminder.key == "good"
        await world.reminders.settled()
        assert await world.store.reminder("broken") is None

    play(MemoryStore(clock), clock, scene)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("the reminder 'broken' is cancelled, its event cannot be read: /verb expected")


def _without_first_loop(scene: Play) -> Play:
    async def run(world: World) -> None:
        await world.reminders.close()
        await scene(world)

    return run


class Failing(MemoryStore):
    """A store that cannot be read at first."""

    failures = 2

    async def reminders(
        self,
        due_by: int | None,
        limit: int,
        after: tuple[int, str] | None = None,
        max_bytes: int = sys.maxsize,
    ) -> list[Reminder]:
        """Fails, then answers."""
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is away")
        return await super().reminders(due_by, limit, after, max_bytes)


def test_a_failing_store_is_tried_again() -> None:
    clock = FakeClock()
    store = Failing(clock)

    async def scene(world: World) -> None:
        await world.reminders.set("r", given())
        world.clock.advance(HOUR_MS)
        await world.next_fired()
        assert store.failures == 0

    play(store, clock, scene)


@pytest.mark.parametrize(
    ("pointer", "changed"),
    [
        ("/user_ids", {"user_ids": []}),
        ("/user_ids", {"topic": "club:chess"}),
        ("/user_ids", {"user_ids": ["x"] * 10_001}),
        ("/after_s", {"deliver_at": at(0), "after_s": 1}),
        ("/after_s", {"after_s": 8_700_000_000}),
        ("/deliver_at", {"deliver_at": datetime(2249, 1, 1, tzinfo=UTC)}),
        ("/deliver_at", {"deliver_at": datetime(1969, 12, 31, tzinfo=UTC)}),
        ("/deliver_at", {"deliver_at": None}),
        ("/time_zone", {"time_zone": "Europe/Atlantis"}),
        ("/time_zone", {"time_zone": "../../etc/passwd"}),
        ("/every", {"every": "1 day"}),
        ("/every", {"every": "PT59S"}),
        ("/time_zone", {"time_zone": "localtime"}),
        ("/every", {"every": "P9999Y"}),
        ("/metadata", {"metadata": msgspec.Raw(b'{"a":"' + b"x" * 16_384 + b'"}')}),
    ],
)
def test_what_does_not_fit_is_named(pointer: str, changed: dict[str, Any]) -> None:
    async def scene(world: World) -> None:
        with pytest.raises(InvalidFields) as refused:
            await world.reminders.set("r", given(**changed))
        assert [error.pointer for error in refused.value.errors] == [pointer]
        assert await world.reminders.coming(10, None) == ([], False)

    clock = FakeClock()
    play(MemoryStore(clock), clock, scene)


@pytest.mark.parametrize(("name", "meant"), [("verb", "type"), ("target_user_ids", "user_ids")])
def test_a_name_of_an_event_is_led_to_that_of_a_reminder(name: str, meant: str) -> None:
    """The fault: ``verb`` got the hint "did you mean every"."""
    found = find(ReminderInput, msgspec.json.encode({"object_type": "t", "object_id": "1", name: "x"}))
    (detail,) = (error.detail for error in found.errors if error.pointer == f"/{name}")
    assert detail.startswith(f"no such field, did you mean {meant}; ")


def test_an_event_over_the_cap_is_refused() -> None:
    async def scene(world: World) -> None:
        with pytest.raises(TooLarge):
            await world.reminders.set("r", given(description="x" * 2_000))

    clock = FakeClock()
    play(MemoryStore(clock), clock, scene, Settings(max_event_bytes=1_000))
