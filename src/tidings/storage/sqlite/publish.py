"""Publish: a batch of events becomes rows by a few set-based statements.

Nothing here makes a Python object per delivery. Fan-out is packed into arrays of 64-bit integers, which SQLite joins with
the log and the follow graph by itself.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from tidings.errors import KeyReused
from tidings.ids import COUNTER_BITS, key_at
from tidings.model import NewEvent, Publish, Published, Receipt
from tidings.storage.sqlite import broadcasts, display_names, hidden_ranges
from tidings.storage.sqlite.partitions import PartitionRange
from tidings.storage.sqlite.recipients import BATCH_INLINE_ROWS, EventBatch, resolve_recipients
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import pack
from tidings.storage.sqlite.timeline_numbers import signed_topic
from tidings.storage.sqlite.write_session import ON_READ, WriteSession
from tidings.visibility import Visibility

CHUNK_EVENTS = 4_096
"""Events processed by one round of statements: their index must fit the 15 bits that packing leaves for it."""
CACHED_MILLISECONDS = 50_000
"""Milliseconds whose next key is cached between batches; others are looked up when they occur again."""


class _Known(NamedTuple):
    fingerprint: bytes
    receipt: Receipt


def publish(w: WriteSession, commands: Sequence[Publish]) -> list[Published | KeyReused]:
    """Append the events of these commands; one outcome per command, in order."""
    fresh: list[NewEvent] = []
    plans = _plan(w, commands, fresh)
    receipts: list[Receipt] = []
    queued: set[int] = set()
    for at in range(0, len(fresh), CHUNK_EVENTS):
        made, pending = _append(w, fresh[at : at + CHUNK_EVENTS])
        queued.update(at + i for i in pending)
        receipts += made
    return [_outcome(plan, receipts, queued) for plan in plans]


_Plan = list["int | _Known"]
"""For each event of a command: its index among the new ones; that of the one it repeats, as ``~index``; or the stored facts
about it."""


def _outcome(plan: _Plan | KeyReused, receipts: Sequence[Receipt], queued: set[int]) -> Published | KeyReused:
    if isinstance(plan, KeyReused):
        return plan
    made = tuple(receipts[max(slot, ~slot)] if isinstance(slot, int) else slot.receipt for slot in plan)
    repeats = tuple(i for i, slot in enumerate(plan) if not isinstance(slot, int) or slot < 0)
    return Published(made, repeats, _pending(plan, receipts, queued) if queued else range(0))


def _pending(plan: _Plan, receipts: Sequence[Receipt], queued: set[int]) -> range:
    slots = (max(slot, ~slot) for slot in plan if isinstance(slot, int))
    positions = [receipts[slot].position for slot in slots if slot in queued]
    return range(min(positions), max(positions) + 1) if positions else range(0)


def _plan(w: WriteSession, commands: Sequence[Publish], fresh: list[NewEvent]) -> list[_Plan | KeyReused]:
    """For each event of each command its index in ``fresh``, or the stored facts about it.

    An event whose idempotency key was used earlier in this very batch is known by its index.
    """
    if not any(event.key for command in commands for event in command.events):
        plans: list[_Plan | KeyReused] = []
        for command in commands:
            plans.append(list(range(len(fresh), len(fresh) + len(command.events))))
            fresh += command.events
        return plans
    seen: dict[bytes, tuple[bytes, int]] = {}
    return [_plan_one(w, command, fresh, seen) for command in commands]


def _plan_one(
    w: WriteSession, command: Publish, fresh: list[NewEvent], seen: dict[bytes, tuple[bytes, int]]
) -> _Plan | KeyReused:
    plan: _Plan = []
    adds: list[NewEvent] = []
    own: dict[bytes, tuple[bytes, int]] = {}
    for index, event in enumerate(command.events):
        slot: int | _Known | None = None
        if event.key is not None:
            earlier = own.get(event.key) or seen.get(event.key)
            known = None if earlier else _known(w, event.key)
            print_ = earlier[0] if earlier else known.fingerprint if known else event.fingerprint
            if print_ != event.fingerprint:
                return KeyReused(index)
            slot = ~earlier[1] if earlier else known
        if slot is None:
            slot = len(fresh) + len(adds)
            adds.append(event)
            if event.key is not None:
                own[event.key] = (event.fingerprint, slot)
        plan.append(slot)
    fresh += adds
    seen |= own
    return plan


def _known(w: WriteSession, key: bytes) -> _Known | None:
    row = w.db.one(
        sql("idempotency_record"),
        (key, w.clock.now() - w.settings.idempotency_hours * 3_600_000),
    )
    if row is None:
        return None
    fingerprint, event, position = row
    retracted = not w.stands(event)
    return _Known(fingerprint, Receipt(w.ids.text(event), position, event >> COUNTER_BITS, retracted))


def _append(w: WriteSession, events: Sequence[NewEvent]) -> tuple[list[Receipt], set[int]]:
    """Write a chunk; returns the receipts, and the indexes of events with pending fan-out."""
    high, logged = w.high, w.logged
    rows, receipts = _log(w, events)
    spans = _touched(w, rows.keys)
    packed = _in_timelines(events, rows)
    targets = _addressed(w, events)
    followed, queued = _split(w, packed, rows)
    for span, ev in spans:
        bounds = {"base": rows.base, "low": span.low, "high": span.high}
        n = span.parts[-1]
        grown = w.run("insert_topic_entries", packed, n, **bounds)
        grown += w.run("insert_target_entries", targets, n, **bounds)
        grown += w.run("insert_follower_entries", followed, n, ev, **bounds)
        if rows.late:
            w.run("insert_out_of_order_follower_entries", followed, n, ev, **bounds)
        if n == w.timelines.newest():
            w.timelines.grew(grown)
    if rows.late:
        w.disorder()
        w.run("insert_out_of_order_topic_entries", packed, 0, base=rows.base)
        w.run("insert_out_of_order_target_entries", targets, 0, base=rows.base)
    hidden_ranges.extend(w, events, rows, high, logged)
    queued |= resolve_recipients(w, events, rows, targets)
    broadcasts.announce(w, events, rows.base, rows.actors, rows.topics)
    _remember(w, events, receipts, rows.keys)
    return receipts, queued


def _log(w: WriteSession, events: Sequence[NewEvent]) -> tuple[EventBatch, list[Receipt]]:
    """Mint keys and positions, write the events and the log."""
    names = w.names
    if len(w.next_keys) > CACHED_MILLISECONDS:
        w.next_keys.clear()
    names.make_users([e.actor_id for e in events] + [t for e in events for t in e.targets])
    names.make_topics(
        [f"{e.object_type}:{e.object_id}" for e in events] + [t for e in events for t in e.topics]
    )
    display_names.learn(w, events)
    base = w.position + 1
    rows = EventBatch(base, [], [], [], [], False)
    receipts, log, bodies = [], [], []
    late = False
    for position, event in enumerate(events, base):
        key, high = _mint(w, event.created_at)
        late = late or high is not None
        actor, verb = names.users[event.actor_id], names.make_verb(event.verb)
        thing = names.topics[f"{event.object_type}:{event.object_id}"]
        extra = [names.topics[topic] for topic in event.topics]
        event_id = w.ids.text(key)
        body = b'{"event_id":"%b","position":%d,%b' % (event_id.encode(), position, event.body)
        targets = pack([names.users[target] for target in event.targets]) if event.targets else None
        bodies.append(
            (key, position, actor, thing, verb, pack(extra), targets, event.visibility, event.notify, body)
        )
        log.append((position, key, verb, high))
        receipts.append(Receipt(event_id, position, event.created_at))
        rows.keys.append(key)
        rows.actors.append(actor)
        rows.things.append(thing)
        rows.topics.append(list({actor, thing, *extra}))
    if len(w.events.spans) == 1:
        w.insert("insert_events", bodies, w.events.newest())
    else:
        for n, part in groupby(bodies, lambda row: w.events.span(row[0]).parts[-1]):
            w.insert("insert_events", list(part), n)
    w.insert("insert_log", log)
    w.events.grew(len(events))
    w.position += len(events)
    w.logged = w.position
    w.quiet = False
    return rows._replace(late=late), receipts


def _mint(w: WriteSession, created_at: int) -> tuple[int, int | None]:
    """The next free key of a millisecond, and the greatest key so far if that is another.

    A millisecond that is full (2**20 events) runs over into the next one: the order stays, the time is 1 ms off.
    """
    key = key_at(created_at)
    if key > w.high:
        high = None
    elif created_at == w.high >> COUNTER_BITS:
        key, high = w.high + 1, None
    else:
        key, high = w.next_keys.get(created_at) or _next_key(w, created_at), w.high
    w.high = max(w.high, key)
    w.next_keys[created_at] = key + 1  # the table does not have this batch's keys yet
    return key, high


def _next_key(w: WriteSession, created_at: int) -> int:
    low = key_at(created_at)
    n = w.events.span(low).parts[-1]
    (last,) = w.db.one(sql("greatest_event_key", n), (low, key_at(created_at + 1)))
    return low if last is None else int(last) + 1


def _touched(w: WriteSession, keys: Sequence[int]) -> list[tuple[PartitionRange, int]]:
    """The timeline spans of these keys, cut where the events' partitions change, each with the latter."""
    found = {}
    for key in (min(keys), max(keys)) if len(w.timelines.spans) == len(w.events.spans) == 1 else keys:
        span, events = w.timelines.span(key), w.events.span(key)
        cut = PartitionRange(max(span.low, events.low), min(span.high, events.high), span.parts)
        found[cut] = events.parts[-1]
    return list(found.items())


def _addressed(w: WriteSession, events: Sequence[NewEvent]) -> array[int]:
    """The targets of the events, as sorted pairs (see inbox_insert.py): for their feeds, where mutes and blocks apply when
    reading, and for their inboxes, where they apply now."""
    users = w.names.users
    pairs = {
        users[target] << 31 | i << 15
        for i, event in enumerate(events)
        for target in event.targets
        if target != event.actor_id
    }
    return array("q", sorted(pairs))


def _in_timelines(events: Sequence[NewEvent], rows: EventBatch) -> array[int]:
    """The sorted pairs (signed topic << 16 | index) of the batch."""
    public = Visibility.PUBLIC  # looked up once: an enumeration takes 90 ns to find a member
    restricted = [event for event in events if event.visibility is not public]
    if not restricted:  # as a rule: without a call for each topic
        return array("q", sorted(t << 16 | i for i, topics in enumerate(rows.topics) for t in topics))
    followed = [event.visibility.reaches_followers for event in events]
    pairs = (signed_topic(t, some) << 16 | i for i, some in enumerate(followed) for t in rows.topics[i])
    return array("q", sorted(pairs))


def _split(w: WriteSession, packed: array[int], rows: EventBatch) -> tuple[array[int], set[int]]:
    """The (topic, index) pairs to fan out now, and the indexes of events whose fan-out is enqueued.

    Topics with fan-out on read are left out, and so are events that no follow brings.
    """
    packed = packed[bisect_left(packed, 0) :]
    if not w.wide and not w.hot:
        return packed, set()
    now, queued, budget = array("q"), set(), BATCH_INLINE_ROWS
    for entry in packed:
        topic, i = entry >> 16, entry & 0xFFFF
        followers = w.wide.get(topic, 0)
        if followers:
            w.published(topic, followers, rows.base + i)
        if w.hot.get(topic) == ON_READ:
            continue
        if followers <= min(w.settings.fanout_sync_max_followers, budget):
            budget -= followers
            now.append(entry)
        else:
            w.enqueue_job("fan_out", topic, rows.base + i, rows.base + i, rows.keys[i] - 1)
            queued.add(i)
    return now, queued


def _remember(
    w: WriteSession, events: Sequence[NewEvent], receipts: Sequence[Receipt], keys: Sequence[int]
) -> None:
    now = w.clock.now()
    rows = [
        (event.key, event.fingerprint, key, receipt.position, now)
        for event, receipt, key in zip(events, receipts, keys, strict=True)
        if event.key is not None
    ]
    w.insert("insert_idempotency", rows)  # the old row of a key may have expired
