"""The arithmetic of an inbox (I3, I6)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from tidings.model import SAMPLE_ITEMS, InboxRow


class Item(NamedTuple):
    """A notification as far as counting goes. ``order`` is the seq of its newest content, ``seq`` that of its last
    change, ``unread_seq`` that at which it became unread; ``event_ids`` are newest first, of ``size`` items in all."""

    id: str
    order: int
    seq: int
    unread_seq: int
    event_ids: tuple[str, ...] = ()
    size: int = 1
    read: bool = False
    archived: bool = False
    deleted: bool = False
    seen: bool = False
    snoozed: bool = False

    @property
    def unread(self) -> bool:
        """Whether it counts."""
        return not (self.read or self.archived or self.deleted or self.snoozed)


def dense(issued: Collection[int], head: int, after: int = 0) -> None:
    """I3: the seqs that were issued after ``after`` are exactly those up to the head, each once."""
    assert sorted(issued) == list(range(after + 1, head + 1)), f"seqs {sorted(issued)} up to head {head}"


def sound(items: Iterable[Item], head: int, marks: Iterable[int] = ()) -> None:
    """I3, from a state alone: no two rows or read-alls (``marks``: their seqs) share a seq, none lies beyond the head,
    none before its own content."""
    items = list(items)
    seqs = [*(item.seq for item in items), *marks]
    assert len(set(seqs)) == len(seqs), f"two changes share a seq: {sorted(seqs)}"
    assert all(seq <= head for seq in seqs), f"seqs beyond the head {head}: {sorted(seqs)}"
    orders = [item.order for item in items]
    assert len(set(orders)) == len(orders), f"two rows share an order: {sorted(orders)}"
    for item in items:
        assert 1 <= item.order <= item.unread_seq <= item.seq, f"{item} became unread or changed too soon"
        assert item.deleted == (item.size == 0), f"{item} has {item.size} items"


def addressed(items: Iterable[Item], event_ids: Iterable[str], moved: Collection[str] = ()) -> None:
    """I3: the items, all groups together, are those of these events, each once; in every group, and from group to
    group by their newest, in this order of arrival. Of a group that is larger than its sample, the sample is. ``moved``:
    the ids of groups that were snoozed, which came back to another place."""
    expected = {event_id: place for place, event_id in enumerate(event_ids)}
    groups = sorted((item for item in items if not item.deleted), key=lambda item: -item.order)
    for item in groups:
        assert len(item.event_ids) == min(item.size, SAMPLE_ITEMS), (
            f"{item} shows {len(item.event_ids)} events"
        )
    found = [event_id for item in groups for event_id in item.event_ids]
    assert len(set(found)) == len(found), f"notified twice of one event: {found}"
    foreign = sorted(set(found) - set(expected))
    assert not foreign, f"notified of {foreign}, addressed by {list(expected)}"
    size = sum(item.size for item in groups)
    assert size == len(expected), f"{size} items: {found}, addressed by {list(expected)}"
    in_place = [item.event_ids[0] for item in groups if item.id not in moved]
    for newest_first in (*(item.event_ids for item in groups), in_place):
        for newer, older in pairwise(newest_first):
            assert expected[newer] > expected[older], f"{newer} arrived before {older}"


def counted(items: Iterable[Item], unread_count: int, unread_items: int, unseen_count: int) -> None:
    """I6: the unread counts are the number of unread rows, and of the items in them; the unseen count is that of unread rows
    that were not seen, and no read row is unseen."""
    items = list(items)
    unseen = [item.id for item in items if item.unread and not item.seen]
    assert unseen_count == len(unseen), f"unseen_count is {unseen_count}, unseen rows: {unseen}"
    assert not [item for item in items if item.read and not item.seen], "read and not seen"
    unread = [item.id for item in items if item.unread]
    assert unread_count == len(unread), (
        f"unread_count is {unread_count}, {len(unread)} rows are unread: {unread}"
    )
    within = sum(item.size for item in items if item.unread)
    assert unread_items == within, f"unread_items is {unread_items}, {within} items are in unread rows"


def spared(before: Iterable[Item], after: Sequence[Item], up_to: int) -> None:
    """I6: a read-all up to a seq left unread what became so later."""
    still = {item.id for item in after if item.unread}
    for item in before:
        assert not item.unread or item.unread_seq <= up_to or item.id in still, (
            f"read-all up to {up_to} swallowed {item}"
        )


def returned(before: Iterable[Item], after: Iterable[Item], ids: Collection[str], head: int) -> int:
    """I3, I6: what was snoozed among these came back unread and unseen, ahead of all there was, with a seq of its own, and
    with what it held; nothing else changed. Returns how many came back; others were no longer due."""
    now = {item.id: item for item in after}
    back = 0
    for item in before:
        changed = now[item.id]
        if changed == item:
            continue
        assert item.id in ids, f"{item} became {changed}"
        assert (item.snoozed, changed.snoozed) == (True, False), f"{item} became {changed}"
        assert (changed.read, changed.seen) == (False, False), f"{changed} came back, and not as new"
        assert changed.order == changed.unread_seq == changed.seq > head, f"{changed} came back below {head}"
        assert (changed.event_ids, changed.size) == (item.event_ids, item.size), f"{item} became {changed}"
        back += 1
    return back


def read_together(rows: Iterable[InboxRow], read: Mapping[str, object]) -> None:
    """I6: of notifications with which the feed shares the read state, a read one has no event that is unread there.
    ``read``: when each event of the feed was read, None for unread ones."""
    for row in rows:
        unread = [event_id for event_id in row.event_ids if event_id in read and read[event_id] is None]
        assert row.read_at is None or not unread, f"{row.id} is read, and of its events {unread} are not"
