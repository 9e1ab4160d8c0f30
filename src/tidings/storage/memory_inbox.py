"""One person's inbox in memory: the law of ``tidings.ports.InboxViews`` and nothing else."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tidings.model import Counts, InboxRow, MarkState

Body = Callable[[int], bytes]
"""The body of the event with this key."""


@dataclass(slots=True)
class Notification:
    """``number`` is the seq at which it arrived, ``unread_since`` the one at which it last became unread."""

    number: int
    key: int
    type: str
    seq: int
    unread_since: int
    seen_at: int | None = None
    read_at: int | None = None
    archived_at: int | None = None
    deleted: bool = False

    @property
    def listed(self) -> bool:
        """Whether an inbox shows it."""
        return self.archived_at is None and not self.deleted

    @property
    def unread(self) -> bool:
        """Whether it is counted."""
        return self.listed and self.read_at is None


@dataclass(slots=True)
class Inbox:
    """The notifications by number, the last seq and the read-all watermark.

    A read-all stamps the rows under the watermark at once instead of comparing with it at each read. That is
    the same law, since the watermark never passes the head and so no later arrival lies under it; the rows
    keep their seq.
    """

    seq: int = 0
    read_up_to: int = 0
    read_seq: int = 0
    notifications: dict[int, Notification] = field(default_factory=dict)

    def arrive(self, key: int, type: str) -> None:
        """One more notification, of the event with this key."""
        seq = self._next_seq()
        self.notifications[seq] = Notification(seq, key, type, seq, unread_since=seq)

    def counts(self) -> Counts:
        """The exact unread count and the last seq."""
        return Counts(
            sum(n.unread for n in self.notifications.values()), self.seq, self.read_up_to, self.read_seq
        )

    def mark(self, number: int, state: MarkState, now: int) -> int:
        """Set the state of one; returns 1 when that changed anything, and then it took a seq."""
        notification = self.notifications.get(number)
        if notification is None or notification.deleted or not _set(notification, state, now):
            return 0
        notification.seq = self._next_seq()
        if state is MarkState.UNREAD:
            notification.unread_since = notification.seq
        return 1

    def read_all(self, up_to: int, now: int) -> int:
        """Move the watermark to ``up_to``; returns how many were unread under it. With none it stays."""
        under = [n for n in self.notifications.values() if n.read_at is None and n.unread_since <= up_to]
        updated = sum(n.unread for n in under)
        if updated:
            for notification in under:
                _set(notification, MarkState.READ, now)
            self.read_up_to, self.read_seq = up_to, self._next_seq()
        return updated

    def read_type(self, type: str, up_to: int, now: int) -> int:
        """Mark read, one by one in the order of arrival, what of this type became unread up to ``up_to``."""
        numbers = [
            n.number
            for n in self.notifications.values()
            if n.unread and n.type == type and n.unread_since <= up_to
        ]
        return sum(self.mark(number, MarkState.READ, now) for number in numbers)

    def retract(self, key: int) -> None:
        """Leave a tombstone where the event with this key brought a notification."""
        for notification in self.notifications.values():
            if notification.key == key:
                notification.deleted = True
                notification.seq = self._next_seq()

    def newest(self) -> Iterator[Notification]:
        """What an inbox shows, newest content first."""
        return (n for n in sorted(self.notifications.values(), key=lambda n: -n.number) if n.listed)

    def changed_after(self, since: int) -> list[Notification]:
        """Everything whose last change has a seq over ``since``, in that order."""
        return sorted((n for n in self.notifications.values() if n.seq > since), key=lambda n: n.seq)

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq


def row(notification: Notification, id: str, body: Body) -> InboxRow:
    """A notification as the port shows it; a tombstone has no body."""
    n = notification
    content = b"" if n.deleted else body(n.key)
    return InboxRow(id, n.number, n.seq, content, n.seen_at, n.read_at, n.archived_at, n.deleted)


def _set(n: Notification, state: MarkState, now: int) -> bool:
    """Give the notification this state; whether that was a change."""
    before = (n.seen_at, n.read_at, n.archived_at)
    if state is MarkState.UNREAD:
        n.read_at = None
    elif state is MarkState.ARCHIVED:
        n.archived_at = now if n.archived_at is None else n.archived_at
    else:
        n.seen_at = now if n.seen_at is None else n.seen_at
        if state is MarkState.READ:
            n.read_at = now if n.read_at is None else n.read_at
    return before != (n.seen_at, n.read_at, n.archived_at)
