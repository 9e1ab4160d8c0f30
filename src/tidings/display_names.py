"""Display names of users: the newest known one of each, for the texts of notifications.

The newest event of a user with an ``actor_name``, by ``created_at`` and of one millisecond by position, gives the name,
unless the application set one later than that.
"""

from typing import Protocol

import msgspec


class SetDisplayName(msgspec.Struct, frozen=True):
    """Give a user a display name. Events with an ``actor_name`` that were created before now do not change it."""

    user: str
    name: str


class DisplayNames(Protocol):
    """The newest known display names of users. A port of stores, a capability beside their own.

    Of all events of a user with an ``actor_name``, also those that were retracted, the newest gives the name: that with the
    greatest ``created_at``, and of several the last in the log. SetDisplayName gives it too; after that, only an event that
    was created no earlier than the command was applied, and than all events before it. ``InboxRow.actor_names`` has these
    names; bodies of events keep those that were published, and no inbox takes a seq. An erasure deletes the name.
    """

    @property
    def renames(self) -> int:
        """Changes of names so far that may have changed ``actor_names`` of stored rows. Read before a page, it is at most as
        new as the page."""
        ...

    async def display_name(self, user: str) -> str | None:
        """The newest known name of a user, None without one."""
        ...
