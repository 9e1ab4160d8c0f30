"""Which channels there are, as the settings say. Each is made when it is first needed: the libraries behind them, and
the certificates to trust, take tens of milliseconds to load, off the event loop."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal

from tidings.config import Settings, networks
from tidings.outbound.addresses import Guard, Resolve
from tidings.outbound.channel import Channel
from tidings.ports import Clock

KEPT_TO_PUSH_SERVICES = 8
"""Idle connections to push services: most browsers have one of three."""


class NotConfigured(Exception):
    """A channel that this server has not been set up for; the message says what is missing."""


class Ways:
    """The channels by name. Raises ConfigError when a setting of any of them does not fit."""

    def __init__(self, settings: Settings, clock: Clock, resolve: Resolve | None = None) -> None:
        self._settings = settings
        self._clock = clock
        allowed = networks("webhook_allow_networks", settings.webhook_allow_networks)
        self._guard = Guard(allowed, settings.webhook_allow_http, resolve)
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
        """The public key by which push services know this server; None when it sends no pushes."""
        return self._push_key

    async def way(self, channel: str) -> Channel:
        """A channel. Raises NotConfigured."""
        async with self._making:
            if channel not in self._made:
                self._made[channel] = await asyncio.to_thread(self._makers[channel])
            return self._made[channel]

    async def confirm(self, address: str, link: str) -> Literal["sent", "failed", "dead", "gone"]:
        """Mail a link to an address that is to confirm it. Raises NotConfigured."""
        from tidings.outbound.email import Email

        channel = await self.way("email")
        if not isinstance(channel, Email):
            raise TypeError("the channel email is made by this class")
        return (await channel.ask(address, link)).state

    async def close(self) -> None:
        """Close all that were made."""
        for channel in self._made.values():
            await channel.close()
        self._guard.close()

    def _check(self) -> str | None:
        """Make what is configured, so that a mistake stops the server at its start and not a mail next week."""
        if self._settings.smtp_url:
            self._made["email"] = self._email()
        if not self._settings.vapid_private_key:
            return None
        from tidings.outbound.web_push import vapid

        return vapid(self._settings).public_key

    def _email(self) -> Channel:
        if not self._settings.smtp_url:
            raise NotConfigured("no smtp_url is set")
        from tidings.outbound.email import Email

        return Email(self._settings, self._clock)

    def _web_push(self) -> Channel:
        if not self._settings.vapid_private_key:
            raise NotConfigured("no vapid_private_key is set")
        from tidings.outbound.posting import Poster
        from tidings.outbound.web_push import WebPush, vapid

        poster = Poster(self._guard, self._clock, keep_alive=KEPT_TO_PUSH_SERVICES)
        return WebPush(poster, vapid(self._settings), self._clock)

    def _webhook(self) -> Channel:
        from tidings.outbound.posting import Poster
        from tidings.outbound.webhook import Webhook

        return Webhook(Poster(self._guard, self._clock), self._clock)

    def _apprise(self) -> Channel:
        try:
            from tidings.outbound.apprise import Apprise
        except ImportError:
            raise NotConfigured("the extra tidings[apprise] is not installed") from None
        return Apprise()
