"""Clients that do not keep to anything: sockets over which bytes are sent as an attack wants them."""

import contextlib
import select
import socket
from collections.abc import Iterator

from tests.attack.probe import LONG, PATIENCE_S, AttackedServer

KIB = 1024
MIB = 1024 * KIB
FLOOD_MIB = 64 if LONG else 12
"""MiB that a flood sends, where it is let."""
SOCKETS = 400 if LONG else 60
"""Sockets of an attack that is made of many."""
BLOCKED_S = 1.0
"""Seconds without any progress after which a flood gives up: the server does not read, which is one way to be safe."""
ENDED = select.POLLERR | select.POLLHUP | select.POLLRDHUP


def head(path: str = "/v1/events", *lines: str, method: str = "POST") -> bytes:
    """The head of a request without a body, or with one that ``lines`` announce."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", "")).encode()


class Attacker:
    """One socket."""

    def __init__(self, server: AttackedServer) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of this."""
        self.socket.sendall(data)

    def flood(self, piece: bytes, mib: int = FLOOD_MIB) -> int:
        """Send the piece over and over, so many MiB, without reading anything, until the connection is ended or the server
        stops reading; returns how many bytes it took."""
        data = piece * (256 * KIB // len(piece) + 1)
        sent = 0
        self.socket.settimeout(BLOCKED_S)
        with contextlib.suppress(OSError):  # reset, or blocked
            while sent < mib * MIB:
                sent += self.socket.send(data[sent % len(piece) :])
        self.socket.settimeout(PATIENCE_S)
        return sent

    def received(self) -> bytes:
        """All that the server sends until it ends the connection, in whichever way."""
        found = bytearray()
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(64 * KIB):
                found += data
        return bytes(found)

    def ended(self) -> bool:
        """Whether the server ends the connection, waited for, and nothing read."""
        watch = select.poll()
        watch.register(self.socket, ENDED)
        return bool(watch.poll(PATIENCE_S * 1_000))


@contextlib.contextmanager
def attacking(server: AttackedServer, count: int = 1) -> Iterator[list[Attacker]]:
    """So many attackers, connected one after the other."""
    with contextlib.ExitStack() as closing:
        yield [closing.enter_context(contextlib.closing(Attacker(server))) for _ in range(count)]
