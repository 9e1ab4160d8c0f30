"""Which answers are not given while others wait to be read."""

import asyncio

import pytest

from tidings.errors import TidingsError, Unavailable
from tidings.http.app import _given
from tidings.http.request import UNSENT, Message, Request, Scope
from tidings.http.routing import Response
from tidings.http.unsent import Unsent

LARGE = 2_000


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
    unsent = Unsent(LARGE, LARGE)
    unsent.change("", LARGE)

    def refusal(size: int) -> TidingsError | None:
        found = unsent.refusal("", size)
        assert found is None or isinstance(found, Unavailable)
        return found

    scope: Scope = {"method": method, "raw_path": b"/", "query_string": b"", "headers": [], "client": None}
    request = Request({**scope, "extensions": {UNSENT: refusal}}, nothing)
    answer = asyncio.run(_given(Response(b"x" * LARGE, status), request))
    assert answer.status == given
