"""Delivery endpoints of users: mail addresses, push subscriptions, URLs."""

from collections.abc import Iterable, Sequence
from typing import Any

from tidings.delivery_priority import DeliveryPriority
from tidings.endpoint_commands import (
    AddEndpoint,
    ConfirmEndpoint,
    EnableEndpoint,
    RemoveEndpoint,
    ReserveConfirmation,
    RotateSecret,
)
from tidings.inbox_commands import DeliveryEffect
from tidings.model import CommandResult
from tidings.personal_data import DeliveryResult, Endpoint
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

CHANNELS = {"email": 1, "web_push": 2, "webhook": 3, "apprise": 4}
"""The numbers of channels in the file, never to be changed: three bits, see ``enqueue_deliveries``."""
_NAMES = {number: name for name, number in CHANNELS.items()}


EndpointCommand = (
    AddEndpoint | ConfirmEndpoint | EnableEndpoint | RotateSecret | ReserveConfirmation | RemoveEndpoint
)


def apply(w: WriteSession, command: EndpointCommand) -> CommandResult:
    """Apply one command about endpoints."""
    match command:
        case AddEndpoint():
            return add(w, command)
        case ConfirmEndpoint():
            return confirm(w, command)
        case EnableEndpoint():
            return enable(w, command)
        case RotateSecret():
            return rotate(w, command)
        case ReserveConfirmation():
            return reserve(w, command)
        case RemoveEndpoint():
            return remove(w, command)


def add(w: WriteSession, command: AddEndpoint) -> CommandResult:
    """Register an endpoint; the same address again keeps its id, its times and, of a webhook, its secret."""
    new = command.endpoint
    place = (new.id, w.names.make_user(new.user), CHANNELS[new.channel], new.address, new.secret)
    state = (new.created_at, new.sent_at, new.confirmed, new.failures, new.disabled_at, new.disabled_reason)
    w.db.execute(sql("add_endpoint"), (*place, *state, new.vouched, CHANNELS["webhook"]))
    w.reached = True
    return CommandResult(1, w.position)


def confirm(w: WriteSession, command: ConfirmEndpoint) -> CommandResult:
    """Confirm the address of an endpoint: deliveries to it begin."""
    w.db.execute(sql("confirm_endpoint"), (command.id,))
    return CommandResult(w.db.changes(), w.position)


def enable(w: WriteSession, command: EnableEndpoint) -> CommandResult:
    """Enable a disabled endpoint."""
    rows = w.db.all(sql("endpoints_of"), (w.names.user(command.user),))
    found = [one for one in (made(command.user, row) for row in rows) if one.id == command.id]
    for endpoint in found:
        add(w, AddEndpoint(endpoint.enabled()))
    return CommandResult(len(found), w.position)


def rotate(w: WriteSession, command: RotateSecret) -> CommandResult:
    """Give a webhook of a user another secret."""
    of = {"user": w.names.user(command.user), "id": command.id, "channel": CHANNELS["webhook"]}
    changed = {"secret": command.secret, "keep_until": command.keep_until}
    w.db.execute(sql("set_endpoint_secret"), of | changed)
    return CommandResult(w.db.changes(), w.position)


def reserve(w: WriteSession, command: ReserveConfirmation) -> CommandResult:
    """Count a confirmation mail if the limits allow it."""
    asked = {"user": command.user_digest, "address": command.address_digest, "now": w.clock.now()}
    limits = {
        "per_user": command.per_user,
        "per_address": command.per_address,
        "window_ms": command.window_ms,
    }
    w.db.execute(sql("reserve_confirmation"), asked | limits)
    return CommandResult(w.db.changes(), w.position)


def refuse(w: WriteSession, number: int, handled: DeliveryResult) -> None:
    """Count a delivery that an endpoint refused permanently; disable the endpoint over the limit."""
    w.db.execute(sql("endpoint_failed"), (handled.failures, number))
    if handled.disables:
        query = sql("disable_endpoint")
        w.db.execute(query, (w.clock.now(), handled.error, number))


def remove(w: WriteSession, command: RemoveEndpoint) -> CommandResult:
    """Delete an endpoint of a user and its queued deliveries."""
    query = sql("endpoint_number")
    row = w.db.one(query, (w.names.user(command.user), command.id))
    if row is not None:
        forget(w, row[0])
    return CommandResult(int(row is not None), w.position)


def forget(w: WriteSession, number: int) -> None:
    """Delete an endpoint with its deliveries, dead letters included."""
    w.db.execute(sql("delete_deliveries_of_endpoint"), (number,))
    w.db.execute(sql("delete_endpoint"), (number,))


def of(r: ReadSnapshot, user: str) -> list[Endpoint]:
    """The endpoints of a user, oldest first."""
    rows = r.db.all(sql("endpoints_of"), (r.names.user(user),))
    return [made(user, row) for row in rows]


def made(user: str, row: Sequence[Any]) -> Endpoint:
    """The endpoint of these columns."""
    id, channel, address, secret, created_at, sent_at, confirmed, *others = row
    failures, disabled_at, reason, vouched, *rest = others
    place = (id, user, _NAMES[channel], address, secret)
    state = (bool(confirmed), failures, disabled_at, reason, bool(vouched), *rest)
    return Endpoint(*place, created_at, sent_at, *state)


def channel_name(number: int) -> str:
    """The channel with this number."""
    return _NAMES[number]


def numbers_of(w: WriteSession, channels: Iterable[str]) -> list[int]:
    """The numbers of those of these channels on which deliveries are sent."""
    return [CHANNELS[channel] for channel in channels if channel in w.channels]


def enqueue_deliveries(w: WriteSession, *, bulk: bool = False) -> None:
    """Enqueue deliveries of the new items (``temp.notified_group``) to the endpoints on the channels of their types.
    Preferences and quiet hours apply when a delivery is due. ``bulk``: many users get these items."""
    packed: dict[DeliveryPriority, list[int]] = {}
    for (number,) in w.db.all(sql("types_of_notified_groups")):
        rule = w.rules.rule(w.names.verb_text(number))
        priority = DeliveryPriority.of(critical=rule.critical, bulk=bulk)
        on = (number << 3 | channel for channel in numbers_of(w, rule.channels))
        packed.setdefault(priority, []).extend(on)
    for priority, some in packed.items():
        if some:
            values = {"packed": w.carray(some), "now": w.clock.now(), "priority": priority.value}
            w.db.execute(sql("enqueue_deliveries"), values)


def snooze_deliveries(
    w: WriteSession, group: tuple[int, int, int], effect: DeliveryEffect, until: int | None
) -> None:
    """Defer the deliveries of a ``group`` (its user, number and type) until the end of its snooze, drop them, or make them
    due. A message that is being sent when the group is snoozed is followed by another at the end, so the deferred deliveries
    are new ones."""
    if not w.reached:
        return
    user, number, type = group
    values = {"user": user, "number": number, "now": w.now}
    if effect == "release":
        w.db.execute(sql("release_snoozed"), values)
        return
    w.db.execute(sql("drop_queued"), values)
    rule = w.rules.rule(w.names.verb_text(type))
    channels = numbers_of(w, rule.channels)
    if effect == "defer" and channels:
        priority = DeliveryPriority.of(critical=rule.critical, bulk=False)
        more = {"type": type, "until": until, "channels": w.carray(channels), "priority": priority.value}
        w.db.execute(sql("defer_snoozed"), values | more)
