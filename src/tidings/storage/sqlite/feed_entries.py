"""Entries that are added to one user's feed."""

from tidings.storage.sqlite.relations import today
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


def extend_follow(w: WriteSession, user: int, topic: int, keys: list[int]) -> None:
    """Have a follow cover the events of its topic down to the last of these keys, the greatest first, and add these to the
    user feed. While the topic is merged on read, a page finds them twice and drops one of each."""
    w.db.execute(sql("extend_follow"), (keys[-1], user, topic))
    w.db.execute(sql("bump_feed_version"), (user, today(w)))
    w.backfill_changed(topic)
    backfill_feed(w, user, topic, keys)


def backfill_feed(w: WriteSession, user: int, topic: int, keys: list[int]) -> None:
    """Write entries of a topic into one user's feed, as far as a follow covers them, without the user's own events."""
    by_part: dict[tuple[int, int], list[int]] = {}
    for key in keys:
        by_part.setdefault((w.timelines.span(key).parts[-1], w.events.span(key).parts[-1]), []).append(key)
    for (n, ev), some in by_part.items():
        values = {"packed": w.carray(some), "user": user, "topic": topic}
        w.db.execute(sql("backfill_feed", n, ev), values)
        if n == w.timelines.newest():
            w.timelines.grew(w.db.changes())
        w.db.execute(sql("backfill_feed_out_of_order", n, ev), values)
