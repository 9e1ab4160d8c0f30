"""Which answers are not given while others wait to be read."""

import pytest

from tidings.errors import TidingsError
from tidings.http.app import _refusal
from tidings.http.request import CONNECTION, Message, Request, Scope
from tidings.http.routing import Response
from tidings.http.unsent import Unsent

LARGE = 2_000


class _Connection:
    """A connection of a server that has given as much as it may."""

    def __init__(self) -> None:
        self._unsent = Unsent(LARGE, LARGE)
        self._unsent.change("", LARGE)

    def refusal(self, size: int) -> TidingsError | None:
        """As that of a real connection whose address is a trusted proxy's."""
        return self._unsent.refusal("", size)


async def nothing() -> Message:
    """No body comes."""
    return {}


@pytest.mark.parametrize(
    ("method", "status", "given"),
    [("GET", 200, 503), ("GET", 404, 503), ("PUT", 422, 503), ("POST", 413, 503), ("POST", 201, 201)],
)
def test_large_failures_are_counted_whatever_the_method(method: str, status: int, given: int) -> None:
    """Those of a body that was sent wrong on purpose were given without end to who did not read them. What tells of a change
    is always given."""
    scope: Scope = {"method": method, "raw_path": b"/", "query_string": b"", "headers": [], "client": None}
    request = Request({**scope, "extensions": {CONNECTION: _Connection()}}, nothing)
    refusal = _refusal(Response(b"x" * LARGE, status), request)
    assert (status if refusal is None else refusal.status) == given
