"""What the checks of many clients at once find: each fails on what it is there to find."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.wire.feed_clients import ACTORS, BLOCKED, Tab, Watcher, counts_all, untainted
from tests.wire.streams import Message
from tidings.client import Activity, FeedItem, FeedRead, Reset
from tidings.client.shapes import FeedPage

AT = datetime(2026, 1, 31, tzinfo=UTC)
THE_END = "the end"
SURE = ACTORS[-1]


def item(position: int, actor: str = SURE, **fields: Any) -> FeedItem:
    """An item of a feed."""
    known = {"event_id": f"e{position}", "position": position, "actor_id": actor, "verb": "like"}
    more = {"object_type": "m", "object_id": "1", "created_at": AT, "reason": {"kind": "target"}}
    return msgspec.convert(known | more | fields, FeedItem)


def test_a_reply_with_an_event_of_others_is_found() -> None:
    """I9: to another user, and to somebody without a credential."""
    for reply, viewers in ((b'{"seen_by":"all"}', ("", "ann")), (b'{"seen_by":"ann+ben"}', ("ann", "ben"))):
        for viewer in viewers:
            untainted(b"..." + reply, viewer)
    for viewer in ("", "an", "cid"):
        with pytest.raises(AssertionError):
            untainted(b'{"seen_by":"all"}{"seen_by":"ann+ben"}', viewer)


def test_a_tab_that_differs_from_a_page_is_found() -> None:
    """I5, I6: an event that it was not told of, and one that was read elsewhere."""
    tab = Tab("ann")
    tab.take(Reset(reason="", cursor="e.1.3", feed=(item(3),)), THE_END)
    assert tab.take(Activity(item=item(4), position=4, cursor=""), THE_END)
    tab.agrees(
        FeedPage(items=(item(6, BLOCKED[0]), item(5, visibility="followers"), item(4), item(3), item(2)))
    )
    for wrong in (item(5), item(4, read_at=AT)):
        with pytest.raises(AssertionError):
            tab.agrees(FeedPage(items=(wrong,)))
    tab.take(FeedRead(read_at=AT, position=5, cursor="", event_ids=("e4",)), THE_END)
    tab.agrees(FeedPage(items=(item(4, read_at=AT),)))
    assert tab.marks == 1


def test_a_watcher_who_missed_an_event_is_found() -> None:
    """I5: of an event, twice of one, or of a retraction."""
    watcher = Watcher("")
    for name, data in (
        ("hello", {"position": 2}),
        ("activity", {"event_id": "e3", "position": 3, "object_id": "1"}),
        ("activity", {"event_id": "e4", "position": 4, "object_id": "1"}),
        ("retracted", {"event_id": "e4", "position": 5}),
    ):
        assert watcher.take(Message(name, "", data), THE_END)
    watcher.agrees([item(3), item(2)])
    for listed in ([item(6), item(3)], [item(2)]):
        with pytest.raises(AssertionError):
            watcher.agrees(listed)
    for name in ("activity", "reset"):
        with pytest.raises(AssertionError):
            watcher.take(Message(name, "", {"event_id": "e3", "position": 3}), THE_END)


def test_a_watcher_is_told_all_since_its_last_reset() -> None:
    """The undo of a read-all resets streams of its user: what they skip is in the page that the client fetches then."""
    watcher = Watcher("ann")
    for name, id, data in (
        ("hello", "e..2", {"position": 2}),
        ("reset", "e..5", {"reason": ""}),
        ("activity", "e..6", {"event_id": "e6", "position": 6, "object_id": "1"}),
    ):
        assert watcher.take(Message(name, id, data), THE_END)
    watcher.agrees([item(6), item(5), item(3)])
    with pytest.raises(AssertionError):
        watcher.agrees([item(7), item(6)])


def test_a_number_that_lacks_an_item_of_its_page_is_found() -> None:
    """But for one that went before the number was read, or whose actor was blocked then."""
    page = FeedPage(items=(item(3), item(2), item(1, BLOCKED[0])), new_count=1)
    counts_all(page, FeedPage(items=(item(4), item(3), item(1, BLOCKED[0]))))
    with pytest.raises(AssertionError):
        counts_all(page, FeedPage(items=(item(3), item(2))))
