"""Backfills: feeds and inboxes that are built from stored events, in bounded steps.

The users are taken in the order of their numbers. Of each, the follows are extended one after the other, each downwards from
the newest event that it does not cover; then, if the inboxes are asked for, the events of the feed are read upwards. A step
stores its rows, its counts and its progress in one transaction, so a crash repeats and skips nothing; and what a follow
covers, or an inbox has, is neither written nor counted again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tidings.backfills import Backfill, BackfillJob, JobState
from tidings.ids import MAX_KEY, key_at
from tidings.model import CommandResult
from tidings.notify_mode import NotifyMode
from tidings.storage.sqlite import broadcasts, feed_reasons, feeds, inbox_insert, inboxes, notification_groups
from tidings.storage.sqlite.feed_entries import extend_follow
from tidings.storage.sqlite.inbox_insert import NotificationDraft, pair
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import pack
from tidings.storage.sqlite.timeline_numbers import topic_timeline
from tidings.storage.sqlite.write_session import WriteSession

KEPT = 1_000
"""Backfills that ended and can still be read: more than an operator starts in a year."""
FOLLOW_ROWS = 2
"""The assumed cost of looking at a follow, in rows."""
EVENT_ROWS = 5
"""The same of an event that a follow may gain."""
ITEM_ROWS = 20
"""The same of an event that may be added to an inbox."""
SYMBOLS = 10_000
"""Ids among which the next user is searched at once: about a millisecond."""
FOLLOWS_DONE = MAX_KEY
"""The topic of the progress when all follows of the user are extended."""


class _BackfillProgress(NamedTuple):
    """A row of ``backfill``. ``at_topic`` is the follow in progress and ``at_key`` the last of its events that was read (0:
    none); with FOLLOWS_DONE, the last event of the feed."""

    id: int
    user: int
    since: int
    head: int
    dry_run: int
    notify: int
    created: int
    notified: int
    users: int
    at_user: int
    at_topic: int
    at_key: int
    counted: int

    @property
    def low_key(self) -> int:
        """The least key of its events."""
        return key_at(self.since)


class _Follow(NamedTuple):
    topic: int
    from_position: int
    backfill_from_key: int


def begin(w: WriteSession, r: ReadSnapshot, command: Backfill) -> CommandResult:
    """Begin a backfill, and finish it if it is little; ``updated`` is its id."""
    user = 0 if command.user is None else w.names.make_user(command.user)
    since = max(0, command.since)
    row = (user, w.position, since, w.now, command.dry_run, command.notify)
    (id,) = w.db.one(sql("insert_backfill"), row)
    w.db.execute(sql("forget_old_backfills"), (id - KEPT,))
    done, _ = step(w, r, id, w.settings.fanout_sync_max_followers)
    if not done:
        w.enqueue_job("backfill", id, 0, 0)
    return CommandResult(id, w.position)


def one(r: ReadSnapshot, id: int) -> BackfillJob | None:
    """A backfill and its progress; None without one of this id."""
    row = r.db.one(sql("backfill"), (id,))
    if row is None:
        return None
    user, since, until, dry_run, notify, ended, created, notified, users, dead = row
    name = r.names.user_name(user) if user else None
    state: JobState = "done" if ended else "failed" if dead else "running"
    return BackfillJob(id, name, since, until, bool(dry_run), bool(notify), state, created, notified, users)


def step(w: WriteSession, r: ReadSnapshot, id: int, budget: int) -> tuple[bool, int]:
    """Process about ``budget`` rows; returns whether the backfill is done, and the rows read."""
    at = _BackfillProgress(*w.db.one(sql("backfill_to_continue"), (id,)))
    rows, ended = 0, False
    while rows < budget and not ended:
        at, done, ended = _continue(w, r, at, budget - rows)
        rows += done
    saved = (at.created, at.notified, at.users, at.at_user, at.at_topic, at.at_key, at.counted, ended)
    w.db.execute(sql("save_backfill"), (*saved, id))
    return ended, rows


def _continue(
    w: WriteSession, r: ReadSnapshot, at: _BackfillProgress, budget: int
) -> tuple[_BackfillProgress, int, bool]:
    """One user, follow or chunk of events; returns the rows read, and whether it was the last."""
    if not at.at_user:
        return _next_user(w, at)
    if at.at_topic == FOLLOWS_DONE:
        return (*_notify(w, r, at, budget), False) if at.notify else (_left(at), FOLLOW_ROWS, False)
    row = w.db.one(sql("next_follow_to_backfill"), (at.at_user, at.at_topic))
    if row is None:
        return at._replace(at_topic=FOLLOWS_DONE, at_key=at.low_key - 1), 0, False
    follow = _Follow(*row)
    if follow.topic != at.at_topic:
        at = at._replace(at_topic=follow.topic, at_key=0)
    return (*_extend(w, r, _counted(at), follow, budget), False)


# --- users --------------------------------------------------------------------------------------------------------


def _next_user(w: WriteSession, at: _BackfillProgress) -> tuple[_BackfillProgress, int, bool]:
    """``at_key`` is the last user that is done."""
    done = at.at_key
    if at.user:
        return (at, 0, True) if done else (_enter(at, at.user), FOLLOW_ROWS, False)
    if not at.notify:
        (user,) = w.db.one(sql("next_follower"), (done + 1,))
        return (at, 0, True) if user is None else (_enter(at, user), FOLLOW_ROWS, False)
    (last,) = w.db.one(sql("last_symbol"))
    (user,) = w.db.one(sql("next_user"), (done + 1, done + SYMBOLS))
    if user is None and done + SYMBOLS >= last:
        return at, 0, True
    next = at._replace(at_key=done + SYMBOLS) if user is None else _enter(at, user)
    return next, FOLLOW_ROWS, False


def _enter(at: _BackfillProgress, user: int) -> _BackfillProgress:
    return at._replace(at_user=user, at_topic=0, at_key=0, counted=0)


def _left(at: _BackfillProgress) -> _BackfillProgress:
    return at._replace(at_user=0, at_topic=0, at_key=at.at_user)


def _counted(at: _BackfillProgress) -> _BackfillProgress:
    return at._replace(users=at.users + 1 - at.counted, counted=1)


# --- feeds --------------------------------------------------------------------------------------------------------


def _extend(
    w: WriteSession, r: ReadSnapshot, at: _BackfillProgress, follow: _Follow, budget: int
) -> tuple[_BackfillProgress, int]:
    """Have a follow cover the next events of its topic, newest first, and add them to the user feed."""
    before = min(at.at_key or MAX_KEY, follow.backfill_from_key)
    limit = max(1, budget // EVENT_ROWS)
    keys = [e.key for e in r.entries([topic_timeline(follow.topic)], before, at.low_key - 1, limit)]
    events = [e for e in r.events(keys, "events_without_body") if e.position <= follow.from_position]
    gained = _gained(r, at, follow.topic, events)
    at = at._replace(created=at.created + len(gained))
    if at.dry_run and at.notify:
        at = at._replace(notified=at.notified + len(_arriving(w, r, at, gained)))
    if keys and not at.dry_run:
        extend_follow(w, at.at_user, follow.topic, keys)
    is_last = len(keys) < limit
    at = at._replace(at_topic=follow.topic + 1, at_key=0) if is_last else at._replace(at_key=keys[-1])
    return at, FOLLOW_ROWS + len(keys) * EVENT_ROWS


def _gained(r: ReadSnapshot, at: _BackfillProgress, topic: int, events: Sequence[EventRow]) -> list[EventRow]:
    """Those of the events, which the follow of a topic is about to cover, that are not in the feed yet and that nothing
    hides. A dry run covers nothing, so it leaves out those that an earlier follow would have covered."""
    others = [event for event in events if event.actor != at.at_user]
    if not others:
        return []
    masked = feed_reasons.hidden(r, at.at_user, others)
    shown = [event for event in others if event.key not in masked]
    reasons = feed_reasons.explain_shown(r, at.at_user, shown)
    gained = [event for event in shown if reasons[event.key] is None]
    if not at.dry_run:
        return gained
    followed = feed_reasons.followed(r, at.at_user, _topics(gained))
    return [
        event for event in gained if not any(one < topic for one in followed.intersection(event.all_topics()))
    ]


def _topics(events: Sequence[EventRow]) -> set[int]:
    return {topic for event in events for topic in event.all_topics()}


# --- inboxes ------------------------------------------------------------------------------------------------------


def _notify(
    w: WriteSession, r: ReadSnapshot, at: _BackfillProgress, budget: int
) -> tuple[_BackfillProgress, int]:
    """Add the next events of the feed, oldest first, to the inbox."""
    viewer = feeds.viewer(r, at.at_user)
    limit = max(1, budget // ITEM_ROWS)
    entries = r.entries_up(viewer.timelines, at.at_key, limit)
    items = [item.event for item in feeds.visible(r, viewer, entries, "events_without_body", own=False)]
    if items:
        at = _counted(at)
    arriving = _arriving(w, r, at, items)
    at = at._replace(notified=at.notified + len(arriving))
    if arriving and not at.dry_run:
        _insert(w, at.at_user, arriving)
    rows = FOLLOW_ROWS + len(entries) * ITEM_ROWS
    return (_left(at) if len(entries) < limit else at._replace(at_key=entries[-1].key)), rows


def _arriving(
    w: WriteSession, r: ReadSnapshot, at: _BackfillProgress, events: Sequence[EventRow]
) -> list[tuple[EventRow, NotificationDraft]]:
    """Those of the events, which are in the feed or will be, of which a rule notifies the user, and that are not in the
    inbox. Events since the backfill began, and those with pending jobs, notify by themselves."""
    user, drafts = at.at_user, {}
    followed = feed_reasons.followed(r, user, _topics(events))
    for i, event in enumerate(events):
        if event.position > at.head or event.notify == NotifyMode.NONE:
            continue
        draft = _draft(w, event)
        if _is_recipient(user, event, draft, followed) and not _has(w, r, user, event):
            drafts[i] = draft
    pairs = {pair(user, i) for i in drafts}
    wanted = inbox_insert.filter_recipients(w, pairs, drafts)
    return [(events[i], drafts[i]) for i in sorted(map(inbox_insert.index_of, wanted))]


def _draft(w: WriteSession, event: EventRow) -> NotificationDraft:
    numbers = event.actor, event.object, event.verb, event.all_topics()
    return inbox_insert.stored_arrival(w, event.key, *numbers, NotifyMode.READ)


def _is_recipient(user: int, event: EventRow, draft: NotificationDraft, followed: set[int]) -> bool:
    rule = draft.kind.rule
    if rule.to_targets and event.has_target(user):
        return True
    topics = rule.follower_topics(event.actor, event.object, draft.topics)
    return event.is_followed and not followed.isdisjoint(topics)


def _has(w: WriteSession, r: ReadSnapshot, user: int, event: EventRow) -> bool:
    """Whether the inbox has the event, or will have it by itself."""
    (pending,) = w.db.one(sql("is_fan_out_pending"), (event.position, event.position))
    if pending or broadcasts.audience(r, event.position) is not None:
        return True
    numbers = [number for _, number in inboxes.holding(r, (user,), event.key, event.position)]
    rows = notification_groups.by_number(r, user, numbers)
    # That of an event which a block removed is a tombstone.
    return any(not row.deleted for _, row in rows.values())


def _insert(w: WriteSession, user: int, arriving: Sequence[tuple[EventRow, NotificationDraft]]) -> None:
    drafts = {i: draft for i, (_, draft) in enumerate(arriving)}
    inbox_insert.insert_notifications(w, {pair(user, i) for i in drafts}, (), drafts)
    recipient = pack((user,))
    others = [
        (event.key, user, recipient)
        for event, draft in arriving
        if not (draft.kind.rule.to_targets and event.has_target(user))
    ]
    w.insert("insert_recipients", others)
