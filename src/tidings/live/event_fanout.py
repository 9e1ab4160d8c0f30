"""Fan-out of events to the open streams of one process."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from random import Random

from tidings.feed_changes import FeedMark, FeedReset
from tidings.live.frames import Frame, activity_frame, change_frame, listed_frame
from tidings.live.registry import StreamRegistry
from tidings.live.stream import State, Stream
from tidings.live.transport import Encoder
from tidings.model import EventAudience, FeedItem
from tidings.turns import Turn

USERS = 64
"""Users whose streams are looked up at once."""
WRITE_BYTES = 65_536
"""Bytes after which frames go into another write: about what a transport takes before it is full."""
RESTARTS_PER_S = 500
"""Clients that are asked to fetch their state again each second: a third of the pages that one core serves, so that other
requests go on after an erasure, which resets all streams."""
SHORTEST_SPREAD_MS = 1_000
"""Milliseconds over which resets are spread at least; the clients of fewer streams fetch at once."""


class SpreadReset:
    """A reset of many streams, whose clients fetch their state again at random times of a window."""

    __slots__ = ("_rng", "_window_ms")

    def __init__(self, streams: int, rng: Random) -> None:
        self._rng = rng
        self._window_ms = streams * 1_000 // RESTARTS_PER_S

    def send(self, stream: Stream, position: int, now: float) -> None:
        """Reset a stream that follows, unless the client has the change at this position."""
        if stream.state is State.FOLLOWING and (stream.position or 0) < position:
            stream.reset_feed(position, now, self._after_ms())

    def _after_ms(self) -> int:
        """The milliseconds after which one of the clients fetches its state."""
        return self._rng.randint(1, self._window_ms) if self._window_ms >= SHORTEST_SPREAD_MS else 0


class EventFanOut:
    """Sends events, and changes of feeds, to the streams that follow. There may be thousands of both: streams that get the
    same frames share the bytes of many events, and the loop is yielded between streams."""

    def __init__(self, registry: StreamRegistry, rng: Random) -> None:
        self._registry = registry
        self._rng = rng

    async def send(self, audiences: Sequence[EventAudience], now: float) -> None:
        """Send these, to each stream its own in their order. A stream that stops following meanwhile gets no more: it
        catches up from the store. ``now``: seconds of the monotonic clock."""
        time = asyncio.get_running_loop().time
        turn = Turn(time)
        listed = [(one, self._listed(one)) for one in audiences]
        alike, apart = self._watching(audiences)
        for names, streams in alike.items():
            shared = [(sent, one.position) for one, sent in listed if _is_public(one, names)]
            if not shared:
                continue
            frames = SharedFrames(shared)
            for stream in streams:
                frames.send(stream, now)
                if time() >= turn.ends:
                    await turn.next()
        for one, shown in listed:
            for some, sent in self._recipients(one, shown, apart):
                for stream in some:
                    if isinstance(sent, Frame):
                        stream.send_event(sent, one.position, now)
                    else:
                        sent.send(stream, one.position, now)
                    if time() >= turn.ends:
                        await turn.next()

    def _watching(
        self, audiences: Sequence[EventAudience]
    ) -> tuple[Mapping[tuple[str, ...], Sequence[Stream]], Mapping[str, Sequence[Stream]]]:
        """The streams that carry some of this as activity. First those that carry whatever is public of it, by the names of
        their activity; then, by each name, those with a feed too, and those of users for whom it is not the same, or whose
        read state changed."""
        reaches = [reach for one in audiences for reach in one.reach]
        differing = frozenset[str]().union(
            *(reach.hidden_from | (reach.only or frozenset()) for reach in reaches),
            *(users for one in audiences if _is_of_read_state(one) for *_, users in one.listeners),
        )
        alike: dict[tuple[str, ...], dict[Stream, None]] = {}
        apart: dict[str, list[Stream]] = {}
        for name in sorted(self._registry.watching.keys() & {reach.watched for reach in reaches}):
            for stream in self._registry.watching[name]:
                if stream.scope.feed or stream.user in differing:
                    apart.setdefault(name, []).append(stream)
                else:
                    alike.setdefault(stream.scope.watched, {})[stream] = None
        return {names: tuple(streams) for names, streams in alike.items()}, apart

    def _listed(self, one: EventAudience) -> Frame | SpreadReset:
        """What streams of activity get of an event or a change."""
        if one.change is None:
            return listed_frame(one.body, one.position)
        if not isinstance(one.change, FeedReset):
            return change_frame(one.change)
        reading, watching = self._registry.reading, self._registry.watching
        streams = sum(len(reading.get(user, ())) for *_, users in one.listeners for user in users)
        streams += sum(len(watching[reach.watched]) for reach in one.reach if reach.watched in watching)
        return SpreadReset(streams, self._rng)

    def _recipients(
        self, one: EventAudience, listed: Frame | SpreadReset, apart: Mapping[str, Sequence[Stream]]
    ) -> Iterator[tuple[Sequence[Stream], Frame | SpreadReset]]:
        """The streams whose feeds have an event or are changed, or all of a user whose read state changed; then those of
        ``apart`` that carry it, some at a time; each with what they get. A stream of both kinds gets the item of the feed,
        and ignores the second frame."""
        mine = self._registry.reading if _is_of_read_state(one) else self._registry.listening
        for reason, topic, users in one.listeners:
            item = FeedItem(0, one.position, one.body, None, reason, topic)
            sent = activity_frame(item) if one.change is None else listed
            for at in range(0, len(users), USERS):
                yield (
                    [stream for user in users[at : at + USERS] for stream in mine.get(user, ())],
                    sent,
                )
        for reach in one.reach:
            streams = apart.get(reach.watched, ())
            for at in range(0, len(streams), USERS):
                yield [each for each in streams[at : at + USERS] if reach.admits(each.user)], listed


class SharedFrames:
    """What some events are for all streams that get the same frames."""

    def __init__(self, sent: Sequence[tuple[Frame | SpreadReset, int]]) -> None:
        """``sent``: each with its position, in the order of these; at least one."""
        self._sent = sent
        self._first = sent[0][1]
        self._resets = any(isinstance(one, SpreadReset) for one, _ in sent)
        self._writes: dict[Encoder, list[tuple[bytes, int]]] = {}

    def send(self, stream: Stream, now: float) -> None:
        """Send what the client does not have."""
        if self._resets or stream.seq is not None or (stream.position or 0) >= self._first:
            for sent, position in self._sent:
                if isinstance(sent, Frame):
                    stream.send_event(sent, position, now)
                else:
                    sent.send(stream, position, now)
            return
        encoder, following = stream.transport.encoder, State.FOLLOWING
        for data, position in self._writes.get(encoder) or self._written(encoder, stream.epoch):
            if stream.state is following:
                stream.send_joined(data, position, now)

    def _written(self, encoder: Encoder, epoch: str) -> list[tuple[bytes, int]]:
        """The frames in few writes, each with the position after it."""
        frames = [(sent.at(encoder, epoch, None), at) for sent, at in self._sent if isinstance(sent, Frame)]
        written = self._writes[encoder] = list(_joined(frames))
        return written


def _joined(frames: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    part, size, last = list[bytes](), 0, 0
    for data, position in frames:
        if part and size + len(data) > WRITE_BYTES:
            yield b"".join(part), last
            part, size = [], 0
        part.append(data)
        size, last = size + len(data), position
    yield b"".join(part), last


def _is_of_read_state(one: EventAudience) -> bool:
    """Whether this is a change that all streams of its users get which carry activity."""
    return isinstance(one.change, FeedMark | FeedReset)


def _is_public(one: EventAudience, names: Collection[str]) -> bool:
    """Whether everybody's streams of some activity carry an event, but for those of users to whom it is hidden."""
    return any(reach.only is None and reach.watched in names for reach in one.reach)
