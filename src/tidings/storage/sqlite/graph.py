"""Follows, mutes, blocks, visits: the changes of what a user sees."""

from collections.abc import Collection

from tidings.ids import MAX_KEY
from tidings.model import CommandResult, Follow, SetBlock, SetMute, Unfollow, split_topic
from tidings.storage.sqlite.blocks import sever
from tidings.storage.sqlite.feed_entries import backfill_feed, extend_follow
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.relations import BLOCK, BLOCKED_BY, MUTE, require_visibility_check, today
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import topic_timeline
from tidings.storage.sqlite.write_session import WriteSession

SWEEP_USERS = 500
"""Users made dormant by one step."""


def follow(w: WriteSession, command: Follow) -> CommandResult:
    """Begin a follow and add its backfill to the user feed, or extend that of an existing one."""
    user, topic = w.names.make_user(command.user), w.names.make_topic(command.topic)
    if _standing(w, user, topic):
        if command.extend:
            _extend(w, user, topic, command.backfill)
        return CommandResult(0, w.position)
    keys = _newest(w, topic, command.backfill)
    since_key = keys[-1] if keys else MAX_KEY
    # A follow that ended at this very position has the same primary key: it continues, with the longer backfill.
    w.db.execute(
        sql("insert_follow"),
        (user, topic, w.position, since_key, w.clock.now()),
    )
    w.db.execute(
        sql("bump_feed_version"),
        (user, today(w)),
    )
    backfill_feed(w, user, topic, keys)
    w.followers_changed(topic, 1)
    return CommandResult(1, w.position)


def _extend(w: WriteSession, user: int, topic: int, backfill: int) -> None:
    """Have a follow cover the newest events of its topic, and add to the user feed those that it did not cover."""
    keys = _newest(w, topic, backfill)
    if not keys:
        return
    (before,) = w.db.one(sql("backfill_of_follow"), (user, topic))
    if added := [key for key in keys if key < before]:
        extend_follow(w, user, topic, added)


def _standing(w: WriteSession, user: int, topic: int) -> bool:
    query = sql("is_following")
    return w.db.one(query, (user, topic)) is not None


def _newest(w: WriteSession, topic: int, count: int) -> list[int]:
    """The keys of a topic's newest events that are not retracted, newest first."""
    timeline = topic_timeline(topic)
    found: list[int] = []
    for span in reversed(w.timelines.spans):
        if len(found) >= count:
            break
        keys = {
            row[0]
            for n in span.parts
            for row in w.db.execute(sql("newest_entries", n), (timeline, MAX_KEY, count - len(found)))
        }
        found += sorted(keys, reverse=True)
    return found[:count]


def unfollow(w: WriteSession, command: Unfollow) -> CommandResult:
    """End a follow, and keep or hide its entries; hidden ones are filtered when read."""
    user, topic = w.names.user(command.user), w.names.topic(command.topic)
    if user is None or topic is None:
        return CommandResult(0, w.position)
    stood = _standing(w, user, topic)
    if command.keep:
        w.db.execute(
            sql("end_follow"),
            (w.position, user, topic),
        )
        changed = w.db.changes()
    else:
        w.db.execute(sql("delete_follow"), (user, topic))
        changed = w.db.changes()
        require_visibility_check(w, user)
    if stood:
        w.followers_changed(topic, -1)
    return CommandResult(int(changed > 0), w.position)


def mask(w: WriteSession, r: ReadSnapshot, command: SetMute | SetBlock) -> CommandResult:
    """Mute or block, or remove that. A block is two rows: each side is hidden from the other, and the other's items are
    removed from each inbox."""
    block = isinstance(command, SetBlock)
    kind = BLOCK if block else MUTE
    if command.on and (limit := _limit(w, command, kind)):
        return CommandResult(0, w.position, limit=limit)
    user, topic = w.names.make_user(command.user), w.names.make_topic(command.topic)
    rows = [(user, topic, kind)]
    if block:
        other = w.names.make_user(split_topic(command.topic)[1])
        rows.append((other, w.names.make_user(command.user), BLOCKED_BY))
    changed = 0
    for row in rows:
        if command.on:
            w.db.execute(sql("insert_relation"), row)
        else:
            w.db.execute(sql("delete_relation"), row)
        changed += w.db.changes()
        require_visibility_check(w, row[0])
    w.masked = w.masked or command.on
    if changed and block and command.on:
        sever(w, r, user)
        sever(w, r, topic)
    return CommandResult(int(changed > 0), w.position)


def _limit(w: WriteSession, command: SetMute | SetBlock, kind: int) -> int:
    """The maximum number of a user's mutes or blocks if this is one more; otherwise 0."""
    user, topic = w.names.user(command.user), w.names.topic(command.topic)
    limit = w.settings.max_blocks_per_user if kind == BLOCK else w.settings.max_mutes_per_user
    query = sql("count_relations")
    count, known = w.db.one(query, (kind, topic, user))
    return limit if count >= limit and not known else 0


def mute_only(w: WriteSession, user: int, topics: Collection[str]) -> None:
    """Replace the mutes of a user."""
    w.names.make_topics(topics)
    wanted = {w.names.topics[topic] for topic in topics}
    had = {topic for (topic,) in w.db.execute(sql("topics_of_relation"), (user, MUTE))}
    if gone := had - wanted:
        query = sql("delete_relations")
        w.db.execute(query, (user, MUTE, w.carray(gone)))
    w.insert("insert_relations", [(user, topic, MUTE) for topic in sorted(wanted - had)])
    if had != wanted:
        require_visibility_check(w, user)
    w.masked = w.masked or bool(wanted)


# --- visits and dormant users ------------------------------------------------------------------------------------


def record_visit(w: WriteSession, names: list[str]) -> None:
    """Record that these users made a request today. Topics fan out on write again to a dormant one, and a job adds the
    missed entries; until it is done the feed is merged on read, so it is complete from the first request on. A user who was
    erased since has no number under the name any more."""
    for user in filter(None, map(w.names.user, names)):
        row = w.db.one(
            sql("record_visit"),
            (user, today(w)),
        )
        if row[0] is not None and wakes_pending(w, user):
            w.db.execute(sql("fan_out_to_user"), (user,))
            w.enqueue_job("wake", user, row[0] + 1, w.position, -1)


def wakes_pending(w: WriteSession, user: int) -> bool:
    query = sql("has_wake_job")
    return w.db.one(query, (user,)) is None


def deactivate_dormant(w: WriteSession) -> int:
    """Make users dormant who made no request for long; returns how many."""
    last = today(w) - w.settings.dormant_days
    users = w.db.all(
        sql("deactivate_dormant"),
        (w.position, last, SWEEP_USERS),
    )
    for (user,) in users:
        w.db.execute(sql("stop_fan_out_to_user"), (user,))
    return len(users)
