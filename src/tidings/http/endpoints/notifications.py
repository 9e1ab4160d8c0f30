"""Inboxes: lists, changes, counts and marks."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from tidings.events import Verb
from tidings.http import shapes
from tidings.http.answers import unless_same
from tidings.http.params import MAX_INTEGER, Fields, ForUser, Paged, Place, bad, field_names
from tidings.http.table import MAX_IDS, Access, Answer, Call, Route
from tidings.model import Marked, MarkState
from tidings.read import NOTIFICATION_FIELDS

NotificationId = Annotated[str, Meta(min_length=1, max_length=64)]
_NOT_WITH_SINCE = ("cursor", "unread_only", "type", "fields")


class InboxQuery(Paged):
    """A page of an inbox; or, with ``since``, its changes after a seq, waiting ``wait`` seconds for one."""

    unread_only: bool = False
    type: Verb | None = None
    fields: Fields | None = None
    since: Place | None = None
    wait: Annotated[int, Meta(ge=0, le=60)] | None = None


class IdsBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Notifications by their ids; those of others are passed over."""

    ids: Annotated[list[NotificationId], Meta(min_length=1, max_length=MAX_IDS)]


class ReadAllBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Everything that became unread up to a seq (default: now), of one type or of all."""

    up_to: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | None = None
    type: Verb | None = None


async def inbox(call: Call[InboxQuery, None]) -> Answer:
    """A page of the inbox, or its changes."""
    query = call.query
    if query.since is not None:
        return await _changes(call, query.since)
    if query.wait is not None:
        raise bad("wait", "goes with since")
    names = field_names(query.fields, NOTIFICATION_FIELDS)
    reader = call.services.reader
    return await unless_same(
        call,
        lambda: reader.inbox(call.user, query.limit, query.cursor, query.unread_only, query.type, names),
    )


async def _changes(call: Call[InboxQuery, None], since: int) -> Answer:
    query = call.query
    for name in _NOT_WITH_SINCE:
        if getattr(query, name):
            raise bad(name, "does not go with since")
    reader = call.services.reader
    if query.wait:
        wait_s = min(query.wait, call.services.settings.max_wait_s)
        return Answer((await reader.inbox_since(call.user, since, query.limit, wait_s)).body)
    return await unless_same(call, lambda: reader.inbox_since(call.user, since, query.limit))


async def unread_count(call: Call[ForUser, None]) -> Answer:
    """The exact unread count alone."""
    return await unless_same(call, lambda: call.services.reader.unread_count(call.user))


def marking(state: MarkState) -> Callable[[Call[ForUser, None]], Awaitable[Answer]]:
    """The handler that sets this state of the notification in the path."""

    async def mark(call: Call[ForUser, None]) -> Answer:
        return _marked(await call.services.ingest.mark_one(call.user, call.path["id"], state))

    return mark


async def read(call: Call[ForUser, IdsBody]) -> Answer:
    """Mark some notifications read."""
    return _marked(await call.services.ingest.mark(call.user, call.body.ids, MarkState.READ))


async def read_all(call: Call[ForUser, ReadAllBody]) -> Answer:
    """Mark everything read, up to a watermark: what arrived after it stays unread."""
    return _marked(await call.services.ingest.read_all(call.user, call.body.up_to, call.body.type))


def _marked(marked: Marked) -> Answer:
    now = shapes.Marked(updated=marked.updated, unread_count=marked.unread_count, seq=marked.seq)
    return Answer(msgspec.json.encode(now))


_TAG = "Notifications"


def _mark_route(verb: str, state: MarkState, summary: str) -> Route:
    return Route(
        method="POST",
        path=f"/v1/notifications/{{id}}/{verb}",
        handler=marking(state),
        access=Access.SELF,
        summary=summary,
        tag=_TAG,
        query=ForUser,
        reply=shapes.Marked,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/notifications",
        handler=inbox,
        access=Access.SELF,
        summary="A user's inbox, or what changed in it since a seq",
        tag=_TAG,
        query=InboxQuery,
        reply=(shapes.InboxPage, shapes.InboxChanges),
    ),
    Route(
        method="GET",
        path="/v1/notifications/unread-count",
        handler=unread_count,
        access=Access.SELF,
        summary="The exact number of unread notifications",
        tag=_TAG,
        query=ForUser,
        reply=shapes.Unread,
    ),
    _mark_route("read", MarkState.READ, "Mark a notification read"),
    _mark_route("unread", MarkState.UNREAD, "Mark a notification unread again"),
    _mark_route("seen", MarkState.SEEN, "Mark a notification seen"),
    _mark_route("archive", MarkState.ARCHIVED, "Archive a notification"),
    Route(
        method="POST",
        path="/v1/notifications/read",
        handler=read,
        access=Access.SELF,
        summary="Mark some notifications read",
        tag=_TAG,
        query=ForUser,
        body=IdsBody,
        reply=shapes.Marked,
    ),
    Route(
        method="POST",
        path="/v1/notifications/read-all",
        handler=read_all,
        access=Access.SELF,
        summary="Mark everything read, up to a seq",
        tag=_TAG,
        query=ForUser,
        body=ReadAllBody,
        body_optional=True,
        reply=shapes.Marked,
    ),
)
