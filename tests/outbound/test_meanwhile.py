"""What changes while an endpoint is sent to: what follows goes by it."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from tests.outbound.receivers import WAIT_S
from tests.outbound.world import USER, World
from tidings.endpoint_commands import AddEndpoint, RemoveEndpoint, RotateSecret
from tidings.inbox_commands import MarkAllNotificationsRead
from tidings.model import (
    Command,
    EraseUser,
    Outcome,
    Publish,
    RecordDeliveryResults,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
)
from tidings.outbound.channel import OutboundMessage, SendResult
from tidings.outbound.dispatcher import LANE, MAX_FAILURES
from tidings.outbound.webhook import Webhook
from tidings.outbound.webhook_signing import new_secret
from tidings.personal_data import Endpoint, Preferences
from tidings.rules import Rule
from tidings.testing import event

Loop = asyncio.Runner


@pytest.mark.parametrize(
    "change",
    [
        EraseUser(USER),
        RemoveEndpoint(USER, "e0"),
        SetMute(USER, "user:bob"),
        SetBlock(USER, "user:bob"),
        MarkAllNotificationsRead(USER),
        SetPreferences(USER, Preferences(types={"like": {"webhook": False}})),
    ],
    ids=lambda command: type(command).__name__,
)
def test_nothing_more_goes_out_once_it_is_not_wanted(loop: Loop, world: World, change: Command) -> None:
    """The fault: what was read together went out together, seconds after an erasure, a removal, a mute, a block, a
    read-all or an opt-out was acknowledged."""

    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell(*["like"] * LANE)
        await world.web.received(1)
        await world.write(change)
        world.web.open.set()
        await world.deliver()
        assert len(world.web.requests) == 1
        assert await world.waiting() == []

    loop.run(scene())


@pytest.mark.parametrize("status", [204, 400])
def test_what_joins_a_group_that_is_being_sent_follows(
    loop: Loop, world: World, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: the attempt that was under way settled it too, and its receiver never heard of it."""

    async def scene() -> None:
        await world.write(SetNotificationType("cook", Rule(channels=("webhook",))))
        await world.hook()
        world.web.open.clear()
        world.web.answer(status)
        for number, actor in enumerate(("bob", "cy", "dan")):
            joins = event(actor, "cook", "recipe:1", targets=(USER,), at=world.clock.now())
            await world.write(Publish((joins,)))
            if not number:
                await world.web.received(1)
            world.clock.advance(1)
        world.web.open.set()
        await world.deliver()
        sent = [json.loads(request.body)["data"]["notification"]["count"] for request in world.web.requests]
        assert sent == [1, 3]
        ids = {request.headers["webhook-id"] for request in world.web.requests}
        assert (len(ids), await world.waiting()) == (2, [])
        given_up = "a delivery by webhook to the endpoint e0 is a dead letter now: HTTP 400"
        assert (given_up in caplog.text) == (status == 400)

    loop.run(scene())


def test_what_is_sent_next_is_signed_with_the_secret_of_now(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A webhook whose secret is rotated while something is under way has another one."""
    used: list[str] = []
    sending = Webhook.send

    async def noting(self: Webhook, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        used.append(endpoint.secret)
        return await sending(self, endpoint, notes)

    async def scene() -> None:
        before = await world.hook()
        secret = new_secret()
        world.web.open.clear()
        await world.tell("like", "like")
        await world.web.received(1)
        await world.write(RotateSecret(before.user, before.id, secret))
        world.web.open.set()
        await world.deliver()
        assert used == [before.secret, secret]

    monkeypatch.setattr(Webhook, "send", noting)
    loop.run(scene())


@pytest.mark.parametrize(("status", "earlier"), [(410, 0), (400, MAX_FAILURES - 1)])
def test_an_endpoint_that_is_registered_again_outlasts_the_attempt_before(
    loop: Loop, world: World, status: int, earlier: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: the end of an attempt removed or disabled an endpoint that was registered again during it. What was
    refused is sent again."""

    async def scene() -> None:
        hook = await world.hook()
        world.web.answer(status, times=earlier + 1)
        for _ in range(earlier):
            await world.tell()
        await world.deliver()
        world.web.open.clear()
        await world.tell()
        await world.web.received(earlier + 1)
        await world.write(AddEndpoint(hook))
        world.web.open.set()
        await world.deliver()
        (found,) = await world.store.endpoints(USER)
        assert (found.id, found.disabled_at, found.failures) == (hook.id, 0, 0)
        assert (len(world.web.requests), await world.waiting()) == (earlier + 2, [])
        assert len(await world.dead()) == earlier
        assert "is disabled" not in caplog.text
        assert "is removed" not in caplog.text

    loop.run(scene())


def test_what_joins_while_a_delivery_is_dropped_follows(loop: Loop, world: World) -> None:
    """The fault: a delivery was dropped for a muted topic of its newest event, and another event that joined before that
    was recorded was never sent."""

    async def cook(*topics: str) -> None:
        joins = event("bob", "cook", "recipe:1", topics=topics, targets=(USER,), at=world.clock.now())
        await world.write(Publish((joins,)))

    async def submit(command: Command) -> Outcome:
        if isinstance(command, RecordDeliveryResults) and command.handled[0].state == "dropped":
            await cook()
        return await world.log.submit(command)

    async def scene() -> None:
        await world.dispatcher.close()
        await world.write(SetNotificationType("cook", Rule(channels=("webhook",))))
        await world.hook()
        await cook("t:x")
        await world.write(SetMute(USER, "t:x"))
        world.begin(submit)
        await world.deliver()
        sent = [json.loads(request.body)["data"]["notification"]["count"] for request in world.web.requests]
        assert (sent, await world.waiting()) == ([2], [])

    loop.run(scene())


def test_a_close_does_not_wait_for_attempts_that_are_cut(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: nothing shortened the wait for a receiver that holds its answer back."""
    monkeypatch.setattr("tidings.outbound.dispatcher.CLOSE_S", 10 * WAIT_S)

    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell()
        await world.web.received(1)
        closing = asyncio.create_task(world.dispatcher.close())
        assert await world.waiting() == [0]
        assert not closing.done()
        world.dispatcher.cut()
        async with asyncio.timeout(WAIT_S):
            await closing
        assert await world.waiting() == [0]
        world.web.open.set()

    loop.run(scene())
