"""Everything else: the hundred and more services that Apprise knows, by the address that it gives them.

Apprise is an extra, and takes what it is told: its addresses hold credentials, and lead to wherever this machine can
reach. So only the application itself may register them.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import apprise

from tidings.outbound.channel import AT_ONCE, SENT, OutboundMessage, SendResult
from tidings.outbound.payload import one_line
from tidings.personal import Endpoint

THREADS = AT_ONCE["apprise"]
"""Apprise waits for each answer, and so takes a thread for each attempt."""
TIMEOUT_S = 30
"""Seconds after which an attempt counts as failed. Its thread ends when Apprise's own limits have passed."""
MAX_TEXT = 1_000
"""Characters of a message and its description: what the narrowest of these services take."""
MAX_TITLE = 250
"""Characters of a title: what most of these services take."""


class Apprise:
    """Sends one notification at a time through Apprise."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "apprise")
        self._free = asyncio.Semaphore(THREADS)

    def host(self, endpoint: Endpoint) -> str:
        """Only Apprise knows where an address leads."""
        return endpoint.id

    async def send(self, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        """Send the message. Apprise says whether it arrived, not why."""
        (note,) = notes
        loop = asyncio.get_running_loop()
        async with self._free:
            work = loop.run_in_executor(self._threads, notify, endpoint.address, note)
            try:
                return await asyncio.wait_for(work, TIMEOUT_S)
            except TimeoutError:
                return SendResult("failed", f"no answer within {TIMEOUT_S} s", down=True, timed_out=True)

    async def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def notify(address: str, note: OutboundMessage) -> SendResult:
    """Send a note to an address, waiting until it has arrived or failed: its title as such where the message does not say
    it, and its description below the message."""
    service = apprise.Apprise()
    if not service.add(address):
        return SendResult("dead", "Apprise knows no such address")
    lines = (one_line(text, MAX_TEXT // 2) for text in (note.text, note.description) if text)
    sent = service.notify(body="\n".join(lines), title=one_line(note.heading, MAX_TITLE))
    return SENT if sent else SendResult("failed", "Apprise failed")
