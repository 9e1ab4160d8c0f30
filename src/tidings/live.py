"""Door 3: everything that is pushed. One state machine: register, hello, catch up from the store, follow.

A stream never holds news of its own: a hint wakes it, and it reads what came after its cursor from the store. A lost
hint therefore costs a heartbeat's wait, never an item, and a slow reader costs nothing but its place.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from tidings.config import Settings
from tidings.errors import TooManyRequests, Unavailable
from tidings.model import Counts, InboxRow
from tidings.ports import Store
from tidings.projections.inbox import notification
from tidings.read import feed_item

CHUNK = 100
"""Items read from the store at once while catching up."""
DRAIN_RETRY_MS = (1_000, 5_000)
"""When clients are asked to come back after the server left: spread, so that they do not all come at once."""

INCLUDE = frozenset({"notifications", "activity"})
_encode = msgspec.json.Encoder().encode


class Frame(NamedTuple):
    """One message to a client: its name, the cursor it leaves the client at (None: unchanged), its JSON."""

    event: str
    id: str | None
    data: bytes


class Cursor(NamedTuple):
    """How far a client is: the last seq of the inbox and the last position of the log that it knows."""

    seq: int
    position: int

    def text(self, epoch: str) -> str:
        """The cursor as the ``id`` of a frame."""
        return f"{epoch}.{self.seq}.{self.position}"


class Live:
    """The open streams by user, and who must be woken for what."""

    def __init__(self, store: Store, settings: Settings, epoch: str) -> None:
        self._store = store
        self._settings = settings
        self._epoch = epoch
        self._streams: dict[str, set[Stream]] = {}
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._open = 0
        self._closing = False

    @property
    def open_streams(self) -> int:
        """Streams open now."""
        return self._open

    def open(self, user: str, include: frozenset[str], last_event_id: str | None) -> "Stream":
        """A stream for a user, from where they left off. Raises TooManyRequests over the caps,
        Unavailable while the server is leaving."""
        mine = self._streams.setdefault(user, set())
        if self._closing:
            raise Unavailable("the server is stopping")
        if self._open >= self._settings.max_streams:
            raise TooManyRequests("this server holds as many streams as it can", retry_after=5)
        if len(mine) >= self._settings.max_streams_per_user:
            raise TooManyRequests(f"{len(mine)} streams of this user are open", retry_after=5)
        stream = Stream(self, self._store, self._settings, self._epoch, user, include, last_event_id)
        mine.add(stream)
        self._open += 1
        return stream

    def forget(self, stream: "Stream") -> None:
        """A stream has ended."""
        mine = self._streams.get(stream.user, set())
        if stream in mine:
            mine.discard(stream)
            self._open -= 1
        if not mine:
            self._streams.pop(stream.user, None)

    def hint(self, users: Iterable[str], published: bool) -> None:
        """The inboxes of these users changed; ``published``: events came, so any feed may have."""
        if published:
            for mine in self._streams.values():
                for stream in mine:
                    if "activity" in stream.include:
                        stream.wake()
        for user in users:
            for stream in self._streams.get(user, ()):
                stream.wake()
            for news in self._waiting.get(user, ()):
                news.set()

    @contextlib.contextmanager
    def news(self, user: str) -> Iterator[asyncio.Event]:
        """An event that is set when the user's inbox changes: what a long poll waits for."""
        event = asyncio.Event()
        self._waiting.setdefault(user, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[user].discard(event)
            if not self._waiting[user]:
                del self._waiting[user]

    @property
    def closing(self) -> bool:
        """Whether the server is leaving."""
        return self._closing

    @property
    def busy(self) -> bool:
        """Whether anybody listens at all: publishing then has no hints to give."""
        return bool(self._streams or self._waiting)

    async def close(self) -> None:
        """Ask every client to come back later, and end the streams."""
        self._closing = True
        for mine in list(self._streams.values()):
            for stream in list(mine):
                stream.leave()
        for waiting in self._waiting.values():
            for news in waiting:
                news.set()


class Stream:
    """One client's stream: iterate over its frames. Registered before it reads, so nothing falls between."""

    def __init__(
        self,
        live: Live,
        store: Store,
        settings: Settings,
        epoch: str,
        user: str,
        include: frozenset[str],
        last_event_id: str | None,
    ) -> None:
        self.user = user
        self.include = include
        self._live = live
        self._store = store
        self._heartbeat_s = settings.heartbeat_s
        self._epoch = epoch
        self._last_event_id = last_event_id
        self._wake = asyncio.Event()
        self._leaving = False

    def wake(self) -> None:
        """There may be news."""
        self._wake.set()

    def leave(self) -> None:
        """The server is going: say so and end."""
        self._leaving = True
        self._wake.set()

    async def aclose(self) -> None:
        """The client has gone."""
        self._live.forget(self)

    async def __aiter__(self) -> AsyncIterator[Frame]:
        try:
            async for frame in self._frames():
                yield frame
        finally:
            self._live.forget(self)

    async def _frames(self) -> AsyncIterator[Frame]:
        counts, position = await self._head()
        head = Cursor(counts.seq, position)
        cursor, lost = self._start(head)
        yield self._hello(counts, cursor, resumed=self._last_event_id is not None and not lost, head=head)
        if lost:
            yield Frame("reset", cursor.text(self._epoch), _encode({"reason": lost}))
        while not self._leaving:
            self._wake.clear()
            async for reached, frame in self._news(cursor):
                cursor = reached
                yield frame
            if not await self._woken():
                yield Frame("heartbeat", None, _encode({"seq": cursor.seq, "position": cursor.position}))
        yield Frame("drain", None, _encode({"retry_ms": random.randint(*DRAIN_RETRY_MS)}))

    async def _woken(self) -> bool:
        try:
            return await asyncio.wait_for(self._wake.wait(), self._heartbeat_s)
        except TimeoutError:
            return False

    async def _head(self) -> tuple[Counts, int]:
        (counts,) = await self._store.counts([self.user])
        return counts, (await self._store.head()).position

    def _start(self, head: Cursor) -> tuple[Cursor, str]:
        """(where to begin, why what the client has is not continuous)."""
        if self._last_event_id is None:
            return head, ""
        try:
            epoch, cursor = parse(self._last_event_id, self.include, head)
        except ValueError:
            return head, "the cursor is not one of this server"
        if epoch not in (None, self._epoch):
            return head, "the cursor is from another life of the store"
        if cursor.seq > head.seq or cursor.position > head.position:
            return head, "the cursor is ahead of the store"
        return cursor, ""

    def _hello(self, counts: Counts, cursor: Cursor, resumed: bool, head: Cursor) -> Frame:
        data = {"user_id": self.user, "unread_count": counts.unread_count, "seq": head.seq}
        data |= {"position": head.position, "resumed": resumed}
        return Frame("hello", cursor.text(self._epoch), _encode(data))

    async def _news(self, cursor: Cursor) -> AsyncIterator[tuple[Cursor, Frame]]:
        """What came after a cursor, each frame with the cursor it leads to."""
        if "notifications" in self.include:
            async for reached, frame in self._inbox_news(cursor):
                cursor = reached
                yield reached, frame
        if "activity" in self.include:
            async for reached, frame in self._feed_news(cursor):
                yield reached, frame

    async def _inbox_news(self, cursor: Cursor) -> AsyncIterator[tuple[Cursor, Frame]]:
        more = True
        while more:
            changes = await self._store.inbox_since(self.user, cursor.seq, CHUNK)
            more = changes.more
            if changes.reset:  # the person was erased meanwhile
                cursor = cursor._replace(seq=changes.counts.seq)
                yield (
                    cursor,
                    Frame("reset", cursor.text(self._epoch), _encode({"reason": "the inbox was erased"})),
                )
            for seq, event, fields in inbox_frames(cursor.seq, changes.rows, changes.counts, more):
                cursor = cursor._replace(seq=seq)
                data = _with_count(fields, changes.counts, seq)
                yield cursor, Frame(event, cursor.text(self._epoch), data)

    async def _feed_news(self, cursor: Cursor) -> AsyncIterator[tuple[Cursor, Frame]]:
        more: int | None = cursor.position
        while more is not None:
            page = await self._store.feed_since(self.user, cursor.position, CHUNK)
            for item in page.items:
                cursor = cursor._replace(position=item.position)
                yield cursor, Frame("activity", cursor.text(self._epoch), feed_item(item))
            more = page.next_key


def parse(text: str, include: frozenset[str], head: Cursor) -> tuple[str | None, Cursor]:
    """(epoch, cursor) of a Last-Event-ID. Besides the ids of frames, the ``seq`` of a list of notifications is taken
    (``42``), that with a position (``42.1234``), and on a stream of activity alone a position (``1234``).

    Raises ValueError for anything else.
    """
    *epoch, last = text.rsplit(".", 2) if text.count(".") == 2 else ("", text)
    if epoch and epoch[0]:
        return epoch[0], Cursor(_number(epoch[1]), _number(last))
    first, dot, second = last.partition(".")
    if dot:
        return None, Cursor(_number(first), _number(second))
    if "notifications" in include:
        return None, Cursor(_number(first), head.position)
    return None, Cursor(head.seq, _number(first))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError("not a number")
    return int(text)


def inbox_frames(
    after: int, rows: Sequence[InboxRow], counts: Counts, more: bool
) -> list[tuple[int, str, dict[str, object] | bytes]]:
    """(seq, event, data) of each change in the order of seqs: items as they are now, marks as ``read``, and the
    read-all, if one came after ``after``, in its place."""
    frames: list[tuple[int, str, dict[str, object] | bytes]] = [_row_frame(after, row) for row in rows]
    if counts.read_seq > after and not (more and counts.read_seq > rows[-1].seq):
        frames.append((counts.read_seq, "read", {"up_to": counts.read_up_to}))
    return sorted(frames, key=lambda frame: frame[0])


def _row_frame(after: int, row: InboxRow) -> tuple[int, str, dict[str, object] | bytes]:
    known = row.order <= after
    if known and row.read_at is not None and row.archived_at is None and not row.deleted:
        return row.seq, "read", {"ids": [row.id]}
    return row.seq, "notification", notification(row)


def _with_count(fields: dict[str, object] | bytes, counts: Counts, seq: int) -> bytes:
    if isinstance(fields, bytes):  # the item carries its own seq
        return fields[:-1] + b',"unread_count":%d}' % counts.unread_count
    return _encode(fields | {"unread_count": counts.unread_count, "seq": seq})
