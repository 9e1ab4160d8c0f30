"""Deliveries after a user got another display name: each channel sends the name of the time of the delivery."""

import asyncio
import json

import pytest

from tests.outbound.world import World
from tidings.display_names import SetDisplayName
from tidings.personal_data import Preferences

Loop = asyncio.Runner
HOUR_S = 3_600


@pytest.mark.need("NO13")
def test_another_attempt_of_a_webhook_has_the_newest_name(loop: Loop, world: World) -> None:
    """The same as the list has then."""

    async def scene() -> None:
        await world.hook()
        world.web.answer(503)
        await world.tell()
        await world.deliver()
        await world.write(SetDisplayName("bob", "Robert"))
        await world.deliver(60)
        first, second = (json.loads(one.body)["data"]["notification"] for one in world.web.requests)
        assert [first["message"], second["message"]] == ["bob: like · item 0", "Robert: like · item 0"]
        assert second["actor_name"] == second["parts"]["actors"][0]["name"] == "Robert"
        assert (await world.newest()).actor_names == ("Robert",)

    loop.run(scene())


def test_a_digest_has_the_newest_names(loop: Loop, world: World) -> None:
    """Of the time at which it is sent."""

    async def scene() -> None:
        await world.mailbox()
        await world.prefer(Preferences(digest_s=HOUR_S))
        await world.tell(actor="ann")  # is sent at once; later ones wait
        await world.deliver()
        await world.tell(actor="bob")
        await world.tell(actor="eve")
        await world.deliver()
        await world.write(SetDisplayName("bob", "Robert"))
        await world.deliver(HOUR_S)
        mail = world.relay.mails[-1].content.get_body(("plain",))
        assert mail is not None
        said = mail.get_content()
        assert [name in said for name in ("Robert: like", "eve: like", "bob")] == [True, True, False]

    loop.run(scene())
