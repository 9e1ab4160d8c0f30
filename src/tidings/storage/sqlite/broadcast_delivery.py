"""The materialisation of broadcasts: the pending ones of a user become items of their inbox.

Users without an endpoint have theirs materialised at their next request. For the others a fan-out job does the same, since
an item enqueues its deliveries: :func:`deliver_step`.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from tidings.model import CommandResult, MaterializeBroadcasts
from tidings.notify_mode import NotifyMode
from tidings.storage.sqlite import broadcasts, endpoints, inbox_insert
from tidings.storage.sqlite.inbox_insert import Arrivals, NotificationDraft, kind, pair
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

AT_ONCE = 4_096
"""Broadcasts materialised in one round: the index of each must fit the 16 bits that packing leaves for it."""
LAST_USER = (1 << 63) - 1
"""A number above that of each user."""


def materialize_broadcasts(w: WriteSession, r: ReadSnapshot, command: MaterializeBroadcasts) -> CommandResult:
    """Materialise the pending broadcasts of users, oldest first; none of them is pending afterwards."""
    present = [user for user in command.users if not _is_outdated(w, user, command)]
    w.names.make_users(present)
    return CommandResult(_materialize(w, r, {w.names.users[user] for user in present}), w.position)


def _materialize(w: WriteSession, r: ReadSnapshot, users: Collection[int]) -> int:
    if not users:
        return 0
    lacked = broadcasts.lacked(r, users)
    positions = sorted({position for _, position in lacked})
    for at in range(0, len(positions), AT_ONCE):
        _give(w, r, positions[at : at + AT_ONCE], lacked)
    w.db.execute(sql("set_broadcast_cursor"), {"users": w.carray(users), "position": w.position})
    return len(lacked)


def _is_outdated(w: WriteSession, user: str, command: MaterializeBroadcasts) -> bool:
    """Whether the user of this name was erased after the pending broadcasts were read."""
    read_at = command.erasures
    return read_at is not None and w.names.erased.since(read_at, user) and w.names.user(user) is None


def _give(
    w: WriteSession, r: ReadSnapshot, positions: Sequence[int], lacked: Iterable[tuple[int, int]]
) -> None:
    index = {position: i for i, position in enumerate(positions)}
    pairs = {pair(user, index[position]) for user, position in lacked if position in index}
    inbox_insert.insert_notifications(w, set(), pairs, _arrivals(w, r, positions), bulk=True)


def _arrivals(w: WriteSession, r: ReadSnapshot, positions: Sequence[int]) -> Arrivals:
    """Broadcasts as drafts of notifications: whatever their type declares, they do not group and are no duplicates."""
    query = sql("keys_at_positions")
    keys = [key for (key,) in r.db.execute(query, (w.carray(positions),))]
    found = []
    for event in r.events(keys, "events_without_body"):
        brings = kind(w, w.names.verb_text(event.verb))
        topics, notify = event.all_topics(), NotifyMode(event.notify)
        found.append(NotificationDraft(event.key, brings, event.actor, event.object, topics, notify))
    return dict(enumerate(found))


# --- the users with endpoints -------------------------------------------------------------------------------------


class DeliverStep(NamedTuple):
    """A part of a fan-out job: the ``position`` of a broadcast, its ``audience`` (a topic, or EVERYONE), and the last user
    who was processed."""

    position: int
    audience: int
    after: int


def deliver_step(w: WriteSession, r: ReadSnapshot, step: DeliverStep, budget: int) -> tuple[int | None, int]:
    """Materialise a broadcast for the next users of its audience who have a usable endpoint on a channel of its type, as
    their next request would; reads and writes about ``budget`` rows, and at least the pending broadcasts of one user.
    Returns the last user processed, None after all, and the rows."""
    row = w.db.one(sql("broadcast_to_deliver"), (step.position, w.clock.now()))
    channels = endpoints.numbers_of(w, w.rules.of_verb(w.names.verb_text(row[0])).channels) if row else []
    if not channels:
        return None, 0
    upper, users = _next_users(w, step, budget)
    values = broadcasts.pending_values(r)
    values |= {"after": step.after, "upto": upper, "audience": step.audience, "position": step.position}
    values["channels"] = w.carray(channels)
    query = sql("pending_recipients", users=sql(users), pending=sql("broadcast_is_pending"))
    found = [user for (user,) in r.db.execute(query, values)]
    some = _fitting(w, r, found, budget)
    given = _materialize(w, r, some)
    if len(some) < len(found):
        return some[-1], budget
    return (None if upper == LAST_USER else upper), budget + given


def _next_users(w: WriteSession, step: DeliverStep, budget: int) -> tuple[int, str]:
    """The end of the next chunk of users, and the statement that names them: of the users with endpoints and of the
    followers of the audience, it reads those who are fewer here."""
    at = (step.after, budget - 1)
    with_endpoint = _end(w, "end_of_endpoint_chunk", at)
    if step.audience == broadcasts.EVERYONE:
        return with_endpoint, "users_with_endpoints"
    following = _end(w, "end_of_follower_chunk", (step.audience, *at))
    return max((following, "followers_with_endpoints"), (with_endpoint, "users_with_endpoints"))


def _end(w: WriteSession, query: str, values: tuple[int, ...]) -> int:
    row = w.db.one(sql(query), values)
    return row[0] if row else LAST_USER


def _fitting(w: WriteSession, r: ReadSnapshot, users: Sequence[int], budget: int) -> Sequence[int]:
    """The first of these users, at least one, whose pending broadcasts are about ``budget`` together: a user who has never
    made a request may have many."""
    if not users:
        return users
    active = [position for (position,) in r.db.execute(sql("active_broadcasts"))]
    cursors = dict(r.db.execute(sql("broadcast_cursors"), {"users": w.carray(users)}))
    left = budget
    for at, user in enumerate(users):
        left -= len(active) - bisect_right(active, cursors.get(user, 0))
        if left < 0 and at:
            return users[:at]
    return users
