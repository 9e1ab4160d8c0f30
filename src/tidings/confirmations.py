"""Confirmation of mail addresses: the owner of an address confirms it before anything else is sent there.

A user's token can name any address, so a mail with a signed link goes there first. Since any user could have such mails sent
to others, the mails are counted by mailbox, across all users, and by user. The counts are in the store, under keyed digests:
erasing a user ends none, and leaves no name.
"""

import asyncio
import hashlib
import logging
import struct
from collections.abc import Awaitable, Callable
from typing import Literal

from tidings.commit_queue import GroupCommitQueue
from tidings.endpoint_commands import ConfirmEndpoint, ReserveConfirmation
from tidings.errors import Expired, NotFound, TooManyRequests, Unavailable
from tidings.mail_addresses import counted_mailbox
from tidings.model import CommandResult
from tidings.signed_links import SignedLinks
from tidings.telemetry import CONFIRMATION_MAILS
from tidings.timeutil import DAY_MS, Clock

DAY_S = DAY_MS // 1_000
CONFIRM_WITHIN_S = 3 * DAY_S
"""Seconds for which a link confirms: a weekend without mail."""
MAILS_PER_ADDRESS = 3
"""Confirmation mails to one address in MAIL_WINDOW_S, by all users: a lost one can be repeated, and more would molest an
owner who wants none."""
MAILS_PER_USER = 5
"""Confirmation mails that one user can cause in MAIL_WINDOW_S: enough for some typing errors, too few for a list of other
people's addresses."""
MAIL_WINDOW_S = DAY_S
MAX_UNDER_WAY = 1_000
"""Confirmation mails that wait for the mail server; over it, a registration gets 503."""
RETRIES_S = (5, 60, 600)
"""Seconds before each further attempt: relays that greylist accept a mail after some minutes. A user without a mail can
request another."""
PATH = "/v1/confirm"
NO_SERVER_URL = "this server cannot ask the owner of the address, since server_url is not set"
BY_APPLICATION = "; the application can register it with its API key"
"""The way out if confirmations are missing, unless the application needs one as well."""
_EXPIRY = struct.Struct(">q")
_DIGEST_BYTES = 16

Send = Callable[[str, str], Awaitable[Literal["sent", "failed", "dead", "gone"]]]
"""Sends a confirmation mail: to an address, with a link."""
_log = logging.getLogger(__name__)


class Confirmations:
    """Sends confirmation mails, and checks the links in them.

    ``key`` signs the links; ``server_url`` is the address of this server for browsers, "" if not configured; ``send`` is
    None if no mail is sent.
    """

    def __init__(
        self, log: GroupCommitQueue, clock: Clock, key: bytes, server_url: str, send: Send | None
    ) -> None:
        self._log = log
        self._clock = clock
        self._key = key
        self._links = SignedLinks(key, server_url.rstrip("/") + PATH, b"confirm")
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()
        self.missing = "" if server_url else NO_SERVER_URL
        """The settings that a confirmation lacks, as text; "" for none."""

    async def reserve(self, user: str, address: str) -> None:
        """Count a mail that this user causes to this address. Raises TooManyRequests over the limits, Unavailable while too
        many mails wait."""
        if len(self._tasks) >= MAX_UNDER_WAY:
            raise Unavailable("Too many confirmation mails wait for the mail server.", RETRIES_S[1])
        by, to = self._digest(b"user", user), self._digest(b"address", counted_mailbox(address))
        limits = (MAILS_PER_USER, MAILS_PER_ADDRESS, MAIL_WINDOW_S * 1_000)
        command = ReserveConfirmation(user, by, to, *limits)
        outcome = await self._log.submit(command)
        if not (isinstance(outcome, CommandResult) and outcome.updated):
            CONFIRMATION_MAILS.labels("refused").inc()
            raise TooManyRequests(
                f"A day has at most {MAILS_PER_USER} confirmation mails by one user, "
                f"and {MAILS_PER_ADDRESS} to one address.",
                MAIL_WINDOW_S,
            )

    def begin(self, id: str, address: str, waits: Callable[[], Awaitable[bool]]) -> None:
        """Send the link that confirms an endpoint, in the background, as long as ``waits`` returns True."""
        task = asyncio.create_task(self._ask(address, self.link(id), waits), name="confirmation-mail")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def link(self, id: str) -> str:
        """The URL of the page that confirms an endpoint, valid for CONFIRM_WITHIN_S from now on."""
        return self._links.link(_EXPIRY.pack(self._clock.now() + CONFIRM_WITHIN_S * 1_000) + id.encode())

    def check(self, token: str) -> str:
        """The endpoint of a link's token. Raises NotFound for a foreign one, Expired for an old one."""
        content = self._links.content(token)
        if _EXPIRY.unpack_from(content)[0] <= self._clock.now():
            raise Expired("the link has expired: register the address again for another")
        return content[_EXPIRY.size :].decode()

    async def confirm(self, token: str) -> None:
        """Confirm the endpoint of a token; a repetition changes nothing. Raises NotFound, also if the endpoint was removed,
        and Expired."""
        outcome = await self._log.submit(ConfirmEndpoint(self.check(token)))
        if not (isinstance(outcome, CommandResult) and outcome.updated):
            raise NotFound("the address is not registered any more")

    async def close(self) -> None:
        """Cancel the waiting mails. A user without a mail can request another."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def sent(self) -> None:
        """Returns when no mail waits."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, address: str, link: str, waits: Callable[[], Awaitable[bool]]) -> None:
        state = await self._attempt(address, link, waits)
        for wait_s in RETRIES_S:
            if state != "failed":
                break
            await asyncio.sleep(wait_s)
            state = await self._attempt(address, link, waits)
        if state == "gone":
            return
        CONFIRMATION_MAILS.labels("sent" if state == "sent" else "failed").inc()
        if state != "sent":
            _log.warning("a confirmation mail could not be sent")

    async def _attempt(self, address: str, link: str, waits: Callable[[], Awaitable[bool]]) -> str:
        """Send the mail, unless the endpoint was removed or confirmed, or its user erased, since the request."""
        if self._send is None:
            return "dead"
        try:
            if not await waits():
                return "gone"
            return await self._send(address, link)
        except Exception:
            _log.exception("a confirmation mail failed")
            return "dead"

    def _digest(self, kind: bytes, text: str) -> bytes:
        """The digest by which a user or a mailbox is counted. It does not reveal the name without the key, which the store
        keeps."""
        return hashlib.blake2b(text.encode(), key=self._key, person=kind, digest_size=_DIGEST_BYTES).digest()
