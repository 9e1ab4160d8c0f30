"""Streams of activity: one encoding for all readers, and what a slow reader missed."""

import asyncio
import itertools

import pytest

from tests.awaiting import awaited
from tests.live.hub_setup import Place, place
from tests.live.tape import Tape
from tidings import turns
from tidings.activity_scope import EVERYBODY as ALL_USERS
from tidings.activity_scope import ActivityScope
from tidings.live import Stream
from tidings.model import MarkFeedRead, Publish, SetBlock, UndoMarkFeedRead
from tidings.testing import event
from tidings.visibility import VISITOR

EVERYBODY = ActivityScope(feed=False, everybody=True)
MARKETS = ActivityScope(feed=False, topics=frozenset({"market:1", "market:2"}))
ACTIVITY = frozenset({"activity"})


def watching(here: Place, scope: ActivityScope, user: str = VISITOR, tape: Tape | None = None) -> Tape:
    """The tape of a stream of activity."""
    return opened(here, scope, user, tape)[1]


def opened(here: Place, scope: ActivityScope, user: str, tape: Tape | None) -> tuple[Stream, Tape]:
    """A stream of activity, and its tape."""
    tape = tape or Tape()
    here.live.admit(user, "")
    return here.live.open(user, ACTIVITY, None, tape, scope=scope), tape


@awaited
async def test_all_readers_get_the_same_bytes() -> None:
    """One object for visitors and users, of all activity and of a topic: none is made for a delivery."""
    async with place() as here:
        tapes = [watching(here, scope) for scope in (EVERYBODY, MARKETS) for _ in range(20)]
        tapes += [watching(here, EVERYBODY, f"u{n}") for n in range(20)]
        for tape in tapes:
            await tape.until(1)
        await here.publish(obj="market:1")
        for tape in tapes:
            await tape.until(2)
        assert len({id(tape.written[-1]) for tape in tapes}) == 1


@awaited
async def test_events_of_one_step_are_few_writes() -> None:
    """A hundred writes to each of a thousand readers took the loop for most of a second."""
    async with place() as here:
        tapes = [watching(here, scope) for scope in (EVERYBODY, MARKETS) for _ in range(3)]
        for tape in tapes:
            await tape.until(1)
        before = [len(tape.written) for tape in tapes]
        await here.write(Publish(tuple(event("ann", obj=f"market:{n % 2 + 1}") for n in range(100))))
        for tape in tapes:
            expected = [f"e..{n + 1}" for n in range(100)]
            assert [said.id for said in (await tape.until(101))[1:]] == expected
        assert [len(tape.written) for tape in tapes] == [written + 1 for written in before]


@awaited
async def test_other_work_is_done_between_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gets them, visitors or users with feeds: no turn sends to two if each takes as long as a turn may."""
    monkeypatch.setattr(turns, "TURN_S", 0.0)
    async with place() as here:
        tapes = [watching(here, EVERYBODY, user) for user in (VISITOR, VISITOR, "bob", "bob")]
        tapes += [watching(here, ActivityScope(everybody=True), "bob") for _ in range(2)]
        for tape in tapes:
            await tape.until(1)
        written: list[int] = []

        def look() -> None:
            written.append(sum(len(tape.said) for tape in tapes))
            asyncio.get_running_loop().call_soon(look)

        look()
        await here.publish(obj="market:1")
        for tape in tapes:
            await tape.until(2)
        assert max(after - before for before, after in itertools.pairwise(written)) == 1


@awaited
async def test_an_event_of_two_topics_is_one_frame() -> None:
    """Also for a stream of all activity and of topics."""
    async with place() as here:
        both = ActivityScope(feed=False, everybody=True, topics=frozenset({"market:1", "user:ann"}))
        tapes = [watching(here, both), watching(here, both, "bob")]
        for tape in tapes:
            await tape.until(1)
        await here.publish(obj="market:1")
        await here.publish(obj="market:9")
        for tape in tapes:
            assert [said.id for said in (await tape.until(3))[1:]] == ["e..1", "e..2"]


@awaited
async def test_a_slow_visitor_catches_up_and_delays_nobody() -> None:
    """Full, it gets nothing; writable again, it gets what it missed, in order."""
    async with place() as here:
        stream, slow = opened(here, MARKETS, VISITOR, Tape(room=2))
        quick = watching(here, MARKETS)
        for tape in (slow, quick):
            await tape.until(1)
        for n in range(60):
            await here.publish(obj=f"market:{n % 3}")
        expected = [f"e..{n + 1}" for n in range(60) if n % 3]
        assert [said.id for said in (await quick.until(41))[1:]] == expected
        slow.room = None
        here.live.writable(stream)
        assert [said.id for said in (await slow.until(41))[1:]] == expected


@awaited
async def test_a_block_holds_on_the_stream_of_its_user_alone() -> None:
    """Streams of others of the same activity get the event."""
    async with place() as here:
        await here.write(SetBlock("bob", "user:troll"))
        bob, cy = watching(here, EVERYBODY, "bob"), watching(here, EVERYBODY, "cy")
        for tape in (bob, cy):
            await tape.until(1)
        await here.write(Publish((event("troll"), event("ann"))))
        assert [said.id for said in (await cy.until(3))[1:]] == ["e..1", "e..2"]
        assert [said.id for said in (await bob.until(2))[1:]] == ["e..2"]


@awaited
@pytest.mark.need("FE15")
async def test_streams_of_activity_have_the_read_state_of_their_user() -> None:
    """In the order of the log with the events of the same step, live and resumed; visitors and other users have none, and a
    stream of notifications alone neither. The undo of a read-all resets the streams of the user."""
    async with place() as here:
        mine = [watching(here, scope, "bob") for scope in (EVERYBODY, MARKETS)]
        with_feed = watching(here, ActivityScope(everybody=True), "bob")
        others = [watching(here, EVERYBODY, user) for user in (VISITOR, "cy")]
        inbox = here.open("bob")[1]
        for tape in (*mine, with_feed, *others, inbox):
            await tape.until(1)
        await here.write(
            Publish((event("ann", obj="market:1"),)),
            MarkFeedRead("bob", activity=ALL_USERS),
            Publish((event("ann", obj="market:2"),)),
        )
        expected = [("activity", "e..1"), ("feed_read", "e..2"), ("activity", "e..3")]
        for tape in (*mine, with_feed):
            assert [(said.event, said.id) for said in (await tape.until(4))[1:]] == expected
        for tape in others:
            assert [said.event for said in (await tape.until(3))[1:]] == ["activity"] * 2
        back = Tape()
        here.live.open("bob", ACTIVITY, "e..1", back, scope=EVERYBODY)
        assert [(said.event, said.id) for said in (await back.until(3))[1:]] == expected[1:]
        await here.write(UndoMarkFeedRead("bob", 2))
        for tape, number in ((mine[0], 5), (mine[1], 5), (with_feed, 5), (back, 4)):
            assert (await tape.until(number))[-1].event == "reset"
        assert [len(tape.said) for tape in (*others, inbox)] == [3, 3, 1]
