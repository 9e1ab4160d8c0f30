"""The arithmetic of an inbox (I3, I6)."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple


class Item(NamedTuple):
    """A notification as far as counting goes. ``order`` is the seq of its content, ``seq`` that of its last
    change."""

    id: str
    order: int
    seq: int
    event_id: str = ""
    read: bool = False
    archived: bool = False
    deleted: bool = False

    @property
    def unread(self) -> bool:
        """Whether it counts."""
        return not (self.read or self.archived or self.deleted)


def dense(issued: Collection[int], head: int, after: int = 0) -> None:
    """I3: the seqs that were issued after ``after`` are exactly those up to the head, each once."""
    assert sorted(issued) == list(range(after + 1, head + 1)), f"seqs {sorted(issued)} up to head {head}"


def sound(items: Iterable[Item], head: int) -> None:
    """I3, from a state alone: no two rows share a seq, none lies beyond the head, none before its own
    content."""
    items = list(items)
    seqs = [item.seq for item in items]
    assert len(set(seqs)) == len(seqs), f"two rows share a seq: {sorted(seqs)}"
    for item in items:
        assert 1 <= item.order <= item.seq <= head, f"{item} with head {head}"


def addressed(items: Iterable[Item], event_ids: Iterable[str]) -> None:
    """I3: the notifications, tombstones aside, are those of these events in this order of arrival."""
    found = [item.event_id for item in sorted(items, key=lambda item: item.order) if not item.deleted]
    expected = list(event_ids)
    assert found == expected, f"notified of {found}, addressed by {expected}"


def counted(items: Iterable[Item], unread_count: int) -> None:
    """I6: the unread count is the number of unread rows."""
    unread = [item.id for item in items if item.unread]
    assert unread_count == len(unread), (
        f"unread_count is {unread_count}, {len(unread)} rows are unread: {unread}"
    )


def spared(before: Iterable[Item], after: Sequence[Item], up_to: int) -> None:
    """I6: a read-all up to a seq left unread what came later and was unread."""
    still = {item.id for item in after if item.unread}
    for item in before:
        assert not item.unread or item.order <= up_to or item.id in still, (
            f"read-all up to {up_to} swallowed {item}"
        )
