"""What a request that waits for changes of an inbox is told."""

import asyncio


class InboxWaiter:
    """What a long poll waits for: that its user's inbox changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._over = False

    def wake(self, over: bool = False) -> None:
        """There may be something; or (``over``) the server leaves or the user was erased, and no more will come."""
        self._over = self._over or over
        self._event.set()

    async def wait(self) -> bool:
        """Returns True when there may be something, False when there will not."""
        await self._event.wait()
        if not self._over:
            self._event.clear()
        return not self._over
