"""What is refused when it is registered, and what only when it is called."""

import asyncio
from collections.abc import Sequence

import pytest

from tidings.config import Settings
from tidings.outbound.channel_registry import ChannelRegistry, configured, unsendable
from tidings.rules import Rule
from tidings.testing import FakeClock

ALLOWING = Settings(webhook_allow_networks="10.0.0.0/8")


async def resolve(host: str, port: int) -> Sequence[str]:
    """No registration asks."""
    raise AssertionError(f"{host} was looked up")


def refusal(url: str, settings: Settings, vouched: bool = True) -> str:
    """Why a URL is refused."""

    async def ask() -> str:
        channels = ChannelRegistry(settings, FakeClock(), resolve)
        found = channels.refusal(url, vouched)
        await channels.close()
        return found

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("url", "settings", "is_refused"),
    [
        ("https://public.example/", Settings(), False),
        ("https://8.8.8.8/", Settings(), False),
        ("https://10.0.0.1/", Settings(), True),
        ("https://localhost/", Settings(), True),
        ("https://2130706433/", Settings(), True),
        ("https://[::ffff:10.0.0.1]/", Settings(), True),
        ("https://public.example:8443/", Settings(), True),
        ("https://8.8.8.8:8443/", Settings(), True),
        ("http://public.example/", Settings(), True),
        ("https://10.0.0.1:8443/", ALLOWING, False),
        ("https://192.168.0.1/", ALLOWING, True),
        ("https://8.8.8.8:8443/", ALLOWING, True),
        ("https://intranet.example:8443/", ALLOWING, False),
    ],
)
def test_a_url_is_looked_at_when_it_is_registered(url: str, settings: Settings, is_refused: bool) -> None:
    """By what it says itself, and by the rules of the guard that looks at each attempt again."""
    assert bool(refusal(url, settings)) is is_refused


def test_an_allowed_network_is_for_what_the_application_registers() -> None:
    """The fault: a user's token was enough. The refusal names the setting."""
    for url in ("https://10.0.0.1/", "https://10.0.0.1:8443/", "https://intranet.example:8443/"):
        assert refusal(url, ALLOWING) == ""
        told = refusal(url, ALLOWING, vouched=False)
        assert "webhook_allow_networks" in told
        assert "for an endpoint of the application" in told


def test_a_registration_does_not_tell_which_names_exist_inside() -> None:
    """The fault: a name that led inside was refused, and one that did not exist was taken, so users could ask for the names
    of the server's network. No name is looked up any more."""
    names = ("inside.example", "no-such-host", "printer.corp.internal")
    assert {refusal(f"https://{name}/", Settings()) for name in names} == {""}


def test_the_settings_say_what_can_be_sent() -> None:
    """A type that is to be mailed is named together with the setting that is missing."""
    mailing = Settings(smtp_url="smtp://localhost", mail_from="a@example.org")
    assert "email" in configured(mailing)
    assert {"email", "web_push"}.isdisjoint(configured(Settings()))
    assert "webhook" in configured(Settings())
    types = {"reply": Rule(channels=("email", "webhook"))}
    assert list(unsendable(types, mailing)) == []
    (said,) = unsendable(types, Settings())
    assert said == "the type 'reply' has the channel email, which sends nothing: smtp_url is not set"
