"""Inboxes: lists, changes, counts and states; and why an event notified a user, or did not."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from tidings.actions import ActedBy
from tidings.errors import FieldError, TooManyRequests
from tidings.events import Moment, Verb
from tidings.field_errors import WORDS, FieldCheck, shown
from tidings.filters import Since
from tidings.http import schemas
from tidings.http.conditional import not_modified_or
from tidings.http.params import (
    MAX_INTEGER,
    SINCE,
    Fields,
    ForUser,
    Paged,
    SinceText,
    Values,
    choice,
    choice_check,
    names,
    since_of,
    some_of,
)
from tidings.http.problems import problem, stream_limit
from tidings.http.proxies import client_key
from tidings.http.routing import MAX_IDS, Access, RequestContext, Response, Route
from tidings.inbox_commands import NotificationState
from tidings.model import InboxFilter, InboxUpdateResult
from tidings.notifications import NOTIFICATION_FIELDS
from tidings.timeutil import to_ms

TYPE = choice_check("type", Verb)
NotificationId = Annotated[str, Meta(min_length=1, max_length=64)]


def _wait_errors(wait: int | None, since: str | None) -> Iterator[FieldError]:
    if wait is not None and since is None:
        yield FieldError("wait", f"expected together with since, got {wait} without it")


def _not_with_since(name: str) -> FieldCheck:
    """The check that a parameter of pages is not combined with ``since``."""

    def errors(value: Any, since: str | None) -> Iterator[FieldError]:
        if value and since is not None:
            yield FieldError(name, f"expected without since, got {shown(msgspec.json.encode(value))} with it")

    return FieldCheck((name, "since"), errors)


_READ_STATE_BESIDE = Meta(extra={WORDS: "beside which unread_only=true lists what is unread"})


class InboxQuery(Paged):
    """A page of an inbox (``state`` inbox, the default), of the archive, of what is snoozed, of what is pinned in the
    inbox, or of all; or, with ``since``, the inbox's changes after a seq, an event or a time, waiting ``wait`` seconds for
    one."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        *Paged.CHECKS,
        TYPE,
        some_of("fields", NOTIFICATION_FIELDS),
        SINCE,
        FieldCheck(("wait", "since"), _wait_errors),
        *map(_not_with_since, ("cursor", "unread_only", "type", "state", "fields")),
    )
    REPEATABLE: ClassVar[frozenset[str]] = frozenset({"type"})

    unread_only: bool = False
    type: Values | None = None
    state: Annotated[InboxFilter, _READ_STATE_BESIDE] | None = None
    fields: Fields | None = None
    since: SinceText | None = None
    wait: Annotated[int, Meta(ge=0, le=60)] | None = None


class UnreadQuery(ForUser):
    """The unread counts, of these types or of all."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (TYPE,)
    REPEATABLE: ClassVar[frozenset[str]] = frozenset({"type"})

    type: Values | None = None


class IdsBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Notifications by their ids; those of other users are skipped."""

    ids: Annotated[list[NotificationId], Meta(min_length=1, max_length=MAX_IDS)]


class SnoozeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The time at which a notification returns to the inbox."""

    until: Moment


class SnoozeIdsBody(IdsBody, frozen=True):
    """The same for several notifications."""

    until: Moment


class ReadAllBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All notifications that became unread up to a seq (default: now), of one type or of all."""

    up_to: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | None = None
    type: Verb | None = None


class SeenAllBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All notifications that became unread up to a seq (default: now)."""

    up_to: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | None = None


class UndoBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A read-all, by the token from its response."""

    undo: Annotated[str, Meta(min_length=1, max_length=128)]


class ExplainQuery(ForUser, kw_only=True):
    """The event to explain."""

    event_id: Annotated[str, Meta(min_length=1, max_length=64)]


async def inbox(call: RequestContext[InboxQuery, None]) -> Response:
    """A page of the inbox, or its changes."""
    query = call.query
    if query.since is not None:
        return await _changes(call, since_of(query.since))
    inboxes = call.services.inboxes
    return await not_modified_or(
        call,
        lambda: inboxes.page(
            call.user,
            query.limit,
            query.cursor,
            query.unread_only,
            choice(query.type),
            query.state or "inbox",
            names(query.fields),
        ),
    )


async def notification(call: RequestContext[ForUser, None]) -> Response:
    """One notification, archived or not."""
    return await not_modified_or(call, lambda: call.services.inboxes.one(call.user, call.path["id"]))


async def _changes(call: RequestContext[InboxQuery, None], since: Since) -> Response:
    query = call.query
    inboxes = call.services.inboxes
    if query.wait:
        return await _awaited(call, since, query.wait)
    return await not_modified_or(call, lambda: inboxes.since(call.user, since, query.limit))


async def _awaited(call: RequestContext[InboxQuery, None], since: Since, wait: int) -> Response:
    """The changes as soon as there are some. A waiting request counts as a stream of the user, and is refused like one."""
    settings = call.services.settings
    wait_s, address = min(wait, settings.max_wait_s), client_key(call.request, settings)
    try:
        reply = await call.services.inboxes.since(call.user, since, call.query.limit, wait_s, address)
    except TooManyRequests as error:
        return problem(error, stream_limit(settings.max_streams_per_user, error))
    return Response(reply.body)


async def unread_count(call: RequestContext[UnreadQuery, None]) -> Response:
    """The exact unread counts alone."""
    type = choice(call.query.type)
    inboxes = call.services.inboxes
    return await not_modified_or(call, lambda: inboxes.unread_count(call.user, type), inboxes.count_etag)


def marking(state: NotificationState) -> Callable[[RequestContext[ForUser, None]], Awaitable[Response]]:
    """The handler that sets this state of the notification in the path."""

    async def mark(call: RequestContext[ForUser, None]) -> Response:
        return _marked(await call.services.ingest.mark_one(call.user, call.path["id"], state))

    return mark


def marking_some(
    state: NotificationState,
) -> Callable[[RequestContext[ForUser, IdsBody]], Awaitable[Response]]:
    """The handler that sets this state of the notifications in the body."""

    async def mark(call: RequestContext[ForUser, IdsBody]) -> Response:
        return _marked(await call.services.ingest.mark(call.user, call.body.ids, state))

    return mark


async def snooze(call: RequestContext[ForUser, SnoozeBody]) -> Response:
    """Take a notification out of the inbox until a time."""
    return _marked(await call.services.snoozes.snooze_one(call.user, call.path["id"], to_ms(call.body.until)))


async def snooze_some(call: RequestContext[ForUser, SnoozeIdsBody]) -> Response:
    """The same of several notifications."""
    return _marked(await call.services.snoozes.snooze(call.user, call.body.ids, to_ms(call.body.until)))


async def act(call: RequestContext[ForUser, None]) -> Response:
    """Take an action on a notification; the reply is the notification."""
    by: ActedBy = "user" if call.principal.kind == "user" else "server"
    await call.services.actions.act(call.user, call.path["id"], call.path["action_id"], by)
    return Response((await call.services.inboxes.one(call.user, call.path["id"])).body)


async def mute(call: RequestContext[ForUser, None]) -> Response:
    """Mute the topic of a notification's object."""
    topic = await call.services.inboxes.thread(call.user, call.path["id"])
    await call.services.ingest.mute(call.user, topic, True)
    return Response(msgspec.json.encode({"topic": topic}))


async def read_all(call: RequestContext[ForUser, ReadAllBody]) -> Response:
    """Mark all notifications read, up to a watermark: later ones stay unread."""
    marked, undo = await call.services.ingest.read_all(call.user, call.body.up_to, call.body.type)
    return _marked(marked, undo=undo)


async def seen_all(call: RequestContext[ForUser, SeenAllBody]) -> Response:
    """Mark all notifications seen, up to a watermark: later ones stay unseen."""
    return _marked(await call.services.ingest.seen_all(call.user, call.body.up_to))


async def undo(call: RequestContext[ForUser, UndoBody]) -> Response:
    """Undo a read-all."""
    return _marked(await call.services.ingest.undo(call.user, call.body.undo))


def _marked(marked: InboxUpdateResult, **more: str | None) -> Response:
    now = {
        "updated": marked.updated,
        "unread_count": marked.unread_count,
        "unread_items": marked.unread_items,
        "unseen_count": marked.unseen_count,
        "seq": marked.seq,
    }
    return Response(msgspec.json.encode(now | more))


_TAG = "Notifications"


_STATES = {
    "read": (NotificationState.READ, "Mark {} read"),
    "unread": (NotificationState.UNREAD, "Mark {} unread again"),
    "seen": (NotificationState.SEEN, "Mark {} seen"),
    "unseen": (NotificationState.UNSEEN, "Mark {} unseen, and so unread, again"),
    "archive": (NotificationState.ARCHIVED, "Archive {}"),
    "unarchive": (NotificationState.UNARCHIVED, "Bring {} back from the archive"),
    "unsnooze": (NotificationState.UNSNOOZED, "Bring {} back to the inbox now, unread"),
    "pin": (NotificationState.PINNED, "Pin {}"),
    "unpin": (NotificationState.UNPINNED, "Unpin {}"),
}
"""The states of notifications that a request can set, by the last segment of the path."""


def _mark_routes(word: str) -> Iterator[Route]:
    state, summary = _STATES[word]
    one = Route(
        method="POST",
        path=f"/v1/notifications/{{id}}/{word}",
        handler=marking(state),
        access=Access.SELF,
        summary=summary.format("a notification"),
        tag=_TAG,
        query=ForUser,
        reply=schemas.InboxUpdateResult,
    )
    yield one
    yield replace(
        one,
        path=f"/v1/notifications/{word}",
        handler=marking_some(state),
        summary=summary.format("some notifications"),
        body=IdsBody,
    )


async def explain(call: RequestContext[ExplainQuery, None]) -> Response:
    """Every condition of a notification, and the decision on each channel. Users do not learn which users block them."""
    full = call.principal.may_administer
    return Response((await call.services.inboxes.explain(call.user, call.query.event_id, full)).body)


ROUTES = (
    Route(
        method="GET",
        path="/v1/notifications",
        handler=inbox,
        access=Access.SELF,
        summary="A user's inbox, or what changed in it since a seq, an event or a time",
        tag=_TAG,
        query=InboxQuery,
        reply=(schemas.InboxPage, schemas.InboxChanges),
    ),
    Route(
        method="GET",
        path="/v1/notifications/unread-count",
        handler=unread_count,
        access=Access.SELF,
        summary="The exact numbers of unread notifications, of the events in them, and of unseen ones, of some types or all",
        tag=_TAG,
        query=UnreadQuery,
        reply=schemas.Unread,
    ),
    Route(
        method="GET",
        path="/v1/notifications/{id}",
        handler=notification,
        access=Access.SELF,
        summary="A notification, archived or not",
        tag=_TAG,
        query=ForUser,
        reply=schemas.Notification,
    ),
    *chain.from_iterable(map(_mark_routes, _STATES)),
    Route(
        method="POST",
        path="/v1/notifications/{id}/actions/{action_id}",
        handler=act,
        access=Access.SELF,
        summary="Take an action on a notification, once",
        tag=_TAG,
        query=ForUser,
        reply=schemas.Notification,
        fails=(409,),
    ),
    Route(
        method="POST",
        path="/v1/notifications/{id}/mute",
        handler=mute,
        access=Access.SELF,
        summary="Mute the object of a notification",
        tag=_TAG,
        query=ForUser,
        reply=schemas.MutedTopic,
    ),
    Route(
        method="POST",
        path="/v1/notifications/{id}/snooze",
        handler=snooze,
        access=Access.SELF,
        summary="Take a notification out of the inbox until a time",
        tag=_TAG,
        query=ForUser,
        body=SnoozeBody,
        reply=schemas.InboxUpdateResult,
    ),
    Route(
        method="POST",
        path="/v1/notifications/snooze",
        handler=snooze_some,
        access=Access.SELF,
        summary="Take some notifications out of the inbox until a time",
        tag=_TAG,
        query=ForUser,
        body=SnoozeIdsBody,
        reply=schemas.InboxUpdateResult,
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
        reply=schemas.ReadAllResult,
    ),
    Route(
        method="POST",
        path="/v1/notifications/seen-all",
        handler=seen_all,
        access=Access.SELF,
        summary="Mark everything seen, up to a seq",
        tag=_TAG,
        query=ForUser,
        body=SeenAllBody,
        body_optional=True,
        reply=schemas.InboxUpdateResult,
    ),
    Route(
        method="POST",
        path="/v1/notifications/undo",
        handler=undo,
        access=Access.SELF,
        summary="Undo a read-all, within ten minutes",
        tag=_TAG,
        query=ForUser,
        body=UndoBody,
        reply=schemas.InboxUpdateResult,
        fails=(410,),
    ),
    Route(
        method="GET",
        path="/v1/notifications/explain",
        handler=explain,
        access=Access.SELF,
        summary="Why a user was notified of an event, or was not",
        tag="Notifications",
        query=ExplainQuery,
        reply=schemas.Explanation,
        fails=(404,),
    ),
)
