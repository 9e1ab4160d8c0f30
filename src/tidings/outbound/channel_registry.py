"""The channels that the settings configure. Each is created at its first use, in a thread: its libraries and the trusted
certificates take tens of milliseconds to load."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Literal

from tidings.config import Settings, networks
from tidings.confirmations import Send
from tidings.outbound.channel import Channel
from tidings.outbound.ssrf_guard import Guards, Resolve, SsrfGuard
from tidings.rules import CHANNELS, Rule
from tidings.timeutil import Clock

KEPT_TO_PUSH_SERVICES = 8
"""Idle connections to push services: nearly all browsers use one of three services."""
NO_APPRISE = "the extra tidings[apprise] is not installed"


class NotConfigured(Exception):
    """The channel is not configured; the message names the missing setting or package."""


def missing(settings: Settings, channel: str) -> str:
    """The setting or package that a server with these settings lacks for a channel; "" if it can send."""
    match channel:
        case "email":
            return "" if settings.smtp_url else "smtp_url is not set"
        case "web_push":
            return "" if settings.vapid_private_key else "vapid_private_key is not set"
        case "apprise":
            return "" if _has_apprise() else NO_APPRISE
        case _:
            return ""


@cache
def _has_apprise() -> bool:
    """Cached: the search reads folders, and no package is installed while a server runs."""
    return find_spec("apprise") is not None


def configured(settings: Settings) -> frozenset[str]:
    """The channels by which a server with these settings can send."""
    return frozenset(channel for channel in CHANNELS if not missing(settings, channel))


def unsendable(types: Mapping[str, Rule], settings: Settings) -> Iterator[str]:
    """The channels of these types that the settings do not configure, one sentence each."""
    for type, rule in types.items():
        for channel in rule.channels:
            if lacking := missing(settings, channel):
                yield f"the type {type!r} has the channel {channel}, which sends nothing: {lacking}"


class ChannelRegistry:
    """The channels by name. Raises ConfigError when a setting of any of them does not fit."""

    def __init__(self, settings: Settings, clock: Clock, resolve: Resolve | None = None) -> None:
        self._settings = settings
        self._clock = clock
        allowed = networks("webhook_allow_networks", settings.webhook_allow_networks)
        self._guards = Guards(
            SsrfGuard(allowed, settings.webhook_allow_http, resolve),
            SsrfGuard((), settings.webhook_allow_http, resolve),
        )
        self._makers: Mapping[str, Callable[[], Channel]] = {
            "email": self._email,
            "web_push": self._web_push,
            "webhook": self._webhook,
            "apprise": self._apprise,
        }
        self._made: dict[str, Channel] = {}
        self._making = asyncio.Lock()
        self._push_key = self._check()

    @property
    def push_key(self) -> str | None:
        """The public key that identifies this server to push services; None without one."""
        return self._push_key

    async def get(self, channel: str) -> Channel:
        """A channel. Raises NotConfigured."""
        async with self._making:
            if channel not in self._made:
                self._made[channel] = await asyncio.to_thread(self._makers[channel])
            return self._made[channel]

    def refusal(self, url: str, vouched: bool) -> str:
        """The reason why a URL is never called, as far as its text shows; "" without one. ``vouched``: the application
        registers it."""
        return self._guards.of(vouched).refusal(url)

    @property
    def ask(self) -> Send | None:
        """Sends the mail that asks for the confirmation of an address; None without an SMTP server."""
        return self._ask if self._settings.smtp_url else None

    async def _ask(self, address: str, link: str) -> Literal["sent", "failed", "dead", "gone"]:
        """Mail a confirmation link to an address. Raises NotConfigured."""
        from tidings.outbound.email import Email

        channel = await self.get("email")
        if not isinstance(channel, Email):
            raise TypeError("the channel email is made by this class")
        return (await channel.ask(address, link)).state

    async def close(self) -> None:
        """Close all channels that were created."""
        for channel in self._made.values():
            await channel.close()
        for guard in self._guards:
            guard.close()

    def _check(self) -> str | None:
        """Create what is configured, so that a mistake is found when the server starts. Returns the public key of Web
        Push."""
        if self._settings.smtp_url:
            self._made["email"] = self._email()
        elif self._settings.mail_templates:
            from tidings.outbound.mail_templates import MailTemplates

            MailTemplates(self._settings.mail_templates)
        if not self._settings.vapid_private_key:
            return None
        from tidings.outbound.web_push import vapid

        return vapid(self._settings).public_key

    def _email(self) -> Channel:
        if lacking := missing(self._settings, "email"):
            raise NotConfigured(lacking)
        from tidings.outbound.email import Email

        return Email(self._settings, self._clock)

    def _web_push(self) -> Channel:
        if lacking := missing(self._settings, "web_push"):
            raise NotConfigured(lacking)
        from tidings.outbound.http_client import GuardedHttpClients
        from tidings.outbound.web_push import WebPush, vapid

        clients = GuardedHttpClients(self._guards, self._clock, keep_alive=KEPT_TO_PUSH_SERVICES)
        return WebPush(clients, vapid(self._settings), self._clock)

    def _webhook(self) -> Channel:
        from tidings.outbound.http_client import GuardedHttpClients
        from tidings.outbound.webhook import Webhook

        return Webhook(GuardedHttpClients(self._guards, self._clock), self._clock)

    def _apprise(self) -> Channel:
        try:
            from tidings.outbound.apprise import Apprise
        except ImportError:
            raise NotConfigured(NO_APPRISE) from None
        return Apprise()
