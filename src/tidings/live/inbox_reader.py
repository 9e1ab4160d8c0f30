"""Reads of the changes of inboxes, for streams that follow and for those that catch up."""

from tidings.live.frames import Frame, inbox_frames
from tidings.model import InboxChanges
from tidings.ports import Store
from tidings.projections.notification_rendering import NotificationRenderer

CHUNK = 40
"""Changes read from the store for one stream at once: half a millisecond, and about as much as a transport takes in one
turn."""


class InboxReader:
    """Reads changes of inboxes from the store, and renders them."""

    def __init__(self, store: Store, wording: NotificationRenderer) -> None:
        self._store = store
        self._wording = wording

    async def changes(self, user: str, since: int) -> InboxChanges:
        """A chunk of the changes of an inbox after a seq."""
        return await self._store.inbox_since(user, since, CHUNK)

    async def frames(self, user: str, since: int, changes: InboxChanges) -> list[Frame]:
        """The frames of changes of an inbox after a seq."""
        return inbox_frames(since, changes, await self._wording.items(user, changes.rows))
