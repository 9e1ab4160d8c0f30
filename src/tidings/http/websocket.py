"""WebSocket (RFC 6455): the same frames as JSON texts. ``websockets`` speaks the protocol, without I/O of its own; what
the server says is framed once for all clients, since only clients mask what they send."""

import asyncio
from typing import Any, ClassVar, Protocol

from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.http11 import Response
from websockets.server import ServerProtocol

from tidings.config import KIB
from tidings.http.polls import ID, NO_ID, Objects
from tidings.http.request import Request
from tidings.http.table import Answer, Attach
from tidings.http.wires import Connection

MAX_MESSAGE_BYTES = 4 * KIB
"""Bytes of a message from a client: it has nothing to say, and what is longer ends the connection (1009)."""


class Texts(Objects):
    """The encoder: one text message each."""

    def seal(self, frame: bytes, id: str | None) -> bytes:
        """The message as it goes over the wire."""
        # Not by the method of the super-class: a tenth of the time of what is done for each of thousands of sockets.
        end = NO_ID if id is None else ID % id.encode()
        return Frame(Opcode.TEXT, frame + end).serialize(mask=False)


TEXTS = Texts()
_GOODBYE = Frame(Opcode.CLOSE, Close(CloseCode.GOING_AWAY, "").serialize()).serialize(mask=False)


def try_again_later(reason: str) -> bytes:
    """The end of a socket that was not let in. A page learns nothing from a handshake that fails, and browsers hold its
    next tries back for longer and longer (docs/adr/0010)."""
    return Frame(Opcode.CLOSE, Close(CloseCode.TRY_AGAIN_LATER, reason).serialize()).serialize(mask=False)


class Upgrading(Protocol):
    """Who answers handshakes."""

    async def upgrade(self, request: Request) -> Answer:
        """What to attach, or why not."""
        ...


class SocketProtocol(asyncio.Protocol):
    """One WebSocket connection, taken over from HTTP with its handshake unread. Use a subclass made by
    :func:`sockets`."""

    app: ClassVar[Upgrading]

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._connections: set[Any] = server_state.connections
        self._tasks = server_state.tasks
        self._speaking = ServerProtocol(max_size=MAX_MESSAGE_BYTES)
        self._stream: Connection | None = None

    def connection_made(self, transport: Any) -> None:
        """The connection of a request that asked for an upgrade."""
        self._connections.add(self)
        self._transport: asyncio.Transport = transport.bare()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._connections.discard(self)
        if self._stream is not None:
            self._stream.became(False)

    def data_received(self, data: bytes) -> None:
        """The handshake, then pings and a close; whatever else a client says is not listened to."""
        self._speaking.receive_data(data)
        for event in self._speaking.events_received():
            if isinstance(event, Handshake):
                task = asyncio.get_running_loop().create_task(self._shake_hands(event))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._flush()

    def eof_received(self) -> None:
        """The client ended its side, and so the connection."""
        self._speaking.receive_eof()
        self._flush()

    def pause_writing(self) -> None:
        """The client does not keep up."""
        if self._stream is not None:
            self._stream.paused = True

    def resume_writing(self) -> None:
        """It takes bytes again."""
        if self._stream is not None:
            self._stream.resume()

    def shutdown(self) -> None:
        """The server stops."""
        if self._stream is not None:
            self._stream.close()
        else:
            self._transport.close()

    async def _shake_hands(self, handshake: Handshake) -> None:
        answer = await self.app.upgrade(self._request(handshake))
        if self._transport.is_closing():
            return
        response = self._response(handshake, answer)
        self._speaking.send_response(response)
        self._flush()
        if answer.attach is None or response.status_code != 101:
            self._transport.close()
        else:
            self._attach(answer.attach)

    def _attach(self, attach: Attach) -> None:
        self._stream = Connection(self._transport, attach.encoder, _GOODBYE)
        attach.open(self._stream)

    def _response(self, handshake: Handshake, answer: Answer) -> Response:
        if answer.attach is not None:
            return self._speaking.accept(handshake)
        headers = Headers([(name.decode(), value.decode()) for name, value in answer.headers])
        headers["content-type"] = answer.media.decode()
        headers["content-length"] = str(len(answer.body))
        headers["connection"] = "close"
        return Response(answer.status, "", headers, answer.body)

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
            else:  # the library's word for: close after this
                self._transport.close()


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def sockets(app: Upgrading) -> type[SocketProtocol]:
    """The protocol class of one server, for uvicorn's ``Config(ws=…)``."""
    return type("SocketProtocol", (SocketProtocol,), {"app": app})
