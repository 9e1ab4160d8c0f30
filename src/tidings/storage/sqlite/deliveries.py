"""Deliveries to endpoints; reminders are in reminders.py."""

from collections.abc import Iterable, Mapping
from typing import Any

import apsw

from tidings.delivery_priority import DeliveryPriority, fill_page
from tidings.ids import notification_id, notification_ref
from tidings.model import CommandResult, InboxRow, RecordDeliveryResults
from tidings.notification_facts import Delivery, FailedDelivery
from tidings.personal_data import DeliveryResult, decode_preferences
from tidings.status import DeadLetter
from tidings.storage.sqlite import endpoints, notification_groups
from tidings.storage.sqlite.blocks import by_blocked
from tidings.storage.sqlite.notification_view import hydrate
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


def deliveries(
    r: ReadSnapshot,
    due_by: int,
    limit: int,
    ids: tuple[int, ...] | None = None,
    without: tuple[str, ...] = (),
) -> list[Delivery]:
    """Due deliveries that are no dead letters, by priority and longest due first, in one snapshot; only those of these
    ``ids``, if given, and none to the endpoints with these ids (``without``)."""
    values: dict[str, Any] = {"due_by": due_by, "limit": limit}
    with r.snapshot():
        if ids is None:
            # an empty array cannot be bound
            values["without"] = apsw.carray(without or ("",))
            due = [_due(r, values | {"priority": each.value}, limit) for each in DeliveryPriority]
            return _deliveries(r, fill_page(due, limit))
        if not ids:
            return []
        rows = r.db.all(sql("deliveries_of_ids"), values | {"ids": r.writer.carray(ids)})
        return _deliveries(r, _without_blocked(r, rows))


def _due(r: ReadSnapshot, values: dict[str, Any], limit: int) -> list[tuple[Any, ...]]:
    due: list[tuple[Any, ...]] = []
    after = {"after_due": -1, "after_id": 0}
    while len(due) < limit:
        rows = r.db.all(sql("deliveries_due"), values | after)
        due += _without_blocked(r, rows)
        if len(rows) < limit:
            break
        after = {"after_due": rows[-1][4], "after_id": rows[-1][0]}
    return due[:limit]


def _without_blocked(r: ReadSnapshot, due: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Without deliveries of groups from which the items of a blocked user are still to be removed. Only inboxes with such a
    job have some, and its other deliveries do not wait: a block by another user may have queued it."""
    numbers: dict[int, set[int]] = {}
    for row in due:
        if row[-1]:
            numbers.setdefault(row[1], set()).add(row[2])
    held = set()
    for user, some in numbers.items():
        groups = [group for _, group in notification_groups.by_number(r, user, some).values()]
        held |= {(user, number) for number in by_blocked(r, user, groups)}
    return [row for row in due if row[1:3] not in held] if held else due


def _deliveries(r: ReadSnapshot, due: list[tuple[Any, ...]]) -> list[Delivery]:
    people = r.names.people(row[1] for row in due)
    shown = _shown(r, due)
    muted = _muted(r, {row[1] for row in due}, shown)
    said = {raw: decode_preferences(raw) for raw in {row[23] for row in due}}
    return [
        Delivery(
            row[0],
            endpoints.made(people[row[1]], row[7:23]),
            r.names.verb_text(row[3]),
            shown.get(notification_id(row[1], row[2])),
            said[row[23]],
            row[4],
            row[5],
            row[6],
            notification_id(row[1], row[2]) in muted,
            DeliveryPriority(row[24]),
        )
        for row in due
    ]


def _shown(r: ReadSnapshot, due: Iterable[tuple[Any, ...]]) -> dict[str, InboxRow]:
    """The groups of these deliveries by id, without tombstones."""
    wanted: dict[int, set[int]] = {}
    for _, user, number, *_ in due:
        wanted.setdefault(user, set()).add(number)
    found: list[InboxRow] = []
    for user, numbers in wanted.items():
        rows = [row for _, row in notification_groups.by_number(r, user, numbers).values() if not row.deleted]
        found += hydrate(r, user, rows)
    return {row.id: row for row in found}


def _muted(r: ReadSnapshot, users: set[int], shown: Mapping[str, InboxRow]) -> set[str]:
    """Those of these groups whose newest event belongs to a topic that their user has muted."""
    if not users or not r.writer.masked:
        return set()
    muting = {user for (user,) in r.db.execute(sql("users_muting"), {"users": r.writer.carray(users)})}
    mine = {id: ref[0] for id in shown if (ref := notification_ref(id)) is not None and ref[0] in muting}
    keys = {id: key for id in mine if (key := r.writer.ids.key(shown[id].event_ids[0])) is not None}
    topics = {
        event.key: event.all_topics() for event in r.events(sorted(set(keys.values())), "events_without_body")
    }
    return {id for id, key in keys.items() if key in topics and _mutes(r, mine[id], topics[key])}


def _mutes(r: ReadSnapshot, user: int, topics: Iterable[int]) -> bool:
    return bool(r.db.all(sql("muted_topics"), {"user": user, "topics": r.writer.carray(topics)}))


def waiting(r: ReadSnapshot, notification: str) -> tuple[str, ...]:
    """The ids of the endpoints for which a delivery of a notification is queued; none without a notification ("")."""
    if (ref := notification_ref(notification)) is None:
        return ()
    return tuple(id for (id,) in r.db.execute(sql("endpoints_waiting"), ref))


def failed(r: ReadSnapshot, notification: str) -> tuple[FailedDelivery, ...]:
    """The unsent deliveries of a notification ("": there is none) that had attempts."""
    if (ref := notification_ref(notification)) is None:
        return ()
    return tuple(FailedDelivery(*row) for row in r.db.execute(sql("failed_deliveries"), ref))


def is_muted(r: ReadSnapshot, notification: str) -> bool:
    """Whether the newest event of a notification ("": there is none) belongs to a topic that its user has muted."""
    if (ref := notification_ref(notification)) is None:
        return False
    return bool(_muted(r, {ref[0]}, _shown(r, [(0, *ref)])))


def next_due(r: ReadSnapshot) -> int | None:
    """The time at which the next reminder or delivery is due: the first entry of two indexes."""
    (at,) = r.db.one(sql("next_due"))
    return at  # type: ignore[no-any-return]


def settle(w: WriteSession, command: RecordDeliveryResults) -> CommandResult:
    """Record the results of deliveries; those of missing ones, and those that a former state of the preferences
    or of the endpoint decided, are ignored."""
    return CommandResult(sum(_settle(w, handled) for handled in command.handled), w.position)


def _settle(w: WriteSession, handled: DeliveryResult) -> int:
    row = w.db.one(sql("delivery_by_id"), (handled.id,))
    if row is None or not _is_current(w, row[0], row[1], handled):
        return 0
    match handled.state:
        case "sent":
            sent_at = handled.at or w.clock.now()
            w.db.execute(sql("endpoint_succeeded"), (sent_at, row[0]))
            w.db.execute(sql("delete_delivery"), (handled.id,))
        case "dropped":
            w.db.execute(sql("delete_delivery"), (handled.id,))
        case "held":
            w.db.execute(sql("hold_delivery"), (handled.at, handled.id))
        case "gone":
            endpoints.forget(w, row[0])
        case _:
            w.db.execute(
                sql("delivery_failed"),
                (handled.at, handled.error, handled.state == "dead", handled.id),
            )
            if handled.error and handled.tried:
                w.db.execute(sql("endpoint_failed_last"), (handled.error, w.clock.now(), row[0]))
            if handled.failures:
                endpoints.refuse(w, row[0], handled)
    if handled.order and handled.state in ("sent", "dead", "dropped"):
        _enqueue_again(w, row, handled.order)
    return 1


def _is_current(w: WriteSession, endpoint: int, user: int, handled: DeliveryResult) -> bool:
    """Whether what decided is still in effect. If the preferences have changed since the dispatcher read them, what they
    held is already released, and would be held again until the time of before. An endpoint that was registered again
    since then would be removed or disabled for what its former state refused."""
    if handled.revision not in (None, w.db.one(sql("endpoint_revision"), (endpoint,))[0]):
        return False
    if handled.by is None:
        return True
    row = w.db.one(sql("preferences_of_user"), (user,))
    return decode_preferences(row[0] if row else None) == handled.by


def _enqueue_again(w: WriteSession, row: tuple[int, int, int, int, int], carried: int) -> None:
    """Enqueue a delivery for items that joined a group during an attempt: none was enqueued, since one of the group was
    queued."""
    endpoint, user, number, type, priority = row
    about = {"endpoint": endpoint, "user": user, "number": number, "type": type, "priority": priority}
    w.db.execute(sql("enqueue_delivery_again"), about | {"carried": carried, "now": w.clock.now()})


def release_held(w: WriteSession, user: str) -> None:
    """The quiet hours or the digest that deferred deliveries of a user have changed: decide about the deferred ones
    again."""
    w.db.execute(sql("release_held"), {"user": w.names.user(user), "now": w.clock.now()})


def dead_letters(r: ReadSnapshot, limit: int) -> list[DeadLetter]:
    """Dead letters of deliveries, oldest first."""
    rows = r.db.all(sql("dead_deliveries"), (limit,))
    people = r.names.people(row[1] for row in rows)
    return [
        DeadLetter(
            id,
            "delivery",
            f"{people[user]} {endpoints.channel_name(channel)}",
            tries,
            error,
            people[user],
            endpoint,
        )
        for id, user, endpoint, channel, tries, error in rows
    ]


def replay(w: WriteSession) -> int:
    """Retry dead letters now, with a new count of attempts, unless their endpoint is disabled; returns how many."""
    w.db.execute(sql("retry_dead_deliveries"), (w.clock.now(),))
    return w.db.changes()


def bound(w: WriteSession, latest: int) -> CommandResult:
    """Make deliveries that are due after a time due now."""
    changed = 0
    for each in DeliveryPriority:
        w.db.execute(
            sql("bound_deliveries"), {"priority": each.value, "latest": latest, "now": w.clock.now()}
        )
        changed += w.db.changes()
    return CommandResult(changed, w.position)
