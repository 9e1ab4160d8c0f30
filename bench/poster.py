"""Who publishes, in the same thread as those who listen."""

from bench.client import reply_size
from bench.stream_clients import Member


class Poster(Member):
    """A connection with one request under way at most. ``answered`` counts the good answers."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.idle = True
        self.answered = 0
        self._reply = b""

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.idle = False
        self.socket.sendall(request)

    def receipt(self) -> None:
        """Wait for the answer: for a poster that is in no crowd. Raises RuntimeError when it is not good."""
        while not self.idle:
            data = bytearray(self.socket.recv(1 << 16))
            if not data:
                raise RuntimeError("the connection of a publisher ended")
            self.take(data, len(data))

    def take(self, data: bytearray, size: int) -> int:
        """A piece of the answer came; it is no message."""
        self._reply += data[:size]
        if reply_size(self._reply) is None:
            return 0
        if not self._reply.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"an event was refused: {self._reply!r}")
        self._reply, self.idle = b"", True
        self.answered += 1
        return 0
