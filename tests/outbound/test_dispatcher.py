"""What becomes of deliveries: decided, sent, tried again, given up. Over real stores, to real receivers."""

import asyncio
import re

import msgspec
import pytest

from tests.loops import turns
from tests.outbound.receivers import HOST, WAIT_S, text
from tests.outbound.world import ATTEMPTS, USER, World
from tidings.errors import Unavailable
from tidings.inbox_commands import NotificationState, SetNotificationState
from tidings.model import (
    Command,
    Outcome,
    Publish,
    RecordDeliveryResults,
    Retract,
    RetryDeadLetters,
    SetBlock,
    SetMute,
)
from tidings.notification_facts import Delivery
from tidings.outbound.dispatcher import LANE, PAGE
from tidings.outbound.retry import FAILURES, REST_MS, SPREAD, WAITS_S
from tidings.personal_data import Preferences, QuietHours
from tidings.telemetry import REGISTRY
from tidings.testing import event

Loop = asyncio.Runner
NIGHT = QuietHours("UTC", "22:00", "07:00")
"""The clock of these tests begins at 22:13:20 UTC, so this holds, for another 8 h 46 min 40 s."""
NIGHT_LEFT_S = 8 * 3600 + 46 * 60 + 40


def ids(world: World) -> list[str]:
    """The ids of the webhooks that came, in order."""
    return [request.headers["webhook-id"] for request in world.web.requests]


async def held_back(world: World) -> str:
    """Tell USER something at night, which waits for the morning; its id."""
    await world.hook()
    await world.prefer(Preferences(quiet_hours=NIGHT))
    event_id = await world.tell()
    await world.deliver()
    return event_id


def test_what_somebody_is_told_goes_out_once(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.hook("/first")
        await world.hook("/second")
        await world.tell()
        await world.deliver()
        await world.deliver(3600)
        assert sorted(world.web.paths) == ["/first", "/second"]
        assert len(set(ids(world))) == 2
        assert await world.waiting() == []

    loop.run(scene())


def test_what_comes_while_the_courier_rests_goes_out_unasked(loop: Loop, world: World) -> None:
    """A commit is news enough."""

    async def scene() -> None:
        await world.hook()
        await world.deliver()
        await world.tell()
        await world.web.received(1)

    loop.run(scene())


@pytest.mark.parametrize("state", [NotificationState.READ, NotificationState.ARCHIVED])
def test_what_was_read_or_archived_meanwhile_is_dropped(
    loop: Loop, world: World, state: NotificationState
) -> None:
    async def scene() -> None:
        await held_back(world)
        await world.write(SetNotificationState(USER, ((await world.newest()).id,), state))
        await world.deliver(NIGHT_LEFT_S)
        assert (world.web.paths, await world.waiting()) == ([], [])

    loop.run(scene())


def test_what_was_seen_still_goes_out(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await held_back(world)
        await world.write(SetNotificationState(USER, ((await world.newest()).id,), NotificationState.SEEN))
        await world.deliver(NIGHT_LEFT_S)
        assert world.web.paths == ["/hook"]

    loop.run(scene())


def test_what_was_retracted_meanwhile_is_dropped(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.write(Retract(await held_back(world)))
        await world.deliver(NIGHT_LEFT_S)
        assert (world.web.paths, await world.waiting()) == ([], [])

    loop.run(scene())


@pytest.mark.parametrize("mask", [SetBlock(USER, "user:bob"), SetBlock("bob", f"user:{USER}")])
def test_what_a_blocked_actor_did_is_dropped(loop: Loop, world: World, mask: SetMute | SetBlock) -> None:
    """The fault: quiet hours held the mail, the block came, and it was sent in the morning. In both directions."""

    async def scene() -> None:
        await held_back(world)
        await world.write(mask)
        await world.deliver(NIGHT_LEFT_S)
        assert (world.web.paths, await world.waiting()) == ([], [])

    loop.run(scene())


@pytest.mark.parametrize("topic", ["item:0", "user:bob"])
def test_what_was_muted_meanwhile_is_dropped(loop: Loop, world: World, topic: str) -> None:
    """It stays in the inbox."""

    async def scene() -> None:
        await held_back(world)
        await world.write(SetMute(USER, topic))
        await world.deliver(NIGHT_LEFT_S)
        assert (world.web.paths, await world.waiting()) == ([], [])
        assert (await world.newest()).read_at is None

    loop.run(scene())


@pytest.mark.parametrize(
    "types",
    [
        {"like": {"webhook": False}},
        {"*": {"webhook": False}},
        {"*": {"webhook": True}, "like": {"webhook": False}},
    ],
)
def test_a_channel_that_is_not_wanted_gets_nothing(
    loop: Loop, world: World, types: dict[str, dict[str, bool]]
) -> None:
    async def scene() -> None:
        await world.hook()
        await world.prefer(Preferences(types=types))
        await world.tell()
        await world.deliver()
        assert (world.web.paths, await world.waiting()) == ([], [])

    loop.run(scene())


@pytest.mark.need("NO7")
def test_quiet_hours_hold_back_until_they_end(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await held_back(world)
        assert await world.due_in_s() == NIGHT_LEFT_S
        await world.deliver(NIGHT_LEFT_S - 1)
        assert world.web.paths == []
        await world.deliver(1)
        assert world.web.paths == ["/hook"]

    loop.run(scene())


def test_lifting_quiet_hours_lets_out_what_they_held(loop: Loop, world: World) -> None:
    """The fault: it waited for the morning all the same, though there was no night any more."""

    async def scene() -> None:
        await held_back(world)
        await world.prefer(Preferences())
        await world.deliver(1)
        assert world.web.paths == ["/hook"]

    loop.run(scene())


def test_quiet_hours_that_change_hold_until_their_own_end(loop: Loop, world: World) -> None:
    """A night that ends an hour sooner."""

    async def scene() -> None:
        await held_back(world)
        await world.prefer(Preferences(quiet_hours=QuietHours("UTC", "22:00", "06:00")))
        await world.deliver(1)
        assert await world.due_in_s() == NIGHT_LEFT_S - 3_601
        await world.deliver(NIGHT_LEFT_S - 3_601)
        assert world.web.paths == ["/hook"]

    loop.run(scene())


def test_what_is_critical_passes_preferences_and_quiet_hours(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.hook()
        await world.prefer(Preferences(types={"*": {"webhook": False}}, quiet_hours=NIGHT))
        await world.tell("alarm")
        await world.deliver()
        assert world.web.paths == ["/hook"]

    loop.run(scene())


def test_what_fails_is_tried_again_under_the_same_id_and_then_given_up(loop: Loop, world: World) -> None:
    """Ten attempts, each after the wait of its step; then it is a dead letter, and a replay begins anew."""

    async def scene() -> None:
        endpoint = await world.hook()
        world.web.answer(500, body=b"secret trace", times=ATTEMPTS)
        await world.tell()
        await world.deliver()
        for attempt, step in enumerate(WAITS_S, 1):
            assert await world.waiting() == [attempt]
            due = await world.due_in_s()
            assert due is not None
            assert step * (1 - SPREAD) * 0.99 <= due <= step * (1 + SPREAD)
            await world.deliver(due - 0.1)
            assert len(world.web.requests) == attempt
            await world.deliver(0.1)
        assert len(world.web.requests) == ATTEMPTS
        assert await world.waiting() == []
        (letter,) = await world.dead()
        assert letter[1:] == ("delivery", f"{USER} webhook", ATTEMPTS, "HTTP 500", USER, endpoint.id)
        await world.write(RetryDeadLetters())
        await world.deliver()
        assert len(world.web.requests) == ATTEMPTS + 1
        assert len(set(ids(world))) == 1
        assert await world.dead() == []

    loop.run(scene())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_is_refused_for_good_is_not_tried_again(loop: Loop, world: World, status: int) -> None:
    async def scene() -> None:
        await world.hook()
        world.web.answer(status)
        await world.tell()
        await world.deliver()
        assert await world.waiting() == []
        assert [letter.error for letter in await world.dead()] == [f"HTTP {status}"]

    loop.run(scene())


@pytest.mark.parametrize("status", [301, 302, 307, 408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(loop: Loop, world: World, status: int) -> None:
    async def scene() -> None:
        await world.hook()
        world.web.answer(status, f"Location: http://{HOST}:{world.web_port}/elsewhere")
        await world.tell()
        await world.deliver()
        assert await world.waiting() == [1]
        await world.deliver(WAITS_S[0] * 2)
        assert world.web.paths == ["/hook", "/hook"]

    loop.run(scene())


def test_an_endpoint_that_is_gone_is_removed_with_what_waits_for_it(
    loop: Loop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        await world.hook()
        world.web.answer(410, times=3)
        await world.tell("like", "like", "like")
        await world.deliver()
        assert len(world.web.requests) == 1
        assert (await world.store.endpoints(USER), await world.waiting(), await world.dead()) == ([], [], [])
        assert "the endpoint e0 (webhook) is removed: HTTP 410" in caplog.text

    loop.run(scene())


def test_a_host_that_does_not_answer_is_left_alone(loop: Loop, world: World) -> None:
    """After some attempts in vain the rest fail untried, each with its own wait; when the host is back all arrive."""
    all = FAILURES + 2

    async def scene() -> None:
        await world.hook()
        world.web.broken = True
        await world.tell(*["like"] * all)
        await world.deliver()
        assert world.web.resets == FAILURES
        assert await world.waiting() == [1] * all
        world.web.broken = False
        await world.deliver(REST_MS / 1_000)
        assert len(world.web.requests) == all
        assert await world.waiting() == []

    loop.run(scene())


def counted(outcome: str, channel: str = "webhook") -> float:
    """How many deliveries had this outcome so far."""
    labels = {"channel": channel, "outcome": outcome}
    return REGISTRY.get_sample_value("tidings_deliveries_total", labels) or 0.0


def test_a_slow_endpoint_holds_up_nobody_else(loop: Loop, world: World) -> None:
    """More waits for it than a page holds, and still others are served."""

    async def scene() -> None:
        await world.hook("/slow", user="slow")
        world.web.open.clear()
        await world.tell(*["like"] * 2 * PAGE, user="slow")
        await world.web.received(1)
        await world.hook("/quick")
        await world.tell()
        await world.web.received(2)
        assert world.web.paths == ["/slow", "/quick"]
        world.web.open.set()

    loop.run(scene())


def test_one_endpoint_gets_one_thing_after_another(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.hook()
        await world.tell(*["like"] * (LANE + 2))
        await world.deliver()
        assert len(world.web.requests) == LANE + 2
        assert world.web.most_at_once == 1

    loop.run(scene())


def test_a_channel_that_is_not_set_up_leaves_a_dead_letter(loop: Loop, world: World) -> None:
    """Which can be replayed when it is."""

    async def scene() -> None:
        await world.dispatcher.close()
        world.begin(smtp_url="")
        await world.mailbox()
        await world.tell()
        await world.deliver()
        assert [letter.error for letter in await world.dead()] == ["smtp_url is not set"]
        await world.dispatcher.close()
        world.begin()
        await world.write(RetryDeadLetters())
        await world.deliver()
        assert len(world.relay.mails) == 1

    loop.run(scene())


def test_what_is_under_way_when_the_server_stops_is_awaited(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell()
        await world.web.received(1)
        closing = asyncio.create_task(world.dispatcher.close())
        await asyncio.wait({closing}, timeout=0.05)
        assert not closing.done()
        world.web.open.set()
        await closing
        assert await world.waiting() == []

    loop.run(scene())


def test_nothing_is_begun_when_the_server_stops(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell("like", "like", "like")
        await world.web.received(1)
        closing = asyncio.create_task(world.dispatcher.close())
        await asyncio.wait({closing}, timeout=0.05)
        world.web.open.set()
        await closing
        assert len(world.web.requests) == 1
        assert await world.waiting() == [0, 0]

    loop.run(scene())


@pytest.mark.parametrize("ahead", range(6))
def test_a_stop_that_meets_news_is_heard(loop: Loop, world: World, ahead: int) -> None:
    """However many turns of the loop the news is ahead of it."""

    async def scene() -> None:
        await world.deliver()
        world.dispatcher.nudge()
        await turns(ahead)
        async with asyncio.timeout(WAIT_S):
            await world.dispatcher.close()

    loop.run(scene())


def test_what_was_not_settled_is_sent_again_under_the_same_id(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that stops while the receiver holds its answer back, and one that begins after it."""
    monkeypatch.setattr("tidings.outbound.dispatcher.CLOSE_S", 0.05)

    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell()
        await world.web.received(1)
        await world.dispatcher.close()
        assert await world.waiting() == [0]
        world.web.open.set()
        world.begin()
        await world.deliver()
        assert len(world.web.requests) == 2
        assert len(set(ids(world))) == 1

    loop.run(scene())


def test_numbers_of_the_store_that_are_used_again_are_no_repeats(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.hook()
        for _ in range(3):
            await world.tell()
            await world.deliver(1)
        assert len(set(ids(world))) == 3

    loop.run(scene())


def test_a_store_that_cannot_be_told_is_told_again(loop: Loop, world: World) -> None:
    """What was sent is not sent again because the queue was full for a moment."""
    refusals = 2

    async def refusing(command: Command) -> Outcome:
        nonlocal refusals
        if isinstance(command, RecordDeliveryResults) and refusals:
            refusals -= 1
            raise Unavailable("the write queue is full")
        return await world.log.submit(command)

    async def scene() -> None:
        await world.hook()
        await world.dispatcher.close()
        world.begin(submit=refusing)
        await world.tell()
        await world.deliver()
        assert refusals == 0
        assert len(world.web.requests) == 1
        assert await world.waiting() == []

    loop.run(scene())


def test_a_page_that_was_read_before_a_settlement_repeats_nothing(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is asked while something is under way, and answers when that has been settled."""
    settled = asyncio.Event()

    async def telling(command: Command) -> Outcome:
        outcome = await world.log.submit(command)
        if isinstance(command, RecordDeliveryResults):
            settled.set()
        return outcome

    async def scene() -> None:
        whole = world.store.deliveries

        async def late(by: int, most: int, ids: tuple[int, ...] | None = None, **_: object) -> list[Delivery]:
            page = await whole(by, most, ids)  # as if asked for before the attempt began
            if world.web.requests and not settled.is_set():
                world.web.open.set()
                await settled.wait()
                await turns(5)
            return page

        await world.hook()
        await world.dispatcher.close()
        world.begin(telling)
        world.web.open.clear()
        await world.tell()
        await world.web.received(1)
        monkeypatch.setattr(world.store, "deliveries", late)
        await world.deliver()
        assert settled.is_set()
        assert len(world.web.requests) == 1

    loop.run(scene())


def test_a_fault_in_one_delivery_stops_no_other(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that is none fails in the library; what follows is delivered."""

    async def scene() -> None:
        await world.endpoint("webhook", f"http://{HOST}:{world.web_port}/broken", "whsec_")
        await world.hook("/whole")
        await world.tell()
        await world.deliver()
        assert world.web.paths == ["/whole"]
        assert await world.waiting() == [1]

    loop.run(scene())


def test_errors_that_are_kept_tell_no_secrets(loop: Loop, world: World) -> None:
    """Neither what the other side said nor where it is."""

    async def scene() -> None:
        endpoint = await world.hook("/hook?token=hunter2")
        world.web.answer(400, "X-Reason: hunter2", body=b"hunter2")
        await world.tell()
        await world.deliver()
        (letter,) = await world.dead()
        assert not re.search(f"hunter2|{HOST}|{re.escape(endpoint.secret)}", letter.error + letter.subject)

    loop.run(scene())


def test_what_was_done_is_counted(loop: Loop, world: World) -> None:
    async def scene() -> None:
        before = {outcome: counted(outcome) for outcome in ("sent", "dropped")}
        lag = REGISTRY.get_sample_value("tidings_delivery_lag_seconds_count", {"channel": "webhook"}) or 0
        await world.hook()
        await world.tell("like")
        await world.prefer(Preferences(types={"reply": {"webhook": False}}))
        await world.tell("reply")
        await world.deliver()
        assert {outcome: counted(outcome) - n for outcome, n in before.items()} == {"sent": 1, "dropped": 1}
        assert (
            REGISTRY.get_sample_value("tidings_delivery_lag_seconds_count", {"channel": "webhook"}) == lag + 1
        )

    loop.run(scene())


def test_a_store_that_fails_is_looked_at_again(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        whole, failures = world.store.next_due, [OSError("disk"), OSError("disk")]

        async def failing() -> int | None:
            if failures:
                raise failures.pop()
            return await whole()

        await world.hook()
        monkeypatch.setattr(world.store, "next_due", failing)
        await world.tell()
        async with asyncio.timeout(WAIT_S):
            await world.web.received(1)
        assert failures == []

    loop.run(scene())


def test_title_and_description_reach_every_channel(loop: Loop, world: World) -> None:
    """The fault: "admin: announcement · release 2", whatever title the event had."""

    async def scene() -> None:
        await world.hook("/hook")
        await world.mailbox()
        made = event("admin", "like", "release:2", targets=(USER,), at=world.clock.now())
        texts = b'"title":"Version 2 is out","description":"Faster feeds.",'
        await world.write(Publish((msgspec.structs.replace(made, body=texts + made.body),)))
        await world.deliver()
        (request,), (mail,) = world.web.requests, world.relay.mails
        notification = msgspec.json.decode(request.body)["data"]["notification"]
        shown = [notification[name] for name in ("message", "title", "description")]
        assert shown == ["Version 2 is out", "Version 2 is out", "Faster feeds."]
        assert mail.content["subject"] == "Version 2 is out"
        assert text(mail).splitlines()[:2] == ["Version 2 is out", "Faster feeds."]

    loop.run(scene())
