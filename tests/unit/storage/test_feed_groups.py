"""What a page of groups costs, and pages that end before they are full."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from tests.checkers import groups
from tests.checkers.adapters import all_groups, plain_item, shown_group
from tests.unit.storage.inside import Inside, traced
from tidings.config import Settings
from tidings.filters import EVERYTHING, ActivityOf, FeedFilter, FeedOf, only
from tidings.grouping import MAX_ITEMS, GroupCursor, GroupPage, GroupRule
from tidings.testing import START_MS, event
from tidings.timeutil import DAY_MS

DAILY = GroupRule(DAY_MS)
TIMES = 3
"""The calls of Python functions of a page of groups, as a multiple of those of a page of items."""
TODAY = START_MS - START_MS % DAY_MS


def calls(work: Callable[[], Any]) -> int:
    """The calls of Python functions in some work."""
    made = 0

    def count(_frame: FrameType, what: str, _value: object) -> None:
        nonlocal made
        made += what == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return made


def test_folding_makes_no_call_for_an_item(tmp_path: Path) -> None:
    """Twenty groups of 25 items cost as many calls as twenty of 10, of feeds and of everybody's activity."""
    with Inside.opened(tmp_path, Settings()) as inside:

        def publish(start: int, count: int) -> None:
            inside.publish(
                *(
                    event(f"u{n}", obj=f"market:{n % 20}", targets=("bob",), at=TODAY + n)
                    for n in range(start, start + count)
                )
            )

        def page(what: FeedOf | ActivityOf) -> None:
            inside.run(inside.store.feed_groups(what, EVERYTHING, 20, None, DAILY))

        def read() -> list[int]:
            return [calls(partial(page, what)) for what in (FeedOf("bob"), ActivityOf(None))]

        publish(0, 200)
        read()
        few = read()
        publish(200, 300)
        read()
        many = read()
    assert all(later <= before + 60 for before, later in zip(few, many, strict=True)), (few, many)


def test_a_grouped_page_makes_few_times_the_calls_of_a_plain_one(tmp_path: Path) -> None:
    """A page of 20 groups from 200 items took over five times a page of 20 items, by calls for each item that it shows."""
    with Inside.opened(tmp_path, Settings()) as inside:
        inside.publish(
            *(event(f"u{n}", obj=f"market:{n % 20}", targets=("bob",), at=TODAY + n) for n in range(200))
        )
        grouped = partial(inside.store.feed_groups, FeedOf("bob"), EVERYTHING, 20, None, DAILY)
        plain = partial(inside.store.feed, "bob", EVERYTHING, 20, None)
        for read in (grouped, plain):
            inside.run(read())
        made, fewest = (calls(lambda: inside.run(read())) for read in (grouped, plain))  # noqa: B023
    assert made <= TIMES * fewest, (made, fewest)


def test_a_scan_that_ends_early_leaves_a_partial_page(tmp_path: Path) -> None:
    """The pages after it still show every item in exactly one group; the segment of a cursor is always read as a whole."""
    with Inside.opened(tmp_path, Settings(feed_max_scanned_rows=100)) as inside:
        inside.publish(
            *(
                event(
                    f"u{n % 7}",
                    "rare" if n % 97 == 0 else f"v{n % 30}",
                    f"item:{n % 5}",
                    targets=("bob",),
                    at=TODAY + n,
                )
                for n in range(900)
            )
        )
        everything = [plain_item(item) for item in inside.page("bob").items]
        for what in (FeedOf("bob"), ActivityOf(None)):
            for want in (EVERYTHING, FeedFilter(actor_id=only("u3")), FeedFilter(verb=only("rare"))):
                found = inside.run(
                    all_groups(lambda at: inside.store.feed_groups(what, want, 2, at, DAILY))  # noqa: B023
                )
                ids = inside.feed("bob", want) if isinstance(what, FeedOf) else inside.activity(None, want)
                keys = {inside.store.ids.key(id) for id in ids}
                items = [item for item in everything if item.key in keys]
                groups.partition(items, [shown_group(group) for group in found], MAX_ITEMS)


def test_a_cursor_does_not_read_what_was_published_since(tmp_path: Path) -> None:
    """The fault: a page read all events of the same day since its cursor, hours of them for every reader."""
    with Inside.opened(tmp_path, Settings(feed_max_scanned_rows=1_000)) as inside:

        def publish(start: int, count: int) -> None:
            made = [
                event(f"u{n}", obj=f"market:{n}", targets=("bob",), at=TODAY + n)
                for n in range(start, start + count)
            ]
            for at in range(0, count, 500):
                inside.publish(*made[at : at + 500])

        def read(what: FeedOf | ActivityOf, want: FeedFilter, at: GroupCursor | None) -> GroupPage:
            return inside.run(inside.store.feed_groups(what, want, 5, at, DAILY))

        def statements(*asked: Any) -> int:
            near, far = inside.store._near, inside.store._readers.readings
            with ExitStack() as tracing:
                seen = [tracing.enter_context(traced(reading.db)) for reading in (near, *far)]
                read(*asked)
            return sum(map(len, seen))

        publish(0, 50)
        wanted = (EVERYTHING, FeedFilter(verb=only("post")))
        asked = [(what, want) for what in (FeedOf("bob"), ActivityOf(None)) for want in wanted]
        cursors = [read(*one, None).next for one in asked]

        def all_statements() -> list[int]:
            return [statements(*one, at) for one, at in zip(asked, cursors, strict=True)]

        all_statements()  # names are cached from then on
        before = all_statements()
        publish(50, 2_000)
        assert all_statements() == before
