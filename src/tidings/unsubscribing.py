"""One-click unsubscription from mails (RFC 8058): each mail has a link that sets its user's preference.

The link names the endpoint, not the user: it ends with the endpoint, and an erased user leaves no name in it.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tidings.endpoint_commands import Unsubscribe
from tidings.errors import NotFound
from tidings.model import CommandResult, Outcome
from tidings.signed_links import SignedLinks

PATH = "/v1/unsubscribe"


class Unsubscription(NamedTuple):
    """The mails that a link ends: those to an endpoint about notifications of a type ("": of all types)."""

    endpoint: str
    type: str


class Unsubscriptions:
    """Makes the links, and does what they say. They do not expire, as mails are kept for years.

    ``submit`` applies a command. ``key`` signs the links; ``server_url`` is the address of this server for browsers, "" if
    not configured.
    """

    def __init__(
        self, submit: Callable[[Unsubscribe], Awaitable[Outcome]], key: bytes, server_url: str
    ) -> None:
        self._submit = submit
        self._links = SignedLinks(key, server_url.rstrip("/") + PATH, b"unsubscribe")
        self._has_page = bool(server_url)

    def link(self, endpoint: str, type: str) -> str:
        """The URL that ends the mails to an endpoint about a type ("": about all); "" if this server has no address."""
        return self._links.link(f"{endpoint}\0{type}".encode()) if self._has_page else ""

    def check(self, token: str) -> Unsubscription:
        """What the token of a link ends. Raises NotFound for a token that was not made here."""
        endpoint, _, type = self._links.content(token).decode().partition("\0")
        return Unsubscription(endpoint, type)

    async def unsubscribe(self, token: str) -> None:
        """Set the preference; a repetition changes nothing. Raises NotFound, also if the endpoint was removed."""
        endpoint, type = self.check(token)
        outcome = await self._submit(Unsubscribe(endpoint, type))
        if not (isinstance(outcome, CommandResult) and outcome.updated):
            raise NotFound("the address is not registered any more")
