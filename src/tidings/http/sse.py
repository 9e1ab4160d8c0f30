"""Frames as server-sent events (WHATWG HTML, section 9.2), written to the connection without another layer."""

import re

EVENT_STREAM = "text/event-stream"
_LINE_END = re.compile(rb"\r\n|\r|\n")
_FORBIDDEN = re.compile(r"[\x00\r\n]")


class ServerSentEvents:
    """The encoder. Data is split at every line end that a client knows, so content cannot forge a field."""

    def frame(self, event: str, data: bytes) -> bytes:
        """The fields of one event but its id. Raises ValueError for a name that is not a single line."""
        if _FORBIDDEN.search(event):
            raise ValueError("an event's name is a single line")
        if b"\n" not in data and b"\r" not in data:
            return b"event: %b\ndata: %b\n" % (event.encode(), data)
        lines = [b"data: %b\n" % line for line in _LINE_END.split(data)]
        return b"event: %b\n%b" % (event.encode(), b"".join(lines))

    def seal(self, frame: bytes, id: str | None) -> bytes:
        """The event, ended by an empty line. Raises ValueError for an id that is not a single line."""
        if id is None:
            return frame + b"\n"
        if "\n" in id or "\r" in id or "\0" in id:  # a search by pattern takes four times as long
            raise ValueError("an event's id is a single line")
        return b"%bid: %b\n\n" % (frame, id.encode())

    def retry(self, ms: int) -> bytes:
        """The time after which the client reconnects."""
        return b"retry: %d\n\n" % ms


SERVER_SENT_EVENTS = ServerSentEvents()


def farewell(retry_ms: int) -> bytes:
    """A whole stream that only tells the client when to reconnect. An EventSource does not reconnect after a status other
    than 200."""
    encoder = SERVER_SENT_EVENTS
    frame = encoder.frame("drain", b'{"retry_ms":%d}' % retry_ms)
    return encoder.retry(retry_ms) + encoder.seal(frame, None)
