"""The channel Apprise: a hundred and more services, each with an address in the notation of Apprise.

Apprise is an extra and restricts no address: its addresses contain credentials, and can name any host that this machine
reaches. Only the application may therefore register them.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import apprise

from tidings.outbound.channel import AT_ONCE, SENT, OutboundMessage, SendResult
from tidings.outbound.payload import one_line
from tidings.personal_data import Endpoint

THREADS = AT_ONCE["apprise"]
"""Apprise blocks until each response, so each attempt needs a thread."""
TIMEOUT_S = 30
"""Seconds after which an attempt counts as failed. Its thread ends when Apprise's own limits have passed."""
MAX_TEXT = 1_000
"""Characters of a message and its description: the smallest limit of these services."""
MAX_TITLE = 250
"""Characters of a title, which most of these services accept."""


class Apprise:
    """Sends one notification at a time through Apprise."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "apprise")
        self._free = asyncio.Semaphore(THREADS)

    def host(self, endpoint: Endpoint) -> str:
        """The endpoint itself, since only Apprise knows the host of an address."""
        return endpoint.id

    async def send(self, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        """Send the message. Apprise reports success or failure, and no reason."""
        (note,) = notes
        loop = asyncio.get_running_loop()
        async with self._free:
            work = loop.run_in_executor(self._threads, notify, endpoint.address, note)
            try:
                return await asyncio.wait_for(work, TIMEOUT_S)
            except TimeoutError:
                return SendResult("failed", f"no answer within {TIMEOUT_S} s", down=True, timed_out=True)

    async def close(self) -> None:
        """Release the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def notify(address: str, note: OutboundMessage) -> SendResult:
    """Send a message to an address, and wait until it has arrived or failed. The title is sent as a title if the text does
    not contain it, and the description and the address below the text."""
    service = apprise.Apprise()
    if not service.add(address):
        return SendResult("dead", "Apprise knows no such address")
    lines = [one_line(text, MAX_TEXT // 2) for text in (note.text, note.description) if text]
    sent = service.notify(
        body="\n".join([*lines, note.url] if note.url else lines), title=one_line(note.heading, MAX_TITLE)
    )
    return SENT if sent else SendResult("failed", "Apprise failed")
