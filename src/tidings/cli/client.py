"""The command line's own HTTP client: one keep-alive connection, JSON in and out, failures in plain words."""

import http.client
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, quote, urlencode, urlsplit

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
RETRY_S = 1.0
"""Seconds until the next try, where a busy server does not say, and after a lost connection."""

MAX_RETRY_S = 60.0
"""The longest wait that a busy server can ask for."""

MAX_DIGITS = 4_000
"""Digits of a whole number that is read as such; Python stops at 4,300."""

UNREADABLE = "unreadable"
"""The name of a frame whose data could not be read."""

JSON = "application/json"


class Unreachable(click.ClickException):
    """There is no server, or the connection to it was lost."""


class Foreign(click.ClickException):
    """Something answered that is not Tidings, or not at this address."""


class Refused(click.ClickException):
    """The server answered, but not with success. ``problem`` is its RFC 9457 body, perhaps empty; ``advice`` is what can be
    done about it; ``retry_after_s`` are the seconds until it is worth another try."""

    def __init__(
        self, status: int, problem: dict[str, Any], advice: str = "", retry_after_s: float = RETRY_S
    ) -> None:
        said = problem.get("detail") or problem.get("title") or "no explanation"
        lines = (f"{e.get('pointer', '')}: {e.get('detail', '')}" for e in problem.get("errors", ()))
        errors = "".join(f"\n  {line}" for line in lines if line not in said)
        super().__init__(f"the server answered {status}: {said}{errors}{advice}")
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s


class Frame(NamedTuple):
    """One event of a stream. ``id`` is the last one seen so far, as in a browser: it resumes the stream."""

    id: str
    event: str
    data: dict[str, Any]


class Client:
    """One connection to a server, closed at the end of a ``with``. Not for several threads at once."""

    def __init__(self, url: str, key: str | None, key_env: str = KEY_ENV) -> None:
        """``url`` with its prefix, if any; ``key`` an API key or a token, and ``key_env`` where it comes from, for
        advice. Raises click.BadParameter."""
        parts, host, port = _parts(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(host, port, timeout=TIMEOUT_S)
        self._prefix = quote(parts.path.rstrip("/"), safe="/%")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._key_env = key_env
        self._url = url
        self._used_at = time.monotonic()

    def get(self, path: str, **query: object) -> Any:
        """The JSON at ``path``; parameters that are None are left out. Raises Refused, Unreachable."""
        return _loaded(self._checked("GET", _address(path, query), None, {}))

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
            self._check(reply, b"" if reply.status == 200 else reply.read(), "event-stream")
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
                time.sleep(_retry_after_s(reply))
            raw = reply.read()
        self._check(reply, raw, "json")
        return raw

    def _check(self, reply: http.client.HTTPResponse, raw: bytes, kind: str) -> None:
        """Raises Refused for an answer that is no success, Foreign for one that is not of this kind."""
        problem = _problem(raw) if reply.status >= 300 else {}
        if problem or reply.status in BUSY:
            raise Refused(reply.status, problem, self._advice(reply.status), _retry_after_s(reply))
        if reply.status >= 300 or kind not in (reply.getheader("Content-Type") or ""):
            what = f"{reply.status} {reply.reason}"
            raise Foreign(
                f"{self._url} answers {what}, but not as Tidings does: is the address right, with its prefix?"
            )

    def _advice(self, status: int) -> str:
        if status == 401 and not self._headers:
            return f"\n  put an API key or a token into {self._key_env}"
        if status in (401, 403):
            return f"\n  the key was taken from {self._key_env}" if self._headers else ""
        return ""

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
    """A client whose key is in the environment variable ``key_env``; without one it asks as nobody.

    Raises click.UsageError when the variable was named and is not there, or holds what can be no key.
    """
    key = os.environ.get(key_env, "").strip()
    if not key and key_env != KEY_ENV:
        raise click.UsageError(
            f"the environment variable {key_env}, which --key-env names, is empty or not set"
        )
    if not (key.isascii() and key.isprintable()):
        raise click.UsageError(f"{key_env} has characters in it that no key or token has")
    return Client(url, key or None, key_env)


def _parts(url: str) -> tuple[SplitResult, str, int | None]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:
        raise click.BadParameter(f"{url!r} is not an http:// or https:// address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise click.BadParameter(f"{url!r} is not an http:// or https:// address")
    return parts, host, port


def _retry_after_s(reply: http.client.HTTPResponse) -> float:
    given = reply.getheader("Retry-After") or ""
    return min(float(given), MAX_RETRY_S) if given.isascii() and given.isdigit() else RETRY_S


def _loaded(raw: bytes | str) -> Any:
    """JSON, whatever numbers are in it: one too long to be read as a whole number is infinite."""
    return json.loads(
        raw, parse_int=lambda digits: int(digits) if len(digits) <= MAX_DIGITS else float(digits)
    )


def _frame(id: str, name: str, data: str) -> Frame:
    """A frame; one whose data cannot be read says why, so that what comes after it can be read on."""
    try:
        return Frame(id, name, _loaded(data))
    except (ValueError, RecursionError) as error:
        return Frame(id, UNREADABLE, {"event": name, "why": str(error)})


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
                yield _frame(last_id, name, data)
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
