"""The calls of the Python client, read from its code: how each is called, which routes it requests, what it returns."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints
from urllib.parse import unquote

from tidings.client import Client, Preferences
from tidings.client.api import Api, State
from tidings.client.descriptors import methods_of
from tidings.client.request import Call
from tidings.http.routes import ROUTES

AREA = re.compile(r"^    # --- ([a-z, ]+) -+$")
"""How the source begins an area of calls."""
SAMPLES: Mapping[str, Any] = {
    "event": {},
    "events": ({},),
    "event_ids": ("x",),
    "ids": ("x",),
    "of_topic": "{topic}",
    "since": 0,
    "pairs": (("bob", "market:1"),),
    "reminder": {},
    "rule": {},
    "wanted": Preferences(),
}
"""Values of parameters that are not text. A text stands for itself in the path, as ``{topic}``."""
IN_PATHS = ("user", "topic", "of_topic")
"""Optional parameters that may be part of a path."""
OTHER_PATHS = ("topic", "of_topic")
"""Those of them that select another path where they are given."""
SUBSCRIBE = ("GET /v1/notifications/stream", "GET /v1/notifications/poll")
"""What a subscription requests."""


class ClientCall(NamedTuple):
    """One method of the client."""

    area: str
    call: str
    does: str
    routes: tuple[str, ...]
    returns: str


def calls() -> Iterator[ClientCall]:
    """Every method, in the order of the source; subscriptions last."""
    for name, found in methods_of(Api).items():
        method = found._describe
        yield ClientCall(
            _area(method), _written(name, method), _summary(method), _routes(method), _returns(method)
        )
    subscribe = Client.subscribe
    written, does = _written("subscribe", subscribe), _summary(subscribe)
    yield ClientCall("subscriptions", written, does, SUBSCRIBE, "`Subscription`")


def _area(method: Callable[..., Any]) -> str:
    """The last title above a method in its file."""
    lines, _ = inspect.findsource(method)
    before = lines[: method.__code__.co_firstlineno]
    return [title[1] for line in before if (title := AREA.match(line))][-1]


def routes_without_call() -> list[str]:
    """The routes below /v1 that no method requests."""
    requested = {pattern for one in calls() for route in one.routes for pattern in _patterns(route)}
    every = (f"{route.method} {route.path}" for route in ROUTES if route.path.startswith("/v1"))
    return [route for route in every if not requested.intersection(_patterns(route))]


def unknown_routes() -> list[str]:
    """What a method requests and the server does not have."""
    every = {pattern for route in ROUTES for pattern in _patterns(f"{route.method} {route.path}")}
    return [route for one in calls() for route in one.routes if not every.issuperset(_patterns(route))]


def _patterns(route: str) -> set[str]:
    """A route without the names of its parameters; one for each state where it has one in its path."""
    states = get_args(State) if "{state}" in route else ("",)
    return {re.sub(r"\{\w+\}", "{}", route.replace("{state}", state)) for state in states}


def _written(name: str, method: Any) -> str:
    """A call as it is typed, with the defaults that are short."""
    parameters = list(inspect.signature(method).parameters.values())[1:]
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in parameters]
    return name + re.sub(r"SubscriptionTimeouts\(.*?\)", "…", str(inspect.Signature(bare)))


def _summary(method: Any) -> str:
    """The first sentence of what a method says of itself."""
    text = " ".join(inspect.cleandoc(method.__doc__ or "").replace("``", "`").split())
    return text.partition(". ")[0].rstrip(".") + "."


def _routes(method: Any) -> tuple[str, ...]:
    """What a call requests, with the names of its parameters in the path."""
    parameters = dict(list(inspect.signature(method).parameters.items())[1:])
    needed = [
        name
        for name, one in parameters.items()
        if one.default is one.empty and one.kind is not one.VAR_KEYWORD
    ]
    optional = [name for name in IN_PATHS if name in parameters and name not in needed]
    given = {name: SAMPLES.get(name, f"{{{name}}}") for name in (*needed, *optional)}
    least = {name: value for name, value in given.items() if name in needed or name not in OTHER_PATHS}
    return tuple(dict.fromkeys(_requested(method(Api(), **names)) for names in (least, given)))


def _requested(made: Any) -> str:
    call: Call[Any] = made if isinstance(made, Call) else next(made)
    return f"{call.request.method} {unquote(call.request.path)}"


def _returns(method: Any) -> str:
    """The type of the reply, or of the items that a listing iterates over."""
    result = inspect.signature(method).return_annotation
    if get_origin(result) is Call:
        return _named(get_args(result)[0])
    page = get_args(get_args(result)[0])[0]
    return f"an iterator of {_named(get_args(get_type_hints(page)['items'])[0])}"


def _named(kind: Any) -> str:
    if kind in (None, type(None)):
        return ""
    name = (
        kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")
    )
    return f"`{name}`"
