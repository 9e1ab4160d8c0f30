"""The input of reminders: their checks, their due times, and the events that they publish."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.actions import Actions, EventAddress
from tidings.config import Settings
from tidings.errors import FieldError, InvalidFields
from tidings.events import (
    EMPTY_OBJECT,
    CheckedFields,
    EventDefaults,
    EventInput,
    Id,
    Label,
    Message,
    Metadata,
    Moment,
    ObjectType,
    Text,
    Topic,
    Verb,
    accept,
    addressed,
    bound_errors,
    check_event_size,
    fingerprint,
    key_digest,
    meaning,
)
from tidings.field_errors import MAX_FIELD_ERRORS, FieldCheck, check_own, shown
from tidings.ids import LAST_MS
from tidings.model import FireReminder
from tidings.notify_mode import NotifyMode
from tidings.personal_data import Reminder
from tidings.projections.recurrence import next_after, parse_recurrence
from tidings.timeutil import DAY_MS, time_zones, to_ms
from tidings.validation import decode
from tidings.visibility import VisibilityName

ACTOR = "tidings"
"""The actor of a reminder without one: no user should have this name, because an actor is not notified."""
MAX_AFTER_S = LAST_MS // 1000
"""Seconds from now that a reminder can be set to; the resulting time is also checked against the last key."""
AUDIENCE_MS = 30 * DAY_MS
"""For how long the followers of a topic get a reminder to it at their next request, in milliseconds."""
SCOPE = "reminder"
"""The scope of the idempotency keys of the events of reminders."""

_encode = msgspec.json.Encoder().encode
_event = msgspec.json.Decoder(EventInput)


def _recipient_errors(user_ids: tuple[str, ...], topic: str | None) -> Iterator[FieldError]:
    if bool(user_ids) == (topic is not None):
        got = "both" if user_ids else "neither"
        yield FieldError("/user_ids", f"expected user_ids or topic, and not both, got {got}")


def _time_errors(deliver_at: datetime | None, after_s: int | None) -> Iterator[FieldError]:
    if deliver_at is not None and after_s is not None:
        yield FieldError("/after_s", "expected after_s or deliver_at, and not both, got both")


def _start_errors(
    deliver_at: datetime | None, after_s: int | None, every: str | None
) -> Iterator[FieldError]:
    if deliver_at is None and after_s is None and not every:
        yield FieldError("/deliver_at", "expected deliver_at, after_s or every, got none of them")


def _time_zone_errors(time_zone: str) -> Iterator[FieldError]:
    if time_zone not in time_zones():
        got = shown(_encode(time_zone))
        yield FieldError(
            "/time_zone", f"expected a name of the IANA database, such as Europe/Berlin or UTC, got {got}"
        )


TIME_ZONE = FieldCheck(("time_zone",), _time_zone_errors)


def _every_errors(every: str | None) -> Iterator[FieldError]:
    try:
        if every is not None:
            parse_recurrence(every)
    except ValueError as error:
        yield FieldError("/every", f"expected {error}, got {shown(_encode(every))}")


class ReminderInput(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, gc=False):
    """The body of ``PUT /v1/reminders/{key}``: a future event, for ``user_ids`` or for the followers of ``topic``, at
    ``deliver_at`` or ``after_s`` seconds from now. It is due again after each ``every`` (ISO 8601), by the local time of
    ``time_zone``; without a time, for the first time after one ``every`` from now. Its event is visible to its recipients
    only, unless ``visibility`` says otherwise."""

    ALSO_KNOWN: ClassVar[dict[str, str]] = {"verb": "type", "target_user_ids": "user_ids"}  # as in an event
    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        FieldCheck(("user_ids", "topic"), _recipient_errors),
        FieldCheck(("deliver_at", "after_s"), _time_errors),
        FieldCheck(("deliver_at", "after_s", "every"), _start_errors),
        TIME_ZONE,
        FieldCheck(("every",), _every_errors),
    )

    type: Verb
    object_type: ObjectType
    object_id: Id
    user_ids: tuple[Id, ...] = ()
    topic: Topic | None = None
    deliver_at: Moment | None = None
    after_s: Annotated[int, Meta(ge=0, le=MAX_AFTER_S)] | None = None
    every: Annotated[str, Meta(min_length=2, max_length=64)] | None = None
    time_zone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    actor_id: Id = ACTOR
    actor_name: Label | None = None
    object_title: Label | None = None
    title: Label | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    message: Message | UnsetType = UNSET
    url: EventAddress | UnsetType = UNSET
    actor_image: EventAddress | UnsetType = UNSET
    object_image: EventAddress | UnsetType = UNSET
    actions: Actions | UnsetType = UNSET
    visibility: VisibilityName | UnsetType = UNSET
    metadata: Metadata = msgspec.field(default_factory=lambda: EMPTY_OBJECT)

    def __post_init__(self) -> None:
        """Raises ValueError for values that CHECKS refuse."""
        check_own(self)


class _Fitting(msgspec.Struct):
    """The members of a reminder with checks beyond their types, if others are invalid."""

    user_ids: tuple[str, ...] = ()
    deliver_at: Moment | None = None
    after_s: int | None = None
    actions: Actions | UnsetType = UNSET
    url: str | UnsetType = UNSET
    actor_image: str | UnsetType = UNSET
    object_image: str | UnsetType = UNSET
    metadata: msgspec.Raw = EMPTY_OBJECT


_fitting = msgspec.json.Decoder(_Fitting)


def accept_reminder(key: str, given: ReminderInput, now: int, settings: Settings) -> Reminder:
    """The reminder, checked, its event with it. Raises InvalidFields, TooLarge."""
    first_at, event = _first_at(given, now), _event_of(given)
    errors = [*_range_errors(given, now), *_event_errors(event, now, settings)]
    due_at = first_at if _has_start(given) else _next(given.every, given.time_zone, first_at, now)
    if due_at is None:
        errors.append(FieldError("/every", f"expected a first time before the year 2248, got {given.every}"))
    if errors or due_at is None:
        raise InvalidFields(errors=tuple(errors[:MAX_FIELD_ERRORS]))
    return Reminder(
        key,
        due_at,
        _encoded(event, settings),
        given.user_ids,
        given.topic or "",
        given.every or "",
        given.time_zone,
        first_at,
    )


def fitting_errors(fitting: bytes, now: int, settings: Settings) -> Iterator[FieldError]:
    """The field errors of the valid members of a reminder, if others are invalid."""
    given = _fitting.decode(fitting)
    yield from _range_errors(given, now)
    checked = CheckedFields(
        given.user_ids,
        actions=given.actions,
        metadata=given.metadata,
        url=given.url,
        actor_image=given.actor_image,
        object_image=given.object_image,
    )
    yield from _event_errors(checked, now, settings)


def _first_at(given: ReminderInput | _Fitting, now: int) -> int:
    if given.deliver_at is not None:
        return to_ms(given.deliver_at)
    return now + (given.after_s or 0) * 1000


def _has_start(given: ReminderInput) -> bool:
    return given.deliver_at is not None or given.after_s is not None


def _range_errors(given: ReminderInput | _Fitting, now: int) -> Iterator[FieldError]:
    if not 0 <= _first_at(given, now) <= LAST_MS:
        where = "/after_s" if given.deliver_at is None else "/deliver_at"
        yield FieldError(where, "expected a time between the years 1970 and 2248, got another one")


def _event_of(given: ReminderInput) -> EventInput:
    """The future event."""
    return EventInput(
        given.actor_id,
        given.type,
        given.object_type,
        given.object_id,
        given.user_ids,
        actor_name=given.actor_name,
        object_title=given.object_title,
        title=given.title,
        description=given.description,
        message=given.message,
        url=given.url,
        actor_image=given.actor_image,
        object_image=given.object_image,
        actions=given.actions,
        visibility=given.visibility,
        metadata=given.metadata,
    )


def _encoded(event: EventInput, settings: Settings) -> bytes:
    """An event as JSON. Raises TooLarge."""
    encoded = _encode(event)
    check_event_size(encoded, settings)
    return encoded


def _event_errors(event: EventInput | CheckedFields, now: int, settings: Settings) -> Iterator[FieldError]:
    """The errors of an event that exceeds a bound, by the names that its fields have in a reminder."""
    for error in bound_errors(event, now, settings):
        yield error._replace(pointer=error.pointer.replace("/target_user_ids", "/user_ids"))


def kept(reminder: Reminder, given: ReminderInput, known: Reminder | None) -> Reminder:
    """The reminder with the times of the one it replaces, if that recurs on the same raster."""
    if known is None or not reminder.every:
        return reminder
    if (known.every, known.time_zone) != (reminder.every, reminder.time_zone):
        return reminder
    if _has_start(given) and known.first_at != reminder.first_at:
        return reminder
    return msgspec.structs.replace(reminder, first_at=known.first_at, due_at=known.due_at)


def fire(reminder: Reminder, now: int) -> FireReminder:
    """The command that publishes the event of a reminder now and moves it on, past all missed times.

    The content of the reminder and its due time make the event's idempotency key: if its response was lost, and a request to
    set it is repeated after it has fired, it does not fire again. The limits of the settings apply when a reminder is set,
    and not again here: a start with lower ones must not lose what was accepted. Raises InvalidFields, Malformed for an event
    that cannot be read.
    """
    given = decode(_event, reminder.event)
    event = accept(given, now, defaults=EventDefaults("recipients"))
    about = f"{reminder.due_at}\0{fingerprint(meaning(given)).hex()}\0{reminder.key}"
    fired = msgspec.structs.replace(event, key=key_digest(SCOPE, about), notify=NotifyMode.EACH)
    if reminder.audience:
        fired = addressed(fired, reminder.audience, now + AUDIENCE_MS)
    next_at = _next(reminder.every, reminder.time_zone, reminder.first_at, now)
    return FireReminder(reminder, next_at, fired)


def _next(every: str | None, time_zone: str, first_at: int, now: int) -> int | None:
    return next_after(first_at, parse_recurrence(every), ZoneInfo(time_zone), now) if every else None
