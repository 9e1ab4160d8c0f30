"""Broadcasts: one row for all of an audience, given to each inbox when its user comes.

Writing an item for everyone would cost a row per user who may never return. Instead every inbox knows the last position
up to which its user took broadcasts up, and lacks those after it that are meant for them. Whether a user lacks one is
one condition (``is_lacking``), asked of many users at once.
"""

from collections.abc import Collection, Sequence

from tidings import model
from tidings.model import NewEvent
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

EXPIRED_ROWS = 500
"""Expired broadcasts set aside by one step."""
EVERYONE = 0
"""The number of the audience that excepts nobody: no topic has it."""
UNKNOWN = 0
"""The number of all users whom the store does not know: no name has it."""


def announce(
    w: WriteSession,
    events: Sequence[NewEvent],
    base: int,
    actors: Sequence[int],
    topics: Sequence[Sequence[int]],
) -> None:
    """Write down the broadcasts among events with positions from ``base`` on, whose actors and topics these are."""
    for i, event in enumerate(events):
        if event.audience:
            _announce(w, event, base + i, actors[i], topics[i])


def _announce(w: WriteSession, event: NewEvent, position: int, actor: int, topics: Sequence[int]) -> None:
    audience = EVERYONE if event.audience == model.EVERYONE else w.names.make_topic(event.audience)
    w.db.execute(
        sql("insert_broadcast"),
        (position, actor, w.names.make_verb(event.verb), audience, event.expires_at),
    )
    w.db.execute(sql("insert_broadcast_topics"), (position, w.carray(topics)))
    w.broadcasting = max(w.broadcasting, event.expires_at)


def audience(r: ReadSnapshot, position: int) -> int | None:
    """The topic that the event at a position was broadcast to, or EVERYONE; None when it is no broadcast."""
    row = r.db.one(sql("broadcast_audience"), (position,))
    return row[0] if row else None


def withdraw(w: WriteSession, position: int) -> None:
    """Give a retracted broadcast to nobody any more."""
    w.db.execute(sql("delete_broadcast"), (position,))
    w.db.execute(sql("delete_broadcast_topics"), (position,))


def expire(w: WriteSession, now: int) -> int:
    """Set aside a bounded number of expired broadcasts, so that newcomers are not held against all there ever were."""
    w.db.execute(
        sql("expire_broadcasts"),
        (now, EXPIRED_ROWS),
    )
    return w.db.changes()


def live(r: ReadSnapshot) -> int:
    """How many broadcasts could still come to somebody: as many entries of one index."""
    query = sql("count_active_broadcasts")
    (count,) = r.db.one(query, (r.writer.clock.now(),))
    return count  # type: ignore[no-any-return]


def lacking(r: ReadSnapshot, users: Collection[int]) -> set[int]:
    """Which of these users (UNKNOWN for any that is not known) lack a broadcast."""
    values = _values(r, users)
    if not values:
        return set()
    query = sql("users_with_pending_broadcasts", pending=sql("broadcast_is_pending"))
    return {user for (user,) in r.db.execute(query, values)}


def lacked(r: ReadSnapshot, users: Collection[int]) -> list[tuple[int, int]]:
    """(user, position) of every broadcast that one of these users lacks, in this order."""
    values = _values(r, users)
    return r.db.all(sql("pending_broadcasts", pending=sql("broadcast_is_pending")), values) if values else []


def _values(r: ReadSnapshot, users: Collection[int]) -> dict[str, object] | None:
    """What ``is_lacking`` is asked with; None when nothing lives that anybody could lack."""
    w, now = r.writer, r.writer.clock.now()
    if now >= w.broadcasting or not users:
        return None
    return {"users": w.carray(users), "packed": w.carray(_types(r) if w.silenced else [0]), "now": now}


def _types(r: ReadSnapshot) -> list[int]:
    """verb << 33 | type << 1 | critical, of verbs that a declared type claims. Of a type without a number nobody has ever
    said anything: what holds for it is the preference for all, which is type 0."""
    packed = [0]
    for type, rule in r.writer.rules.declared.items():
        number = r.names.verb(type) or 0
        verbs = filter(None, map(r.names.verb, rule.verbs or (type,)))
        packed += [verb << 33 | number << 1 | rule.critical for verb in verbs]
    return packed
