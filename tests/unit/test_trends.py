"""Trends after what cannot be taken back from counts: a clock that was set back, and a person who was erased."""

import logging
from pathlib import Path

import pytest

from tests.awaiting import awaited
from tests.backends import opened
from tidings.commit_effects import effects_of
from tidings.config import Settings
from tidings.errors import KeyReused
from tidings.model import Command, CommandResult, EraseUser, Outcome, Publish, Published, Retract
from tidings.ports import Store
from tidings.projections.windows import SET_BACK_S
from tidings.testing import START_MS, FakeClock, event
from tidings.trends import Trends, TrendsWorker


class Counted:
    """A store, its clock, and the trends over it, told of each commit as a server tells them."""

    def __init__(self, store: Store, clock: FakeClock, max_keys: int) -> None:
        self.store = store
        self.clock = clock
        self.trends = trends_of(store, clock, max_keys)
        self.windows = self.trends.windows
        self.worker = TrendsWorker(self.trends)

    async def publish(self, *who: str) -> list[str]:
        """Publish an act of each, now; their ids."""
        events = tuple(event(user, "like", f"user:{user}", at=self.clock.now()) for user in who)
        outcome = await self.commit(Publish(events))
        assert isinstance(outcome, Published)
        return [receipt.event_id for receipt in outcome.receipts]

    async def commit(self, command: Command) -> Outcome:
        """Write a command, and count its effects."""
        outcomes = await self.store.write([command])
        self.trends.committed(effects_of([command], outcomes))
        (outcome,) = outcomes
        assert not isinstance(outcome, KeyReused)
        return outcome

    async def second(self) -> None:
        """What happens every second."""
        await self.worker._round()

    def shown(self, by: str = "actor") -> dict[str, int]:
        """The top of the last hour."""
        return dict(self.windows.top("1h", by, 100).items)

    async def as_after_a_restart(self, by: str = "actor") -> dict[str, int]:
        """What a new process would show."""
        fresh = trends_of(self.store, self.clock, 1_000)
        await fresh.start_at((await self.store.head()).position)
        return dict(fresh.windows.top("1h", by, 100).items)


def trends_of(store: Store, clock: FakeClock, max_keys: int) -> Trends:
    """The trends over a store, with so many exact keys."""
    return Trends(store, clock, Settings(trends_max_exact_keys=max_keys))


@pytest.fixture(params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each store."""
    return str(request.param)


@awaited
async def test_a_clock_that_is_set_back_is_followed(
    tmp_path: Path, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour back: trends go on at the new time, with what happened in the hour before it, and the log says so once."""
    clock = FakeClock()
    trends = Counted(await opened(backend, tmp_path, clock), clock, 1_000)
    await trends.publish("early")
    clock.advance(3_600_000)
    await trends.publish("late")
    await trends.second()
    assert trends.shown() == {"late": 1}
    clock.ms = START_MS + 1_000
    await trends.second()
    await trends.publish("now")
    await trends.second()
    assert trends.shown() == {"early": 1, "now": 1} == await trends.as_after_a_restart()
    assert trends.windows.top("1h", "actor", 1).as_of_ms == clock.ms
    said = [record for record in caplog.records if "set back" in record.message]
    assert [record.levelno for record in said] == [logging.WARNING]
    clock.advance(60_000)
    await trends.publish("later")
    assert trends.shown() == {"early": 1, "now": 1, "later": 1}
    await trends.store.close()


@awaited
async def test_a_clock_that_is_corrected_a_little_is_waited_for(tmp_path: Path) -> None:
    """Under SET_BACK_S nothing is counted again."""
    clock = FakeClock()
    trends = Counted(await opened("memory", tmp_path, clock), clock, 1_000)
    clock.ms -= (SET_BACK_S - 1) * 1_000
    await trends.second()
    assert not trends.windows.outdated


@awaited
@pytest.mark.parametrize("max_keys", [1_000, 1])
async def test_an_erased_person_is_in_no_trend(tmp_path: Path, backend: str, max_keys: int) -> None:
    """The fault: the alias that their events have now was in the windows after a recount and after a restart, and not
    before. What they did counts for its other keys; where counts are folded into sketches as well."""
    clock = FakeClock()
    trends = Counted(await opened(backend, tmp_path, clock), clock, max_keys)
    await trends.publish("bob", "bob", "alice", "carol")
    clock.advance(1_000)
    await trends.publish("bob", "carol")
    await trends.commit(EraseUser("bob"))
    assert "bob" not in trends.shown()
    assert "user:bob" not in trends.shown("object")
    at_once = trends.shown(), trends.shown("object")
    await trends.second()
    assert not trends.windows.outdated
    counted = trends.shown(), trends.shown("object")
    assert all(name in ("alice", "carol") for name in counted[0])
    assert all(name in ("user:alice", "user:carol") for name in counted[1])
    if max_keys > 1:
        assert (
            at_once
            == counted
            == (await trends.as_after_a_restart(), await trends.as_after_a_restart("object"))
        )
        assert counted == ({"carol": 2, "alice": 1}, {"user:carol": 2, "user:alice": 1})
        assert trends.shown("verb") == await trends.as_after_a_restart("verb") == {"like": 6}
    await trends.store.close()


@awaited
async def test_a_retracted_event_of_an_erased_person_leaves_the_trends(tmp_path: Path, backend: str) -> None:
    """It has the alias, which was not counted: only its other keys are subtracted."""
    clock = FakeClock()
    trends = Counted(await opened(backend, tmp_path, clock), clock, 1_000)
    (id, _) = await trends.publish("bob", "carol")
    await trends.commit(EraseUser("bob"))
    await trends.second()
    outcome = await trends.commit(Retract(id))
    assert isinstance(outcome, CommandResult)
    assert outcome.gone is not None
    assert trends.shown() == await trends.as_after_a_restart() == {"carol": 1}
    assert trends.shown("verb") == {"like": 1}
    await trends.store.close()


class Meddling:
    """A store in which something is written between two pages of a reading, once."""

    def __init__(self, trends: Counted, *then: Command | str) -> None:
        self._trends = trends
        self._then = list(then)

    async def activity(self, *asked: object, **more: object) -> object:
        """A page; then what was to come."""
        page = await self._trends.store.activity(*asked, **more)  # type: ignore[arg-type]
        while self._then:
            what = self._then.pop()
            if isinstance(what, str):
                await self._trends.publish(what)
            else:
                await self._trends.commit(what)
        return page


@awaited
@pytest.mark.parametrize("retracts", [False, True])
async def test_what_is_written_while_it_is_counted_counts_once(tmp_path: Path, retracts: bool) -> None:
    """An event that is published meanwhile, and one that is retracted: neither twice nor never."""
    clock = FakeClock()
    trends = Counted(await opened("sqlite", tmp_path, clock), clock, 1_000)
    (id,) = await trends.publish("bob")
    meddling = Meddling(trends, Retract(id) if retracts else "carol")
    trends.trends._store = meddling  # type: ignore[assignment]
    await trends.trends._rebuild()
    trends.trends._store = trends.store
    await trends.second()
    assert trends.shown() == await trends.as_after_a_restart() == ({} if retracts else {"bob": 1, "carol": 1})
    await trends.store.close()
