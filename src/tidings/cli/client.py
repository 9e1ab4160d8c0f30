"""The command line's own HTTP client: one keep-alive connection, JSON in and out, failures in plain words."""

import http.client
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode, urlsplit

import click

DEFAULT_URL = "http://127.0.0.1:8787"
KEY_ENV = "TIDINGS_API_KEY"
"""Where the key comes from; arguments can be read by every user of the machine."""

TIMEOUT_S = 90.0
"""Longer than the longest long poll (60 s) and the slowest import of one batch."""

IDLE_S = 2.0
"""Idle connections are replaced after this long: servers close them (uvicorn after 5 s), and a request that
was sent into a closing connection may or may not have been carried out."""

BUSY_TRIES = 30
"""Answers of 429 and 503 that are waited out before giving up; each says itself how long to wait."""

BUSY = (429, 503)
JSON = "application/json"


class Unreachable(click.ClickException):
    """There is no server, or the connection to it was lost."""


class Refused(click.ClickException):
    """The server answered, but not with success. ``problem`` is its RFC 9457 body, perhaps empty."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        errors = "".join(
            f"\n  {e.get('pointer', '')}: {e.get('detail', '')}" for e in problem.get("errors", ())
        )
        said = problem.get("detail") or problem.get("title") or "no explanation"
        super().__init__(f"the server answered {status}: {said}{errors}")
        self.status = status
        self.problem = problem


class Frame(NamedTuple):
    """One event of a stream. ``id`` is the last one seen so far, as in a browser: it resumes the stream."""

    id: str
    event: str
    data: dict[str, Any]


class Client:
    """One connection to a server, closed at the end of a ``with``. Not for several threads at once."""

    def __init__(self, url: str, key: str | None) -> None:
        """``url`` with its prefix, if any; ``key`` an API key or a token. Raises click.BadParameter."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise click.BadParameter(f"{url!r} is not an http:// or https:// address")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._url = url
        self._used_at = time.monotonic()

    def get(self, path: str, **query: object) -> Any:
        """The JSON at ``path``; parameters that are None are left out. Raises Refused, Unreachable."""
        return json.loads(self._checked("GET", _address(path, query), None, {}))

    def post(self, path: str, body: bytes, kind: str = JSON) -> bytes:
        """Send a body, wait while the server is busy, return its answer. Raises Refused, Unreachable."""
        return self._checked("POST", path, body, {"Content-Type": kind})

    def put(self, path: str, body: bytes) -> bytes:
        """The same with PUT, which may be repeated without harm."""
        return self._checked("PUT", path, body, {"Content-Type": JSON})

    def stream(self, path: str, **query: object) -> Iterator[Frame]:
        """The frames of a text/event-stream until the server ends it. Raises Refused, Unreachable."""
        with self._reaching():
            reply = self._sent("GET", _address(path, query), None, {"Accept": "text/event-stream"})
            if reply.status != 200:
                raise Refused(reply.status, _problem(reply.read()))
            yield from frames(reply)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._connection.close()

    def _checked(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        tries = BUSY_TRIES
        with self._reaching():
            while (reply := self._sent(method, path, body, headers)).status in BUSY and tries:
                reply.read()
                tries -= 1
                time.sleep(float(reply.getheader("Retry-After") or 1))
            raw = reply.read()
        if reply.status >= 300:
            raise Refused(reply.status, _problem(raw))
        return raw

    def _sent(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        if time.monotonic() - self._used_at > IDLE_S:
            self._connection.close()
        self._connection.request(method, self._prefix + path, body, self._headers | headers)
        reply = self._connection.getresponse()
        self._used_at = time.monotonic()
        return reply

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreachable(f"{self._url} cannot be reached: {error}") from None


def connect(url: str, key_env: str = KEY_ENV) -> Client:
    """A client whose key is in the environment variable ``key_env``; without one it asks as nobody."""
    return Client(url, os.environ.get(key_env))


def frames(lines: Iterable[bytes]) -> Iterator[Frame]:
    """The frames of an event stream, parsed as the HTML standard says; comments are passed over."""
    last_id, name, data = "", "message", ""
    for raw in lines:
        field, _, value = raw.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            last_id = value
        elif field == "event":
            name = value
        elif field == "data":
            data += value + "\n"
        elif not (field or value):
            if data:
                yield Frame(last_id, name, json.loads(data))
            name, data = "message", ""


def _address(path: str, query: dict[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _problem(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
