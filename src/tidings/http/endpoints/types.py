"""Types of notifications and their rules, for administrators."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tidings.errors import FieldError
from tidings.http import schemas
from tidings.http.params import Params
from tidings.http.routing import Access, RequestContext, Response, Route
from tidings.rules import Rule


class _TypeClaims(msgspec.Struct):
    """The members with checks beyond their types."""

    verbs: tuple[str, ...] | None = None


def claim_errors(call: RequestContext[Any, None], fitting: bytes) -> Iterable[FieldError]:
    """The field errors of valid members of a rule."""
    claims = msgspec.json.decode(fitting, type=_TypeClaims)
    if claims.verbs is None:
        return ()  # others may be invalid
    return call.services.preferences.claim_errors(call.path["type"], Rule(verbs=claims.verbs))


async def types(call: RequestContext[Params, None]) -> Response:
    """All declared types."""
    return Response(call.services.preferences.types())


async def declare(call: RequestContext[Params, Rule]) -> Response:
    """Declare a type, or replace its rule."""
    return Response(await call.services.preferences.declare(call.path["type"], call.body))


async def withdraw(call: RequestContext[Params, None]) -> Response:
    """Delete a declaration."""
    await call.services.preferences.withdraw(call.path["type"])
    return Response(status=204)


_PATH = "/v1/admin/types/{type}"
_TAG = "Preferences and types"

ROUTES = (
    Route(
        method="GET",
        path="/v1/admin/types",
        handler=types,
        access=Access.SERVER,
        summary="All declared types of notifications",
        tag=_TAG,
        reply=schemas.Types,
    ),
    Route(
        method="PUT",
        path=_PATH,
        handler=declare,
        access=Access.SERVER,
        summary="Declare a type of notifications, over the one of the settings if there is one",
        tag=_TAG,
        body=Rule,
        fitting_errors=claim_errors,
        reply=schemas.Type,
    ),
    Route(
        method="DELETE",
        path=_PATH,
        handler=withdraw,
        access=Access.SERVER,
        summary="Remove the declaration of a type; that of the settings applies again",
        tag=_TAG,
        status=204,
    ),
)
