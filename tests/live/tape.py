"""A wire that keeps what was written, and says whatever it is told to say of its client."""

import asyncio
import json
from typing import Any, NamedTuple

from tidings.http.sse import SERVER_SENT_EVENTS
from tidings.live import Encoder


class Said(NamedTuple):
    """One event as a client would see it."""

    event: str
    id: str | None
    data: Any


class Tape:
    """A :class:`tidings.live.Wire`. ``room`` frames are taken before it says that it is full; None: it never is."""

    encoder: Encoder = SERVER_SENT_EVENTS

    def __init__(self, room: int | None = None) -> None:
        self.written: list[bytes] = []
        self.room = room
        self.ended = ""
        self.closed = asyncio.Event()
        self._news = asyncio.Event()

    def write(self, data: bytes) -> bool:
        """Keep it."""
        self.written.append(data)
        self._news.set()
        if self.room is not None:
            self.room -= 1
        return self.room is None or self.room > 0

    async def until(self, number: int) -> list[Said]:
        """The events, once there are so many."""
        while len(self.said) < number:
            self._news.clear()
            await self._news.wait()
        return self.said

    def close(self) -> None:
        """Ended with all that was written."""
        self.ended = self.ended or "closed"
        self.closed.set()

    def abort(self) -> None:
        """Ended at once."""
        self.ended = self.ended or "aborted"

    @property
    def said(self) -> list[Said]:
        """The events written so far."""
        return [said for block in b"".join(self.written).split(b"\n\n") if (said := _event(block))]

    def names(self) -> list[str]:
        """Their names."""
        return [said.event for said in self.said]


def _event(block: bytes) -> Said | None:
    fields: dict[str, str] = {}
    for line in block.decode().split("\n"):
        name, _, value = line.partition(": ")
        fields[name] = fields[name] + "\n" + value if name in fields else value
    if "event" not in fields:
        return None
    return Said(fields["event"], fields.get("id"), json.loads(fields["data"]))
