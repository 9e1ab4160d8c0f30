"""The materialisation of broadcasts: the pending ones of a user become items of their inbox."""

from collections.abc import Iterable, Sequence

from tidings.model import CommandResult, MaterializeBroadcasts
from tidings.notify_mode import NotifyMode
from tidings.storage.sqlite import broadcasts, inbox_insert
from tidings.storage.sqlite.inbox_insert import Arrivals, NotificationDraft, kind, pair
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

AT_ONCE = 4_096
"""Broadcasts materialised in one round: the index of each must fit the 16 bits that packing leaves for it."""


def materialize_broadcasts(w: WriteSession, r: ReadSnapshot, command: MaterializeBroadcasts) -> CommandResult:
    """Materialise the pending broadcasts of users, oldest first; none of them is pending afterwards."""
    present = [user for user in command.users if not _is_outdated(w, user, command)]
    w.names.make_users(present)
    users = {w.names.users[user] for user in present}
    if not users:
        return CommandResult(0, w.position)
    lacked = broadcasts.lacked(r, users)
    positions = sorted({position for _, position in lacked})
    for at in range(0, len(positions), AT_ONCE):
        _give(w, r, positions[at : at + AT_ONCE], lacked)
    w.db.execute(sql("set_broadcast_cursor"), {"users": w.carray(users), "position": w.position})
    return CommandResult(len(lacked), w.position)


def _is_outdated(w: WriteSession, user: str, command: MaterializeBroadcasts) -> bool:
    """Whether the user of this name was erased after the pending broadcasts were read."""
    read_at = command.erasures
    return read_at is not None and w.names.erased.since(read_at, user) and w.names.user(user) is None


def _give(
    w: WriteSession, r: ReadSnapshot, positions: Sequence[int], lacked: Iterable[tuple[int, int]]
) -> None:
    index = {position: i for i, position in enumerate(positions)}
    pairs = {pair(user, index[position]) for user, position in lacked if position in index}
    inbox_insert.insert_notifications(w, set(), pairs, _arrivals(w, r, positions))


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
