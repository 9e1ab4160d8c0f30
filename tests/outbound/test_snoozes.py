"""Snoozes and what leaves the application: it waits for the end of the snooze, and its return is delivered once."""

import asyncio
import json

import pytest

from tests.outbound.test_dispatcher import NIGHT, NIGHT_LEFT_S
from tests.outbound.test_explained import held, mail
from tests.outbound.world import USER, World
from tidings.endpoint_commands import ResendDelivery
from tidings.http.schemas import Decision
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
)
from tidings.model import Retract, SetMute, SetPreferences
from tidings.personal_data import Preferences

Loop = asyncio.Runner
HOUR_S = 3_600
READ, ARCHIVED, UNSNOOZED, UNREAD = (
    NotificationState.READ,
    NotificationState.ARCHIVED,
    NotificationState.UNSNOOZED,
    NotificationState.UNREAD,
)


async def snooze(world: World, id: str, after_s: float = HOUR_S) -> None:
    """Snooze a notification of USER for so long from now."""
    await world.write(SnoozeNotifications(USER, (id,), world.clock.now() + round(after_s * 1_000)))


async def mark(world: World, id: str, state: NotificationState) -> None:
    await world.write(SetNotificationState(USER, (id,), state))


async def end(world: World, id: str, after_s: float = HOUR_S) -> None:
    """Let time pass, have the snooze end that is due then, and deliver."""
    world.clock.advance(round(after_s * 1_000))
    await world.write(ReturnSnoozed(USER, (id,), world.clock.now()))
    await world.deliver()


def shown(world: World) -> list[str]:
    """The notifications that the webhook got, in order."""
    return [json.loads(request.body)["data"]["notification"]["id"] for request in world.web.requests]


@pytest.mark.need("NO7")
def test_the_return_of_a_snoozed_notification_is_delivered(loop: Loop, world: World) -> None:
    """By mail and by webhook, as a new one is: once each, under another id than before the snooze, whether it was read."""

    async def scene() -> None:
        await world.mailbox()
        await world.hook()
        await world.tell()
        await world.deliver()
        id = (await world.newest()).id
        await mark(world, id, READ)
        await snooze(world, id)
        await world.deliver(HOUR_S / 2)
        assert (len(world.relay.mails), shown(world)) == (1, [id])
        await end(world, id, HOUR_S / 2)
        assert (len(world.relay.mails), shown(world), await world.waiting()) == (2, [id, id], [])
        first, second = world.web.requests
        assert first.headers["webhook-id"] != second.headers["webhook-id"]
        began, ended = (json.loads(request.body)["timestamp"] for request in world.web.requests)
        assert began < ended
        await world.deliver(HOUR_S)
        assert len(world.web.requests) == 2

    loop.run(scene())


def test_what_waits_when_it_is_snoozed_goes_at_the_end(loop: Loop, world: World) -> None:
    """The fault: a mail that quiet hours held was dropped if it became due during the snooze. It is sent once."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(quiet_hours=NIGHT))
        told = await world.tell()
        await world.deliver()
        id = (await world.newest()).id
        await snooze(world, id, NIGHT_LEFT_S + HOUR_S)
        assert await mail(world, told) == held("a snooze defers it", world, NIGHT_LEFT_S + HOUR_S)
        await world.write(MarkAllNotificationsRead(USER))
        await world.deliver(NIGHT_LEFT_S)
        assert (world.relay.mails, await world.waiting()) == ([], [0])
        await end(world, id)
        assert (len(world.relay.mails), await world.waiting()) == (1, [])
        assert await mail(world, told) == Decision(True, "wanted")

    loop.run(scene())


@pytest.mark.parametrize("state", [READ, ARCHIVED, UNSNOOZED])
def test_a_user_who_ends_a_snooze_is_sent_nothing(loop: Loop, world: World, state: NotificationState) -> None:
    """Marked read or archived, or brought back by hand: neither then, nor when the snooze would have ended."""

    async def scene() -> None:
        await world.mailbox()
        await world.dispatcher.close()
        told = await world.tell()
        id = (await world.newest()).id
        await snooze(world, id)
        await mark(world, id, state)
        world.begin()
        await world.deliver()
        assert await world.waiting() == []
        if state is READ:
            text = "its return from the snooze is not delivered: it was marked read, or the endpoint was added later"
            assert await mail(world, told) == Decision(False, text)
        await end(world, id)
        await world.deliver(HOUR_S)
        assert world.relay.mails == []

    loop.run(scene())


def test_other_states_of_a_snoozed_notification_change_nothing(loop: Loop, world: World) -> None:
    """Seen, or unread: its return is delivered. So it is after a second snooze, for a shorter or a longer time."""

    async def scene() -> None:
        await world.hook()
        await world.tell()
        await world.deliver()
        id = (await world.newest()).id
        for after_s in (HOUR_S, HOUR_S / 2, 2 * HOUR_S):
            await snooze(world, id, after_s)
        await mark(world, id, NotificationState.SEEN)
        await mark(world, id, UNREAD)
        await world.deliver(HOUR_S)
        assert shown(world) == [id]
        await end(world, id)
        assert (shown(world), await world.waiting()) == ([id, id], [])

    loop.run(scene())


@pytest.mark.parametrize("how", ["disabled", "muted", "unwanted", "quiet", "retracted"])
def test_the_return_is_decided_as_a_new_one_is(loop: Loop, world: World, how: str) -> None:
    """By what holds at the end of the snooze, whatever held when it began."""

    async def scene() -> None:
        hook = await world.hook()
        event_id = await world.tell()
        await world.deliver()
        id = (await world.newest()).id
        await snooze(world, id)
        if how == "muted":
            await world.write(SetMute(USER, "user:bob"))
        elif how == "unwanted":
            await world.write(SetPreferences(USER, Preferences(types={"like": {"webhook": False}})))
        elif how == "quiet":
            await world.prefer(Preferences(quiet_hours=NIGHT))
        elif how == "retracted":
            await world.write(Retract(event_id))
        else:
            world.web.answer(410)
            await world.tell()
        await world.deliver()
        requests = len(world.web.requests)
        await end(world, id)
        assert (len(world.web.requests), len(await world.waiting())) == (requests, int(how == "quiet"))
        if how == "quiet":
            await world.deliver(NIGHT_LEFT_S)
            assert shown(world) == [id, id]
        assert hook.user == USER

    loop.run(scene())


def test_a_delivery_waits_until_its_snooze_has_ended(loop: Loop, world: World) -> None:
    """The time has come, and the transaction that brings it back has not: it is neither sent nor dropped. Nor is it when the
    preferences change, or an operator sends it again."""

    async def scene() -> None:
        await world.hook()
        await world.dispatcher.close()
        await world.tell()
        id = (await world.newest()).id
        await snooze(world, id)
        world.begin()
        await world.prefer(Preferences(digest_s=HOUR_S))
        (delivery,) = await world.store.deliveries(world.clock.now() + 2 * HOUR_S * 1_000, 9)
        await world.write(ResendDelivery(delivery.id))
        await world.deliver(HOUR_S)
        assert (world.web.requests, await world.waiting()) == ([], [0])
        assert await world.due_in_s() == 1
        await end(world, id, 0)
        assert (shown(world), await world.waiting()) == ([id], [])

    loop.run(scene())


def test_what_is_being_sent_when_it_is_snoozed_is_followed_by_its_return(loop: Loop, world: World) -> None:
    """The end of that attempt does not count for the return."""

    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell()
        await world.web.received(1)
        id = (await world.newest()).id
        await snooze(world, id)
        world.web.open.set()
        await world.deliver()
        assert (shown(world), await world.waiting()) == ([id], [0])
        await end(world, id)
        assert (shown(world), await world.waiting()) == ([id, id], [])

    loop.run(scene())
