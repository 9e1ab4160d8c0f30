"""What a read costs on inputs within the caps: what a user muted or marked must not multiply what others wait for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.filters import Choice, FeedFilter, FeedOf
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import Command, Follow, MarkFeedRead, Publish, SetBlock, SetMute, SetNotificationType
from tidings.rules import Rule
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.feeds import FIRST_COUNTED
from tidings.storage.sqlite.read_snapshot import SHORT_CHECK_STEPS
from tidings.testing import event

ITEMS, MUTES = 2_000, 1_000
LITTLE = 2 * SHORT_CHECK_STEPS
PROBE_STEPS = 100
"""Steps of SQLite's machine between two counts."""


@contextmanager
def counted(*dbs: Db) -> Iterator[list[int]]:
    """How many steps these connections take inside, about, as the one number of a list."""
    steps = [0]

    def count() -> bool:
        steps[0] += PROBE_STEPS
        return False

    for db in dbs:
        db.set_progress_handler(count, PROBE_STEPS, id="probe")
    try:
        yield steps
    finally:
        for db in dbs:
            db.set_progress_handler(None, id="probe")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    """A store in which ann follows a room with many events."""
    with Inside.opened(tmp_path, Settings(max_mutes_per_user=2 * MUTES)) as inside:
        inside.write(Follow("ann", "room:1", 0))
        inside.publish(
            *(event(f"u{n % 50}", "comment", f"thing:{n}", topics=("room:1",)) for n in range(ITEMS))
        )
        yield inside


def far(opened: Inside) -> list[Db]:
    """The connections of those who read what takes long."""
    return [reading.db for reading in opened.store._readers.readings]


def test_a_summary_costs_what_its_items_cost_whatever_is_muted(opened: Inside) -> None:
    """Each item was held against every mute: a thousand of them took twenty times as long."""
    opened.write(SetMute("ann", "thing:none"))
    with counted(*far(opened)) as few:
        assert opened.run(opened.store.summary("ann")).total == ITEMS
    opened.write(*(SetMute("ann", f"thing:x{n}") for n in range(MUTES)))
    with counted(*far(opened)) as many:
        assert opened.run(opened.store.summary("ann")).total == ITEMS
    assert many[0] < few[0] * 1.2
    opened.write(SetMute("ann", "thing:7"), SetBlock("ann", "user:u1"))
    assert opened.run(opened.store.summary("ann")).total == ITEMS - 1 - ITEMS // 50


def test_a_page_does_not_read_all_that_its_viewer_muted(opened: Inside) -> None:
    """Whoever has muted a thousand topics loaded all of them for each page, on the event loop."""
    opened.write(*(SetMute("ann", f"thing:x{n}") for n in range(MUTES)))
    with counted(*far(opened), opened.store._near.db) as steps:
        assert len(opened.page("ann", limit=20).items) == 20
    assert steps[0] < 20 * MUTES / 4


def test_an_item_was_read_by_the_first_mark_that_covers_it(opened: Inside) -> None:
    """A person may set a mark for each position: their feed was held against each of them, item by item."""
    times = {}
    for upto in (3, 4, 9):
        opened.clock.advance(1_000)
        opened.write(MarkFeedRead("ann", up_to=upto))
        times[upto] = opened.clock.ms
    found = {item.position: item.read_at for item in opened.page("ann", limit=ITEMS).items}
    assert [found[n] for n in range(1, 11)] == [times[3]] * 3 + [times[4]] + [times[9]] * 5 + [None]
    assert opened.run(opened.store.summary("ann")).unread == ITEMS - 9


def test_a_short_read_that_gets_long_leaves_the_event_loop(opened: Inside) -> None:
    """Archived notifications lie above the first one that is shown: the page goes to a thread, and is right."""
    opened.store._near.short_steps = LITTLE
    opened.write(SetNotificationType("alone", Rule(group="none")))
    opened.publish(event("bob", "alone", "thing:first", targets=("ann",)))
    opened.publish(*(event("bob", "alone", f"thing:{n}", targets=("ann",)) for n in range(ITEMS)))
    ids = tuple(row.id for row in opened.changes("ann", 1, ITEMS).rows)
    opened.write(SetNotificationState("ann", ids, NotificationState.ARCHIVED))
    with counted(*far(opened)) as steps:
        page = opened.run(opened.store.inbox("ann", 20, None))
    assert [row.order for row in page.rows] == [1]
    assert page.counts.unread_count == 1
    assert steps[0] >= LITTLE


def test_a_count_with_a_filter_that_matches_little_leaves_the_event_loop(opened: Inside) -> None:
    """After its first entries: Python compared a thousand of them with the filter on the loop, however few instructions of
    SQLite that took. A count of a few entries stays there."""
    new_count = opened.store.new_count
    nothing = FeedFilter(object_type=Choice(("none",)))
    for since, far_away in ((0, True), (ITEMS - FIRST_COUNTED // 2, False)):
        with counted(*far(opened)) as steps:
            assert opened.run(new_count(FeedOf("ann"), since, ITEMS, nothing)).new == 0
        assert (steps[0] > 0) == far_away
        assert opened.run(new_count(FeedOf("ann"), since, ITEMS)).new == ITEMS - since


def test_a_look_up_reads_no_names_of_targets_but_in_a_thread(opened: Inside) -> None:
    """The names of ten thousand targets took the event loop for 20 ms, though no reply to a user has them."""
    targets = tuple(f"t{n}" for n in range(ITEMS))
    (id,) = opened.publish(event("bob", "note", "thing:wide", targets=targets))
    opened.store._near.names.forget()
    with counted(*far(opened)) as steps, counted(opened.store._near.db) as near:
        found = opened.run(opened.store.event(id, "t7"))
        assert found is not None
        assert found.targets == ()
    assert steps[0] == 0
    assert near[0] < LITTLE
    with counted(*far(opened)) as steps, counted(opened.store._near.db) as near:
        whole = opened.run(opened.store.event(id))
        assert whole is not None
        assert whole.targets == targets
    assert steps[0] > 0
    assert near[0] < LITTLE


def test_a_notification_is_held_against_few_of_many_read_alls(opened: Inside) -> None:
    """Rows below many read-alls of types say when they were read, each by the first one that covers it."""
    commands: list[Command] = []
    for n in range(50):
        commands += [
            Publish((event("bob", f"v{n % 2}", f"thing:{n}", targets=("ann",)),)),
            MarkAllNotificationsRead("ann", type=f"v{n % 2}"),
        ]
    opened.write(*commands)
    rows = opened.rows("ann")
    assert len(rows) == 50
    assert all(row.read_at is not None for row in rows)
    assert opened.counts("ann").unread_count == 0
