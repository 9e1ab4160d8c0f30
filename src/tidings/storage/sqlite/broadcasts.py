"""Broadcasts: one row for a whole audience, materialised in each inbox at the next request of its user.

Writing an item for all users would cost a row per user who may never return. Instead every inbox has the position of the
last broadcast that was materialised, and those after it that are for its user are pending. Whether one is pending is one
condition (``broadcast_is_pending``), evaluated for many users at once. Users who have an endpoint on a channel of its type
do not wait for their next request: a fan-out job materialises it for them (broadcast_delivery.py).
"""

from collections.abc import Collection, Sequence

from tidings import model
from tidings.model import NewEvent
from tidings.notify_mode import NotifyMode
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

EXPIRED_ROWS = 500
"""Expired broadcasts deactivated by one step."""
EVERYONE = 0
"""The number of the audience of all users: no topic has it."""
UNKNOWN = 0
"""The number that stands for every unknown user: no name has it."""


def announce(
    w: WriteSession,
    events: Sequence[NewEvent],
    base: int,
    actors: Sequence[int],
    topics: Sequence[Sequence[int]],
) -> None:
    """Store the broadcasts among events with positions from ``base`` on, whose actors and topics these are."""
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
    if (
        w.reached
        and event.notify is not NotifyMode.READ
        and w.channels.intersection(w.rules.of_verb(event.verb).channels)
    ):
        w.enqueue_job("deliver_broadcast", audience, position, position)
    w.broadcasting = max(w.broadcasting, event.expires_at)


def audience(r: ReadSnapshot, position: int) -> int | None:
    """The topic whose followers are the audience of the broadcast at a position, or EVERYONE; None if it is no broadcast."""
    row = r.db.one(sql("broadcast_audience"), (position,))
    return row[0] if row else None


def is_in(r: ReadSnapshot, user: int, audience: int, position: int) -> bool:
    """Whether a user is in the audience of the broadcast at a position: all users, or the followers of a topic since before
    it."""
    return audience == EVERYONE or r.db.one(sql("followed_before"), (user, audience, position)) is not None


def withdraw(w: WriteSession, position: int) -> None:
    """Stop the materialisation of a retracted broadcast."""
    w.db.execute(sql("delete_broadcast"), (position,))
    w.db.execute(sql("delete_broadcast_topics"), (position,))


def expire(w: WriteSession, now: int) -> int:
    """Deactivate a bounded number of expired broadcasts, so that the pending ones of a new user are not looked for among all
    past ones."""
    w.db.execute(
        sql("expire_broadcasts"),
        (now, EXPIRED_ROWS),
    )
    return w.db.changes()


def live(r: ReadSnapshot) -> int:
    """The number of active broadcasts: as many entries of one index are read."""
    query = sql("count_active_broadcasts")
    (count,) = r.db.one(query, (r.writer.clock.now(),))
    return count  # type: ignore[no-any-return]


def lacking(r: ReadSnapshot, users: Collection[int]) -> set[int]:
    """Those of these users (UNKNOWN for any unknown one) who have a pending broadcast."""
    values = _values(r, users)
    if not values:
        return set()
    query = sql("users_with_pending_broadcasts", pending=sql("broadcast_is_pending"))
    return {user for (user,) in r.db.execute(query, values)}


def lacked(r: ReadSnapshot, users: Collection[int]) -> list[tuple[int, int]]:
    """(user, position) of every pending broadcast of these users, in this order."""
    values = _values(r, users)
    return r.db.all(sql("pending_broadcasts", pending=sql("broadcast_is_pending")), values) if values else []


def _values(r: ReadSnapshot, users: Collection[int]) -> dict[str, object] | None:
    """The parameters of ``broadcast_is_pending`` for these users; None if there is no active broadcast."""
    if r.writer.clock.now() >= r.writer.broadcasting or not users:
        return None
    return {"users": r.writer.carray(users)} | pending_values(r)


def pending_values(r: ReadSnapshot) -> dict[str, object]:
    """The parameters of ``broadcast_is_pending`` but for the users."""
    w = r.writer
    return {"packed": w.carray(_types(r) if w.silenced else [0]), "now": w.clock.now()}


def _types(r: ReadSnapshot) -> list[int]:
    """verb << 33 | type << 1 | critical, of verbs that a declared type claims. No user has a preference for a type without a
    number: the preference for all types, which is type 0, applies to it."""
    packed = [0]
    for type, rule in r.writer.rules.declared.items():
        number = r.names.verb(type) or 0
        verbs = filter(None, map(r.names.verb, rule.verbs or (type,)))
        packed += [verb << 33 | number << 1 | rule.critical for verb in verbs]
    return packed
