"""Follows, mutes and blocks of users, and all stored data of one user."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.batches import split
from tidings.config import Settings
from tidings.errors import FieldError, InvalidFields
from tidings.events import MAX_LABEL, Id, Topic
from tidings.field_errors import MAX_FIELD_ERRORS, FieldCheck, check_own
from tidings.http import schemas
from tidings.http.body import check_media, read_body
from tidings.http.conditional import page
from tidings.http.params import CURSOR, DEFAULT_PAGE, Cursor, ForUser, Limit, Params
from tidings.http.routing import JSON, NDJSON, Access, RequestContext, Response, Route, batch_body
from tidings.http.schemas_users import DisplayName
from tidings.plain_text import is_visible
from tidings.turns import Turn
from tidings.validation import decode

NO_CONTENT = Response(status=204)


class FollowBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``backfill``: the number of the topic's newest events to add to the feed, also of a topic that is followed already. By
    default 100 are added to a new follow."""

    backfill: Annotated[int, Meta(ge=0)] | UnsetType = UNSET


class Pair(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One follow of a bulk request."""

    user_id: Id
    topic: Topic


_pair = msgspec.json.Decoder(Pair)


def _name_errors(name: str) -> Iterator[FieldError]:
    if not is_visible(name):
        yield FieldError(
            "/name", "expected a name with a visible character, got only blanks and invisible ones"
        )


class NameBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The display name of a user. At least one of its characters is visible."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (FieldCheck(("name",), _name_errors),)

    name: Annotated[str, Meta(min_length=1, max_length=MAX_LABEL)]

    def __post_init__(self) -> None:
        check_own(self)


class UnfollowQuery(Params):
    """``history``: whether the events that the follow added stay in the feed, or are hidden."""

    history: Literal["keep", "hide"] = "hide"


class NamesQuery(Params):
    """A page of a list by name."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (CURSOR,)

    cursor: Cursor | None = None
    limit: Limit = DEFAULT_PAGE


async def follow(call: RequestContext[Params, FollowBody]) -> Response:
    """Follow a topic: 201 if the follow is new, 200 if it exists."""
    if errors := tuple(_backfill_errors(call.body, call.services.settings)):
        raise InvalidFields(errors=errors)
    topic, backfill = call.path["topic"], call.body.backfill
    new = await call.services.ingest.follow(call.user, topic, None if backfill is UNSET else backfill)
    now = schemas.Following(user_id=call.user, topic=topic, following=True)
    return Response(msgspec.json.encode(now), 201 if new else 200)


def follow_errors(call: RequestContext[Any, None], fitting: bytes) -> Iterable[FieldError]:
    """The error of a backfill while other members are invalid."""
    return _backfill_errors(msgspec.json.decode(fitting, type=FollowBody), call.services.settings)


def _backfill_errors(body: FollowBody, settings: Settings) -> Iterator[FieldError]:
    if body.backfill is not UNSET and body.backfill > settings.max_backfill:
        detail = f"expected a whole number 0 to {settings.max_backfill:,}, got {body.backfill:,}"
        yield FieldError("/backfill", detail)


async def follow_many(call: RequestContext[Params, Any]) -> Response:
    """Follow many topics for many users; existing follows are skipped."""
    return _updated(await call.services.ingest.follow_many(await _pairs(call)))


async def unfollow_many(call: RequestContext[UnfollowQuery, Any]) -> Response:
    """End many follows of many users; those that do not exist are skipped."""
    pairs = await _pairs(call)
    return _updated(await call.services.ingest.unfollow_many(pairs, call.query.history == "keep"))


def _updated(count: int) -> Response:
    return Response(msgspec.json.encode(schemas.Updated(updated=count)))


async def _pairs(call: RequestContext[Any, Any]) -> list[tuple[str, str]]:
    settings = call.services.settings
    if raw := await read_body(call.request, settings.max_batch_bytes):
        check_media(call.request, (JSON,))
    turn = Turn(call.services.clock.monotonic, call.request.next_turn)
    return await read_follows(raw, settings.max_follows_batch, turn)


async def read_follows(raw: bytes, most: int, turn: Turn) -> list[tuple[str, str]]:
    """The (user, topic) pairs of a JSON array, read in turns: ten thousand have megabytes, and each may have escapes. Raises
    Malformed, TooLarge for more than ``most``, InvalidFields."""
    pairs: list[tuple[str, str]] = []
    errors: list[FieldError] = []
    for index, item in enumerate(split(raw, most)):
        try:
            pair = decode(_pair, bytes(item))
            pairs.append((pair.user_id, pair.topic))
        except InvalidFields as error:
            errors += [one._replace(pointer=f"/{index}{one.pointer}") for one in error.errors]
            if len(errors) >= MAX_FIELD_ERRORS:
                break
        if turn.is_long():
            await turn.next()
    if errors:
        raise InvalidFields(errors=tuple(errors[:MAX_FIELD_ERRORS]))
    return pairs


async def unfollow(call: RequestContext[UnfollowQuery, None]) -> Response:
    """End a follow, if there is one."""
    await call.services.ingest.unfollow(call.user, call.path["topic"], call.query.history == "keep")
    return NO_CONTENT


async def follows(call: RequestContext[NamesQuery, None]) -> Response:
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


async def mutes(call: RequestContext[NamesQuery, None]) -> Response:
    """A page of the topics that the user muted."""
    reply = await call.services.reader.mutes(call.user, call.query.limit, call.query.cursor)
    return page(call, reply)


async def block(call: RequestContext[Params, None]) -> Response:
    """Hide the events of two users from each other, permanently in inboxes."""
    await call.services.ingest.block(call.user, call.path["other_id"], True)
    return NO_CONTENT


async def unblock(call: RequestContext[Params, None]) -> Response:
    """Remove a block."""
    await call.services.ingest.block(call.user, call.path["other_id"], False)
    return NO_CONTENT


async def blocks(call: RequestContext[NamesQuery, None]) -> Response:
    """A page of the users whom the user blocked."""
    reply = await call.services.reader.blocks(call.user, call.query.limit, call.query.cursor)
    return page(call, reply)


async def topic(call: RequestContext[ForUser, None]) -> Response:
    """A topic; with a user, also how its events reach the user."""
    return Response((await call.services.reader.topic(call.path["topic"], call.user or None)).body)


async def name(call: RequestContext[Params, None]) -> Response:
    """The newest known display name of a user."""
    known = await call.services.preferences.display_name(call.user)
    return Response(msgspec.json.encode(DisplayName(user_id=call.user, name=known)))


async def set_name(call: RequestContext[Params, NameBody]) -> Response:
    """Give a user a display name. A user's own token may not: another name could deceive other users."""
    user, name = call.path["user_id"], call.body.name
    await call.services.preferences.set_display_name(user, name)
    return Response(msgspec.json.encode(DisplayName(user_id=user, name=name)))


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
_NAME = "/v1/users/{user_id}/name"
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
        also=(200,),
    ),
    Route(
        method="DELETE",
        path=_FOLLOW,
        handler=unfollow,
        access=Access.SELF,
        summary="Unfollow a topic; the events that it added to the feed are hidden or kept",
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
        query=NamesQuery,
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
        raw_body=True,
        reply=schemas.Updated,
    ),
    Route(
        method="DELETE",
        path="/v1/follows",
        handler=unfollow_many,
        access=Access.SERVER,
        summary="End many follows of many users; the events that they added to the feeds are hidden or kept",
        tag=_TAG,
        query=UnfollowQuery,
        body=list[Pair],
        body_cap=batch_body,
        raw_body=True,
        reply=schemas.Updated,
    ),
    Route(
        method="GET",
        path="/v1/topics/{topic}",
        handler=topic,
        access=Access.ANYONE,
        summary="The number of followers of a topic, and its fan-out mode",
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
        method="GET",
        path="/v1/users/{user_id}/mutes",
        handler=mutes,
        access=Access.SELF,
        summary="What a user has muted",
        tag=_TAG,
        query=NamesQuery,
        reply=schemas.MutesPage,
    ),
    Route(
        method="PUT",
        path=_BLOCK,
        handler=block,
        access=Access.SELF,
        summary="Block a user, named by id and not by topic, in both directions",
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
        path="/v1/users/{user_id}/blocks",
        handler=blocks,
        access=Access.SELF,
        summary="Whom a user has blocked",
        tag=_TAG,
        query=NamesQuery,
        reply=schemas.BlocksPage,
    ),
    Route(
        method="GET",
        path=_NAME,
        handler=name,
        access=Access.SELF_OR_ADMIN,
        summary="The newest known display name of a user",
        tag="Users",
        reply=DisplayName,
    ),
    Route(
        method="PUT",
        path=_NAME,
        handler=set_name,
        access=Access.SERVER,
        summary="Give a user a display name; notifications show it from now on",
        tag="Users",
        body=NameBody,
        reply=DisplayName,
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
