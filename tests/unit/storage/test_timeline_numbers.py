"""The numbers of timelines."""

from tidings.storage.sqlite.timeline_numbers import (
    feed_timeline,
    followed_topic,
    topic_timeline,
    topic_timelines,
)

NUMBERS = range(1, 100)


def test_each_timeline_has_a_number_of_its_own() -> None:
    """Those of topics, of their events for recipients only, and user feeds."""
    feeds = [feed_timeline(n) for n in NUMBERS]
    topics = [timeline for n in NUMBERS for timeline in topic_timelines(n)]
    assert len({*feeds, *topics}) == 3 * len(NUMBERS)


def test_the_timeline_tells_the_topic() -> None:
    """For the reason of an item that a merged topic brings."""
    assert [followed_topic(topic_timeline(n)) for n in NUMBERS] == list(NUMBERS)
