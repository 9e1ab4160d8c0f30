"""Apprise, by one of its own services that posts JSON to an address."""

import asyncio
import json

import pytest

from tests.outbound.receivers import HOST
from tests.outbound.world import World
from tidings.outbound.apprise import notify
from tidings.outbound.channel import OutboundMessage

Loop = asyncio.Runner

# The library still imports it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_what_apprise_reaches_is_told(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.endpoint("apprise", f"json://{HOST}:{world.web_port}/in")
        await world.tell("ping")
        await world.deliver()
        (request,) = world.web.requests
        assert json.loads(request.body)["message"] == "bob: ping · item 0"
        assert await world.waiting() == []

    loop.run(scene())


def test_apprise_carries_title_and_description() -> None:
    """A title that the message does not say, and the description below the message."""
    said: list[dict[str, str]] = []

    class Service:
        def add(self, address: str) -> bool:
            return True

        def notify(self, **sent: str) -> bool:
            said.append(sent)
            return True

    note = OutboundMessage(
        "msg_1", "n1-1", "like", "Out now", b"{}", 0, title="Version 2", description="Faster\nfeeds."
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tidings.outbound.apprise.apprise.Apprise", Service)
        notify("json://x", note)
        notify("json://x", note._replace(text="Version 2 is out"))
        notify("json://x", note._replace(url="https://market.example/2"))
    assert said[0] == {"title": "Version 2", "body": "Out now\nFaster feeds."}
    assert said[1] == {"title": "", "body": "Version 2 is out\nFaster feeds."}
    assert said[2]["body"] == "Out now\nFaster feeds.\nhttps://market.example/2"


def test_what_it_does_not_reach_is_tried_again(loop: Loop, world: World) -> None:
    async def scene() -> None:
        world.web.answer(500)
        await world.endpoint("apprise", f"json://{HOST}:{world.web_port}/in")
        await world.tell("ping")
        await world.deliver()
        assert await world.waiting() == [1]

    loop.run(scene())


def test_an_address_that_it_does_not_know_is_a_dead_letter(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.endpoint("apprise", "nosuchservice://hunter2")
        await world.tell("ping")
        await world.deliver()
        assert [letter.error for letter in await world.dead()] == ["Apprise knows no such address"]

    loop.run(scene())


def test_an_attempt_is_bounded_in_time(loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.outbound.apprise.TIMEOUT_S", 0.1)

    async def scene() -> None:
        world.web.open.clear()
        await world.endpoint("apprise", f"json://{HOST}:{world.web_port}/in")
        await world.tell("ping")
        await world.deliver()
        assert await world.waiting() == [1]
        world.web.open.set()

    loop.run(scene())
