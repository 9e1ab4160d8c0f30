"""How an event notifies its recipients: the rule that every publisher's wish and every age goes through."""

from enum import IntEnum


class NotifyMode(IntEnum):
    """The state in which the notifications of an event arrive.

    UNREAD: as usual, and on the channels of its type. READ: each arrives read, in a notification of its own that no later
    item joins; it raises no count and no channel delivers it. NONE: nobody is notified. EACH: as UNREAD, although another
    such event notified just before: the rings of a reminder. Feeds have the event in any case."""

    UNREAD = 0
    READ = 1
    NONE = 2
    EACH = 3


def notify_mode(wish: bool | None, old: bool) -> NotifyMode:
    """The mode of an event whose publisher has this wish (None: none); ``old``: it is too old to alarm anybody."""
    if wish is None:
        return NotifyMode.READ if old else NotifyMode.UNREAD
    return NotifyMode.UNREAD if wish else NotifyMode.NONE
