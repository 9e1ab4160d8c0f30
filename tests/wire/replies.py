"""What is asked again and again in these tests; replies are decoded strictly into the types of the OpenAPI document."""

import re
import threading
from typing import Any, TypeVar

import httpx
import msgspec

from tests.wire.people import event
from tidings.http import schemas

T = TypeVar("T")
PAUSE = threading.Event()
"""Never set: what is waited for between two requests for the same thing."""
PAUSE_S = 0.05


def of(reply: httpx.Response, type: type[T], status: int = 200) -> T:
    """The reply as this type, nothing missing and nothing unknown."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    return msgspec.json.decode(reply.content, type=type)


def done(reply: httpx.Response) -> None:
    """The reply says that it is done, and nothing else."""
    assert (reply.status_code, reply.content) == (204, b"")
    assert "content-length" not in reply.headers


def refused(reply: httpx.Response, status: int, *pointers: str) -> schemas.Problem:
    """The problem that the reply is, which names exactly these fields."""
    assert reply.status_code == status, reply.text
    problem = msgspec.json.decode(reply.content, type=schemas.Problem)
    assert [error.pointer for error in problem.errors or ()] == list(pointers), problem
    return problem


def metrics(app: httpx.Client) -> str:
    """The metrics as they are now, or later: an exposition is sent for a while, and the next one counts this request."""
    before = app.get("/metrics").text
    while (now := app.get("/metrics").text) == before:
        PAUSE.wait(PAUSE_S)
    return now


def metric(app: httpx.Client, line: str) -> float:
    """The value of one line of the metrics, 0 when it is not there yet."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", metrics(app), re.M)
    return float(found[1]) if found else 0.0


def publish(app: httpx.Client, **changed: Any) -> schemas.Receipt:
    """An event, published."""
    return of(app.post("/v1/events", json=event(**changed)), schemas.Receipt, 201)


def inbox(app: httpx.Client, user: str, **parameters: Any) -> schemas.InboxPage:
    """A page of the user's inbox."""
    return of(app.get("/v1/notifications", params={"user_id": user} | parameters), schemas.InboxPage)
