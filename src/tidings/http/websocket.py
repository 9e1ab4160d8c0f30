"""WebSocket (RFC 6455): the same frames as JSON texts. ``websockets`` implements the protocol without I/O; the server's
messages are framed once for all clients, since only clients mask their messages."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.http11 import Response as HandshakeResponse
from websockets.server import ServerProtocol

from tidings.config import KIB
from tidings.http.headers import Header
from tidings.http.long_poll import ID, NO_ID, JsonFrameEncoder
from tidings.http.refusals import NO_HANDSHAKE, parts
from tidings.http.request import Request
from tidings.http.routing import Response, StreamResponse
from tidings.http.stream_connection import StreamConnection, close_soon

MAX_MESSAGE_BYTES = 4 * KIB
"""Bytes of a message from a client: clients send none of use, and a longer one ends the connection (1009)."""
MAX_HANDSHAKE_LINE = 8 * KIB - 32
"""Bytes of a handshake's URL, and of each header; ``websockets`` reads lines of up to 8 KiB."""
PORTION_BYTES = KIB
"""Bytes that are parsed in one turn of the loop: at most 170 frames."""
BURST_BYTES, BYTES_PER_S = 16 * KIB, 256
"""The rate limit of a client: a burst in bytes, and bytes per second, which are two of the largest pings. More ends the
connection (1008): each ping costs a pong."""
SWITCHING = 101
"""The status of a handshake that succeeded."""
HANDSHAKE_S = 10.0
"""Seconds within which a handshake gets its response; its credential may have to wait for a key set."""


class WebSocketFrameEncoder(JsonFrameEncoder):
    """The encoder: one text message each."""

    def seal(self, frame: bytes, id: str | None) -> bytes:
        """The message as it is sent."""
        # Not by the method of the super-class: that would be a tenth of the work for each of thousands of sockets.
        end = NO_ID if id is None else ID % id.encode()
        return Frame(Opcode.TEXT, frame + end).serialize(mask=False)


TEXTS = WebSocketFrameEncoder()
_GOODBYE = Frame(Opcode.CLOSE, Close(CloseCode.GOING_AWAY, "").serialize()).serialize(mask=False)


def try_again_later(reason: str) -> bytes:
    """The close frame of a socket that was not admitted. A page learns nothing from a failed handshake, and browsers delay
    its next attempts more and more (docs/adr/0010)."""
    return Frame(Opcode.CLOSE, Close(CloseCode.TRY_AGAIN_LATER, reason).serialize()).serialize(mask=False)


class Upgrading(Protocol):
    """The part of the application that serves handshakes."""

    async def upgrade(self, request: Request) -> Response:
        """The stream to attach, or the refusal."""
        ...


class SocketProtocol(asyncio.Protocol):
    """One WebSocket connection, taken over from HTTP with its handshake unread. Use a subclass made by
    :func:`sockets`."""

    app: ClassVar[Upgrading]

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._connections: set[Any] = server_state.connections
        self._tasks = server_state.tasks
        self._speaking = ServerProtocol(max_size=MAX_MESSAGE_BYTES)
        self._stream: StreamConnection | None = None
        self._held = b""
        """Input that is not parsed yet."""
        self._full = False
        """Whether the client does not take our frames: then its input is not read either."""
        self._feeding = False
        self._allowed = float(BURST_BYTES)
        self._received_at = 0.0
        self.on_lost: Callable[[], None] = _nobody

    def connection_made(self, transport: Any) -> None:
        """The connection of a request that asked for an upgrade. Nothing is read until its handshake has a response."""
        self._loop = asyncio.get_running_loop()
        self._connections.add(self)
        self._transport: asyncio.Transport = transport.bare()
        self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._connections.discard(self)
        self._held = b""
        self.on_lost()
        if self._stream is not None:
            self._stream.lost()
        # A generator that refers to its owner: both would wait for a garbage collection.
        self._speaking.parser.close()

    def data_received(self, data: bytes) -> None:
        """The handshake, then pings and a close; other messages of a client are ignored."""
        if self._stream is None:
            self._speak(data)
        elif not self._transport.is_closing():
            self._listen(data)

    def _listen(self, data: bytes) -> None:
        now = self._loop.time()
        self._allowed = min(BURST_BYTES, self._allowed + (now - self._received_at) * BYTES_PER_S) - len(data)
        self._received_at = now
        if self._allowed < 0:
            self._speaking.fail(CloseCode.POLICY_VIOLATION, "too many messages")
            self._flush()
            return
        self._held += data
        self._transport.pause_reading()
        self._listen_on()

    def _listen_on(self) -> None:
        """Parse a portion of the input; the next one is scheduled for another turn, and none while the transport's buffer is
        full."""
        self._feeding = False
        if self._full or self._transport.is_closing():
            return
        portion, self._held = self._held[:PORTION_BYTES], self._held[PORTION_BYTES:]
        self._speak(portion)
        if self._held:
            self._feeding = True
            self._loop.call_soon(self._listen_on)
        elif not self._full and not self._transport.is_closing():
            self._transport.resume_reading()

    def _speak(self, data: bytes) -> None:
        self._speaking.receive_data(data)
        for event in self._speaking.events_received():
            if isinstance(event, Handshake):
                task = self._loop.create_task(self._shake_hands(event))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._flush()

    def eof_received(self) -> None:
        """The client ended its side, and so the connection."""
        self._speaking.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        """The client does not keep up: a response to its input could only add to the waiting bytes."""
        self._full = True
        self._transport.pause_reading()
        if self._stream is not None:
            self._stream.paused = True

    def resume_writing(self) -> None:
        """The client takes bytes again."""
        self._full = False
        if self._stream is not None:
            if not self._feeding:
                self._feeding = True
                self._loop.call_soon(self._listen_on)
            self._stream.resume()

    def shutdown(self) -> None:
        """The server stops."""
        if self._stream is not None:
            self._stream.close()
        else:
            self._transport.close()

    async def _shake_hands(self, handshake: Handshake) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                answer = await self.app.upgrade(self._request(handshake))
        except TimeoutError:
            self._transport.abort()
            return
        if self._transport.is_closing():
            return
        response = self._response(handshake, answer)
        self._speaking.send_response(response)
        self._flush()
        if answer.attach is None or response.status_code != SWITCHING:
            close_soon(self._transport)
        else:
            self._attach(answer.attach)

    def _attach(self, attach: StreamResponse) -> None:
        self._stream = StreamConnection(self._transport, attach.encoder, _GOODBYE)
        attach.open(self._stream)
        self._received_at = self._loop.time()
        if not self._full and not self._transport.is_closing():
            self._transport.resume_reading()

    def _response(self, handshake: Handshake, answer: Response) -> HandshakeResponse:
        if answer.attach is None:
            length = (b"content-length", b"%d" % len(answer.body))
            return _refused(
                answer.status, [*answer.headers, (b"content-type", answer.media), length], answer.body
            )
        accepted = self._speaking.accept(handshake)
        return accepted if accepted.status_code == SWITCHING else _refused(*parts(NO_HANDSHAKE))

    def _request(self, handshake: Handshake) -> Request:
        path, _, query = handshake.path.encode("latin-1").partition(b"?")
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in handshake.headers.raw_items()
        ]
        scope = {"method": "GET", "raw_path": path, "query_string": query, "headers": headers}
        scope["client"] = self._transport.get_extra_info("peername")
        return Request(scope, _nothing, upgrade=True)

    def _flush(self) -> None:
        for data in self._speaking.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the library's signal to close after this
                close_soon(self._transport)


def _refused(status: int, headers: Sequence[Header], body: bytes) -> HandshakeResponse:
    lines = Headers([(name.decode(), value.decode()) for name, value in headers])
    lines["connection"] = "close"
    return HandshakeResponse(status, "", lines, body)


def _nobody() -> None:
    """The callback until one is set."""


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def sockets(app: Upgrading) -> type[SocketProtocol]:
    """The protocol class of one server, for uvicorn's ``Config(ws=…)``."""
    return type("SocketProtocol", (SocketProtocol,), {"app": app})
