"""Who is told of an event: its targets, the followers of its object, or both, as the rule of its type says."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tidings.model import NewEvent
from tidings.storage.sqlite import arrivals
from tidings.storage.sqlite.arrivals import Arrival, Arrivals, arrival, kind, pair
from tidings.storage.sqlite.names import unpack
from tidings.storage.sqlite.writer import Writer, sql

BATCH_INLINE_ROWS = 20_000
"""Rows that wide topics may add to one transaction (about 60 ms); what is over is owed, so that others get their turn."""


class Rows(NamedTuple):
    """A chunk of events as numbers: parallel columns, and packed pairs for the joins."""

    base: int
    keys: list[int]
    actors: list[int]
    things: list[int]
    topics: list[list[int]]
    late: bool


def tell(w: Writer, events: Sequence[NewEvent], rows: Rows, targets: array[int]) -> set[int]:
    """Bring the events to the inboxes of those whom their rules name; ``targets`` are the pairs of all to whom they are
    addressed. Returns the indexes of those of which followers of the object are still to be told."""
    told = _arrivals(w, events, rows)
    if not told:
        return set()
    addressed: Collection[int] = targets
    unaddressed = {i for i, a in told.items() if a.kind.rule.notify == "followers"}
    if unaddressed:
        addressed = {p for p in targets if arrivals.index_of(p) not in unaddressed}
    followers, owed = _followers(w, rows, told)
    others = followers.difference(addressed) if followers else followers
    arrivals.bring(w, arrivals.admitted(w, addressed, told), arrivals.admitted(w, others, told), told)
    return owed


def _arrivals(w: Writer, events: Sequence[NewEvent], rows: Rows) -> Arrivals:
    """The events that somebody may be told of now; broadcasts wait until they are taken up."""
    found = {}
    kinds = {verb: kind(w, verb) for verb in {event.verb for event in events}}
    for i, event in enumerate(events):
        brings = kinds[event.verb]
        if not event.audience and (event.targets or brings.rule.to_followers):
            alone = Arrival(rows.keys[i], brings, rows.actors[i], rows.things[i], rows.topics[i])
            found[i] = arrival(w, alone, event.actor_id, f"{event.object_type}:{event.object_id}")
    return found


def _followers(w: Writer, rows: Rows, told: Arrivals) -> tuple[set[int], set[int]]:
    """Those who follow the objects of events whose rule tells them, as pairs; and the indexes of events of which that is
    owed, for there are too many."""
    now, owed, budget = array("q"), set(), BATCH_INLINE_ROWS
    for i, a in told.items():
        if a.kind.rule.notify == "targets":
            continue
        topic = a.thing
        followers = w.wide.get(topic, 0)
        if followers <= min(w.settings.fan_out_inline_rows, budget):
            budget -= followers
            now.append(topic << 16 | i)
        else:
            w.owe("notify", topic, rows.base + i, rows.keys[i])
            owed.add(i)
    found = w.db.execute(sql("followers_told"), {"packed": w.carray(now)}) if now else ()
    return {p for (p,) in found} - {pair(a.actor, i) for i, a in told.items()}, owed


def told_later(w: Writer, topic: int, key: int, after: int, upto: int) -> int:
    """Tell the followers of a topic in (after, upto] of an event, unless it was retracted; returns how many were."""
    n = w.events.span(key).parts[-1]
    query = f"SELECT position, actor, object, verb, topics, targets FROM event_{n} WHERE key=? AND body IS NOT NULL"
    row = w.db.one(query, (key,))
    if row is None:
        return 0
    position, actor, thing, verb, extra, targets = row
    actor_id, topics = w.names.text(actor).removeprefix("user:"), {actor, thing, *unpack(extra)}
    alone = Arrival(key, kind(w, w.names.verb_text(verb)), actor, thing, topics)
    told = {0: arrival(w, alone, actor_id, w.names.text(thing))}
    values = {"topic": topic, "after": after, "upto": upto, "position": position}
    followers = {p for (p,) in w.db.execute(sql("followers_chunk_told"), values)} - {pair(actor, 0)}
    if alone.kind.rule.to_targets:
        followers -= {pair(user, 0) for user in unpack(targets)}
    return arrivals.bring(w, set(), arrivals.admitted(w, followers, told), told)
