"""The erasure of a user reaches the streams that carry activity: their clients may show the user."""

import msgspec
import pytest

from tests.awaiting import awaited
from tests.live.hub_setup import Place, place
from tests.live.tape import Tape
from tidings.activity_scope import ActivityScope
from tidings.live.event_fanout import RESTARTS_PER_S
from tidings.live.stream import FEED_RESET
from tidings.model import EraseUser, Follow, Publish
from tidings.testing import event
from tidings.visibility import VISITOR, Visibility

FEED = frozenset({"activity"})
BOTH = frozenset({"activity", "notifications"})
EVERYBODY = ActivityScope(feed=False, everybody=True)
TOPIC = ActivityScope(feed=False, topics=frozenset({"room:a"}))


def watching(here: Place, user: str, scope: ActivityScope, last: str | None = None) -> Tape:
    """The tape of a stream of this activity."""
    tape = Tape()
    here.live.admit(user, "")
    here.live.open(user, FEED, last, tape, scope=scope)
    return tape


@pytest.mark.need("LI8")
@awaited
async def test_every_stream_that_carries_activity_starts_again() -> None:
    """One reset each, with a cursor to go on from; what follows is sent. Streams of an inbox alone get none."""
    async with place() as here:
        await here.write(Follow("bob", "user:ann", 0), Follow("cy", "user:ann", 0))
        tapes = [
            here.open("bob", include=FEED)[1],
            here.open("cy", include=BOTH)[1],
            watching(here, "dora", EVERYBODY),
            watching(here, "eve", TOPIC),
            watching(here, VISITOR, EVERYBODY),
        ]
        _, inbox = here.open("fay")
        for tape in (*tapes, inbox):
            await tape.until(1)
        await here.write(Publish((event("ann", topics=("room:a",)),)))
        for tape in tapes:
            await tape.until(2)
        await here.write(EraseUser("ann"))
        for tape in tapes:
            await tape.until(3)
        await here.write(Publish((event("zoe", targets=("bob", "cy"), topics=("room:a",)),)))
        for tape in tapes:
            said = await tape.until(4)
            assert [one.event for one in said] == ["hello", "activity", "reset", "activity"]
            assert said[2].data == {"reason": FEED_RESET}
            ids = [(one.id or "").rpartition(".")[2] for one in said[1:]]
            assert ids == ["1", "1" if tape is tapes[-1] else "2", "3"]  # this hub's public end does not move
        assert inbox.names() == ["hello"]


@awaited
async def test_a_stream_that_was_away_starts_again() -> None:
    """From each position before the erasure, and from none after it; also when others were retracted meanwhile."""
    async with place() as here:
        users = tuple(f"bob-{at}" for at in range(6))
        for _ in range(3):
            await here.write(Publish((event("ann"),)))
        await here.write(EraseUser("ann"))
        await here.write(Publish((event("zoe", targets=users),)))
        for scope in (ActivityScope(), EVERYBODY):
            for at in range(6):
                tape = watching(here, f"bob-{at}", scope, f"e..{at}")
                names = [said.event for said in await tape.until(1 + (at < 5))]
                assert names == (["hello", "reset"] if at < 4 else ["hello", "activity"][: 1 + (at < 5)])


@awaited
async def test_erasures_that_come_together_are_one_reset() -> None:
    """However many users are erased before the streams are served."""
    async with place() as here:
        tape = watching(here, "bob", EVERYBODY)
        await tape.until(1)
        users = [f"u{n}" for n in range(20)]
        await here.write(Publish(tuple(event(user) for user in users)), hint=False)
        await here.write(*map(EraseUser, users))
        await tape.until(2)
        await here.write(Publish((event("zoe"),)))
        names = [said.event for said in await tape.until(3)]
        assert names == ["hello", "reset", "activity"]


@awaited
async def test_the_erasure_of_a_user_whom_no_event_shows_resets_nothing() -> None:
    """One who has a feed and an inbox, and has done nothing; nobody but the user saw the events to them."""
    async with place() as here:
        tape = watching(here, "bob", EVERYBODY)
        await tape.until(1)
        await here.write(Follow("ann", "room:a", 0), Publish((event("zoe", targets=("ann",)),)))
        await here.write(EraseUser("ann"), Publish((event("zoe"),)))
        assert [said.event for said in await tape.until(3)] == ["hello", "activity", "activity"]


@awaited
async def test_a_private_event_is_reason_enough() -> None:
    """A reset says that somebody was erased, and not who: it is sent whoever could see the events."""
    async with place() as here:
        tape = watching(here, VISITOR, EVERYBODY)
        await tape.until(1)
        hidden = msgspec.structs.replace(event("ann"), visibility=Visibility.RECIPIENTS)
        await here.write(Publish((hidden,)))
        await here.write(EraseUser("ann"))
        assert [said.event for said in await tape.until(2)] == ["hello", "reset"]


@awaited
async def test_the_clients_of_many_streams_fetch_their_state_one_after_another() -> None:
    """Each at its own time of a window that grows with the number of streams; a few fetch at once."""
    async with place(max_streams_per_address=2_000, stream_opens_per_s=2_000) as here:
        tapes = [watching(here, f"u{n}", EVERYBODY) for n in range(RESTARTS_PER_S + 20)]
        for tape in tapes:
            await tape.until(1)
        await here.write(Publish((event("ann"),)))
        await here.write(EraseUser("ann"))
        times = set()
        for tape in tapes:
            reset = (await tape.until(2))[-1]
            assert reset.data["reason"] == FEED_RESET
            times.add(reset.data["after_ms"])
        assert 0 < min(times) < max(times) <= 1_040
        assert len(times) > 100
        for stream in here.live._registry.all_streams():
            here.live.lost(stream)  # or the hub would end them slowly
