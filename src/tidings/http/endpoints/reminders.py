"""Reminders: set, read and cancelled by their key."""

from typing import ClassVar

import msgspec

from tidings.events import EventInput, check_event_size
from tidings.field_errors import FieldCheck
from tidings.http import schemas_delivery as shapes
from tidings.http.conditional import listing
from tidings.http.params import CURSOR, DEFAULT_PAGE, Cursor, Limit, Params
from tidings.http.routing import Access, RequestContext, Response, Route, batch_body
from tidings.reminder_input import ReminderInput
from tidings.reminders import ReminderStatus
from tidings.timeutil import rfc3339

_event = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Fields stay raw, so that metadata, numbers above all, is shown as it was sent."""
_encode = msgspec.json.Encoder().encode
_AS_SENT = frozenset(shapes.Reminder.__struct_fields__) & frozenset(EventInput.__struct_fields__)
"""The fields of a reminder that are copied from its event as they were sent."""


class RemindersQuery(Params):
    """A page of the next reminders."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (CURSOR,)

    cursor: Cursor | None = None
    limit: Limit = DEFAULT_PAGE


async def put(call: RequestContext[Params, ReminderInput]) -> Response:
    """Set a reminder, or replace the one of this key."""
    standing = await call.services.reminders.set(call.path["key"], call.body)
    return Response(_encode(_shown(standing) | {"fired": standing.fired}))


async def show(call: RequestContext[Params, None]) -> Response:
    """One reminder."""
    return Response(_encode(_shown(await call.services.reminders.show(call.path["key"]))))


async def cancel(call: RequestContext[Params, None]) -> Response:
    """Cancel a reminder."""
    await call.services.reminders.cancel(call.path["key"])
    return Response(status=204)


async def coming(call: RequestContext[RemindersQuery, None]) -> Response:
    """A page of the reminders that are due next."""
    service = call.services.reminders
    found, goes_on = await service.coming(call.query.limit, call.query.cursor)
    items = [_encode(_shown(one)) for one in found]
    return listing(call, items, goes_on, lambda last: service.cursor_after(found[last]))


def _shown(standing: ReminderStatus) -> dict[str, object]:
    reminder = standing.reminder
    event = _event.decode(reminder.event)
    return {
        "key": reminder.key,
        "due_at": None if standing.due_at is None else rfc3339(standing.due_at),
        "every": reminder.every or None,
        "time_zone": reminder.time_zone,
        "user_ids": reminder.users,
        "topic": reminder.audience or None,
        "type": event["verb"],
        **{name: value for name, value in event.items() if name in _AS_SENT},
    }


_PATH = "/v1/reminders/{key}"
_TAG = "Reminders and broadcasts"

ROUTES = (
    Route(
        method="PUT",
        path=_PATH,
        handler=put,
        access=Access.SERVER,
        summary="Set a reminder, once or recurring; one of the same key is replaced",
        tag=_TAG,
        body=ReminderInput,
        body_cap=batch_body,
        body_check=check_event_size,
        fitting_errors=lambda call, fitting: call.services.reminders.fitting_errors(fitting),
        reply=shapes.ReminderResult,
    ),
    Route(
        method="GET",
        path=_PATH,
        handler=show,
        access=Access.SERVER,
        summary="A reminder, and its next time",
        tag=_TAG,
        reply=shapes.Reminder,
    ),
    Route(
        method="DELETE",
        path=_PATH,
        handler=cancel,
        access=Access.SERVER,
        summary="Cancel a reminder",
        tag=_TAG,
        status=204,
    ),
    Route(
        method="GET",
        path="/v1/reminders",
        handler=coming,
        access=Access.SERVER,
        summary="The next reminders, soonest first",
        tag=_TAG,
        query=RemindersQuery,
        reply=shapes.RemindersPage,
    ),
)
