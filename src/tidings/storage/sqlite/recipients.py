"""The recipients of an event by the rule of its type: its targets, and the followers of some of its topics."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tidings.model import NewEvent
from tidings.notify_mode import NotifyMode
from tidings.storage.sqlite import inbox_insert, inboxes
from tidings.storage.sqlite.inbox_insert import (
    Arrivals,
    NotificationDraft,
    arrival,
    kind,
    pair,
    stored_arrival,
)
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import unpack
from tidings.storage.sqlite.write_session import WriteSession

BATCH_INLINE_ROWS = 20_000
"""Rows that wide topics may add to one transaction (about 60 ms); the rest is enqueued, so that other writes get their
turn."""


class EventBatch(NamedTuple):
    """A chunk of events as numbers: parallel columns, and packed pairs for the joins."""

    base: int
    keys: list[int]
    actors: list[int]
    things: list[int]
    topics: list[list[int]]
    late: bool


def resolve_recipients(
    w: WriteSession, events: Sequence[NewEvent], rows: EventBatch, targets: array[int]
) -> set[int]:
    """Add the events to the inboxes of the recipients by their rules; ``targets`` are the pairs of all targets. Returns the
    indexes of events of which some followers are still to be notified."""
    drafts = _arrivals(w, events, rows)
    if not drafts:
        return set()
    addressed: Collection[int] = targets
    unaddressed = {
        i
        for i, event in enumerate(events)
        if event.targets and not (i in drafts and drafts[i].kind.to_targets)
    }
    if unaddressed:
        addressed = {p for p in targets if inbox_insert.index_of(p) not in unaddressed}
    followers, queued = _followers(w, events, rows, drafts)
    others = followers.difference(addressed) if followers else followers
    inbox_insert.insert_notifications(
        w,
        inbox_insert.filter_recipients(w, addressed, drafts),
        inbox_insert.filter_recipients(w, others, drafts),
        drafts,
    )
    return queued


def _arrivals(w: WriteSession, events: Sequence[NewEvent], rows: EventBatch) -> Arrivals:
    """Drafts of the events that can have recipients now; broadcasts are materialised later."""
    found = {}
    kinds = {verb: kind(w, verb) for verb in {event.verb for event in events}}
    nobody = NotifyMode.NONE
    for i, event in enumerate(events):
        brings = kinds[event.verb]
        followers = brings.to_followers and brings.rule.notifies_followers(event.visibility)
        if event.audience or event.notify is nobody or not (event.targets or followers):
            continue
        alone = NotificationDraft(
            rows.keys[i], brings, rows.actors[i], rows.things[i], rows.topics[i], event.notify
        )
        found[i] = arrival(w, alone, event.actor_id, f"{event.object_type}:{event.object_id}")
    return found


def _followers(
    w: WriteSession, events: Sequence[NewEvent], rows: EventBatch, drafts: Arrivals
) -> tuple[set[int], set[int]]:
    """The followers whom the rules of these events notify, as pairs; and the indexes of events for which that is enqueued,
    because they are too many."""
    now, queued, budget = array("q"), set(), BATCH_INLINE_ROWS
    for i, a in drafts.items():
        if not (a.kind.to_followers and a.kind.rule.notifies_followers(events[i].visibility)):
            continue
        for topic in a.kind.rule.follower_topics(a.actor, a.thing, a.topics):
            followers = w.wide.get(topic, 0)
            if followers <= min(w.settings.fanout_sync_max_followers, budget):
                budget -= followers
                now.append(topic << 16 | i)
            else:
                w.enqueue_job("notify", topic, rows.base + i, rows.keys[i])
                queued.add(i)
    found = w.db.execute(sql("followers_to_notify"), {"packed": w.carray(now)}) if now else ()
    return {p for (p,) in found} - {pair(a.actor, i) for i, a in drafts.items()}, queued


def notify_followers_chunk(
    w: WriteSession, r: ReadSnapshot, topic: int, key: int, after: int, upto: int
) -> int:
    """Notify the followers of a topic in (after, upto] of an event, unless it was retracted; returns how many were
    notified. Followers of several of its topics are notified once."""
    n = w.events.span(key).parts[-1]
    query = sql("event_to_notify", n)
    row = w.db.one(query, (key,))
    if row is None:
        return 0
    position, actor, thing, verb, extra, targets, notify = row
    topics = {actor, thing, *unpack(extra)}
    draft = stored_arrival(w, key, actor, thing, verb, topics, NotifyMode(notify))
    drafts = {0: draft}
    values = {"topic": topic, "after": after, "upto": upto, "position": position}
    followers = {p for (p,) in w.db.execute(sql("followers_to_notify_chunk"), values)} - {pair(actor, 0)}
    if draft.kind.rule.to_targets:
        followers -= {pair(user, 0) for user in unpack(targets)}
    several = len(draft.kind.rule.follower_topics(actor, thing, topics)) > 1
    if several or w.db.one(sql("has_notifying_backfill"))[0]:
        held = inboxes.holding(r, [p >> 31 for p in followers], key, position)
        followers -= {pair(user, 0) for user, _ in held}
    return inbox_insert.insert_notifications(
        w, set(), inbox_insert.filter_recipients(w, followers, drafts), drafts, bulk=True
    )
