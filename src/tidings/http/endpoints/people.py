"""Follows, mutes and blocks of users, and all stored data of one user."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from tidings.batches import split
from tidings.config import Settings
from tidings.errors import FieldError, InvalidFields, TooLarge
from tidings.events import Id, Topic
from tidings.field_errors import Check
from tidings.http import schemas
from tidings.http.conditional import page
from tidings.http.params import CURSOR, DEFAULT_PAGE, Cursor, ForUser, Limit, Params
from tidings.http.routing import NDJSON, Access, RequestContext, Response, Route, batch_body

NO_CONTENT = Response(status=204)


class FollowBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``backfill``: the number of the topic's newest events to add to the feed."""

    backfill: Annotated[int, Meta(ge=0)] = 100


class Pair(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One follow of a bulk request."""

    user_id: Id
    topic: Topic


class UnfollowQuery(Params):
    """``history``: whether the events that the follow added stay in the feed, or are hidden."""

    history: Literal["keep", "hide"] = "hide"


class FollowsQuery(Params):
    """A page of follows."""

    CHECKS: ClassVar[tuple[Check, ...]] = (CURSOR,)

    cursor: Cursor | None = None
    limit: Limit = DEFAULT_PAGE


async def follow(call: RequestContext[Params, FollowBody]) -> Response:
    """Follow a topic: 201 if the follow is new, 200 if it exists."""
    if errors := tuple(_backfill_errors(call.body, call.services.settings)):
        raise InvalidFields(errors=errors)
    topic = call.path["topic"]
    new = await call.services.ingest.follow(call.user, topic, call.body.backfill)
    now = schemas.Following(user_id=call.user, topic=topic, following=True)
    return Response(msgspec.json.encode(now), 201 if new else 200)


def follow_errors(call: RequestContext[Any, None], fitting: bytes) -> Iterable[FieldError]:
    """The error of a backfill while other members are invalid."""
    return _backfill_errors(msgspec.json.decode(fitting, type=FollowBody), call.services.settings)


def _backfill_errors(body: FollowBody, settings: Settings) -> Iterator[FieldError]:
    if body.backfill > settings.max_backfill:
        detail = f"expected a whole number 0 to {settings.max_backfill:,}, got {body.backfill:,}"
        yield FieldError("/backfill", detail)


def check_follows(raw: bytes, settings: Settings) -> None:
    """Raises TooLarge for more follows than one request may have."""
    split(raw, settings.max_follows_batch)


async def follow_many(call: RequestContext[Params, list[Pair]]) -> Response:
    """Follow many topics for many users; existing follows are skipped."""
    cap = call.services.settings.max_follows_batch
    if len(call.body) > cap:
        raise TooLarge(f"The list has {len(call.body)} follows, over {cap}.")
    new = await call.services.ingest.follow_many([(pair.user_id, pair.topic) for pair in call.body])
    return Response(msgspec.json.encode(schemas.Updated(updated=new)))


async def unfollow(call: RequestContext[UnfollowQuery, None]) -> Response:
    """End a follow, if there is one."""
    await call.services.ingest.unfollow(call.user, call.path["topic"], call.query.history == "keep")
    return NO_CONTENT


async def follows(call: RequestContext[FollowsQuery, None]) -> Response:
    """A page of the user's follows."""
    reply = await call.services.reader.follows(call.user, call.query.limit, call.query.cursor)
    return page(call, reply)


async def mute(call: RequestContext[Params, None]) -> Response:
    """Hide a topic's events from the user, past ones too."""
    await call.services.ingest.mute(call.user, call.path["topic"], True)
    return NO_CONTENT


async def unmute(call: RequestContext[Params, None]) -> Response:
    """Show a topic's events again."""
    await call.services.ingest.mute(call.user, call.path["topic"], False)
    return NO_CONTENT


async def block(call: RequestContext[Params, None]) -> Response:
    """Hide the events of two users from each other, permanently in inboxes."""
    await call.services.ingest.block(call.user, call.path["other_id"], True)
    return NO_CONTENT


async def unblock(call: RequestContext[Params, None]) -> Response:
    """Remove a block."""
    await call.services.ingest.block(call.user, call.path["other_id"], False)
    return NO_CONTENT


async def topic(call: RequestContext[ForUser, None]) -> Response:
    """A topic; with a user, also how its events reach the user."""
    return Response((await call.services.reader.topic(call.path["topic"], call.user or None)).body)


async def export(call: RequestContext[Params, None]) -> Response:
    """All stored data of a user."""
    lines = (line async for line in call.services.reader.export(call.user))
    return Response(media=NDJSON.encode(), chunks=lines)


async def erase(call: RequestContext[Params, None]) -> Response:
    """Erase a user."""
    await call.services.ingest.erase(call.user)
    return NO_CONTENT


_FOLLOW = "/v1/users/{user_id}/follows/{topic}"
_MUTE = "/v1/users/{user_id}/mutes/{topic}"
_BLOCK = "/v1/users/{user_id}/blocks/{other_id}"
_TAG = "Topics and follows"

ROUTES = (
    Route(
        method="PUT",
        path=_FOLLOW,
        handler=follow,
        access=Access.SELF,
        summary="Follow a topic",
        tag=_TAG,
        body=FollowBody,
        fitting_errors=follow_errors,
        body_optional=True,
        reply=schemas.Following,
        status=201,
    ),
    Route(
        method="DELETE",
        path=_FOLLOW,
        handler=unfollow,
        access=Access.SELF,
        summary="Unfollow a topic; what it brought is hidden, or kept",
        tag=_TAG,
        query=UnfollowQuery,
        status=204,
    ),
    Route(
        method="GET",
        path="/v1/users/{user_id}/follows",
        handler=follows,
        access=Access.SELF,
        summary="What a user follows",
        tag=_TAG,
        query=FollowsQuery,
        reply=schemas.FollowsPage,
    ),
    Route(
        method="POST",
        path="/v1/follows",
        handler=follow_many,
        access=Access.SERVER,
        summary="Follow many topics for many users",
        tag=_TAG,
        body=list[Pair],
        body_cap=batch_body,
        body_check=check_follows,
        reply=schemas.Updated,
    ),
    Route(
        method="GET",
        path="/v1/topics/{topic}",
        handler=topic,
        access=Access.ANYONE,
        summary="How many follow a topic, and how its events travel",
        tag=_TAG,
        query=ForUser,
        reply=schemas.Topic,
    ),
    Route(
        method="PUT",
        path=_MUTE,
        handler=mute,
        access=Access.SELF,
        summary="Mute a topic",
        tag=_TAG,
        status=204,
    ),
    Route(
        method="DELETE",
        path=_MUTE,
        handler=unmute,
        access=Access.SELF,
        summary="Remove a mute",
        tag=_TAG,
        status=204,
    ),
    Route(
        method="PUT",
        path=_BLOCK,
        handler=block,
        access=Access.SELF,
        summary="Block a user, in both directions",
        tag=_TAG,
        status=204,
    ),
    Route(
        method="DELETE",
        path=_BLOCK,
        handler=unblock,
        access=Access.SELF,
        summary="Remove a block",
        tag=_TAG,
        status=204,
    ),
    Route(
        method="GET",
        path="/v1/users/{user_id}/export",
        handler=export,
        access=Access.SELF_OR_ADMIN,
        summary="Export the data of a user, a JSON object per line",
        tag="Users",
        produces=NDJSON,
    ),
    Route(
        method="DELETE",
        path="/v1/users/{user_id}",
        handler=erase,
        access=Access.SELF_OR_ADMIN,
        summary="Erase a user; the events remain, under a random name",
        tag="Users",
        status=204,
    ),
)
