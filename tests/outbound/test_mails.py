"""Mails: alone, in digests, and after a wait. Over real stores, to a real relay."""

import asyncio

import pytest

from tests.outbound.receivers import WAIT_S, text
from tests.outbound.test_dispatcher import NIGHT, NIGHT_LEFT_S
from tests.outbound.world import USER, World
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import Command, Outcome, SetBlock, SetMute
from tidings.outbound.retry import WAITS_S
from tidings.personal_data import Preferences

Loop = asyncio.Runner
HOUR_S = 3_600
DIGEST = Preferences(digest_s=HOUR_S)
NOTHING_SPECIAL = Preferences()


def subjects(world: World) -> list[str]:
    """The subjects of the mails that came, in order."""
    return [str(mail.content["subject"]) for mail in world.relay.mails]


async def mailed(world: World, wants: Preferences = NOTHING_SPECIAL, times: int = 1) -> None:
    """Let USER have a mailbox and want this, and be told something so often; after each time what is due is sent."""
    await world.mailbox()
    await world.prefer(wants)
    for _ in range(times):
        await world.tell()
        await world.deliver()


async def refused(world: World, at: str, answer: str) -> None:
    """Let the relay answer a mail to USER so, at that point."""
    world.relay.at = at
    world.relay.answers.append(answer)
    await mailed(world)


def test_without_a_digest_each_goes_alone(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.mailbox()
        await world.tell(actor="bob")
        await world.tell(actor="eve")
        await world.deliver()
        assert subjects(world) == ["bob: like · item 0", "eve: like · item 1"]
        assert world.relay.mails[0].recipients == ["alice@example.org"]

    loop.run(scene())


def test_a_digest_leaves_the_blocked_and_the_muted_out(loop: Loop, world: World) -> None:
    """What waits for it is worded without them; of what is left nothing is lost."""

    async def scene() -> None:
        await mailed(world, DIGEST)
        for actor in ("eve", "ann", "cy"):
            await world.tell(actor=actor)
        await world.write(SetBlock(USER, "user:eve"))
        await world.write(SetMute(USER, "user:cy"))
        await world.deliver(HOUR_S)
        assert subjects(world) == ["bob: like · item 0", "ann: like · item 2"]
        assert "eve" not in text(world.relay.mails[1])

    loop.run(scene())


@pytest.mark.need("NO10")
def test_a_digest_begins_with_the_first_at_once_and_collects_the_rest(loop: Loop, world: World) -> None:
    """The window is that of the first mail, however much comes in it; then one mail has them all."""

    async def scene() -> None:
        await mailed(world, DIGEST)
        assert subjects(world) == ["bob: like · item 0"]
        for minute in (10, 20, 29):
            await world.tell("reply" if minute == 10 else "like")
            await world.deliver(60 * minute)
        assert len(world.relay.mails) == 1
        await world.deliver(60)
        assert subjects(world)[1:] == ["bob: like · item 3 (+2)"]
        lines = text(world.relay.mails[1]).splitlines()
        assert lines[:5] == [
            "like 2 · reply 1",
            "",
            "• bob: like · item 3",
            "• bob: like · item 2",
            "• bob: reply · item 1",
        ]
        assert await world.waiting() == []

    loop.run(scene())


def test_after_a_digest_the_next_window_is_counted_from_it(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await mailed(world, DIGEST)
        await world.tell()
        await world.deliver(HOUR_S)
        await world.tell()
        await world.deliver(HOUR_S - 1)
        assert len(world.relay.mails) == 2
        await world.deliver(1)
        assert len(world.relay.mails) == 3

    loop.run(scene())


def test_a_digest_leaves_out_what_was_read_meanwhile(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await mailed(world, DIGEST, times=3)
        await world.write(SetNotificationState(USER, ((await world.newest()).id,), NotificationState.READ))
        await world.deliver(HOUR_S)
        assert subjects(world)[1:] == ["bob: like · item 1"]

    loop.run(scene())


def test_a_digest_of_nothing_is_not_sent(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await mailed(world, DIGEST, times=3)
        await world.write(MarkAllNotificationsRead(USER))
        await world.deliver(HOUR_S)
        assert len(world.relay.mails) == 1
        assert await world.waiting() == []

    loop.run(scene())


def test_preferences_hold_for_each_item_of_a_digest_when_it_is_sent(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await mailed(world, DIGEST)
        await world.tell("like", "reply")
        await world.deliver()
        await world.prefer(Preferences(types={"reply": {"email": False}}, digest_s=HOUR_S))
        await world.deliver(HOUR_S)
        assert subjects(world)[1:] == ["bob: like · item 1"]

    loop.run(scene())


def test_what_is_critical_neither_waits_for_a_digest_nor_puts_it_off(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await mailed(world, DIGEST)
        await world.tell("reply", "alarm")
        await world.deliver(HOUR_S - 1)
        assert subjects(world)[1:] == ["bob: alarm · item 2"]
        await world.deliver(1)
        assert subjects(world)[2:] == ["bob: reply · item 1"]

    loop.run(scene())


@pytest.mark.parametrize("changed", [NOTHING_SPECIAL, Preferences(digest_s=60)])
def test_a_digest_that_is_lifted_or_made_shorter_lets_out_what_it_held(
    loop: Loop, world: World, changed: Preferences
) -> None:
    """As one mail. The fault: it was held until the old digest was due."""

    async def scene() -> None:
        await mailed(world, DIGEST, times=3)
        assert len(world.relay.mails) == 1
        world.clock.advance(61_000)
        await world.prefer(changed)
        await world.deliver()
        assert len(world.relay.mails) == 2
        assert subjects(world)[1].endswith("(+1)")
        assert await world.waiting() == []

    loop.run(scene())


def test_a_digest_waits_for_the_end_of_quiet_hours(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await mailed(world, Preferences(digest_s=HOUR_S, quiet_hours=NIGHT), times=2)
        await world.deliver(2 * HOUR_S)
        assert world.relay.mails == []
        await world.deliver(NIGHT_LEFT_S - 2 * HOUR_S)
        assert subjects(world) == ["bob: like · item 1 (+1)"]

    loop.run(scene())


def test_what_quiet_hours_held_back_comes_as_one_mail(loop: Loop, world: World) -> None:
    """Without a digest too: nobody wants a night's worth of mails at seven."""

    async def scene() -> None:
        await mailed(world, Preferences(quiet_hours=NIGHT), times=4)
        await world.deliver(NIGHT_LEFT_S)
        assert subjects(world) == ["bob: like · item 3 (+3)"]

    loop.run(scene())


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
def test_a_refusal_for_now_is_tried_again_as_the_same_mail(loop: Loop, world: World, at: str) -> None:
    """As mail servers do that have not met the sender before."""

    async def scene() -> None:
        await refused(world, at, "451 greylisted, try again")
        assert await world.waiting() == [1]
        await world.deliver(WAITS_S[0] * 2)
        assert len(world.relay.mails) == 1

    loop.run(scene())


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
def test_a_refusal_for_good_is_a_dead_letter_without_the_address(loop: Loop, world: World, at: str) -> None:
    async def scene() -> None:
        await refused(world, at, "550 5.1.1 <alice@example.org> no such user")
        assert [letter.error for letter in await world.dead()] == ["the mail server says 550"]

    loop.run(scene())


def test_a_relay_that_is_down_is_tried_again(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.relay.stop()
        await mailed(world)
        assert await world.waiting() == [1]

    loop.run(scene())


def test_a_mail_is_repeated_only_by_a_server_that_begins_anew_and_under_its_id(
    loop: Loop, world: World
) -> None:
    """The relay took it, but the store cannot be told, until the server ends."""

    async def scene() -> None:
        told = asyncio.Event()

        async def lost(command: Command) -> Outcome:
            told.set()
            raise OSError("no space left")

        await world.dispatcher.close()
        world.begin(submit=lost)
        await world.mailbox()
        await world.tell()
        await asyncio.wait_for(told.wait(), WAIT_S)
        await world.dispatcher.close()
        assert len(world.relay.mails) == 1
        world.begin()
        await world.deliver()
        first, second = (mail.content["message-id"] for mail in world.relay.mails)
        assert first == second

    loop.run(scene())


def test_a_mail_from_while_the_clock_was_ahead_begins_no_digest(loop: Loop, world: World) -> None:
    """The fault: mails waited until an hour after the time of the wrong clock, which may be years ahead."""

    async def scene() -> None:
        right = world.clock.ms
        world.clock.ms = right + 400 * 86_400_000
        await mailed(world, DIGEST)
        world.clock.ms = right
        await world.tell()
        await world.deliver()
        assert len(world.relay.mails) == 2
        await world.tell()
        await world.deliver()
        assert len(world.relay.mails) == 2
        await world.deliver(HOUR_S)
        assert len(world.relay.mails) == 3

    loop.run(scene())


def test_a_clock_that_was_ahead_delays_no_delivery_for_long(loop: Loop, world: World) -> None:
    """The fault: what failed or was held then waited for the time of the wrong clock."""

    async def scene() -> None:
        right = world.clock.ms
        await world.mailbox()
        await world.prefer(Preferences(quiet_hours=NIGHT))
        world.clock.ms = right + 400 * 86_400_000
        await world.tell()
        await world.deliver()
        due_in_s = await world.due_in_s()
        assert due_in_s is not None
        world.clock.ms = right
        await world.deliver()
        due_in_s = await world.due_in_s()
        assert due_in_s is not None
        assert due_in_s <= 86_400
        assert world.relay.mails == []

    loop.run(scene())
