"""Polls of frames: the machine of a stream whose wire is one answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from tests.awaiting import awaited
from tests.live.hub_setup import NOTIFICATIONS, Place, place
from tests.live.tape import Said
from tidings.errors import TooManyRequests, Unavailable
from tidings.http import long_poll
from tidings.http.body import ClientGone
from tidings.http.long_poll import ANSWER_BYTES, polled
from tidings.http.request import Message, Request
from tidings.inbox_commands import NotificationState, SetNotificationState
from tidings.live import INCLUDE, Stream, Transport
from tidings.live.stream_deadlines import WARN_S
from tidings.model import EraseUser, Follow, InboxCounters, Publish
from tidings.testing import event

LONG_S = 600
"""A test that waits for so long has failed."""
SCOPE = {"method": "GET", "raw_path": b"/", "query_string": b"", "headers": []}


class Answer(NamedTuple):
    """What a client of a poll gets."""

    frames: list[Said]
    last: str
    size: int

    @property
    def names(self) -> list[str]:
        """The names of the frames."""
        return [frame.event for frame in self.frames]


class Client:
    """Asks for bob, and may go away. ``asked`` is set once the server knows of the question."""

    def __init__(self, here: Place) -> None:
        self.asked = asyncio.Event()
        self._here = here
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._messages.put_nowait({"type": "http.request", "body": b""})

    def leave(self) -> None:
        """Close the connection."""
        self._messages.put_nowait({"type": "http.disconnect"})

    async def ask(
        self,
        last: str | None = None,
        wait_s: float = LONG_S,
        include: frozenset[str] = NOTIFICATIONS,
        expires_in_s: float | None = None,
    ) -> Answer:
        """The answer to a poll."""
        live = self._here.live
        live.admit("bob", "")

        def open(wire: Transport) -> Stream:
            self.asked.set()
            return live.open("bob", include, last, wire, expires_in_s=expires_in_s)

        body = await polled(live, open, wait_s, Request(dict(SCOPE), self._messages.get))
        said = json.loads(body)
        return Answer([_said(frame) for frame in said["frames"]], said["last_event_id"], len(body))


def _said(frame: Any) -> Said:
    return Said(frame["event"], frame["id"], frame["data"])


@asynccontextmanager
async def waiting(
    here: Place,
    last: str = "e.0.",
    expires_in_s: float | None = None,
    include: frozenset[str] = NOTIFICATIONS,
) -> AsyncIterator["asyncio.Task[Answer]"]:
    """A poll that has said hello and waits."""
    client = Client(here)
    poll = asyncio.create_task(client.ask(last, include=include, expires_in_s=expires_in_s))
    await greeted(here, client)
    yield poll


async def greeted(here: Place, client: Client) -> None:
    """Return once a client has been greeted: greetings are in the order of opening."""
    await client.asked.wait()
    after, tape = here.open("somebody else")
    await tape.until(1)
    here.live.lost(after)


@awaited
async def test_who_has_no_place_is_given_one() -> None:
    """At once, and a first answer holds nothing else: from here on things are news."""
    async with place() as here:
        await here.publish("bob")
        answer = await Client(here).ask(wait_s=0)
        assert answer.names == ["hello"]
        assert answer.frames[0].data["unread_count"] == 1
        assert answer.last == answer.frames[0].id == "e.1."


@awaited
async def test_what_was_missed_is_told_at_once() -> None:
    """The frames of a stream, ids and data."""
    async with place() as here:
        await here.publish("bob")
        await here.publish("bob", obj="item:2")
        _, tape = here.open(last="e.0.", include=INCLUDE)
        answer = await Client(here).ask("e.0.", include=INCLUDE)
        assert answer.frames == await tape.until(3)
        assert answer.last == answer.frames[-1].id


@awaited
async def test_news_end_the_waiting() -> None:
    """What comes together is one answer."""
    async with place() as here, waiting(here) as poll:
        assert not poll.done()
        burst = tuple(event("ann", obj=f"item:{n}", targets=("bob",)) for n in range(3))
        await here.write(Publish(burst), users=["bob"])
        answer = await poll
        assert answer.names == ["hello", *["notification"] * 3]
        assert answer.last == "e.3."
        assert here.live.open_streams == 0


@awaited
async def test_marks_of_another_device_end_the_waiting() -> None:
    async with place() as here:
        await here.publish("bob")
        (row,) = (await here.store.inbox("bob", 1, None)).rows
        async with waiting(here, "e.1.") as poll:
            await here.write(SetNotificationState("bob", (row.id,), NotificationState.READ), users=["bob"])
            assert (await poll).names == ["hello", "read"]


@awaited
async def test_waiting_has_an_end() -> None:
    """With the place where the client is, and the counts."""
    async with place() as here:
        answer = await Client(here).ask("e.0.", wait_s=0.01)
        assert (answer.names, answer.last) == (["hello"], "e.0.")
        assert here.live.open_streams == 0


@awaited
async def test_heartbeats_are_no_news() -> None:
    """They come along with what is."""
    async with place(heartbeat_s=5) as here, waiting(here) as poll:
        here.seconds(12)
        assert not poll.done()
        await here.publish("bob")
        assert (await poll).names == ["hello", "heartbeat", "heartbeat", "notification"]


@awaited
async def test_place_moves_over_what_is_for_others() -> None:
    """Or the next poll would look through it again."""
    async with place() as here:
        await here.write(Follow("eve", "item:1", 0))
        async with waiting(here, "e.0.0", include=INCLUDE) as poll:
            for _ in range(3):
                await here.publish("eve")
            await here.publish("bob", obj="item:2")
            answer = await poll
            assert answer.last in ("e.1.3", "e.1.4")


@awaited
async def test_answer_is_bounded_and_nothing_is_skipped() -> None:
    """Who comes back with the place of the answer has it all, in order, once."""
    async with place() as here:
        for n in range(400):
            await here.publish("bob", obj=f"item:{n}")
        last, seqs, asked = "e.0.", list[int](), 0
        while len(seqs) < 400:
            answer = await Client(here).ask(last)
            assert answer.size < ANSWER_BYTES + 1_000
            seqs += [frame.data["seq"] for frame in answer.frames[1:]]
            last, asked = answer.last, asked + 1
        assert seqs == list(range(1, 401))
        assert 3 <= asked <= 6


@awaited
async def test_frame_larger_than_an_answer_gets_through() -> None:
    async with place() as here:
        vast = event("ann", name="x" * ANSWER_BYTES, targets=("bob",))
        await here.write(Publish((vast,)), users=["bob"])
        await here.publish("bob", obj="item:2")
        first = await Client(here).ask("e.0.")
        assert (first.names, first.last) == (["hello", "notification"], "e.1.")
        second = await Client(here).ask(first.last)
        assert (second.names, second.last) == (["hello", "notification"], "e.2.")


@pytest.mark.parametrize("last", ["f.0.", "e.9.", "nonsense"])
def test_place_of_elsewhere_is_reset(last: str) -> None:
    """At once, with a place to go on from."""

    @awaited
    async def run() -> None:
        async with place() as here:
            await here.publish("bob")
            answer = await Client(here).ask(last)
            assert (answer.names, answer.last) == (["hello", "reset"], "e.1.")
            assert not answer.frames[0].data["resumed"]

    run()


@awaited
async def test_erasing_ends_the_waiting() -> None:
    async with place() as here:
        await here.publish("bob")
        async with waiting(here, "e.1.") as poll:
            await here.write(EraseUser("bob"), users=["bob"])
            assert (await poll).names == ["hello", "reset"]


@awaited
async def test_poll_of_an_erased_user_is_answered_at_once() -> None:
    """Although nothing ever came: what it waits for will never come."""
    async with place() as here, waiting(here) as poll:
        await here.write(EraseUser("bob"), hint=False)
        here.live.erased(["bob"])
        assert (await poll).names == ["hello", "reset", "drain"]


@awaited
async def test_server_that_leaves_says_so() -> None:
    async with place() as here, waiting(here) as poll:
        await here.live.close()
        answer = await poll
        assert answer.names == ["hello", "drain"]
        assert 1_000 <= answer.frames[-1].data["retry_ms"] <= 3_000


@awaited
async def test_server_that_left_before_it_greeted_can_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client must not take it for an answer."""

    async def unanswered(_: Sequence[str]) -> list[InboxCounters]:
        await asyncio.Event().wait()
        raise AssertionError

    async with place() as here:
        monkeypatch.setattr(here.store, "counts", unanswered)
        client = Client(here)
        poll = asyncio.create_task(client.ask("e.0."))
        await client.asked.wait()
        await here.live.close()
        with pytest.raises(Unavailable):
            await poll


def test_store_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client must come back, however short it would wait."""
    monkeypatch.setattr(long_poll, "SETTLING_S", 0.01)

    @awaited
    async def run() -> None:
        here = Place()  # a hub that was not started greets nobody
        with pytest.raises(Unavailable):
            await Client(here).ask("e.0.", wait_s=0)
        assert here.live.open_streams == 0

    run()


@awaited
async def test_poll_ends_with_its_credential() -> None:
    """The warning comes along; waking the client for it would not help."""
    async with place() as here, waiting(here, expires_in_s=60) as poll:
        here.seconds(60 - WARN_S + 1)
        assert not poll.done()
        here.seconds(WARN_S)
        answer = await poll
        assert set(answer.names) == {"hello", "heartbeat", "reauth"}


@awaited
async def test_place_of_who_has_gone_is_free() -> None:
    async with place() as here:
        client = Client(here)
        poll = asyncio.create_task(client.ask("e.0."))
        await greeted(here, client)
        assert here.live.open_streams == 1
        client.leave()
        with pytest.raises(ClientGone):
            await poll
        assert here.live.open_streams == 0


@awaited
async def test_polls_take_the_places_of_streams() -> None:
    async with place(max_streams_per_user=2) as here, waiting(here), waiting(here) as poll:
        with pytest.raises(TooManyRequests, match="2 streams of this user"):
            here.live.admit("bob", "")
        poll.cancel()
        await asyncio.wait([poll])
        here.live.admit("bob", "")
