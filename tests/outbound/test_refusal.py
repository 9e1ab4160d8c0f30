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
    """Names inside and outside, and one that is not found."""
    if host == "unknown.example":
        raise OSError("not found")
    return {"inside.example": ["10.0.0.1"], "both.example": ["8.8.8.8", "10.0.0.1"]}.get(host, ["8.8.8.8"])


def refusal(url: str, settings: Settings) -> str:
    """Why a URL is refused."""

    async def ask() -> str:
        ways = ChannelRegistry(settings, FakeClock(), resolve)
        try:
            return await ways.refusal(url)
        finally:
            await ways.close()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("url", "settings", "is_refused"),
    [
        ("https://public.example/", Settings(), False),
        ("https://inside.example/", Settings(), True),
        ("https://both.example/", Settings(), True),
        ("https://public.example:8443/", Settings(), True),
        ("http://public.example/", Settings(), True),
        ("https://unknown.example/", Settings(), False),
        ("https://inside.example/", ALLOWING, False),
        ("https://inside.example:8443/", ALLOWING, False),
    ],
)
def test_a_url_is_looked_at_when_it_is_registered(url: str, settings: Settings, is_refused: bool) -> None:
    """By the rules of the guard that looks at each attempt again. A name that is not found now is let pass: it may be
    published later, and a resolver that is down must not stop registrations."""
    assert bool(refusal(url, settings)) is is_refused


def test_the_settings_say_what_can_be_sent() -> None:
    """A type that is to be mailed is named together with the setting that is missing."""
    mailing = Settings(smtp_url="smtp://localhost", mail_from="a@example.org")
    assert "email" in configured(mailing)
    assert {"email", "web_push"}.isdisjoint(configured(Settings()))
    assert "webhook" in configured(Settings())
    types = {"reply": Rule(channels=("email", "webhook"))}
    assert list(unsendable(types, mailing)) == []
    (said,) = unsendable(types, Settings())
    assert said == "the type 'reply' has the channel email, by which nothing is sent: smtp_url is not set"
