"""Frames as server-sent events (WHATWG HTML, section 9.2)."""

import random
import re
from collections.abc import AsyncGenerator, Callable

from tidings.live import Frame, Stream

RETRY_MS = (1_000, 3_000)
"""Bounds of the milliseconds after which a client returns; drawn for each stream, so that the clients of a
server that restarts do not all return at once."""
Ended = Callable[[], bool]
_LINE_END = re.compile(rb"\r\n|\r|\n")
_FORBIDDEN = re.compile(r"[\x00\r\n]")


def encode(frame: Frame) -> bytes:
    """One event. Data is split at every line end that a client knows, so content cannot forge a field.

    Raises ValueError for an id or a name that could.
    """
    if _FORBIDDEN.search(frame.event) or (frame.id is not None and _FORBIDDEN.search(frame.id)):
        raise ValueError("an event's name and id are single lines")
    head = f"event: {frame.event}\n" if frame.id is None else f"event: {frame.event}\nid: {frame.id}\n"
    lines = b"".join(b"data: %b\n" % line for line in _LINE_END.split(frame.data))
    return head.encode() + lines + b"\n"


async def server_sent_events(stream: Stream, ended: Ended | None = None) -> AsyncGenerator[bytes]:
    """A stream's bytes: when to return, then every frame as it comes.

    ``ended`` is asked before each frame whether the credential has run out; heartbeats see to it that this is
    noticed in time without a timer for each stream.
    """
    try:
        yield b"retry: %d\n\n" % random.randint(*RETRY_MS)
        async for frame in stream:
            if ended is not None and ended():
                return
            yield encode(frame)
    finally:
        await stream.aclose()
