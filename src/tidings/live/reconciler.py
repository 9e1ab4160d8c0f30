"""The comparison of inboxes: finds the changes that no hint named. It runs beside following."""

import asyncio
from collections.abc import Callable, Mapping

from tidings.background import NextRun, Worker
from tidings.live.registry import StreamRegistry
from tidings.model import InboxCounters
from tidings.ports import Store
from tidings.projections.pending_broadcasts import HEADS, Materialize, inbox_heads

LONGEST_PAUSE_S = 1.0
"""Maximum of the seconds until a failed comparison is repeated: a lost hint delays a change by about so long."""


class Reconciler(Worker):
    """Compares the counters of the inboxes of all connected users with the cursors of their streams, at each wake-up."""

    def __init__(
        self,
        store: Store,
        materialize: Materialize,
        registry: StreamRegistry,
        on_difference: Callable[[str], None],
    ) -> None:
        """``on_difference`` is called with each user who has a stream with another cursor."""
        super().__init__("the comparison of inboxes", longest_pause_s=LONGEST_PAUSE_S)
        self._store = store
        self._materialize = materialize
        self._registry = registry
        self._on_difference = on_difference

    async def _round(self) -> NextRun:
        users = self._registry.connected_users()
        for at in range(0, len(users), HEADS):
            some = users[at : at + HEADS]  # of whom some may have been erased since
            here = [user for user in some if self._registry.is_connected(user)]
            self._compared(await inbox_heads(self._store, here, self._materialize))
            await asyncio.sleep(0)
        return NextRun(None)

    def _compared(self, counters: Mapping[str, InboxCounters]) -> None:
        for user, counts in counters.items():
            streams = self._registry.streams.get(user, ())
            if any(stream.seq is not None and stream.seq != counts.seq for stream in streams):
                self._on_difference(user)
            self._registry.wake_changed(user, counts.seq)
