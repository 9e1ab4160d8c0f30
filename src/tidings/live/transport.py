"""What a stream needs of the transport it writes to: a few calls, so that a simulation can be one."""

from typing import Protocol


class Encoder(Protocol):
    """How frames look on a kind of wire. Encoding is split in two, so that what many streams share is made once."""

    def frame(self, event: str, data: bytes) -> bytes:
        """An event's name and JSON, in the form of this wire, still open for an id."""
        ...

    def seal(self, frame: bytes, id: str | None) -> bytes:
        """The finished frame; with an id, it moves the client's cursor there."""
        ...

    def retry(self, ms: int) -> bytes:
        """Tells the client after how many milliseconds to return; empty where a wire cannot say it."""
        ...


class Transport(Protocol):
    """One client's connection. It is told of by the hub's caller: ``Hub.lost`` when the client went away,
    ``Hub.writable`` when a wire that was full takes bytes again."""

    @property
    def encoder(self) -> Encoder:
        """How frames look here."""
        ...

    def write(self, data: bytes) -> bool:
        """Send, without waiting. False when the client is slow: what was given is kept, but write no more until the
        wire is said to be writable."""
        ...

    def close(self) -> None:
        """Send what was given, then end."""
        ...

    def abort(self) -> None:
        """End at once; what was given is lost."""
        ...
