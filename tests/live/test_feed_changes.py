"""Marks of a feed, and retractions, reach the other tabs: live, after any time away, and nobody else."""

from typing import Any

import msgspec
import pytest

from tests.awaiting import awaited
from tests.live.hub_setup import Place, place
from tests.live.tape import Said, Tape
from tidings.feed_changes import FeedMark, Retraction
from tidings.live import INCLUDE
from tidings.live.frames import change_frame
from tidings.model import Follow, MarkFeedRead, MarkFeedUnread, Publish, Retract, UndoMarkFeedRead
from tidings.testing import START_MS, event
from tidings.timeutil import rfc3339

FEED = frozenset({"activity"})


async def posted(here: Place, *targets: str) -> str:
    """The id of an event to these users."""
    await here.write(Publish((event("ann", targets=targets),)))
    log = await here.store.tail(0, 1_000)
    return here.store.ids.text(log[-1].key)


async def beside(here: Place, tapes: list[Tape], number: int) -> list[list[Said]]:
    """What each tape has of feeds after its hello, once there is so much of it."""
    return [(await tape.until(number + 1))[1:] for tape in tapes]


def plain(some: list[Said]) -> list[tuple[str, str | None, Any]]:
    return [(said.event, said.id, said.data) for said in some]


@pytest.mark.need("LI8")
@awaited
async def test_a_mark_of_the_feed_reaches_every_tab_of_the_user() -> None:
    """Read by id, unread again, read up to a position: each as one frame, with an id to go on from, to streams with
    activity, and to nobody else."""
    async with place() as here:
        tapes = [here.open(include=FEED)[1] for _ in range(2)]
        _, other = here.open("cy", include=FEED)
        _, inbox = here.open()
        for tape in (*tapes, other, inbox):
            await tape.until(1)
        id = await posted(here, "bob")
        await here.write(MarkFeedRead("bob", (id,)))
        await here.write(MarkFeedUnread("bob", (id,)))
        await here.write(MarkFeedRead("bob"))
        at = rfc3339(START_MS)
        for said in await beside(here, tapes, 4):
            assert plain(said[1:]) == [
                ("feed_read", "e..2", {"event_ids": [id], "read_at": at, "position": 2}),
                ("feed_read", "e..3", {"event_ids": [id], "read_at": None, "position": 3}),
                ("feed_read", "e..4", {"up_to": 1, "read_at": at, "position": 4}),
            ]
        assert other.names() == ["hello"]
        assert "feed_read" not in inbox.names()


@awaited
async def test_a_retraction_reaches_those_whose_feed_had_the_event() -> None:
    """A target, a follower and the actor; nobody else learns the id."""
    async with place() as here:
        await here.write(Follow("fay", "user:ann", 0))
        tapes = {user: here.open(user, include=FEED)[1] for user in ("bob", "fay", "ann", "cy")}
        for tape in tapes.values():
            await tape.until(1)
        id = await posted(here, "bob")
        for user in ("bob", "fay"):
            await tapes[user].until(2)
        await here.write(Retract(id))
        await posted(here, "bob", "fay", "ann", "cy")
        for user, before in (("bob", 1), ("fay", 1), ("ann", 0)):
            said = (await tapes[user].until(before + 2))[before + 1]
            assert (said.event, said.id, said.data) == (
                "retracted",
                "e..2",
                {"event_id": id, "position": 2},
            )
        (later,) = (await tapes["cy"].until(2))[1:]
        assert later.data["position"] == 3
        assert id.encode() not in b"".join(tapes["cy"].written)


@awaited
async def test_what_was_missed_is_told_on_return_in_order() -> None:
    """I5: from every position on, the items and the changes after it, once each, in chunks where there are many."""
    async with place() as here:
        ids = [await posted(here, "bob") for _ in range(3)]
        await here.write(MarkFeedRead("bob", (ids[0],)))
        await here.write(Retract(ids[1]))
        await here.write(MarkFeedRead("bob"))
        for n in range(50):
            await here.write(*((MarkFeedUnread if n % 2 == 0 else MarkFeedRead)("bob", (ids[2],)),))
        here.live.notify([], True)
        whole = [(1, "activity"), (3, "activity"), (4, "feed_read"), (5, "retracted"), (6, "feed_read")]
        whole += [(7 + n, "feed_read") for n in range(50)]
        for after in (0, 1, 2, 4, 5, 30, 55):
            expected = [(at, name) for at, name in whole if at > after]
            _, tape = here.open(last=f"e..{after}", include=FEED)
            said = (await tape.until(len(expected) + 1))[1:]
            assert [(one.data["position"], one.event) for one in said] == expected
            assert [one.id for one in said] == [f"e..{at}" for at, _ in expected]


@awaited
async def test_a_read_all_taken_back_resets_the_feed() -> None:
    """Of who is there, and of who comes from before it; others hear nothing."""
    async with place() as here:
        await posted(here, "bob", "cy")
        _, tape = here.open(include=INCLUDE)
        _, other = here.open("cy", include=FEED)
        for one in (tape, other):
            await one.until(1)
        await here.write(MarkFeedRead("bob"))
        await here.write(UndoMarkFeedRead("bob", 2))
        await here.write(MarkFeedRead("bob"))
        read, reset, again = (await tape.until(4))[1:]
        assert (read.event, read.id) == ("feed_read", "e.1.2")
        assert (reset.event, reset.id) == ("reset", "e.1.3")
        assert "a read-all was undone" in reset.data["reason"]
        assert (again.event, again.id) == ("feed_read", "e.1.4")
        _, late = here.open(last="e.1.2", include=INCLUDE)
        assert [said.event for said in (await late.until(2))] == ["hello", "reset"]
        assert other.names() == ["hello"]


@awaited
async def test_older_than_what_is_kept_is_a_reset() -> None:
    """Of marks each user has a history of their own; the retractions have one for all."""
    async with place() as here:
        here.store._feed_history = 2
        ids = [await posted(here, "bob", "cy") for _ in range(4)]
        await here.write(*(MarkFeedRead("bob", (id,)) for id in ids))
        for last, user, expected in (("e..4", "bob", "reset"), ("e..6", "bob", "feed_read")):
            _, tape = here.open(user, last=last, include=FEED)
            assert (await tape.until(2))[1].event == expected
        _, tape = here.open("cy", last="e..3", include=FEED)
        assert (await tape.until(2))[1].event == "activity"
        here.store._retraction_history = 1
        await here.write(*(Retract(id) for id in ids[:2]))
        _, tape = here.open("cy", last="e..3", include=FEED)
        assert (await tape.until(2))[1].event == "reset"


@awaited
async def test_a_hub_that_fell_behind_the_history_resets_its_streams() -> None:
    """What is let go before the hub has heard of it is not passed over in silence."""
    async with place() as here:
        here.store._feed_history = 1
        ids = [await posted(here, "bob", "cy") for _ in range(3)]
        _, tape = here.open(include=FEED)
        _, other = here.open("cy", include=FEED)
        for one in (tape, other):
            await one.until(1)
        await here.write(*(MarkFeedRead("bob", (id,)) for id in ids))
        assert (await tape.until(2))[1].event == "reset"
        here.store._retraction_history = 1
        await here.write(*(Retract(id) for id in ids))
        for one in (tape, other):
            assert "reset" in [said.event for said in (await one.until(2))]


@awaited
async def test_a_mark_wakes_only_the_streams_of_its_user() -> None:
    """Of many streams, only those of the user are written to."""
    async with place() as here:
        opened = [here.open(f"user-{n}", include=FEED) for n in range(300)]
        tapes = [tape for _, tape in opened]
        for tape in tapes:
            await tape.until(1)
        id = await posted(here, "user-7")
        await here.write(MarkFeedRead("user-7", (id,)))
        assert [said.event for said in await tapes[7].until(3)] == ["hello", "activity", "feed_read"]
        assert all(len(tape.said) == 1 for n, tape in enumerate(tapes) if n != 7)
        for stream, _ in opened:
            here.live.lost(stream)  # or their leaving would be spread over seconds


def test_frames_name_what_the_contract_names() -> None:
    """``feed_read`` and ``retracted`` are JSON objects with exactly these members."""
    unread, read = change_frame(FeedMark(7, None, ("a",))), change_frame(FeedMark(7, 0, up_to=0))
    assert msgspec.json.decode(unread.data) == {"event_ids": ["a"], "read_at": None, "position": 7}
    assert msgspec.json.decode(read.data).keys() == {"up_to", "read_at", "position"}
    gone = change_frame(Retraction(7, "a"))
    assert msgspec.json.decode(gone.data) == {"event_id": "a", "position": 7}
