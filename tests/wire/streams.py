"""A reader of server-sent events that knows only what the standard says."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import msgspec

from tidings.http.schemas_frames import FRAMES


class Message(NamedTuple):
    """One server-sent event."""

    name: str
    id: str
    data: Any


def lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """The lines of a stream, ended by LF only as this server sends them: text may hold what else ends lines."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode() for line in whole)


def described(name: str, data: Any) -> None:
    """Every frame that any test receives is as OpenAPI describes it; raises a ValidationError for another one."""
    *others, last = FRAMES[name]
    for shape in others:
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert(data, shape)
            return
    msgspec.convert(data, last)


class Stream:
    """An open stream."""

    def __init__(self, reply: httpx.Response) -> None:
        self.reply = reply
        self.retry_ms = 0
        self.messages = self._parse(lines(reply.iter_bytes()))

    def next(self, name: str) -> Message:
        """The next message of this name; heartbeats before it are passed over, and nothing else."""
        passed = list(itertools.takewhile(lambda message: message.name != name, self._peek(name)))
        assert {message.name for message in passed} <= {"heartbeat"}
        return self._last

    def rest(self) -> list[Message]:
        """Everything until the server ends the stream."""
        return list(self.messages)

    def _peek(self, name: str) -> Iterator[Message]:
        for message in self.messages:
            self._last = message
            yield message
            if message.name == name:
                return
        raise AssertionError(f"the stream ended before {name}")

    def _parse(self, lines: Iterator[str]) -> Iterator[Message]:
        fields: dict[str, str] = {}
        last_id = ""
        for line in lines:
            name, _, value = line.partition(": ")
            if name == "retry":
                self.retry_ms = int(value)
            elif line:
                fields[name] = value
            elif fields:
                last_id = fields.get("id", last_id)
                message = Message(fields["event"], last_id, json.loads(fields["data"]))
                described(message.name, message.data)
                yield message
                fields = {}


@contextlib.contextmanager
def streaming(
    client: httpx.Client, user: str, last: str | None = None, **parameters: str
) -> Iterator[Stream]:
    """A stream of a user, beyond ``last`` if given."""
    headers = {"accept": "text/event-stream"} | ({"last-event-id": last} if last else {})
    query = {"user_id": user} | parameters
    with client.stream("GET", "/v1/notifications/stream", params=query, headers=headers) as reply:
        # Kept until the reply is closed: collected before, it would close the reply in the middle of another.
        stream = Stream(reply)
        yield stream
