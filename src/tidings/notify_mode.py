"""How an event notifies its recipients: the rule that every publisher's demand and every age goes through."""

from enum import IntEnum


class NotifyMode(IntEnum):
    """The state in which the notifications of an event arrive.

    UNREAD: as usual, and on the channels of its type. READ: each arrives read, in a notification of its own that no later
    item joins; it raises no count and no channel delivers it. NONE: nobody is notified. EACH: as UNREAD, although another
    such event notified just before: the occurrences of a reminder. SINGLE: as UNREAD, in a notification of its own that no
    later item joins: it has actions, which are about this event alone. Feeds have the event in any case."""

    UNREAD = 0
    READ = 1
    NONE = 2
    EACH = 3
    SINGLE = 4

    @property
    def groups(self) -> bool:
        """Whether an item of the event may share a notification with others."""
        return self not in _ALONE


_ALONE = (NotifyMode.READ, NotifyMode.SINGLE)


def notify_mode(wanted: bool | None, old: bool, single: bool = False) -> NotifyMode:
    """The mode of an event whose publisher wants it to notify, or not to (None: does not say); ``old``: it is too old to
    notify users as new; ``single``: it has actions of its own."""
    if wanted is False:
        return NotifyMode.NONE
    if old and wanted is None:
        return NotifyMode.READ
    return NotifyMode.SINGLE if single else NotifyMode.UNREAD
