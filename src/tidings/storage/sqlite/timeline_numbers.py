"""The numbers of timelines. Statements that join followers or packed numbers compute the same; see ``create_timeline`` in
timelines.sql. The number of a user is that of the user's topic.
"""

ALL_BY_KEY, ALL_BY_POSITION = 0, -1
"""The numbers under which all events have hidden ranges."""


def signed_topic(topic: int, is_followed: bool = True) -> int:
    """The number of a topic in statements that write entries: negative for an event that no follow brings. Such an event
    is in a timeline of its own, so that pages, backfills and fan-out of the topic never meet it."""
    return topic if is_followed else -topic


def topic_timeline(topic: int, is_followed: bool = True) -> int:
    """The timeline of a topic that has the events that follows bring, or the others."""
    return signed_topic(topic, is_followed) * 2


def topic_timelines(topic: int) -> tuple[int, int]:
    """Both timelines of a topic: all its events."""
    return topic_timeline(topic), topic_timeline(topic, is_followed=False)


def feed_timeline(user: int) -> int:
    """The timeline of a user feed."""
    return user * 2 + 1


def followed_topic(timeline: int) -> int:
    """The topic of a timeline with the events that follows bring."""
    return timeline // 2
