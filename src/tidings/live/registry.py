"""The open streams and the waiters of one process, by user."""

from collections.abc import Iterator

from tidings.activity_scope import Watched
from tidings.live.admission import AdmissionController
from tidings.live.stream import Stream, VisitorStream
from tidings.live.waiters import InboxWaiter


class Watchers:
    """The streams that carry some activity beside feeds: those of users, and those of ``visitors``, of whom there may be
    thousands."""

    __slots__ = ("users", "visitors")

    def __init__(self) -> None:
        self.users: dict[str, list[Stream]] = {}
        self.visitors: dict[Stream, None] = {}

    def __len__(self) -> int:
        return len(self.visitors) + sum(map(len, self.users.values()))

    def __iter__(self) -> Iterator[Stream]:
        yield from self.visitors
        for mine in self.users.values():
            yield from mine


class StreamRegistry:
    """The streams and waiters of one process, counted by address for their admission, those of ``visitors`` apart.
    ``listening``: the streams with a feed; ``watching``: those with activity beside it, by topic or EVERYBODY; ``reading``:
    the streams of users with any of both, which get the changes of read state."""

    def __init__(self, admission: AdmissionController, public_admission: AdmissionController) -> None:
        self.visitors: dict[Stream, None] = {}
        self.watching: dict[str, Watchers] = {}
        self._public_admission = public_admission
        self.streams: dict[str, list[Stream]] = {}
        self.listening: dict[str, list[Stream]] = {}
        self.reading: dict[str, list[Stream]] = {}
        self.waiters: dict[str, dict[InboxWaiter, None]] = {}
        self.open = self.waiting = 0
        self._admission = admission
        self._waiter_seqs: dict[str, int] = {}

    @property
    def busy(self) -> bool:
        """Whether any stream or waiter exists."""
        return bool(self.streams or self.waiters or self.visitors)

    @property
    def watched(self) -> Watched:
        """The users with a stream of some activity, by its name."""
        return {name: watchers.users.keys() for name, watchers in self.watching.items()}

    def is_connected(self, user: str) -> bool:
        """Whether a user has a stream or a waiter."""
        return user in self.streams or user in self.waiters

    def connected_users(self) -> list[str]:
        """The users with a stream or a waiter."""
        return [*self.streams, *(user for user in self.waiters if user not in self.streams)]

    def count_of(self, user: str) -> int:
        """The number of a user's streams and waiters."""
        return len(self.streams.get(user, ())) + len(self.waiters.get(user, ()))

    def add(self, stream: Stream) -> None:
        """Register an admitted stream."""
        self.open += 1
        if isinstance(stream, VisitorStream):
            self.visitors[stream] = None
            self._public_admission.acquire(stream.address)
        else:
            self.streams.setdefault(stream.user, []).append(stream)
            if stream.position is not None:
                self.reading.setdefault(stream.user, []).append(stream)
                if stream.scope.feed:
                    self.listening.setdefault(stream.user, []).append(stream)
            self._admission.acquire(stream.address)
        for name in stream.scope.watched:
            watchers = self.watching.setdefault(name, Watchers())
            if isinstance(stream, VisitorStream):
                watchers.visitors[stream] = None
            else:
                watchers.users.setdefault(stream.user, []).append(stream)

    def remove(self, stream: Stream) -> None:
        """Remove a stream that has ended; nothing if that was done before."""
        if isinstance(stream, VisitorStream):
            if stream not in self.visitors:
                return
            del self.visitors[stream]
            self._public_admission.release(stream.address)
        else:
            if not _removed(self.streams, stream):
                return
            _removed(self.listening, stream)
            _removed(self.reading, stream)
            self._admission.release(stream.address)
        self.open -= 1
        for name in stream.scope.watched:
            watchers = self.watching[name]
            watchers.visitors.pop(stream, None)
            _removed(watchers.users, stream)
            if not (watchers.users or watchers.visitors):
                del self.watching[name]

    def add_waiter(self, user: str, waiter: InboxWaiter, address: str) -> None:
        """Register an admitted waiter."""
        self.waiters.setdefault(user, {})[waiter] = None
        self._admission.acquire(address)
        self.waiting += 1

    def remove_waiter(self, user: str, waiter: InboxWaiter, address: str) -> None:
        """Remove a waiter whose request has ended."""
        self.waiting -= 1
        self._admission.release(address)
        del self.waiters[user][waiter]
        if not self.waiters[user]:
            del self.waiters[user]
            self._waiter_seqs.pop(user, None)

    def wake_waiters(self, user: str, *, over: bool = False) -> None:
        """Wake the waiters of a user; ``over``: no change will follow."""
        for waiter in self.waiters.get(user, ()):
            waiter.wake(over)

    def wake_changed(self, user: str, seq: int) -> None:
        """Wake the waiters of a user whose inbox is at this seq, if it was at another one before."""
        if user in self.waiters and self._waiter_seqs.get(user) != seq:
            self._waiter_seqs[user] = seq
            self.wake_waiters(user)

    def end_waiters(self) -> None:
        """Let all waiters end: no change will follow."""
        for user in self.waiters:
            self.wake_waiters(user, over=True)

    def all_streams(self) -> list[Stream]:
        """The streams that are open now, those of one user together."""
        return [*(stream for mine in self.streams.values() for stream in mine), *self.visitors]


def _removed(registry: dict[str, list[Stream]], stream: Stream) -> bool:
    """Remove a stream from lists by user; returns whether it was in one."""
    mine = registry.get(stream.user)
    if mine is None or stream not in mine:
        return False
    mine.remove(stream)
    if not mine:
        del registry[stream.user]
    return True
