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
_HTTPS = rf"\Ahttps://[!$-.0-;=A-\[\]_a-z~]+{_AFTER_HOST}"
_LOCAL = r"http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?"
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
