"""A server made of plain functions, for a session whose time is a number: waits pass at once, and are written down."""

import json
import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tidings.client.effects import (
    Action,
    Answer,
    ClientRequest,
    Close,
    Emit,
    Open,
    Outcome,
    Receive,
    RefreshToken,
    SendRequest,
    Sleep,
    StateChanged,
    TransportError,
)
from tidings.client.items import Connection, Item
from tidings.client.sse import Parser
from tidings.client.subscription import SubscriptionMachine
from tidings.client.timeouts import SubscriptionTimeouts

SILENT = TransportError("silence")
"""Nothing comes until the session has had enough."""
STREAM = Answer(200, media="text/event-stream")
EPOCH = "e"

Chunk = bytes | TransportError
Opening = TransportError | Answer | Sequence[Chunk]
"""What comes of opening a stream: none, a refusal, or these chunks and then the end."""


class Over(Exception):
    """The script has no more."""


class Stage:
    """Plays a session against a script: what comes of each stream that is opened, and who answers requests."""

    def __init__(
        self,
        *openings: Opening,
        answer: Callable[[ClientRequest], Answer | TransportError] = lambda request: TransportError(
            "no answer"
        ),
        include: Collection[str] = ("notifications",),
        cursor: str | None = None,
        fresh: bool = False,
        tokens: int = 0,
    ) -> None:
        self.now = 1_000.0
        self.items: list[Item] = []
        self.connections: list[Connection] = []
        self.slept: list[float] = []
        self.asked: list[ClientRequest] = []
        self.cursors: list[str] = []
        self.renewals = 0
        self._openings = deque(openings)
        self._chunks: deque[Chunk] = deque()
        self._action: Action | None = None
        self._outcome: Outcome = None
        self._answer = answer
        self._tokens = tokens
        self.session = SubscriptionMachine(
            "bob",
            include,
            cursor,
            fresh=fresh,
            pace=SubscriptionTimeouts(),
            clock=lambda: self.now,
            rng=random.Random(7),
        )

    def play(self, items: int | None = None) -> list[Item]:
        """The items up to so many, or until the script is over; it may be played on with another opening."""
        try:
            while items is None or len(self.items) < items:
                self._action = self._action or self.session.step(self._outcome)
                self._outcome = self._perform(self._action)
                self._action = None
        except Over:
            pass
        return self.items

    def then(self, opening: Opening) -> None:
        """What comes of the next stream, at the end of the script."""
        self._openings.append(opening)

    @property
    def states(self) -> list[str]:
        """How the session was connected, one after the other."""
        return [connection.state for connection in self.connections]

    def _perform(self, action: object) -> Outcome:
        match action:
            case Open(request, _):
                return self._open(request)
            case Receive(timeout_s):
                return self._receive(timeout_s)
            case SendRequest(request, timeout_s):
                self.asked.append(request)
                outcome = self._answer(request)
                self.now += timeout_s if isinstance(outcome, TransportError) else 0.01
                return outcome
            case RefreshToken():
                self.renewals += 1
                return self.renewals <= self._tokens
            case Sleep(seconds):
                self.slept.append(seconds)
                self.now += seconds
            case StateChanged(connection):
                self.connections.append(connection)
            case Emit(item):
                self.items.append(item)
            case Close():
                self._chunks.clear()
        return None

    def _open(self, request: ClientRequest) -> Answer | TransportError:
        if not self._openings:
            raise Over
        self.cursors.append(dict(request.headers).get("Last-Event-ID", ""))
        opening = self._openings.popleft()
        if isinstance(opening, TransportError | Answer):
            return opening
        self._chunks = deque(opening)
        return STREAM

    def _receive(self, timeout_s: float) -> bytes | TransportError:
        self.now += 0.01
        if not self._chunks:
            return b""
        chunk = self._chunks.popleft()
        if chunk is SILENT:
            self.now += timeout_s
        return chunk


def frame(event: str, id: str | None = None, /, **data: Any) -> bytes:
    """A frame as a server sends it."""
    place = b"" if id is None else b"id: %b\n" % id.encode()
    return b"event: %b\ndata: %b\n%b\n" % (event.encode(), json.dumps(data).encode(), place)


def hello(
    seq: int = 0, position: int = 0, *, resumed: bool = True, unread: int = 0, epoch: str = EPOCH
) -> bytes:
    """The first frame."""
    counts = {"unread_count": unread, "unread_items": unread}
    return frame("hello", f"{epoch}.{seq}.", seq=seq, position=position, resumed=resumed, **counts)


def note(seq: int, /, **changed: Any) -> dict[str, Any]:
    """A notification as JSON, new at ``seq``."""
    return {"id": f"n{seq}", "seq": seq, "order": seq, "unread_seq": seq, "type": "like"} | changed


def notification(seq: int, /, **changed: Any) -> bytes:
    """The frame of one."""
    return frame(
        "notification", f"{EPOCH}.{seq}.", **note(seq, **changed), unread_count=seq, unread_items=seq
    )


def happening(position: int) -> dict[str, Any]:
    """A feed item as JSON."""
    return {
        "event_id": f"id-{position}",
        "position": position,
        "actor_id": "alice",
        "verb": "like",
        "object_type": "m",
        "object_id": "1",
        "created_at": "2026-01-01T00:00:00.000Z",
    }


def activity(position: int) -> bytes:
    """The frame of one."""
    return frame("activity", f"{EPOCH}..{position}", **happening(position))


def inbox(*seqs: int, seq: int | None = None, cursor: str | None = None, epoch: str = EPOCH) -> Answer:
    """A page of an inbox, newest first."""
    head = max(seqs, default=0) if seq is None else seq
    return said(
        items=[note(n) for n in seqs], next_cursor=cursor, has_more=cursor is not None, seq=head, epoch=epoch
    )


def polled(*frames: bytes, last: str = "") -> Answer:
    """The answer to a poll: what a stream would have sent, and where the client is with it."""
    told = Parser().feed(b"".join(frames))
    given = [{"event": one.name, "data": json.loads(one.data), "id": one.id or None} for one in told]
    return said(frames=given, last_event_id=last or told[-1].id)


def said(**body: Any) -> Answer:
    """An answer."""
    return Answer(200, msgspec.json.encode(body), media="application/json")


AT = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
AT_TEXT = "2026-01-01T00:00:00Z"
