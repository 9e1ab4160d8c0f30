"""The hub over a real store, with wires that keep what is written, and a clock that is turned."""

import asyncio

import msgspec
import pytest

from tests.awaiting import awaited
from tests.live.hub_setup import SETTINGS, Place, place
from tests.live.tape import Tape
from tidings.errors import Deferred, TooManyRequests, Unavailable
from tidings.inbox_commands import NotificationState, SetNotificationState
from tidings.live import INCLUDE, Stream
from tidings.live.stream_deadlines import MAX_BEHIND_S, WARN_S
from tidings.model import EVERYONE, EraseUser, Follow, Publish
from tidings.telemetry import REGISTRY
from tidings.testing import START_MS, event


def seqs(tape: Tape) -> list[int]:
    """The seqs of what was said after the hello."""
    return [said.data["seq"] for said in tape.said[1:] if said.event in ("notification", "read")]


@pytest.mark.need("LI3")
@awaited
async def test_thousands_that_lack_nothing_cost_a_few_reads() -> None:
    async with place() as here:
        opened = [here.open(f"user-{n}", "e.0.") for n in range(2_000)]
        for stream, tape in opened:
            assert (await tape.until(1))[0].event == "hello"
            here.live.lost(stream)  # or their leaving would be spread over seconds
        assert here.store.asked <= 4


@pytest.mark.need("LI8")
@awaited
async def test_all_devices_of_a_user_are_told() -> None:
    """What comes, and what is read on one of them."""
    async with place() as here:
        tapes = [here.open()[1] for _ in range(3)]
        for tape in tapes:
            await tape.until(1)
        await here.publish("bob")
        for tape in tapes:
            await tape.until(2)
        id = tapes[0].said[1].data["id"]
        await here.write(SetNotificationState("bob", (id,), NotificationState.READ), users=["bob"])
        for tape in tapes:
            said = (await tape.until(3))[2]
            assert (said.event, said.data["ids"], said.data["unread_count"]) == ("read", [id], 0)


@awaited
async def test_what_comes_before_the_hello_is_not_lost() -> None:
    """Registered first, read then: an event that falls between opening and greeting arrives, once."""
    async with place() as here:
        _, tape = here.open(include=INCLUDE)
        await here.publish("bob")
        await tape.until(1)
        await here.publish("bob", obj="item:2")
        hello, *rest = await tape.until(3)
        told = [said.data["seq"] for said in rest if said.event == "notification"]
        assert told == list(range(hello.data["seq"] + 1, 3))


@awaited
async def test_hint_that_was_lost_costs_a_second() -> None:
    async with place() as here:
        _, tape = here.open(include=INCLUDE)
        await tape.until(1)
        await here.publish("bob", hint=False)
        here.seconds(1)
        assert {said.event for said in (await tape.until(3))[1:]} == {"notification", "activity"}


@awaited
async def test_long_poll_learns_of_what_no_hint_said() -> None:
    async with place() as here:
        with here.live.waiter("bob") as news:
            here.seconds(1)
            assert await news.wait()  # the first look cannot know what the poll knew
            await here.publish("bob", hint=False)
            here.seconds(1)
            assert await news.wait()


@awaited
async def test_long_poll_is_let_go_when_the_server_leaves() -> None:
    async with place() as here:
        with here.live.waiter("bob") as news:
            await here.live.close()
            assert not await news.wait()
            assert not await news.wait()


@pytest.mark.need("LI5")
@awaited
async def test_slow_reader_gets_everything_once_it_reads() -> None:
    """Its wire was full in the middle: the rest comes from the store, and others are not held up."""
    async with place() as here:
        slow, tape = here.open(tape=Tape(room=3))
        _, quick = here.open()
        await tape.until(1)
        await quick.until(1)
        for number in range(250):
            await here.publish("bob", obj=f"item:{number}")
        await quick.until(251)
        assert len(tape.said) < 4
        tape.room = None
        here.live.writable(slow)
        await tape.until(251)
        assert seqs(tape) == seqs(quick) == list(range(1, 251))


@awaited
async def test_wire_that_stays_full_is_cut() -> None:
    async with place() as here:
        stream, tape = here.open(tape=Tape(room=1))
        await tape.until(1)
        here.seconds(MAX_BEHIND_S - 1)
        assert tape.ended == ""
        here.seconds(2 + SETTINGS.heartbeat_s)
        assert tape.ended == "aborted"
        assert here.live.open_streams == 0
        here.live.lost(stream)


@awaited
async def test_heartbeats_come_when_nothing_else_does() -> None:
    async with place(heartbeat_s=5) as here:
        _, tape = here.open()
        await tape.until(1)
        here.seconds(4)
        await here.publish("bob")
        await tape.until(2)
        here.seconds(4)
        assert tape.names() == ["hello", "notification"]
        here.seconds(2)
        assert tape.names() == ["hello", "notification", "heartbeat"]
        assert tape.said[-1].data == {"seq": 1, "position": 0}


@awaited
async def test_streams_are_ended_when_they_are_old() -> None:
    """Within a fifth of the age that is set, and asked to return at once."""
    async with place(max_stream_s=100, heartbeat_s=20) as here:
        _, tape = here.open()
        await tape.until(1)
        here.seconds(79)
        assert tape.ended == ""
        here.seconds(42)
        assert (tape.names()[-1], tape.ended) == ("drain", "closed")


@awaited
async def test_stream_ends_with_its_credential_after_a_warning() -> None:
    async with place() as here:
        _, tape = here.open(expires_in_s=60)
        await tape.until(1)
        here.seconds(60 - WARN_S + 1)
        assert next(said for said in tape.said if said.event == "reauth").data["in_s"] <= WARN_S
        assert tape.ended == ""
        here.seconds(WARN_S)
        assert tape.ended == "closed"
        assert tape.names().count("reauth") == 1


@awaited
async def test_credential_that_ends_at_once_is_announced_after_hello() -> None:
    """A token may end before the next tick, and a tick may come before the stream is greeted."""
    async with place() as here:
        _, tape = here.open(expires_in_s=2)
        here.seconds(1)
        assert tape.names() == []
        await tape.until(2)
        assert tape.names() == ["hello", "reauth"]
        here.seconds(1)
        assert (tape.names(), tape.ended) == (["hello", "reauth"], "closed")


@awaited
async def test_failure_of_the_store_loses_nothing() -> None:
    """Following pauses and looks at everything again."""
    async with place() as here:
        _, tape = here.open(include=INCLUDE)
        await tape.until(1)
        here.store.failures = 1
        await here.publish("bob")
        assert {said.event for said in (await tape.until(3))[1:]} == {"notification", "activity"}


@awaited
async def test_a_store_that_is_unavailable_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The fault: an error line at each attempt, for as long as a disk is full. Other loops log one line."""
    async with place() as here:
        _, tape = here.open(include=INCLUDE)
        await tape.until(1)
        here.store.failures, here.store.failure = 2, Unavailable("the disk is full")
        await here.publish("bob")
        await tape.until(3)
        assert [(record.levelname, record.message, record.exc_info) for record in caplog.records] == [
            ("WARNING", "following failed and is retried: the disk is full", None)
        ]


@awaited
async def test_streams_that_cannot_catch_up_are_one_line_and_are_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: a line for each stream after a commit by another program, and none in the metric."""

    async def refusing(*_: object) -> None:
        raise Unavailable("restart the server", for_log="another program changed tidings.db")

    async with place() as here:
        await here.publish("bob")
        monkeypatch.setattr(here.store, "inbox_since", refusing)
        before = ended("failed")
        for _ in range(3):
            _, tape = here.open(last="e.0.")
            await tape.closed.wait()
        assert (ended("failed") - before, here.live.open_streams) == (3, 0)
    assert [(record.levelname, record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("WARNING", "streams could not read what they missed: another program changed tidings.db", None)
    ]


@awaited
async def test_device_that_missed_an_erasure_is_reset_beside_one_that_is_new() -> None:
    """The seqs of one are of the inbox that was erased; the other begins after them."""
    async with place() as here:
        await here.publish("bob")
        _, old = here.open()
        await old.until(1)
        await here.write(EraseUser("bob"), hint=False)
        _, new = here.open()
        assert (await new.until(1))[0].data["seq"] == 2
        await here.publish("bob", obj="item:2")
        await new.until(2)
        assert [said.event for said in await old.until(2)] == ["hello", "reset"]


@awaited
async def test_erased_inbox_is_reset() -> None:
    async with place() as here:
        await here.publish("bob")
        _, tape = here.open()
        await tape.until(1)
        await here.write(EraseUser("bob"), users=["bob"])
        said = (await tape.until(2))[1]
        assert (said.event, said.id) == ("reset", "e.2.")


@awaited
async def test_inbox_that_is_erased_between_hello_and_what_was_missed_is_reset() -> None:
    """From its very beginning too: hello said what was unread."""
    async with place() as here:
        await here.publish("bob")
        stream, tape = here.open(last="e.0.", tape=Tape(room=2))
        (hello,) = await tape.until(1)
        assert (hello.data["unread_count"], stream.cursor.seq) == (1, 0)
        await here.write(EraseUser("bob"))
        tape.room = None
        here.live.writable(stream)
        said = (await tape.until(2))[1]
        assert (said.event, said.id) == ("reset", "e.2.")


NEWS = msgspec.structs.replace(event("ann"), audience=EVERYONE, expires_at=START_MS * 2)


@awaited
async def test_streams_of_an_erased_user_end() -> None:
    """The fault: they stayed open, and the next broadcast wrote the name again. The clients are told to fetch afresh and to
    come back; nobody else is."""
    async with place() as here:
        await here.publish("bob")
        opened = [here.open(), here.open(include=INCLUDE)]
        _, other = here.open("cy")
        for tape in (opened[0][1], opened[1][1], other):
            await tape.until(1)
        await here.write(EraseUser("bob"), hint=False)
        here.live.erased(["bob"])
        for _, tape in opened:
            assert (tape.names(), tape.ended) == (["hello", "reset", "drain"], "closed")
        await here.write(Publish((NEWS,)))
        here.live.reconcile_all()
        assert (await other.until(2))[1].event == "notification"
        assert await here.known() == {"cy"}
        assert here.live.open_streams == 1


@awaited
async def test_a_stream_that_was_not_greeted_ends_with_the_erasure_of_its_user() -> None:
    """It has been told nothing, and there is nothing to tell it."""
    async with place() as here:
        _, tape = here.open()
        await here.write(EraseUser("bob"), hint=False)
        here.live.erased(["bob"])
        assert (tape.names(), tape.ended) == ([], "closed")
        await here.write(Publish((NEWS,)))
        _, other = here.open("cy")
        await other.until(1)
        assert await here.known() == {"cy"}


@awaited
@pytest.mark.parametrize("way", ["greeting", "comparing", "telling"])
async def test_a_broadcast_on_its_way_to_a_user_who_is_erased_is_not_brought(way: str) -> None:
    """The fault: what the hub had read before the erasure wrote the name after it."""
    async with place() as here:
        if way != "greeting":
            _, tape = here.open()
            await tape.until(1)
        here.pause()
        await here.write(Publish((NEWS,)), users=["bob"] if way == "telling" else [])
        if way == "greeting":
            here.open()
        elif way == "comparing":
            here.live.reconcile_all()
        await here.paused.wait()
        await here.write(EraseUser("bob"), hint=False)
        here.live.erased(["bob"])
        here.resume()
        await here.brought.wait()
        assert await here.known() == set()


@awaited
async def test_who_waits_for_news_of_an_inbox_is_told_of_its_end() -> None:
    """As when the server leaves: nothing will come any more."""
    async with place() as here:
        with here.live.waiter("bob") as news, here.live.waiter("cy") as other:
            here.live.erased(["bob"])
            assert not await news.wait()
            other.wake()
            assert await other.wait()


@awaited
async def test_broadcast_reaches_who_is_here() -> None:
    async with place() as here:
        _, tape = here.open()
        await tape.until(1)
        await here.write(Publish((NEWS,)))
        here.live.reconcile_all()
        assert (await tape.until(2))[1].event == "notification"


@awaited
async def test_broadcast_is_counted_in_the_hello_of_who_comes() -> None:
    async with place() as here:
        news = msgspec.structs.replace(event("ann"), audience=EVERYONE, expires_at=START_MS * 2)
        await here.write(Publish((news,)))
        _, tape = here.open()
        assert (await tape.until(1))[0].data["unread_count"] == 1


@awaited
async def test_who_comes_while_nothing_can_be_written_is_greeted() -> None:
    """And is told of the broadcast when it can be brought again."""
    async with place() as here:
        news = msgspec.structs.replace(event("ann"), audience=EVERYONE, expires_at=START_MS * 2)
        await here.write(Publish((news,)))
        here.stuck = True
        _, tape = here.open()
        assert (await tape.until(1))[0].data["unread_count"] == 0
        here.stuck = False
        here.seconds(1)
        assert (await tape.until(2))[1].event == "notification"


@awaited
async def test_equal_feeds_share_their_bytes() -> None:
    """One event to many: the same frame, id included, for all streams that carry activity alone."""
    async with place() as here:
        users = [f"user-{n}" for n in range(50)]
        await here.write(*(Follow(user, "item:1", 0) for user in users))
        tapes = [here.open(user, include=frozenset({"activity"}))[1] for user in users]
        for tape in tapes:
            await tape.until(1)
        await here.publish()
        for tape in tapes:
            await tape.until(2)
        assert len({tape.written[-1] for tape in tapes}) == 1


@awaited
async def test_caps_of_user_and_address() -> None:
    async with place(max_streams_per_user=2, max_streams_per_address=3) as here:

        def enter(user: str, address: str) -> Stream:
            here.live.admit(user, address)
            return here.live.open(user, INCLUDE, None, Tape(), address=address)

        first = enter("bob", "10.0.0.1")
        enter("bob", "10.0.0.1")
        with pytest.raises(TooManyRequests, match="2 streams of this user"):
            here.live.admit("bob", "10.0.0.2")
        enter("cid", "10.0.0.1")
        with pytest.raises(TooManyRequests, match="3 streams of this address"):
            here.live.admit("dot", "10.0.0.1")
        here.live.lost(first)
        here.live.lost(first)
        assert here.live.open_streams == 2
        enter("bob", "10.0.0.1")


@awaited
async def test_storms_are_spread() -> None:
    """Twice a second's opens at once, then the rate; who is sent away is told when to return, each at a time of
    their own."""
    async with place(stream_opens_per_s=10) as here:
        for n in range(20):
            here.open(f"user-{n}")
        later = set()
        for n in range(50):
            with pytest.raises(Deferred) as refused:
                here.live.admit(f"late-{n}", "")
            later.add(refused.value.retry_after)
        assert min(later) >= 2
        assert max(later) <= 15
        assert len(later) > 5
        here.clock.advance(500)
        for n in range(5):
            here.open(f"after-{n}")
        with pytest.raises(Deferred):
            here.live.admit("last", "")


@awaited
async def test_leaving_asks_everybody_to_return() -> None:
    async with place() as here:
        tapes = [here.open(f"user-{n}")[1] for n in range(20)]
        for tape in tapes:
            await tape.until(1)
        await here.live.close()
        assert {(tape.names()[-1], tape.ended) for tape in tapes} == {("drain", "closed")}
        assert len({tape.said[-1].data["retry_ms"] for tape in tapes}) > 10
        with pytest.raises(Deferred, match="stopping"):
            here.live.admit("bob", "")
        assert here.live.open_streams == 0


async def greeted(here: Place, number: int) -> list[tuple[Stream, Tape]]:
    """So many streams of different users, each with its hello."""
    opened = [here.open(f"user-{n}") for n in range(number)]
    for _, tape in opened:
        await tape.until(1)
    return opened


def ended(reason: str) -> float:
    """The streams that the metric counts as ended for a reason."""
    return REGISTRY.get_sample_value("tidings_stream_ends_total", {"reason": reason}) or 0


@awaited
async def test_streams_that_end_during_a_drain_are_not_counted_as_drained() -> None:
    """The fault: a drain of many streams takes a while, and counted those again whose clients left meanwhile."""
    async with place() as here:
        opened, before = await greeted(here, 20), ended("drain")
        closing = asyncio.create_task(here.live.close())
        await opened[0][1].until(2)
        for stream, _ in opened[-5:]:
            here.live.lost(stream)
        await closing
        assert ended("drain") - before == 15
        assert all(tape.names() == ["hello"] for _, tape in opened[-5:])


@awaited
async def test_a_suspended_hub_ends_its_streams_and_waiters() -> None:
    """After a commit by another program no cursor is sure: clients leave, and are told to return."""
    async with place() as here:
        opened = await greeted(here, 5)
        with here.live.waiter("bob") as news:
            here.live.suspend("the store was changed")
            assert not await news.wait()
        for _, tape in opened:
            assert [said.event for said in await tape.until(2)] == ["hello", "drain"]
        assert {tape.ended for _, tape in opened} == {"closed"}
        assert here.live.open_streams == 0


@awaited
async def test_a_suspended_hub_refuses_streams_and_waiters_with_its_problem() -> None:
    """The first one: it is the cause."""
    async with place() as here:
        here.live.suspend("the store was changed")
        here.live.suspend("the disk is full")
        with pytest.raises(Deferred, match="the store was changed"):
            here.live.admit("bob", "")
        with pytest.raises(Deferred, match="the store was changed"), here.live.waiter("bob"):
            raise AssertionError
        assert not here.live.closing


@awaited
async def test_a_close_during_a_suspension_drains_once() -> None:
    """The fault: two drains ran at once, each with all streams, and both counted each of them."""
    async with place() as here:
        opened, before = await greeted(here, 20), ended("drain")
        here.live.suspend("the store was changed")
        await opened[0][1].until(2)
        await here.live.close()
        assert ended("drain") - before == 20
        assert {tuple(tape.names()) for _, tape in opened} == {("hello", "drain")}
        assert here.live.open_streams == 0


@awaited
async def test_a_close_after_a_suspension_has_nothing_to_wait_for() -> None:
    """Nor does it leave a stream that was admitted before the suspension, and opened after its drain."""
    async with place() as here:
        opened = await greeted(here, 1)
        here.live.admit("bob", "")
        here.live.suspend("the store was changed")
        await opened[0][1].until(2)
        late = Tape()
        here.live.open("bob", INCLUDE, None, late)
        await here.live.close()
        assert (late.ended, here.live.open_streams) == ("closed", 0)
