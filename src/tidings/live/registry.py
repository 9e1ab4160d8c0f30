"""The open streams and the waiters of one process, by user."""

from tidings.live.admission import AdmissionController
from tidings.live.frames import ACTIVITY
from tidings.live.stream import Stream
from tidings.live.waiters import InboxWaiter


class StreamRegistry:
    """The streams and waiters of one process, counted by address for their admission. ``listening``: the streams with a
    feed."""

    def __init__(self, admission: AdmissionController) -> None:
        self.streams: dict[str, list[Stream]] = {}
        self.listening: dict[str, list[Stream]] = {}
        self.waiters: dict[str, dict[InboxWaiter, None]] = {}
        self.open = self.waiting = 0
        self._admission = admission
        self._waiter_seqs: dict[str, int] = {}

    @property
    def busy(self) -> bool:
        """Whether any stream or waiter exists."""
        return bool(self.streams or self.waiters)

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
        self.streams.setdefault(stream.user, []).append(stream)
        if ACTIVITY in stream.include:
            self.listening.setdefault(stream.user, []).append(stream)
        self._admission.acquire(stream.address)
        self.open += 1

    def remove(self, stream: Stream) -> None:
        """Remove a stream that has ended; nothing if that was done before."""
        if _removed(self.streams, stream):
            _removed(self.listening, stream)
            self._admission.release(stream.address)
            self.open -= 1

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
        return [stream for mine in self.streams.values() for stream in mine]


def _removed(registry: dict[str, list[Stream]], stream: Stream) -> bool:
    """Remove a stream from lists by user; returns whether it was in one."""
    mine = registry.get(stream.user)
    if mine is None or stream not in mine:
        return False
    mine.remove(stream)
    if not mine:
        del registry[stream.user]
    return True
