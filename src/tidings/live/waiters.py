"""Waiters of requests that wait for changes of an inbox."""

import asyncio


class InboxWaiter:
    """Lets a long poll wait until its user's inbox changes."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._over = False

    def wake(self, over: bool = False) -> None:
        """The inbox may have changed; ``over``: the server stops or the user was erased, so no change will follow."""
        self._over = self._over or over
        self._event.set()

    async def wait(self) -> bool:
        """Returns True when the inbox may have changed, False when no change will follow."""
        await self._event.wait()
        if not self._over:
            self._event.clear()
        return not self._over
