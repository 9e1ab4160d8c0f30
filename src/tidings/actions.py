"""Actions on notifications: what an application offers users to do about one, and what was done."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.errors import FieldError
from tidings.field_errors import in_words, visible

MAX_ACTIONS = 5
"""Actions of one notification: more than a card shows beside one another."""
MAX_LABEL = 100
"""Characters of a label: several times what a button shows."""

ActionId = Annotated[
    str,
    in_words(
        r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
        "ASCII letters, digits, dots, - and _, a letter or digit first",
        min_length=1,
        max_length=64,
    ),
]
Style = Annotated[
    str,
    in_words(
        r"\A[a-z][a-z0-9_-]*\Z", "lower-case ASCII, such as primary or danger", min_length=1, max_length=32
    ),
]
"""The style of a button: a name that the front end knows."""
ActionLabel = Annotated[str, visible(MAX_LABEL)]
_AFTER_HOST = r"(?:[/?#][!#-;=?-\[\]_a-z~]*)?\Z"
_PORT = r"(?::(?:[0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])?)?"
_HEX = "[0-9A-Fa-f]{1,4}"
_SHORTENED = "|".join(rf"(?:{_HEX}:){{{n}}}(?::{_HEX}){{1,{7 - n}}}" for n in range(1, 7))
_IPV6 = rf"\[(?:(?:{_HEX}:){{7}}{_HEX}|(?:{_HEX}:){{1,7}}:|{_SHORTENED}|:(?::{_HEX}){{1,7}}|::)\]"
"""In brackets, with one :: at most, and without an IPv4 address at its end."""
_HTTPS = rf"\Ahttps://(?:[!$-.0-9;=A-Z_a-z~]+|{_IPV6}){_PORT}{_AFTER_HOST}"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LOCAL = rf"http://(?:localhost|127(?:\.{_BYTE}){{3}}|\[::1\]){_PORT}"
MAX_ADDRESS = 2_048
"""Characters of an address that pages link to."""
WebAddress = Annotated[
    str, in_words(_HTTPS, "https://… in visible ASCII, without a user name", max_length=MAX_ADDRESS)
]
"""An address that pages link to, or show as an image: no other scheme, so that it can neither run a script nor name a
file."""
EventAddress = Annotated[
    str,
    in_words(
        rf"{_HTTPS}|\A{_LOCAL}{_AFTER_HOST}",
        "https://… in visible ASCII, without a user name; with --dev also http://localhost:3000/…",
        max_length=MAX_ADDRESS,
        extra_json_schema={"pattern": _HTTPS},
    ),
]
"""The same of an event. One of this machine is for development: see :func:`local_address_error`."""
ActedBy = Literal["user", "server"]
"""Who took an action: the user with a token, or a server of the application for the user."""


class Offer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action without its label. ``url``: the address that the front end opens; ``verb``: that of the event which is
    published when the action is taken. It has at most one of the two."""

    id: ActionId
    style: Style | UnsetType = UNSET
    url: WebAddress | UnsetType = UNSET
    verb: Annotated[str, visible(64)] | UnsetType = UNSET


class Action(Offer, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An action of one event, with the text of its button."""

    label: ActionLabel
    url: EventAddress | UnsetType = UNSET


Actions = Annotated[tuple[Action, ...], Meta(max_length=MAX_ACTIONS)]


class Acted(NamedTuple):
    """The action that was taken on a notification, when (milliseconds), and by whom."""

    action_id: str
    at: int
    by: ActedBy


def local_address_error(address: str | UnsetType, at: str) -> Iterator[FieldError]:
    """The error of an address of this machine, which only a server in dev mode accepts."""
    if address is not UNSET and address.startswith("http:"):
        yield FieldError(at, "expected https://…, got http://…, which a server accepts with --dev alone")


def action_errors(actions: Sequence[Offer], at: str = "/actions") -> Iterator[FieldError]:
    """The errors of actions with one id, or with an address and a verb."""
    seen: set[str] = set()
    for i, action in enumerate(actions):
        if action.id in seen:
            yield FieldError(f"{at}/{i}/id", f"expected an id of its own, got {action.id!r} again")
        seen.add(action.id)
        if action.url is not UNSET and action.verb is not UNSET:
            yield FieldError(f"{at}/{i}/verb", "expected url or verb, and not both, got both")
