"""A call, apart from its transport: a request, the meaning of its response, and the retries."""

import random
from collections.abc import Callable, Generator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tidings.client.effects import Answer, ClientRequest, RefreshToken, SendRequest, Sleep, TransportError
from tidings.client.errors import ProblemError, Unreachable, problem
from tidings.client.lenient import Reader
from tidings.client.requests import RETRYABLE, Backoff, Disconnected, Steps
from tidings.client.timeouts import SubscriptionTimeouts

JSON = "application/json"
NDJSON = "application/x-ndjson"
IN_FLIGHT = "urn:tidings:problem:idempotency-key-in-flight"
"""The first request with this key is still in progress: its response will be available shortly."""
OWN_USER = "{sub}"
"""The placeholder in a path for the user of the token, which is known when the request is sent; no quoted text has it."""
LONGEST_WAIT_S = 60.0
"""The client does not wait for a server that requests a longer wait; the caller decides."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Call(NamedTuple, Generic[T_co]):
    """A request and the reader of its response. ``repeatable``: a repetition does no harm. ``held_s``: how long the server
    may hold it."""

    request: ClientRequest
    decode: Callable[[bytes], T_co]
    repeatable: bool = True
    held_s: float = 0.0


Series = Generator[Call[T], Any, None]
"""Successive calls: each depends on the result of the one before it."""


def call(
    method: str,
    path: str,
    shape: Any,
    *,
    query: dict[str, Any] | None = None,
    body: object = None,
    key: str | None = None,
    repeatable: bool = True,
) -> Call[Any]:
    """A call with JSON in and out; parameters that are None are left out, and with ``shape`` None there is no result."""
    asked = tuple((name, _text(value)) for name, value in (query or {}).items() if value is not None)
    headers: tuple[tuple[str, str], ...] = ()
    if body is not None:
        headers += (("Content-Type", JSON),)
    if key is not None:
        headers += (("Idempotency-Key", _visible(key)),)
    request = ClientRequest(
        method, path, asked, headers, None if body is None else msgspec.json.encode(builtins(body))
    )
    return Call(request, _nothing if shape is None else Reader(shape).read, repeatable)


def builtins(value: Any) -> Any:
    """The value as JSON represents it. Raises ValueError or TypeError for a value that JSON would change."""
    _check_exact(value, "")
    return msgspec.to_builtins(value, builtin_types=(datetime,))


def _check_exact(value: Any, at: str) -> None:
    match value:
        case float() if not isfinite(value):
            raise ValueError(f"{at}: JSON has no number {value}")
        case set() | frozenset() | bytes() | bytearray() | memoryview():
            raise TypeError(f"{at}: JSON has no {type(value).__name__}")
        case Decimal() | timedelta():  # either would be a text, whether the receiver expects that or not
            raise TypeError(f"{at}: JSON has no {type(value).__name__}; send a number or a text")
        case msgspec.Struct():
            _check_exact(msgspec.structs.asdict(value), at)
        case object(__dataclass_fields__=fields):
            _check_exact({name: getattr(value, name) for name in fields}, at)
        case Mapping():
            for name, member in value.items():
                if not isinstance(name, str):
                    raise TypeError(f"{at}: the names of JSON are texts, not {name!r}")
                _check_exact(member, f"{at}/{name}")
        case list() | tuple():
            for index, item in enumerate(value):
                _check_exact(item, f"{at}/{index}")


def _visible(key: str) -> str:
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError(f"the idempotency key {key!r} is not visible ASCII alone")
    return key


def _nothing(body: bytes) -> None:
    return None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def part(text: str) -> str:
    """A part of a path."""
    return quote(text, safe="")


def address(request: ClientRequest) -> str:
    """The path and query of a request."""
    return f"{request.path}?{urlencode(request.query)}" if request.query else request.path


def carried_out(call: Call[T], retries: int, timeout_s: float, rng: random.Random) -> Steps[T]:
    """The steps of a call: it is retried up to ``retries`` times if that can help and does no harm. Raises ProblemError,
    Unreachable."""
    backoff = Backoff(SubscriptionTimeouts(), rng)
    renewed = in_doubt = False
    while True:
        outcome = yield SendRequest(call.request, timeout_s + call.held_s)
        if isinstance(outcome, Answer) and 200 <= outcome.status < 300:
            return _understood(call, outcome)
        if in_doubt and _is_gone(call, outcome):
            return call.decode(b"")
        if isinstance(outcome, Answer) and outcome.status == 401 and not renewed:
            renewed = yield RefreshToken()
            if renewed:
                continue
        failure = _failure(outcome)
        wait_s = backoff.wait_s(Disconnected("", getattr(failure, "retry_after", None)))
        if retries <= 0 or wait_s > LONGEST_WAIT_S or not _again(call, failure):
            raise failure
        retries -= 1
        in_doubt = in_doubt or isinstance(failure, Unreachable) or failure.status >= 500
        yield Sleep(wait_s)


def _is_gone(call: Call[Any], outcome: Answer | TransportError) -> bool:
    """Whether a repeated deletion finds nothing to delete."""
    return call.request.method == "DELETE" and isinstance(outcome, Answer) and outcome.status == 404


def _understood(call: Call[T], answer: Answer) -> T:
    try:
        return call.decode(answer.body)
    except msgspec.DecodeError as error:
        detail = f"the response is not one of a Tidings server: {error}"
        raise ProblemError(answer.status, "about:blank", "Not understood", detail) from None


def _failure(outcome: Answer | TransportError) -> ProblemError | Unreachable:
    return Unreachable(outcome.why) if isinstance(outcome, TransportError) else problem(outcome)


def _again(call: Call[Any], failure: ProblemError | Unreachable) -> bool:
    if isinstance(failure, Unreachable):
        return call.repeatable
    refused = failure.status in RETRYABLE or failure.type == IN_FLIGHT
    return refused or (failure.status >= 500 and call.repeatable)
