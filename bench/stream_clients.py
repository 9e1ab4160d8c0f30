"""Open streams by the thousand, read by one thread through epoll: a small part of what it costs to serve them.

A listener only counts what it hears; a witness also takes the stamp in each message, by which it knows how long the
message took and, in the end, that none was missing or came twice.
"""

import select
import socket
from collections.abc import Iterable, Sequence
from time import monotonic, monotonic_ns
from typing import NamedTuple, TypeVar

from bench.process import raise_file_limit

READ_BYTES = 256 * 1024
"""Bytes taken from a socket at once: more than anybody is sent between two looks at it."""
END = b"\n\n"
"""With this every event ends, and nothing else does."""
STAMP = b'"at":'
"""Before the time in a message: nanoseconds of the clock that all processes of a machine share."""
OPENING = 200
"""Streams that may wait for their greeting together: far fewer than a listening socket holds back."""
LONGEST_S = 60
"""How long anything that is waited for may take."""
QUIET_S = 0.5
"""Without a message for so long, all have come."""


class Dialect(NamedTuple):
    """How streams of a server are told apart from silence: what opens one, what greets, what each message has."""

    request: str
    greeting: bytes
    message: bytes


class Member:
    """One connection of a crowd."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.receive = self.socket.recv_into
        self.ended = 0.0

    def take(self, data: bytearray, size: int) -> int:
        """Bytes came; how many messages they complete."""
        raise NotImplementedError


class Listener(Member):
    """A stream whose messages are counted."""

    def __init__(self, port: int, number: int, dialect: Dialect, last: str = "") -> None:
        """``last``: a Last-Event-ID to go on from."""
        super().__init__(port)
        self.number = number
        self.heard = 0
        self.greeted = False
        self._dialect = dialect
        self._mark = dialect.message
        self._piece = b""
        again = f"last-event-id: {last}\r\n" if last else ""
        path = dialect.request.format(number)
        head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n{again}\r\n"
        self.socket.sendall(head.encode())

    def take(self, data: bytearray, size: int) -> int:
        """Count the messages; the greeting, which counts as one, goes before them."""
        if self._piece or not self.greeted or not data.endswith(END, 0, size):
            return self._take_piece(bytes(data[:size]))
        return self.hear(data, size)

    def _take_piece(self, data: bytes) -> int:
        data = self._piece + data
        whole = data.rfind(END) + len(END)
        if whole < len(END):
            self._piece = data
            return 0
        self._piece = data[whole:]
        greeted, self.greeted = self.greeted, self.greeted or self._dialect.greeting in data
        return self.hear(data, whole) + (self.greeted and not greeted)

    def hear(self, data: bytes | bytearray, size: int) -> int:
        """Whole messages came."""
        count = data.count(self._mark, 0, size)
        self.heard += count
        return count


class Witness(Listener):
    """A stream whose messages each have a stamp. ``stamps`` are theirs in the order they came, ``latencies`` how long
    each had taken, both in nanoseconds; ``last`` is the id of the newest."""

    def __init__(self, port: int, number: int, dialect: Dialect, last: str = "") -> None:
        super().__init__(port, number, dialect, last)
        self.stamps: list[int] = []
        self.latencies: list[int] = []
        self.last = last

    def hear(self, data: bytes | bytearray, size: int) -> int:
        """Note when the messages were sent."""
        now = monotonic_ns()
        found = data.find(STAMP, 0, size)
        while found >= 0:
            start = found + len(STAMP)
            stop = data.find(b"}", start, size)
            stamp = int(data[start:stop])
            self.stamps.append(stamp)
            self.latencies.append(now - stamp)
            found = data.find(STAMP, stop, size)
        self._remember(data, size)
        return super().hear(data, size)

    def _remember(self, data: bytes | bytearray, size: int) -> None:
        start = data.rfind(b"\nid: ", 0, size)
        if start >= 0:
            self.last = data[start + 5 : data.find(b"\n", start + 5, size)].decode()


L = TypeVar("L", bound=Listener)


def latencies_ms(witnesses: Iterable[Witness]) -> list[float]:
    """How long the messages took that were heard since this was asked last."""
    times = [latency / 1e6 for witness in witnesses for latency in witness.latencies]
    for witness in witnesses:
        witness.latencies.clear()
    return times


class Crowd:
    """Members by their file."""

    def __init__(self) -> None:
        raise_file_limit()
        self._epoll = select.epoll()
        self._buffer = bytearray(READ_BYTES)
        self.members: dict[int, Member] = {}

    def add(self, member: Member) -> None:
        """Read what this member gets, from now on."""
        self.members[member.socket.fileno()] = member
        self._epoll.register(member.socket.fileno(), select.EPOLLIN)

    def ignore(self, member: Member) -> None:
        """Leave what this member gets in its socket."""
        self._epoll.unregister(member.socket.fileno())
        del self.members[member.socket.fileno()]

    def leave(self, member: Member) -> None:
        """Close a connection."""
        self.ignore(member)
        member.socket.close()

    def pump(self, timeout_s: float) -> int:
        """Wait for bytes, read them; how many messages were completed."""
        members, buffer, count = self.members, self._buffer, 0
        for file, _ in self._epoll.poll(max(0, timeout_s)):
            member = members[file]
            size = _received(member, buffer)
            if size:
                count += member.take(buffer, size)
            else:
                member.ended = monotonic()
                self.leave(member)
        return count

    def wait(self, messages: int, seconds: float = LONGEST_S) -> None:
        """Return when so many messages have come. Raises TimeoutError when they do not, RuntimeError for too many."""
        until = monotonic() + seconds
        while messages > 0:
            messages -= self.pump(until - monotonic())
            if monotonic() > until:
                raise TimeoutError(f"{messages} messages are missing after {seconds} s")
        if messages:
            raise RuntimeError(f"{-messages} messages too many")

    def listen(self, seconds: float) -> int:
        """Hear what comes in so many seconds, and whatever follows it closely; how many messages."""
        count, until = 0, monotonic() + seconds
        while (now := monotonic()) < until:
            some = self.pump(until - now)
            if some:
                until = max(until, now + QUIET_S)
            count += some
        return count

    def open(self, port: int, numbers: Sequence[int], dialect: Dialect, kind: type[L]) -> list[L]:
        """Open streams, each by its number, and wait until all have been greeted."""
        listeners: list[L] = []
        for at in range(0, len(numbers), OPENING):
            some = [kind(port, number, dialect) for number in numbers[at : at + OPENING]]
            for listener in some:
                self.add(listener)
            self.wait(len(some))
            listeners += some
        return listeners

    def close(self) -> None:
        """Close all connections."""
        for member in self.members.values():
            member.socket.close()
        self._epoll.close()


def _received(member: Member, buffer: bytearray) -> int:
    try:
        return member.receive(buffer)
    except ConnectionResetError:
        return 0
