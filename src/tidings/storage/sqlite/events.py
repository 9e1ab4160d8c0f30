"""Reads of the log: single events, and the tail in the order of positions."""

from bisect import bisect_left

from tidings.ids import key_at
from tidings.model import LogEntry
from tidings.notify_mode import NotifyMode
from tidings.storage.sqlite import broadcasts, feed_reasons, inboxes
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.relations import has_block
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import unpack
from tidings.storage.sqlite.write_session import high_key
from tidings.visibility import VISITOR, LookUpFacts, Visibility, may_look_up

FEW_TARGETS = 512
"""Bytes of an event's targets, some hundred of them, whose names the event loop reads."""


def entry(r: ReadSnapshot, event: EventRow) -> LogEntry:
    """A stored event with names for its numbers."""
    thing = r.names.text(event.object)
    object_type, _, object_id = thing.partition(":")
    return LogEntry(
        event.position,
        event.key,
        r.names.user_name(event.actor),
        r.names.verb_text(event.verb),
        object_type,
        object_id,
        event.body,
        tuple(dict.fromkeys(r.names.user_name(number) for number in unpack(event.targets))),
        tuple(r.names.text(number) for number in event.all_topics()),
        Visibility(event.visibility),
        NotifyMode(event.notify),
    )


def one(r: ReadSnapshot, event_id: str, viewer: str | None = None) -> LogEntry | None:
    """One event by its public id, if the viewer (None: anybody) may look it up; for a viewer without its targets."""
    key = r.writer.ids.key(event_id)
    found = r.events([key]) if key is not None else []
    if not found or (viewer is not None and not _may_look_up(r, viewer, found[0])):
        return None
    (event,) = found
    if viewer is not None:
        return entry(r, event._replace(targets=None))
    if event.targets is not None and len(event.targets) > FEW_TARGETS:
        r.continue_in_a_thread()
    return entry(r, event)


def _may_look_up(r: ReadSnapshot, viewer: str, event: EventRow) -> bool:
    return event.is_public or may_look_up(Visibility(event.visibility), _facts(r, viewer, event))


def _facts(r: ReadSnapshot, viewer: str, event: EventRow) -> LookUpFacts:
    user, audience = r.names.user(viewer), broadcasts.audience(r, event.position)
    if user is None:
        return LookUpFacts(in_audience=audience == broadcasts.EVERYONE and viewer != VISITOR)
    follows, covered = feed_reasons.follows_of(r, user, event)
    return LookUpFacts(
        own=event.actor == user,
        target=event.has_target(user),
        in_audience=audience is not None and broadcasts.is_in(r, user, audience, event.position),
        notified=bool(inboxes.holder(r, user, event.key, event.position)),
        follows=follows,
        covered=covered,
        blocked=has_block(r.db, user, event.actor),
    )


def tail(r: ReadSnapshot, after: int, limit: int) -> list[LogEntry]:
    """At most ``limit`` events after a position that are not retracted, in order."""
    found: list[LogEntry] = []
    while len(found) < limit:
        query = sql("log_after")
        rows = r.db.all(query, (after, limit - len(found)))
        found += [entry(r, event) for event in r.events([key for _, key in rows])]
        if not rows:
            break
        after = rows[-1][0]
    return found


def position_at(r: ReadSnapshot, ms: int) -> int:
    """The last position up to which no event was created after a time, by bisection: the greatest key so far never falls."""
    return bisect_left(range(1, r.head() + 1), True, key=lambda p: high_key(r.db, p) >= key_at(ms + 1))
