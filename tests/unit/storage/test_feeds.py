"""What only the SQLite store has of feeds: a page is read by several statements, and others write in between."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tests.backends import SMALL
from tests.checkers.adapters import ALL
from tests.unit.storage.inside import Inside
from tidings.filters import FeedFilter, only
from tidings.model import Command, Follow, Publish, SetMute
from tidings.storage.sqlite import SqliteStore
from tidings.testing import event

HOT = msgspec.structs.replace(SMALL, fanout_read_threshold_followers=1)
"""Every topic that is followed is merged at read: only the follow says that its events are in a feed."""
MOST_STATEMENTS = 40
"""More than the page of this feed is read by."""
WANTED = {"plain": FeedFilter(), "filtered": FeedFilter(verb=only("comment"))}


@contextmanager
def interrupted(store: SqliteStore, at: int, commands: Sequence[Command]) -> Iterator[list[bool]]:
    """Have others write these commands right before the ``at``-th statement that reads; the list is empty until then."""
    statements, written = count(), list[bool]()

    def write(_cursor: object, _text: str, _values: object) -> bool:
        if next(statements) == at:
            store._write_thread.submit(store._apply, commands, ()).result()
            written.append(True)
        return True

    readers = [reading.db for reading in (store._near, *store._readers.readings)]
    for db in readers:
        db.exec_trace = write
    try:
        yield written
    finally:
        for db in readers:
            db.exec_trace = None


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("want", WANTED.values(), ids=WANTED)
def test_a_page_has_everything_up_to_its_position(tmp_path: Path, want: FeedFilter, masked: bool) -> None:
    """A stream that begins there tells the rest: whenever a follow and its first event come, nothing falls between."""
    with Inside.opened(tmp_path, HOT) as opened:
        opened.write(Follow("first", "user:ann"))
        for at in range(MOST_STATEMENTS):
            user = f"u{at}"
            opened.publish(event("cy", "comment", targets=(user,)))
            opened.write(*([SetMute(user, "market:quiet")] if masked else []))
            news: list[Command] = [Follow(user, "user:ann", backfill=0), Publish((event("ann", "comment"),))]
            with interrupted(opened.store, at, news) as written:
                page = opened.page(user, want=want)
            if not written:
                break
            feed = opened.run(opened.store.feed_since(user, 0, ALL)).items
            assert len(feed) == 2
            shown = {item.position for item in page.items}
            lost = {item.position for item in feed if item.position <= page.position} - shown
            assert not lost, f"a page up to {page.position} lacks {lost}, when statement {at} was interrupted"
        assert not written, "the page took more statements than were interrupted"
