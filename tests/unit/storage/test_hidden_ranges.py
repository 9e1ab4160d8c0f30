"""Public pages jump over the events that others alone see."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.backends import SMALL
from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.filters import EVERYTHING, ActivityOf
from tidings.grouping import GroupRule
from tidings.model import Follow, NewEvent, RebuildFeeds, Retract
from tidings.storage.sqlite.timeline_numbers import ALL_BY_KEY, ALL_BY_POSITION, topic_timeline
from tidings.testing import START_MS, event
from tidings.visibility import Visibility

PUBLIC, FOLLOWERS, RECIPIENTS = Visibility
MOSTLY_HIDDEN = (PUBLIC, FOLLOWERS, FOLLOWERS, RECIPIENTS)
MARKET = "market:42"
BUDGET = 100
"""Events that a page of this store may examine."""
HIDDEN = 40 * BUDGET
"""More than all rounds of such a page examine."""


SETTINGS = {
    "default": Settings(feed_max_scanned_rows=BUDGET),
    "small partitions": replace(SMALL, feed_max_scanned_rows=BUDGET),
}
"""Stores that examine few events."""


@pytest.fixture(params=SETTINGS)
def inside(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Inside]:
    """A store of each of these settings."""
    with Inside.opened(tmp_path, SETTINGS[request.param]) as opened:
        yield opened


def about(visibility: Visibility, at: int = 0, actor: str = "alice") -> NewEvent:
    """An event on the market, so many milliseconds after the start."""
    return event(actor, obj=MARKET, visibility=visibility, at=START_MS + at)


@pytest.mark.parametrize("inside", ["default"], indirect=True)
@pytest.mark.parametrize("order", ["in order", "backdated"])
@pytest.mark.parametrize("hidden", [FOLLOWERS, RECIPIENTS])
def test_pages_and_counts_go_over_any_number_of_hidden_events(
    inside: Inside, hidden: Visibility, order: str
) -> None:
    """After 20,000 hidden events a page was empty and a count 0 ``capped``, though a public event was there."""
    (public,) = inside.publish(about(PUBLIC))
    if order == "backdated":
        inside.publish(about(hidden, 2 * HIDDEN))
    inside.publish(*(about(hidden, 1 + n) for n in range(HIDDEN)))
    for topic in (None, MARKET):
        for viewer in (None, "carol"):
            page = inside.run(inside.store.activity(topic, EVERYTHING, 3, None, viewer))
            assert [inside.store.ids.text(item.key) for item in page.items] == [public]
            assert not page.partial
            what = ActivityOf(topic, viewer)
            counted = inside.run(inside.store.new_count(what, 0, 10))
            assert (counted.new, counted.capped) == (1, False)
            groups = inside.run(inside.store.feed_groups(what, EVERYTHING, 3, None, GroupRule(3_600_000)))
            assert [group.count for group in groups.groups] == [1]


@pytest.mark.parametrize("seed", range(4))
def test_no_range_goes_over_what_is_listed(inside: Inside, seed: int) -> None:
    """With events of every visibility in any order, in batches, retracted and restored: each page and each count has all
    that a scan of every event finds."""
    chance = random.Random(seed)
    inside.write(Follow("bob", MARKET))
    shown: dict[str, NewEvent] = {}
    latest = 0
    for _ in range(30):
        batch = []
        for _ in range(chance.choice((1, 2, 2, 3, 8))):
            latest += 1
            at = latest if chance.random() < 0.9 else chance.randrange(latest)
            batch.append(about(chance.choice(MOSTLY_HIDDEN), at, chance.choice(("alice", "dora"))))
        shown |= zip(inside.publish(*batch), batch, strict=True)
        if chance.random() < 0.2:
            gone = chance.choice(sorted(shown))
            del shown[gone]
            inside.write(Retract(gone))
    _assert_ranges(inside)
    inside.write(RebuildFeeds())
    _assert_ranges(inside)
    for viewer in ("alice", "bob", "carol"):
        for topic in (None, MARKET):
            expected = {id for id, one in shown.items() if _is_listed(one, topic, viewer)}
            assert set(inside.activity(topic, viewer=viewer)) == expected
            counted = inside.run(inside.store.new_count(ActivityOf(topic, viewer), 0, 1_000))
            assert counted.new == len(expected) or counted.capped


def _is_listed(one: NewEvent, topic: str | None, viewer: str) -> bool:
    followed = topic is not None and one.visibility is FOLLOWERS
    return one.visibility is PUBLIC or (followed and viewer in ("bob", one.actor_id))


def _assert_ranges(inside: Inside) -> None:
    """No public event is within a range, and the ranges of one timeline do not overlap."""
    db = inside.writer.db
    ranges = db.all("SELECT timeline, bottom, top FROM hidden_range ORDER BY timeline, bottom")
    assert ranges
    for (timeline, bottom, top), (other, begin, _) in zip(ranges, [*ranges[1:], (0, 0, 0)], strict=True):
        assert bottom <= top + 1
        assert timeline != other or top < begin
    for n in {span.parts[-1] for span in inside.writer.events.spans}:
        for key, position, actor, thing in db.all(
            f"SELECT key, position, actor, object FROM event_{n} WHERE visibility = 0 AND body IS NOT NULL"
        ):
            places = {ALL_BY_KEY: key, ALL_BY_POSITION: position}
            places |= {topic_timeline(topic): key for topic in (actor, thing)}
            assert not any(bottom <= places.get(timeline, -2) <= top for timeline, bottom, top in ranges)
