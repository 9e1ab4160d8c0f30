"""Backfills, and the progress of the jobs that continue them; for administrators."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from tidings.backfill_jobs import MAX_DAYS_BACK
from tidings.errors import FieldError
from tidings.events import Id
from tidings.field_errors import FieldCheck, check_own
from tidings.http import schemas
from tidings.http.params import Params
from tidings.http.routing import Access, RequestContext, Response, Route


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


async def job(call: RequestContext[Params, None]) -> Response:
    """The progress of a job."""
    return Response((await call.services.backfills.job(call.path["id"])).body)


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
        reply=schemas.BackfillJob,
        also=(202,),
    ),
    Route(
        method="GET",
        path="/v1/admin/jobs/{id}",
        handler=job,
        access=Access.SERVER,
        summary="The progress of a backfill",
        tag=_TAG,
        reply=schemas.BackfillJob,
    ),
)
