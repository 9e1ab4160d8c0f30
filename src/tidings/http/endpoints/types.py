"""Types of notifications and their rules, for administrators."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tidings.errors import FieldError
from tidings.http import shapes
from tidings.http.params import Params
from tidings.http.table import Access, Answer, Call, Route
from tidings.rules import Rule


class _Claims(msgspec.Struct):
    """The members that are judged by more than their types."""

    verbs: tuple[str, ...] | None = None


def claim_errors(call: Call[Any, None], fitting: bytes) -> Iterable[FieldError]:
    """The field errors of those members of a rule that fit their types."""
    claims = msgspec.json.decode(fitting, type=_Claims)
    if claims.verbs is None:
        return ()  # there may be some that do not fit
    return call.services.wishes.claim_errors(call.path["type"], Rule(verbs=claims.verbs))


async def types(call: Call[Params, None]) -> Answer:
    """All declared types."""
    return Answer(call.services.wishes.types())


async def declare(call: Call[Params, Rule]) -> Answer:
    """Declare a type, or replace its rule."""
    return Answer(await call.services.wishes.declare(call.path["type"], call.body))


async def withdraw(call: Call[Params, None]) -> Answer:
    """Take a declaration back."""
    await call.services.wishes.withdraw(call.path["type"])
    return Answer(status=204)


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
        reply=shapes.Types,
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
        reply=shapes.Type,
    ),
    Route(
        method="DELETE",
        path=_PATH,
        handler=withdraw,
        access=Access.SERVER,
        summary="Take a declaration back; the one of the settings holds again",
        tag=_TAG,
        status=204,
    ),
)
