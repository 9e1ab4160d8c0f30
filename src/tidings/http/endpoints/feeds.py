"""Feeds of users, and activity pages of topics and of all users."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from tidings.activity_scope import EVERYBODY
from tidings.errors import FieldError
from tidings.events import Topic
from tidings.feeds import ITEM_FIELDS
from tidings.field_errors import FieldCheck, check_own
from tidings.filters import ActivityOf, FeedFilter, FeedOf
from tidings.http import schemas
from tidings.http.conditional import page
from tidings.http.params import (
    MAX_INTEGER,
    SINCE,
    Filtered,
    FilteredEvents,
    ForUser,
    SinceText,
    all_bad,
    feed_filter,
    names,
    since_of,
    some_of,
)
from tidings.http.routing import MAX_IDS, Access, RequestContext, Response, Route
from tidings.model import CommandResult
from tidings.visibility import VISITOR

_ONLY_IN_FEEDS = frozenset({"reason"})
EventId = Annotated[str, Meta(min_length=1, max_length=64)]


class FeedQuery(Filtered):
    """A page of a user's feed. ``read``: only items that are read, or only unread ones."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (*Filtered.CHECKS, some_of("fields", ITEM_FIELDS))

    read: bool | None = None
    include_own: bool = False


class ActivityQuery(Filtered):
    """A page of activity. ``read``: only events that the user has read, or only unread ones."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        *Filtered.CHECKS,
        some_of("fields", ITEM_FIELDS - _ONLY_IN_FEEDS),
    )

    read: bool | None = None


class SummaryQuery(ForUser):
    """``include_own``: count the user's own acts too."""

    include_own: bool = False


class NewActivityQuery(FilteredEvents, kw_only=True):
    """``since``: what the user has seen: up to a position, an event, or a time. ``read``: only events that the user has
    read, or only unread ones."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (*FilteredEvents.CHECKS, SINCE)

    since: SinceText
    read: bool | None = None


class NewQuery(NewActivityQuery, kw_only=True):
    """The same of a feed; ``include_own``: the user's own events too."""

    include_own: bool = False


def _either_errors(event_ids: list[str] | None, all: bool) -> Iterator[FieldError]:
    if all == (event_ids is not None):
        yield FieldError("", f"expected either event_ids or all: true, got {'both' if all else 'neither'}")


def _up_to_errors(up_to: int | None, all: bool) -> Iterator[FieldError]:
    if up_to is not None and not all:
        yield FieldError("/up_to", f"expected together with all: true, got {up_to} without it")


class ReadFeedBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Either these ids, or all of the feed up to a position (default: its end)."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        FieldCheck(("event_ids", "all"), _either_errors),
        FieldCheck(("up_to", "all"), _up_to_errors),
    )

    event_ids: Annotated[list[EventId], Meta(min_length=1, max_length=MAX_IDS)] | None = None
    all: bool = False
    up_to: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for fields that exclude each other."""
        check_own(self)


class ReadActivityBody(ReadFeedBody, frozen=True):
    """Either these ids, or all up to a position (default: the end): of the activity of the topic, or of all users."""

    topic: Topic | None = None


class UnreadFeedBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The items that are to be unread again."""

    event_ids: Annotated[list[EventId], Meta(min_length=1, max_length=MAX_IDS)]


class UnreadActivityBody(UnreadFeedBody, frozen=True):
    """The events that are to be unread again: of the topic, or of any."""

    topic: Topic | None = None


class UndoFeedBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``undo``: the token from the response to a read-all."""

    undo: Annotated[str, Meta(min_length=1, max_length=128)]


async def feed(call: RequestContext[FeedQuery, None]) -> Response:
    """A page of the user's feed."""
    query = call.query
    want = feed_filter(query, query.read, query.include_own)
    reader, fields = call.services.reader, names(query.fields)
    if query.group:
        reply = await call.services.groups.page(FeedOf(call.user), want, query.limit, query.cursor, fields)
    else:
        reply = await reader.feed(call.user, want, query.limit, query.cursor, fields)
    if query.since is not None:
        reply = await reader.with_new_count(reply, FeedOf(call.user), want, since_of(query.since))
    return page(call, reply)


async def activity(call: RequestContext[ActivityQuery, None]) -> Response:
    """A page of the activity of all users, or of the topic in the path; without the events of users whom a block hides."""
    query = call.query
    topic, want, fields = call.path.get("topic"), _activity_filter(call, query), names(query.fields)
    reader = call.services.reader
    if query.group:
        reply = await call.services.groups.page(_shown_to(call), want, query.limit, query.cursor, fields)
    else:
        reply = await reader.activity(topic, want, query.limit, query.cursor, fields, call.user)
    if query.since is not None:
        reply = await reader.with_new_count(reply, _shown_to(call), want, since_of(query.since))
    return page(call, reply)


async def new_count(call: RequestContext[NewQuery, None]) -> Response:
    """The number of new items of a feed."""
    query = call.query
    want = feed_filter(query, query.read, query.include_own)
    reply = await call.services.reader.new_count(FeedOf(call.user), want, since_of(query.since))
    return Response(reply.body)


async def new_activity(call: RequestContext[NewActivityQuery, None]) -> Response:
    """The number of new events of all users, or of the topic in the path."""
    want, since = _activity_filter(call, call.query), since_of(call.query.since)
    return Response((await call.services.reader.new_count(_shown_to(call), want, since)).body)


def _activity_filter(call: RequestContext[Any, None], query: ActivityQuery | NewActivityQuery) -> FeedFilter:
    """The filter of a page or a count. Raises BadParameter for a read state without a user who has one."""
    if query.read is not None and call.user in ("", VISITOR):
        detail = "expected together with user_id, or with the credential of a user, got it without either"
        raise all_bad([FieldError("read", detail)])
    return feed_filter(query, query.read)


def _shown_to(call: RequestContext[Any, None]) -> ActivityOf:
    return ActivityOf(call.path.get("topic"), call.user or None)


async def summary(call: RequestContext[SummaryQuery, None]) -> Response:
    """The feed in numbers, and its newest items."""
    return Response((await call.services.reader.summary(call.user, call.query.include_own)).body)


async def read(call: RequestContext[ForUser, ReadFeedBody]) -> Response:
    """Mark items read."""
    ingest, ids = call.services.ingest, call.body.event_ids
    if ids is not None:
        return _changed(await ingest.read_feed(call.user, ids))
    changed, undo = await ingest.read_all_of_feed(call.user, call.body.up_to)
    now = schemas.FeedReadResult(updated=changed.updated, position=changed.position, undo=undo)
    return Response(msgspec.json.encode(now))


async def read_activity(call: RequestContext[ForUser, ReadActivityBody]) -> Response:
    """Mark events read."""
    ingest, ids, topic = call.services.ingest, call.body.event_ids, call.body.topic or EVERYBODY
    if ids is not None:
        return _changed(await ingest.read_feed(call.user, ids, topic))
    changed, undo = await ingest.read_all_of_feed(call.user, call.body.up_to, topic)
    now = schemas.FeedReadResult(updated=changed.updated, position=changed.position, undo=undo)
    return Response(msgspec.json.encode(now))


async def unread_activity(call: RequestContext[ForUser, UnreadActivityBody]) -> Response:
    """Mark events unread."""
    body = call.body
    return _changed(
        await call.services.ingest.unread_feed(call.user, body.event_ids, body.topic or EVERYBODY)
    )


async def unread(call: RequestContext[ForUser, UnreadFeedBody]) -> Response:
    """Mark items unread."""
    return _changed(await call.services.ingest.unread_feed(call.user, call.body.event_ids))


async def undo(call: RequestContext[ForUser, UndoFeedBody]) -> Response:
    """Undo a read-all."""
    return _changed(await call.services.ingest.undo_feed(call.user, call.body.undo))


def _changed(changed: CommandResult) -> Response:
    now = schemas.UpdateResult(updated=changed.updated, position=changed.position)
    return Response(msgspec.json.encode(now))


_TAG = "Feeds"

ROUTES = (
    Route(
        method="GET",
        path="/v1/feed",
        handler=feed,
        access=Access.SELF,
        summary="A user's feed, newest first",
        tag=_TAG,
        query=FeedQuery,
        reply=(schemas.FeedPage, schemas.FeedGroupPage),
    ),
    Route(
        method="GET",
        path="/v1/feed/new",
        handler=new_count,
        access=Access.SELF,
        summary="How many items of a feed are new since a position, an event or a time",
        tag=_TAG,
        query=NewQuery,
        reply=schemas.NewCount,
    ),
    Route(
        method="GET",
        path="/v1/feed/summary",
        handler=summary,
        access=Access.SELF,
        summary="A summary of a feed",
        tag=_TAG,
        query=SummaryQuery,
        reply=schemas.Summary,
    ),
    Route(
        method="POST",
        path="/v1/feed/read",
        handler=read,
        access=Access.SELF,
        summary="Mark feed items read",
        tag=_TAG,
        query=ForUser,
        body=ReadFeedBody,
        reply=schemas.FeedReadResult,
    ),
    Route(
        method="POST",
        path="/v1/feed/unread",
        handler=unread,
        access=Access.SELF,
        summary="Mark feed items unread again",
        tag=_TAG,
        query=ForUser,
        body=UnreadFeedBody,
        reply=schemas.UpdateResult,
    ),
    Route(
        method="POST",
        path="/v1/feed/undo",
        handler=undo,
        access=Access.SELF,
        summary="Undo a read-all of a feed",
        tag=_TAG,
        query=ForUser,
        body=UndoFeedBody,
        reply=schemas.UpdateResult,
    ),
    Route(
        method="GET",
        path="/v1/activity",
        handler=activity,
        access=Access.VISITOR,
        summary="The activity of all users, newest first",
        tag=_TAG,
        query=ActivityQuery,
        reply=(schemas.ActivityPage, schemas.ActivityGroupPage),
    ),
    Route(
        method="POST",
        path="/v1/activity/read",
        handler=read_activity,
        access=Access.SELF,
        summary="Mark events of activity read, also those that are not in the feed",
        tag=_TAG,
        query=ForUser,
        body=ReadActivityBody,
        reply=schemas.FeedReadResult,
    ),
    Route(
        method="POST",
        path="/v1/activity/unread",
        handler=unread_activity,
        access=Access.SELF,
        summary="Mark events of activity unread again",
        tag=_TAG,
        query=ForUser,
        body=UnreadActivityBody,
        reply=schemas.UpdateResult,
    ),
    Route(
        method="POST",
        path="/v1/activity/undo",
        handler=undo,
        access=Access.SELF,
        summary="Undo a read-all of activity",
        tag=_TAG,
        query=ForUser,
        body=UndoFeedBody,
        reply=schemas.UpdateResult,
    ),
    Route(
        method="GET",
        path="/v1/activity/new",
        handler=new_activity,
        access=Access.ANYONE,
        summary="How many events of all users are new since a position, an event or a time",
        tag=_TAG,
        query=NewActivityQuery,
        reply=schemas.NewCount,
    ),
    Route(
        method="GET",
        path="/v1/topics/{topic}/new",
        handler=new_activity,
        access=Access.ANYONE,
        summary="How many events of a topic are new since a position, an event or a time",
        tag=_TAG,
        query=NewActivityQuery,
        reply=schemas.NewCount,
    ),
    Route(
        method="GET",
        path="/v1/topics/{topic}/activity",
        handler=activity,
        access=Access.VISITOR,
        summary="The activity of a topic (an actor, an object, a category), newest first",
        tag=_TAG,
        query=ActivityQuery,
        reply=(schemas.ActivityPage, schemas.ActivityGroupPage),
    ),
)
