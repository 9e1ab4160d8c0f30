"""Mails that are ended by the link in them."""

import asyncio

import pytest

from tests.outbound.receivers import Mail, text
from tests.outbound.world import SERVER, USER, World
from tidings.endpoint_commands import RemoveEndpoint
from tidings.errors import NotFound
from tidings.personal_data import Preferences

Loop = asyncio.Runner


def link(mail: Mail) -> str:
    """The link that ends such mails, which is in the headers, in the text and in the HTML; "" without one."""
    headers = mail.content
    if "List-Unsubscribe-Post" not in headers:
        assert "unsubscribe" not in text(mail)
        return ""
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = str(headers["List-Unsubscribe"]).strip("< >")
    assert found.startswith(f"{SERVER}/v1/unsubscribe?token=")
    page = mail.content.get_body(("html",))
    assert page is not None
    assert f"Unsubscribe: {found}" in text(mail)
    assert f'href="{found}"' in page.get_content()
    return found


def token(mail: Mail) -> str:
    """The token of its link."""
    return link(mail).partition("token=")[2]


@pytest.mark.need("NO13")
def test_a_link_ends_mails_about_its_type_alone(loop: Loop, world: World) -> None:
    """And repeated it changes nothing more; other channels go on."""

    async def scene() -> None:
        await world.mailbox()
        await world.hook()
        await world.tell("like")
        await world.deliver()
        for _ in range(2):
            await world.unsubscriptions.unsubscribe(token(world.relay.mails[0]))
            assert (await world.store.preferences(USER)).types == {"like": {"email": False}}
        await world.tell("like", "reply")
        await world.deliver()
        assert [mail.content["subject"] for mail in world.relay.mails[1:]] == ["bob: reply · item 2"]
        assert len(world.web.requests) == 3

    loop.run(scene())


def test_the_link_of_a_digest_with_several_types_ends_all_mails(loop: Loop, world: World) -> None:
    """Also those that the user wanted by name; critical ones go on, and have no such link."""

    async def scene() -> None:
        wanted = {"reply": {"email": True, "webhook": False}, "like": {"webhook": True}}
        await world.prefer(Preferences(wanted, digest_s=60))
        await world.mailbox()
        await world.tell("like")
        await world.deliver()
        await world.tell("like", "reply")
        await world.deliver(60)
        await world.unsubscriptions.unsubscribe(token(world.relay.mails[1]))
        types = (await world.store.preferences(USER)).types
        assert types == {
            "reply": {"email": False, "webhook": False},
            "like": {"webhook": True},
            "*": {"email": False},
        }
        await world.tell("like", "reply", "alarm")
        await world.deliver(60)
        assert [link(mail) for mail in world.relay.mails[2:]] == [""]

    loop.run(scene())


def test_a_link_ends_with_its_address(loop: Loop, world: World) -> None:
    """It changes nothing when the address is registered no more, or another one is; and a made-up one never does."""

    async def scene() -> None:
        removed = await world.mailbox()
        await world.tell()
        await world.deliver()
        old = token(world.relay.mails[0])
        await world.write(RemoveEndpoint(USER, removed.id))
        await world.mailbox()
        for used in (old, "", "AAAA", old[:-4] + "AAAA", old + "\u00e9", "?" * 40):
            with pytest.raises(NotFound):
                await world.unsubscriptions.unsubscribe(used)
        assert await world.store.preferences(USER) == Preferences()

    loop.run(scene())
