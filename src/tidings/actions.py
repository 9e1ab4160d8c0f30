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
WebAddress = Annotated[
    str,
    in_words(
        r"\Ahttps://[!$-.0-;=A-\[\]_a-z~]+(?:[/?#][!#-;=?-\[\]_a-z~]*)?\Z",
        "https://… in visible ASCII, without a user name",
        max_length=2_048,
    ),
]
"""An address that pages link to, or show as an image: no other scheme, so that it can neither run a script nor name a
file."""
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


Actions = Annotated[tuple[Action, ...], Meta(max_length=MAX_ACTIONS)]


class Acted(NamedTuple):
    """The action that was taken on a notification, when (milliseconds), and by whom."""

    action_id: str
    at: int
    by: ActedBy


def action_errors(actions: Sequence[Offer], at: str = "/actions") -> Iterator[FieldError]:
    """The errors of actions with one id, or with an address and a verb."""
    seen: set[str] = set()
    for i, action in enumerate(actions):
        if action.id in seen:
            yield FieldError(f"{at}/{i}/id", f"expected an id of its own, got {action.id!r} again")
        seen.add(action.id)
        if action.url is not UNSET and action.verb is not UNSET:
            yield FieldError(f"{at}/{i}/verb", "expected url or verb, and not both, got both")
