"""Endpoints that ask for a pause with ``Retry-After``: nothing is sent to them, and no attempt is spent."""

import asyncio
import json

import msgspec
import pytest

from tests.outbound.world import USER, World
from tidings import pauses
from tidings.cursors import Cursors
from tidings.endpoint_commands import AddEndpoint, EnableEndpoint, RotateSecret
from tidings.model import Command
from tidings.outbound.dispatcher import LANE, PAGE
from tidings.outbound.webhook_signing import new_secret
from tidings.unsent_deliveries import UnsentDeliveryService

Loop = asyncio.Runner


def objects(world: World, first: int) -> list[int]:
    """The numbers of the objects of the requests from this one on, in order."""
    sent = [json.loads(request.body)["data"]["notification"] for request in world.web.requests[first:]]
    return [int(item["object_id"]) for item in sent]


@pytest.mark.parametrize("wait", ["600", "Tue, 14 Nov 2023 22:23:20 GMT"])
def test_an_endpoint_that_asks_for_time_gets_it(loop: Loop, world: World, wait: str) -> None:
    """Ten minutes, as a number or a date; what else is due to it waits as well, without an attempt counted."""

    async def scene() -> None:
        await world.hook()
        world.web.answer(429, f"Retry-After: {wait}")
        await world.tell("like", "like", "like")
        await world.deliver()
        assert len(world.web.requests) == 1
        assert sorted(await world.waiting()) == [0, 0, 1]
        await world.deliver(599)
        assert len(world.web.requests) == 1
        await world.deliver(1)
        assert await world.waiting() == []

    loop.run(scene())


def test_a_pause_holds_for_all_that_is_due(loop: Loop, world: World) -> None:
    """The fault: only the deliveries that were read together waited. Each further page and each new event was attempted at
    once, within the pause, lost an attempt, and came out of order. The one that was refused has a wait of its own."""
    queued = 3 * LANE

    async def scene() -> None:
        await world.hook()
        world.web.answer(429, "Retry-After: 60", times=PAGE)
        await world.tell(*["like"] * queued)
        await world.deliver()
        for _ in range(3):
            await world.tell()
            await world.deliver(10)
        assert len(world.web.requests) == 1
        assert sorted(await world.waiting()) == [0] * (queued + 2) + [1]
        world.web.answers.clear()
        await world.deliver(30)
        await world.deliver(30)
        assert (objects(world, 1), await world.waiting()) == ([*range(1, queued + 3), 0], [])

    loop.run(scene())


def test_only_so_many_pauses_are_stored(loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that ends first gives way, and its endpoint gets an attempt."""
    monkeypatch.setattr(pauses, "MAX_PAUSES", 1)

    async def scene() -> None:
        for path, wait in (("/short", 60), ("/long", 600)):
            await world.hook(path, user=path)
            world.web.answer(429, f"Retry-After: {wait}")
            await world.tell(user=path)
            await world.deliver()
        await world.tell(user="/short")
        await world.tell(user="/long")
        await world.deliver()
        assert world.web.paths == ["/short", "/long", "/short"]

    loop.run(scene())


@pytest.mark.parametrize("renewal", ["add", "enable", "rotate"])
def test_a_pause_ends_when_its_endpoint_is_renewed(loop: Loop, world: World, renewal: str) -> None:
    """The fault: a webhook that was repaired and registered again got nothing for up to a day, and no reply said so."""

    async def scene() -> None:
        hook = await world.hook()
        world.web.answer(503, "Retry-After: 86400")
        await world.tell()
        await world.deliver()
        (paused,) = await world.store.endpoints(USER)
        assert world.dispatcher.pauses.until(paused) == world.clock.now() + 86_400_000
        commands: dict[str, Command] = {
            "add": AddEndpoint(msgspec.structs.replace(hook, id="other")),
            "enable": EnableEndpoint(USER, hook.id),
            "rotate": RotateSecret(USER, hook.id, new_secret()),
        }
        await world.write(commands[renewal])
        (renewed,) = await world.store.endpoints(USER)
        world.dispatcher.pauses.end(renewed)
        assert world.dispatcher.pauses.until(renewed) == 0
        await world.tell()
        await world.deliver()
        assert objects(world, 1) == [1]
        world.dispatcher.pauses.begin(paused, 600)  # by an attempt that began before
        assert world.dispatcher.pauses.ids() == ()

    loop.run(scene())


def test_a_resend_names_the_end_of_the_pause(loop: Loop, world: World) -> None:
    """The fault: it said that the delivery was due now, and nothing was sent for a day."""

    async def scene() -> None:
        await world.hook()
        world.web.answer(503, "Retry-After: 600")
        await world.tell("like", "like")
        await world.deliver()
        service = UnsentDeliveryService(
            world.store, world.log, Cursors(b"secret"), world.clock, world.dispatcher.pauses
        )
        ends_at = world.clock.now() + 600_000
        found, _ = await service.page(None, 9, None)
        assert all(one.due_at >= ends_at for one in found)
        assert (await service.resend(str(found[0].id))).due_at == ends_at
        assert [one.last_error for one in await world.store.endpoints(USER)] == ["HTTP 503"]
        await world.deliver(600)
        assert (await service.page(None, 9, None))[0] == []
        assert [one.last_error for one in await world.store.endpoints(USER)] == [""]

    loop.run(scene())
