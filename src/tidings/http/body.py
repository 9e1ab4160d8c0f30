"""Request bodies: bounded while they arrive, then decoded."""

from collections.abc import AsyncIterator

from tidings.config import KIB
from tidings.errors import FieldError, InvalidFields, Malformed, TooLarge, UnsupportedMedia
from tidings.http.request import Request, media_type

SMALL_BYTES = 4 * KIB
"""Bytes of a body that is always accepted and not counted: at the maximum number of connections they are 64 MiB."""
NOTHING_BYTES = 64
"""Bytes of a body without content: an empty object, with room for blanks."""


class ClientGone(Exception):
    """The client left before its request was complete, so there is no response."""


async def read_body(request: Request, cap: int) -> bytes:
    """The whole body, read in the turn of this request, a large one without blanks around it; it counts as held until the
    response is sent. Raises TooLarge over ``cap`` bytes, ClientGone, TooManyRequests and Unavailable if too much is held."""
    late = request.unread()
    received: list[bytes] = []
    size = 0
    async for chunk in chunks(request, cap):
        size += len(chunk)
        if size > SMALL_BYTES:
            request.hold(size)
        received.append(chunk)
    if late:
        await request.turn()
    raw = received[0] if len(received) == 1 else b"".join(received)
    return raw if size <= SMALL_BYTES else trimmed(raw)


def trimmed(raw: bytes) -> bytes:
    """A JSON text without blanks around it. Each check of a text reads it again, and 4 MiB of blanks took 50 ms in all."""
    at_begin = len(raw) - len(raw.lstrip())
    if at_begin == len(raw):
        return b"" if _are_blanks(raw) else raw
    text = raw.strip()
    at_end = at_begin + len(text)
    return text if _are_blanks(raw[:at_begin]) and _are_blanks(raw[at_end:]) else raw


def _are_blanks(some: bytes) -> bool:
    """Whether all of these are blanks in JSON too: it has neither of two that Python has."""
    return b"\v" not in some and b"\f" not in some


async def chunks(request: Request, cap: int) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises TooLarge as soon as it is, or is announced to be, over ``cap`` bytes."""
    check_length(request, cap)
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > cap:
            raise TooLarge(f"The body has more than {cap} bytes.")
        yield chunk


async def check_no_body(request: Request) -> None:
    """Raises InvalidFields for a body with content on a route that takes none. An empty object has no content: many clients
    send it with every POST. Raises Malformed, ClientGone."""
    try:
        nothing = b"".join((await read_body(request, NOTHING_BYTES)).split()) in (b"", b"{}")
    except TooLarge:
        nothing = False
    if not nothing:
        error = FieldError("", "expected no body, which this route does not take, got one")
        raise InvalidFields("This route takes no body.", (error,))


def check_length(request: Request, cap: int) -> int:
    """The maximum number of bytes. Raises TooLarge if the head announces more than ``cap`` bytes, Malformed if the length is
    no number."""
    announced = request.header(b"content-length")
    if announced is None:
        return cap
    if not announced.isdigit():
        raise Malformed("Content-Length is not a number.")
    if len(announced) > 15 or int(announced) > cap:
        raise TooLarge(f"The body has more than {cap} bytes.")
    return int(announced)


def check_media(request: Request, consumes: tuple[str, ...]) -> str:
    """The body's media type. Raises UnsupportedMedia when it is not among those that the route reads."""
    media = media_type(request)
    if media not in consumes:
        raise UnsupportedMedia(f"Send {' or '.join(consumes)}.")
    return media
