"""The cursor of a subscription: the known seq of an inbox and position of a feed, in one epoch of the store."""

import re
from typing import NamedTuple

from tidings.client.shapes import FeedPage, InboxPage

_CURSOR = re.compile(r"([!-\-/-~]*)\.([0-9]{0,19})\.([0-9]{0,19})\Z")
"""An epoch of visible ASCII without dots, which a header can hold; a seq; a position."""


class SubscriptionCursor(NamedTuple):
    """``seq`` of the inbox and ``position`` of the log, None while unknown or not asked for; ``epoch`` "" if unknown."""

    epoch: str = ""
    seq: int | None = None
    position: int | None = None

    @property
    def known(self) -> bool:
        """Whether any part is known."""
        return self.seq is not None or self.position is not None

    def text(self) -> str:
        """The cursor as text; "" if it is unknown."""
        if not self.known:
            return ""
        seq = "" if self.seq is None else str(self.seq)
        return f"{self.epoch}.{seq}.{'' if self.position is None else self.position}"

    def advanced(self, other: "SubscriptionCursor") -> "SubscriptionCursor":
        """The later of both in each part that is known here."""
        return SubscriptionCursor(
            self.epoch or other.epoch,
            None if self.seq is None else max(self.seq, other.seq or 0),
            None if self.position is None else max(self.position, other.position or 0),
        )

    def filled(self, other: "SubscriptionCursor") -> "SubscriptionCursor":
        """With unknown parts taken from the other."""
        return SubscriptionCursor(
            self.epoch or other.epoch,
            other.seq if self.seq is None else self.seq,
            other.position if self.position is None else self.position,
        )


def parse(cursor: str) -> SubscriptionCursor:
    """The cursor of a text of three parts. Raises ValueError for an invalid one."""
    found = _CURSOR.match(cursor)
    if found is None:
        raise ValueError(f"the cursor {cursor[:40]!r} is not one of a subscription")
    epoch, seq, position = found.groups()
    return SubscriptionCursor(epoch, _number(seq), _number(position))


def cursor_of(inbox: InboxPage | None = None, feed: FeedPage | None = None) -> str:
    """The cursor with which a subscription continues pages that were just fetched. Fetch the first page of each; changes
    between the two fetches are returned again."""
    return SubscriptionCursor(
        "" if inbox is None else inbox.epoch,
        None if inbox is None else inbox.seq,
        None if feed is None else feed.position,
    ).text()


def _number(text: str) -> int | None:
    return int(text) if text else None
