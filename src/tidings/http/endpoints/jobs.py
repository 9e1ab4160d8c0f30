"""Backfills, merges of users, and the progress of the jobs that continue them; for administrators."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from tidings.backfill_jobs import MAX_DAYS_BACK
from tidings.errors import FieldError, InvalidFields
from tidings.events import Id
from tidings.field_errors import FieldCheck, check_own
from tidings.http.params import Params
from tidings.http.routing import Access, RequestContext, Response, Route
from tidings.http.schemas_jobs import BackfillJob, MergeJob
from tidings.user_merge_jobs import PREFIX as MERGE


def _whose_errors(user_id: str | None, all: bool) -> Iterator[FieldError]:
    if all == (user_id is not None):
        yield FieldError("", f"expected either user_id or all: true, got {'both' if all else 'neither'}")


class BackfillBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Of one user, or of all users: their follows cover the events of the last ``days_back`` days. ``notify``: inboxes get
    what the rules notify of, read; ``dry_run``: only count."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (FieldCheck(("user_id", "all"), _whose_errors),)

    user_id: Id | None = None
    all: bool = False
    days_back: Annotated[int, Meta(ge=1, le=MAX_DAYS_BACK)]
    dry_run: bool = False
    notify: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for fields that exclude each other."""
        check_own(self)


async def backfill(call: RequestContext[Params, BackfillBody]) -> Response:
    """Build feeds from history: 200 if it is done, 202 if a job continues it."""
    body = call.body
    begin = call.services.backfills.begin
    job = await begin(body.user_id, body.days_back, dry_run=body.dry_run, notify=body.notify)
    return Response(job.body, 200 if job.done else 202)


class MergeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The user of the path becomes part of the user ``into``."""

    into: Id


async def merge(call: RequestContext[Params, MergeBody]) -> Response:
    """Merge a user into another one: 200 if it is done, 202 if a job continues it."""
    user, into = call.path["user_id"], call.body.into
    if errors := tuple(_self_errors(user, into)):
        raise InvalidFields(errors=errors)
    found = await call.services.merges.begin(user, into)
    return Response(found.body, 200 if found.done else 202)


def merge_errors(call: RequestContext[Any, None], fitting: bytes) -> Iterable[FieldError]:
    """The error of a user who is to be merged into themselves, while other members are invalid."""
    return _self_errors(call.path["user_id"], msgspec.json.decode(fitting).get("into", ""))


def _self_errors(user: str, into: str) -> Iterator[FieldError]:
    if user == into:
        yield FieldError("/into", "expected another user than that of the path, got the same")


async def job(call: RequestContext[Params, None]) -> Response:
    """The progress of a job."""
    id, services = call.path["id"], call.services
    found = await (services.merges.job(id) if id.startswith(MERGE) else services.backfills.job(id))
    return Response(found.body)


_TAG = "Operation"

ROUTES = (
    Route(
        method="POST",
        path="/v1/admin/backfill",
        handler=backfill,
        access=Access.SERVER,
        summary="Build feeds, and inboxes if asked for, from stored events, for follows that exist",
        tag=_TAG,
        body=BackfillBody,
        reply=BackfillJob,
        also=(202,),
    ),
    Route(
        method="POST",
        path="/v1/admin/users/{user_id}/merge",
        handler=merge,
        access=Access.SERVER,
        summary="Merge a user into another one: follows, feed, inbox and settings of the first become part of the second",
        tag="Users",
        body=MergeBody,
        fitting_errors=merge_errors,
        reply=MergeJob,
        also=(202,),
        fails=(409,),
    ),
    Route(
        method="GET",
        path="/v1/admin/jobs/{id}",
        handler=job,
        access=Access.SERVER,
        summary="The progress of a backfill, or of a merge of two users",
        tag=_TAG,
        reply=(BackfillJob, MergeJob),
    ),
)
