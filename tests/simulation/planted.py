"""Violations to plant: each breaks one law of the real code, as a mistake might; the simulation must find every one."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from websockets.frames import Frame as Message
from websockets.frames import Opcode

from tidings.background import NextRun
from tidings.client import inbox_state, sse
from tidings.client.cursor import SubscriptionCursor
from tidings.client.inbox_state import InboxState
from tidings.client.items import Read, Reset
from tidings.client.requests import Steps
from tidings.client.shapes import FeedItem, InboxPage
from tidings.client.subscription import SubscriptionMachine
from tidings.client.subscription_state import SubscriptionState
from tidings.event_counts import Dimension, EventSelection, KeyCounts
from tidings.feed_changes import FeedMark, FeedReset, Retraction
from tidings.filters import ActivityOf, FeedOf
from tidings.http.long_poll import OBJECTS, LongPollTransport
from tidings.http.websocket import WebSocketFrameEncoder
from tidings.inbox_commands import MarkAllNotificationsRead
from tidings.live import event_fanout, inbox_reader
from tidings.live.event_fanout import EventFanOut
from tidings.live.following import Following
from tidings.live.frames import Cursor, Frame, heartbeat, inbox_frames
from tidings.live.reconciler import Reconciler
from tidings.live.stream import State, Stream, VisitorStream
from tidings.model import (
    EventAudience,
    InboxChanges,
    InboxCounters,
    InboxUpdateResult,
    LogEntry,
    NewEvent,
    Receipt,
    UnseenCount,
    user_topic,
)
from tidings.snoozes import SnoozeService
from tidings.storage.memory import MemoryStore, feeds, inboxes
from tidings.storage.memory.event_counts import MemoryEventCounts
from tidings.storage.memory.feed_read_state import FeedReadState
from tidings.storage.memory.feeds import MemoryFeeds
from tidings.storage.memory.inbox import Inbox
from tidings.storage.memory.read_together import MemoryReadTogether
from tidings.storage.memory.streams import MemoryStreams
from tidings.storage.memory.user import UserState
from tidings.storage.memory.user_merges import MemoryUserMerges
from tidings.storage.sqlite.write_session import ON_READ, WriteSession
from tidings.visibility import LookUpFacts, Visibility, may_look_up


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
    if self.state is not State.FOLLOWING:
        return
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


# --- activity: who sees it, and is told of it -------------------------------------------------------------------


def _listed_for_followers(visibility: Visibility, **page: Any) -> bool:
    return visibility.reaches_followers


def _through_blocks(self: MemoryStreams, watched: str, viewer: str, entry: LogEntry) -> bool:
    return self._lists(watched, viewer, entry)


def _all_unlisted(self: MemoryStreams, watched: str, viewer: str) -> list[Retraction]:
    return [Retraction(position, self._ids.text(entry.key)) for position, entry in self._retracted]


_new_count = MemoryFeeds.new_count


async def _count_of_all(
    self: MemoryFeeds, what: FeedOf | ActivityOf, since: int, cap: int, *rest: Any
) -> UnseenCount:
    found = await _new_count(self, what, since, cap, *rest)
    return found if isinstance(what, FeedOf) else found._replace(new=len(list(self._newest(since))))


_ranked = MemoryEventCounts._ranked


def _rank_all(
    self: MemoryEventCounts, selected: EventSelection, by: Dimension, most: int
) -> KeyCounts | None:
    return _ranked(self, selected._replace(narrowest=Visibility.RECIPIENTS), by, most)


def _look_up_broadcasts(visibility: Visibility, user: LookUpFacts) -> bool:
    return user == LookUpFacts() or may_look_up(visibility, user)


_recipients = EventFanOut._recipients


def _only_feeds(self: EventFanOut, one: EventAudience, listed: Any, apart: Any) -> Iterator[Any]:
    return _recipients(self, one, listed, {})


def _not_alike(one: EventAudience, names: Collection[str]) -> bool:
    return False


_since = FeedReadState.since


def _feed_marks(self: FeedReadState, after: int) -> Iterator[FeedMark | FeedReset]:
    return (one for one in _since(self, after) if isinstance(one, FeedReset) or one.activity is None)


def _is_of_any(activity: str | None, item: FeedItem) -> bool:
    return True


_sever = MemoryStore._sever


def _sever_one(self: MemoryStore, user: str, actor: str) -> None:
    if user_topic(actor) in self._peek(user).blocked:
        _sever(self, user, actor)


# --- merges of users --------------------------------------------------------------------------------------------


def _leave_there(self: MemoryUserMerges, user: str, into: str) -> tuple[int, int]:
    return 0, 0


def _quiet_leave(self: Inbox) -> None:
    self.groups.clear()
    self.marks.clear()


def _adopt_nothing(self: MemoryUserMerges, user: str, into: str) -> int:
    return 0


# --- notifications and feeds that share their read state --------------------------------------------------------


def _follow_nothing(self: MemoryReadTogether, *_: Any) -> bool:
    return False


def _read_at_alone(self: MemoryFeeds, user: str, entry: LogEntry) -> int | None:
    return self._own_read_at(user, entry)


PLANTED = {
    "a feed whose streams do not hear that its notifications were read": Planted(
        MemoryReadTogether, "_follow_groups", _follow_nothing
    ),
    "a feed that does not share the read state of its notifications": Planted(
        MemoryFeeds, "_read_at", _read_at_alone
    ),
    "a merge that leaves the notifications where they are": Planted(
        MemoryUserMerges, "_move_inbox", _leave_there
    ),
    "a merge that says nothing to the clients of the source": Planted(Inbox, "leave", _quiet_leave),
    "a merge that forgets what the source followed": Planted(
        MemoryUserMerges, "_adopt_follows", _adopt_nothing
    ),
    "activity of everybody with events for followers": Planted(feeds, "is_listed", _listed_for_followers),
    "streams that carry activity across a block": Planted(MemoryStreams, "_shows", _through_blocks),
    "retractions of events that the reader could not see": Planted(MemoryStreams, "_unlisted", _all_unlisted),
    "new counts of activity that count hidden events": Planted(MemoryFeeds, "new_count", _count_of_all),
    "trends that count what few may see": Planted(MemoryEventCounts, "_ranked", _rank_all),
    "visitors who may look up events": Planted(inboxes, "may_look_up", _look_up_broadcasts),
    "visitors who learn where the log ends": Planted(VisitorStream, "skip_to", Stream.skip_to),
    "a hub that leaves activity out where a stream has a feed": Planted(
        EventFanOut, "_recipients", _only_feeds
    ),
    "a hub that leaves activity out where a stream has no feed": Planted(
        event_fanout, "_is_public", _not_alike
    ),
    "a store that says nothing of read-alls of activity": Planted(FeedReadState, "since", _feed_marks),
    "a client that applies read-alls of any list to the feed": Planted(inbox_state, "_is_of", _is_of_any),
    "a block that empties one of two inboxes": Planted(MemoryStore, "_sever", _sever_one),
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
