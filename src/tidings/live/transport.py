"""The interface between a stream and its transport: few methods, so that a simulation can implement it."""

from typing import Protocol


class Encoder(Protocol):
    """The format of frames on one kind of transport. Encoding has two steps, so that streams share the first one."""

    def frame(self, event: str, data: bytes) -> bytes:
        """An event's name and JSON in the format of this transport, to which an id can be added."""
        ...

    def seal(self, frame: bytes, id: str | None) -> bytes:
        """The complete frame; an id becomes the client's cursor."""
        ...

    def retry(self, ms: int) -> bytes:
        """The delay before the client reconnects, in milliseconds; empty in a format that cannot express it."""
        ...


class Transport(Protocol):
    """One client's connection. Its owner calls ``Hub.lost`` when the client has disconnected, and ``Hub.writable`` when a
    full transport takes bytes again."""

    @property
    def encoder(self) -> Encoder:
        """The encoder of this transport."""
        ...

    def write(self, data: bytes) -> bool:
        """Send without waiting. Returns False when the client is slow: the data is kept, but the caller must not write
        before the transport is writable again."""
        ...

    def close(self) -> None:
        """Send the data that waits, then end the connection."""
        ...

    def abort(self) -> None:
        """End the connection at once; data that waits is lost."""
        ...
