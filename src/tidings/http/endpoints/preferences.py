"""Preferences of a user: types on channels, quiet hours, language."""

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.errors import FieldError
from tidings.events import Topic
from tidings.field_errors import FieldCheck, check_own, in_words
from tidings.http import schemas
from tidings.http.params import ForUser
from tidings.http.routing import JSON, MERGE_PATCH, Access, RequestContext, Response, Route
from tidings.personal_data import Preferences
from tidings.reminder_input import TIME_ZONE
from tidings.rules import Name
from tidings.validation import decode

MAX_TYPES = 200
"""Types with their own preferences: more than a page of settings shows, and each is checked for every notification."""
MAX_DIGEST_S = 7 * 86_400
"""Seconds between two e-mails; news older than a week is of no use."""

Wall = Annotated[
    str,
    in_words(
        r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z",
        "a time of day such as 22:00",
        description="A time of day: 22:00.",
    ),
]
Locale = Annotated[
    str,
    in_words(
        r"\A([A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*)?\Z",
        "such as de or pt-BR",
        max_length=35,
        description="Such as de or pt-BR; empty: the server's.",
    ),
]
Weekday = Annotated[int, Meta(ge=1, le=7, description="1 is Monday.")]


class QuietHoursBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """From ``start`` to ``end``, past midnight if the end is not later, in windows that begin on these days."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (TIME_ZONE,)

    time_zone: Annotated[str, Meta(min_length=1, max_length=64, description="IANA: Europe/Berlin.")]
    start: Wall
    end: Wall
    days: Annotated[tuple[Weekday, ...], Meta(min_length=1, max_length=7)] = (1, 2, 3, 4, 5, 6, 7)

    def __post_init__(self) -> None:
        """Raises ValueError for an invalid time zone."""
        check_own(self)


class PreferencesBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All preferences of a user; a missing member resets it to its default. ``types``: type, or "*" for all others, to
    channel to whether it is wanted. ``muted_topics``: if missing, mutes stay as they are."""

    types: Annotated[
        dict[Name, dict[Literal["in_app", "email", "web_push", "webhook", "apprise"], bool]],
        Meta(max_length=MAX_TYPES),
    ] = {}
    quiet_hours: QuietHoursBody | None = None
    locale: Locale = ""
    digest_s: Annotated[int, Meta(ge=0, le=MAX_DIGEST_S)] = 0
    muted_topics: list[Topic] | None = None


class QuietHoursPatch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The members of the quiet hours that change; null restores the default of ``days``."""

    time_zone: str | UnsetType | None = UNSET
    start: Wall | UnsetType | None = UNSET
    end: Wall | UnsetType | None = UNSET
    days: Annotated[tuple[Weekday, ...], Meta(min_length=1, max_length=7)] | UnsetType | None = UNSET


class PreferencesPatch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A JSON merge patch (RFC 7396) of the preferences: members that are absent stay as they are, null removes one. A list
    replaces the list."""

    types: (
        Annotated[
            dict[
                Name,
                dict[Literal["in_app", "email", "web_push", "webhook", "apprise"], bool | None] | None,
            ],
            Meta(max_length=MAX_TYPES),
        ]
        | UnsetType
        | None
    ) = UNSET
    quiet_hours: QuietHoursPatch | UnsetType | None = UNSET
    locale: Locale | UnsetType | None = UNSET
    digest_s: Annotated[int, Meta(ge=0, le=MAX_DIGEST_S)] | UnsetType | None = UNSET
    muted_topics: list[Topic] | UnsetType | None = UNSET


class _Wanted(msgspec.Struct):
    """The members with checks beyond their types."""

    types: dict[str, dict[str, bool]] = {}
    locale: str = ""
    muted_topics: list[str] | None = None


def wanted_errors(call: RequestContext[Any, None], fitting: bytes) -> Iterable[FieldError]:
    """The field errors of valid members of the preferences."""
    wanted = msgspec.json.decode(fitting, type=_Wanted)
    preferences = Preferences(types=wanted.types, locale=wanted.locale)
    return call.services.preferences.errors(preferences, len(wanted.muted_topics or ()))


async def preferences(call: RequestContext[ForUser, None]) -> Response:
    """A user's preferences."""
    return Response(await call.services.preferences.preferences(call.user))


async def prefer(call: RequestContext[ForUser, PreferencesBody]) -> Response:
    """Replace a user's preferences."""
    service = call.services.preferences
    wanted = msgspec.convert(call.body, Preferences, from_attributes=True)
    await service.prefer(call.user, wanted, call.body.muted_topics)
    return Response(await service.preferences(call.user))


def _checked(merged: bytes) -> tuple[Preferences, list[str] | None]:
    body = decode(_body, merged)
    return msgspec.convert(body, Preferences, from_attributes=True), body.muted_topics or []


_body = msgspec.json.Decoder(PreferencesBody)


async def patch(call: RequestContext[ForUser, PreferencesPatch]) -> Response:
    """Change some of a user's preferences."""
    service = call.services.preferences
    await service.patch(call.user, msgspec.to_builtins(call.body), _checked)
    return Response(await service.preferences(call.user))


_PATH = "/v1/preferences"
_TAG = "Preferences and types"

ROUTES = (
    Route(
        method="GET",
        path=_PATH,
        handler=preferences,
        access=Access.SELF,
        summary="The preferences of a user: types, channels and quiet hours",
        tag=_TAG,
        query=ForUser,
        reply=schemas.Preferences,
    ),
    Route(
        method="PUT",
        path=_PATH,
        handler=prefer,
        access=Access.SELF,
        summary="Replace a user's preferences",
        tag=_TAG,
        query=ForUser,
        body=PreferencesBody,
        fitting_errors=wanted_errors,
        reply=schemas.Preferences,
    ),
    Route(
        method="PATCH",
        path=_PATH,
        handler=patch,
        access=Access.SELF,
        summary="Change some of a user's preferences",
        tag=_TAG,
        query=ForUser,
        body=PreferencesPatch,
        consumes=(JSON, MERGE_PATCH),
        reply=schemas.Preferences,
    ),
)
