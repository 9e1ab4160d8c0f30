"""Violations to plant: each breaks one law of the real code, as a mistake might; the simulation must find every one."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from websockets.frames import Frame as Message
from websockets.frames import Opcode

from tidings.background import NextRun
from tidings.client import sse
from tidings.client.cursor import SubscriptionCursor
from tidings.client.inbox_state import InboxState
from tidings.client.items import Read, Reset
from tidings.client.requests import Steps
from tidings.client.shapes import InboxPage
from tidings.client.subscription import SubscriptionMachine
from tidings.client.subscription_state import SubscriptionState
from tidings.http.long_poll import OBJECTS, LongPollTransport
from tidings.http.websocket import WebSocketFrameEncoder
from tidings.inbox_commands import MarkAllNotificationsRead
from tidings.live import inbox_reader
from tidings.live.following import Following
from tidings.live.frames import Cursor, Frame, heartbeat, inbox_frames
from tidings.live.reconciler import Reconciler
from tidings.live.stream import State, Stream
from tidings.model import InboxChanges, InboxCounters, InboxUpdateResult, LogEntry, NewEvent, Receipt
from tidings.snoozes import SnoozeService
from tidings.storage.memory import MemoryStore, inboxes
from tidings.storage.memory.inbox import Inbox
from tidings.storage.memory.user import UserState
from tidings.storage.sqlite.write_session import ON_READ, WriteSession


class Planted(NamedTuple):
    """What takes the place of a name of a class or module."""

    where: Any
    name: str
    instead: Callable[..., Any]


def _ready(self: Following, streams: Sequence[Stream]) -> list[Stream]:
    return [stream for stream in streams if stream.seq is not None and stream.state is State.FOLLOWING]


def _join(self: Following, stream: Stream, counts: InboxCounters, position: int) -> None:
    stream.go_live()


async def _round(self: Reconciler | SnoozeService) -> NextRun:
    """Looks at nothing."""
    return NextRun(None)


def _resume(self: Stream, given: str | None, head: Cursor, end: Cursor) -> tuple[Cursor, str]:
    return head, ""


def _tell(self: Stream, some: Sequence[Frame], now: float) -> None:
    for frame in some:
        if self.state not in (State.BACKPRESSURED, State.ENDED) and self.seq is not None:
            self._write(frame, now, self.cursor.text(self.epoch))


def _inbox_frames(after: int, changes: InboxChanges, items: Sequence[bytes]) -> list[Frame]:
    return inbox_frames(after, changes._replace(marks=()), items)


def _hear(self: Stream, frame: Frame, position: int, now: float) -> None:
    self.position = position
    self.transport.write(frame.at(self.transport.encoder, self.epoch, self.seq))


def _beat(self: Stream, position: int, now: float) -> None:
    self._write(Frame("heartbeat", heartbeat(Cursor(self.seq, None), position)), now, None)


def _deliver(self: Following, stream: Stream, changes: InboxChanges, some: list[Frame], now: float) -> None:
    stream.skip_to(self.position + 1)
    stream.send(some, now)


def _move(self: SubscriptionState, id: str, there: SubscriptionCursor) -> bool:
    self.advance(there)
    return True


_event = SubscriptionMachine._event


def _deaf_to_resets(self: SubscriptionMachine, event: sse.ServerSentEvent) -> Steps[None]:
    if event.name != "reset":
        yield from _event(self, event)


_reset = SubscriptionState.reset


def _last_page(self: SubscriptionState, reason: str, inbox: list[InboxPage], *rest: Any) -> Reset:
    reset = _reset(self, reason, inbox, *rest)
    self.place = self.place._replace(seq=inbox[-1].seq)
    return reset


def _read(self: InboxState, read: Read) -> None:
    for item in read.items:
        self._put(item)


def _swallow(self: MemoryStore, read: MarkAllNotificationsRead) -> InboxUpdateResult:
    person = self._peek(read.user)
    done = person.inbox.read_all(read.type or "", person.inbox.seq, self._clock.now(), self._read_all_history)
    return inboxes._marked(person, done)


_append = MemoryStore._append


def _forgetful(self: MemoryStore, event: NewEvent) -> Receipt:
    receipt = _append(self, event)
    self._remembered.clear()
    return receipt


_bring = MemoryStore._bring


def _not_always(self: MemoryStore, user: str, entry: LogEntry, alone: bool = False) -> None:
    if entry.position % 7:
        _bring(self, user, entry, alone)


_undo = Inbox.undo


def _quiet_undo(self: Inbox, seq: int) -> int:
    again = _undo(self, seq)
    self.undone = 0
    return again


def _unknown(self: MemoryStore, user: str, number: int) -> UserState:
    return UserState(number)


_merged = WriteSession._merged


def _unmerged(self: WriteSession) -> frozenset[int]:
    return _merged(self).difference(topic for topic, state in self.hot.items() if state == ON_READ)


def _seal(self: WebSocketFrameEncoder, frame: bytes, id: str | None) -> bytes:
    return Message(Opcode.TEXT, OBJECTS.seal(frame, None)).serialize(mask=False)


_answer = LongPollTransport.answer


def _short_answer(self: LongPollTransport, last_event_id: str) -> bytes:
    self._frames = self._frames[:1] if len(self._frames) == 2 else self._frames
    return _answer(self, last_event_id)


PLANTED = {
    "a hub that forgets what overtook a stream": Planted(Following, "_ready", _ready),
    "a hub that joins before it has caught up": Planted(Following, "_join", _join),
    "a hub that relies on hints": Planted(Reconciler, "_round", _round),
    "a hub that says nothing of read-alls": Planted(inbox_reader, "inbox_frames", _inbox_frames),
    "a hub that passes over one event too many": Planted(Following, "_deliver", _deliver),
    "a stream that begins at the head whatever the client knows": Planted(Stream, "_resume", _resume),
    "a stream whose heartbeats run ahead of it": Planted(Stream, "heartbeat", _beat),
    "a stream that does not move its cursor": Planted(Stream, "send", _tell),
    "a stream that tells what the client has": Planted(Stream, "send_event", _hear),
    "a socket whose frames have no place": Planted(WebSocketFrameEncoder, "seal", _seal),
    "a poll that leaves out its only news": Planted(LongPollTransport, "answer", _short_answer),
    "a client that takes doubles": Planted(SubscriptionState, "_move", _move),
    "a client that is deaf to resets": Planted(SubscriptionMachine, "_event", _deaf_to_resets),
    "a client that goes on from the last page of a reset": Planted(SubscriptionState, "reset", _last_page),
    "a client that ignores read-alls": Planted(InboxState, "_read", _read),
    "a read-all that swallows what came later": Planted(MemoryStore, "_read_inbox", _swallow),
    "an undo without a reset": Planted(Inbox, "undo", _quiet_undo),
    "a store that forgets now and then to tell": Planted(MemoryStore, "_bring", _not_always),
    "a store in which an erased inbox begins at 1 again": Planted(MemoryStore, "_unknown", _unknown),
    "a store that neither pushes nor merges what is hot": Planted(WriteSession, "_merged", _unmerged),
    "snoozes that are never ended": Planted(SnoozeService, "_round", _round),
    "a store that forgets idempotency keys": Planted(MemoryStore, "_append", _forgetful),
}
