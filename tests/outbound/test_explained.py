"""What an explanation says of what leaves the application, against what the dispatcher does. Over real stores."""

import asyncio
from contextlib import AbstractContextManager

import msgspec
import pytest

from tests.outbound.test_dispatcher import NIGHT, NIGHT_LEFT_S
from tests.outbound.world import ATTEMPTS, USER, World
from tidings.cursors import Cursors
from tidings.http.schemas import Decision, Explanation
from tidings.inbox_commands import NotificationState, SetNotificationState
from tidings.model import Publish, Published, SetMute, SetNotificationType
from tidings.notifications import NewInboxEntries, NotificationReader
from tidings.personal_data import Preferences
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.rules import Rule
from tidings.testing import event
from tidings.timeutil import rfc3339

Loop = asyncio.Runner
HOUR_S = 3_600
ERROR = "HTTP 500"


async def mail(world: World, event_id: str, channel: str = "email", full: bool = True) -> Decision:
    """What an explanation says of the mail about an event, or of another channel."""
    wording = NotificationRenderer(world.store, "en")
    reader = NotificationReader(
        world.store, Cursors(b""), world.clock, "", wording, _no_news, lambda *_: _nothing()
    )
    reply = await reader.explain(USER, event_id, full)
    return msgspec.json.decode(reply.body, type=Explanation).channels[channel]


def _no_news(user: str, address: str) -> AbstractContextManager[NewInboxEntries]:
    raise AssertionError("nothing waits for news")


async def _nothing() -> None:
    """Nothing has to be materialised."""


def held(by: str, world: World, after_s: float) -> Decision:
    """What is said of something that is held so long from now."""
    return Decision(True, f"wanted, but {by} until {rfc3339(world.clock.now() + round(after_s * 1_000))}")


def test_a_mail_that_a_digest_holds_is_explained(loop: Loop, world: World) -> None:
    """The fault: it was "wanted", as if it had gone. The first mail did go, and is held by nothing."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(digest_s=HOUR_S))
        first = await world.tell()
        await world.deliver()
        second = await world.tell()
        await world.deliver()
        assert await mail(world, first) == Decision(True, "wanted")
        assert await mail(world, second) == held("a digest defers it", world, HOUR_S)
        await world.deliver(HOUR_S)
        assert len(world.relay.mails) == 2
        assert await mail(world, second) == Decision(True, "wanted")

    loop.run(scene())


def test_a_mail_that_quiet_hours_hold_is_explained(loop: Loop, world: World) -> None:
    """For as long as they hold it."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(quiet_hours=NIGHT))
        told = await world.tell()
        await world.deliver()
        assert await mail(world, told) == held("quiet hours defer it", world, NIGHT_LEFT_S)
        await world.deliver(NIGHT_LEFT_S)
        assert len(world.relay.mails) == 1
        assert await mail(world, told) == Decision(True, "wanted")

    loop.run(scene())


def test_what_will_be_dropped_is_explained(loop: Loop, world: World) -> None:
    """The fault: what was read, or muted, while it was held was "wanted", and never went."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(quiet_hours=NIGHT))
        read, muted = await world.tell(), await world.tell(actor="eve")
        await world.deliver()
        await world.write(SetMute(USER, "user:eve"))
        notification = (await world.store.inbox(USER, 2, None)).rows[1]
        await world.write(SetNotificationState(USER, (notification.id,), NotificationState.READ))
        assert await mail(world, read) == Decision(False, "read, archived or retracted before it was sent")
        assert await mail(world, muted) == Decision(False, "muted before it was sent")
        await world.deliver(NIGHT_LEFT_S)
        assert world.relay.mails == []

    loop.run(scene())


def test_an_endpoint_that_a_digest_holds_does_not_hide_one_that_it_does_not(loop: Loop, world: World) -> None:
    """The fault: with a digest running for one of two addresses, the mail was "held", although the other got it at once."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(digest_s=HOUR_S))
        await world.tell()
        await world.deliver()
        await world.mailbox("alice@example.net")
        await world.dispatcher.close()  # or it could have sent the mail before the explanation is asked for
        told = await world.tell()
        assert await mail(world, told) == Decision(True, "wanted")
        world.begin()
        await world.deliver()
        assert len(world.relay.mails) == 2
        assert await mail(world, told) == held("a digest defers it", world, HOUR_S)

    loop.run(scene())


async def one_group(world: World, *actors: str) -> list[str]:
    """Let these actors share one item, so that their events are one notification of USER."""
    await world.write(SetNotificationType("share", Rule(channels=("email",))))
    made = tuple(event(one, "share", "item:shared", targets=(USER,), at=world.clock.now()) for one in actors)
    outcome = await world.write(Publish(made))
    assert isinstance(outcome, Published)
    return [receipt.event_id for receipt in outcome.receipts]


def test_a_mute_of_an_older_event_does_not_drop_its_group(loop: Loop, world: World) -> None:
    """The fault: an explanation asked whether its own event was muted; the newest of the notification decides."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(quiet_hours=NIGHT))
        ids = await one_group(world, "eve", "bob")
        await world.deliver()
        await world.write(SetMute(USER, "user:eve"))
        assert [await mail(world, id) for id in ids] == [
            held("quiet hours defer it", world, NIGHT_LEFT_S)
        ] * 2
        await world.deliver(NIGHT_LEFT_S)
        assert len(world.relay.mails) == 1

    loop.run(scene())


def test_a_mute_of_the_newest_event_drops_its_group(loop: Loop, world: World) -> None:
    """The same for the event that is not muted itself."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(quiet_hours=NIGHT))
        ids = await one_group(world, "bob", "eve")
        await world.deliver()
        await world.write(SetMute(USER, "user:eve"))
        assert [await mail(world, id) for id in ids] == [Decision(False, "muted before it was sent")] * 2
        await world.deliver(NIGHT_LEFT_S)
        assert world.relay.mails == []

    loop.run(scene())


async def hook(world: World, event_id: str, full: bool = True) -> str:
    """What is said of the webhook, for an administrator or for the user."""
    return (await mail(world, event_id, "webhook", full)).why


@pytest.mark.need("NO7")
def test_a_retry_is_explained(loop: Loop, world: World) -> None:
    """The attempts, their last error and the next one; the user sees no error. Then that it was given up."""

    async def scene() -> None:
        await world.hook()
        world.web.answer(500, times=ATTEMPTS)
        told = await world.tell()
        await world.deliver()
        due_s = await world.due_in_s()
        assert due_s is not None
        failed, due = "1 attempt failed", rfc3339(world.clock.now() + round(due_s * 1_000))
        next = f"; the next attempt is due at {due}"
        assert await hook(world, told) == f"wanted; {failed}, the last with {ERROR!r}{next}"
        assert await hook(world, told, full=False) == f"wanted; {failed}{next}"
        await world.prefer(Preferences(quiet_hours=NIGHT))
        assert (await hook(world, told)).endswith(f"; {failed}, the last with {ERROR!r}")
        await world.prefer(Preferences())
        for _ in range(ATTEMPTS - 1):
            await world.deliver(await world.due_in_s() or 0)
        given_up = await mail(world, told, "webhook")
        assert given_up == Decision(False, f"given up: {ATTEMPTS} attempts failed, the last with {ERROR!r}")

    loop.run(scene())


def test_a_retry_to_one_endpoint_is_explained_while_others_have_the_message(loop: Loop, world: World) -> None:
    """The explanation is about the one that waits."""

    async def scene() -> None:
        await world.hook()
        await world.hook("/other")
        world.web.answer(500)
        told = await world.tell()
        await world.deliver()
        assert len(world.web.requests) == 2
        assert (await hook(world, told)).startswith("wanted; 1 attempt failed")
        await world.deliver(await world.due_in_s() or 0)
        assert await hook(world, told) == "wanted"

    loop.run(scene())
