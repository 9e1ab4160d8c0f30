"""HTTP/1.1 as uvicorn speaks it, with the deadlines and the bound that it lacks.

uvicorn waits for a request's head and body for ever, and keeps a head of any length: a client that sends a
byte now and then holds a socket, and no middleware can see it, because there is no request yet.
"""

import asyncio
from enum import Enum, auto
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from tidings.config import KIB
from tidings.http.body import ClientGone
from tidings.http.request import TAKEOVER
from tidings.http.wires import Connection
from tidings.live import Encoder

MAX_HEAD_BYTES = 64 * KIB
"""Bytes of a request's line and headers, one read of the socket more or less. Tokens end at 8 KiB."""
_SWEEP_S = 0.5
"""Seconds between looks at the connections that owe us something: by how much a deadline may act too late."""


class _Phase(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()


class Deadlines:
    """The deadlines of one server: ``head_s`` and ``body_s`` seconds to receive a request's head and body.

    One timer serves all connections, and runs only while a request is incomplete. A request that arrives in
    one piece is never registered here.
    """

    def __init__(self, head_s: float, body_s: float) -> None:
        self._allowed = {_Phase.HEAD: head_s, _Phase.BODY: body_s}
        self._every = min(_SWEEP_S, head_s / 4, body_s / 4)
        self._due: dict[TimedProtocol, float] = {}
        self._sweeping = False

    def watch(self, connection: "TimedProtocol", phase: _Phase) -> None:
        """Give the connection the time of this phase from now on; none when it is idle."""
        if phase is _Phase.IDLE:
            self._due.pop(connection, None)
            return
        self._due[connection] = connection.loop.time() + self._allowed[phase]
        if not self._sweeping:
            self._sweeping = True
            connection.loop.call_later(self._every, self._sweep, connection.loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection, due in list(self._due.items()):
            if connection.flow.read_paused:
                # We are the slow side: the client cannot send while we do not read.
                self._due[connection] = due + self._every
            elif due <= now:
                del self._due[connection]
                connection.expire()
        self._sweeping = bool(self._due)
        if self._sweeping:
            loop.call_later(self._every, self._sweep, loop)


class Coalescing:
    """A transport that writes once a turn of the loop. uvicorn writes a reply's head and its body apart, and a stream
    each frame; a system call less is a tenth of a page."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write with the rest of this turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Write what is waiting, then close."""
        self._flush()
        self._transport.close()

    def bare(self) -> asyncio.Transport:
        """The transport itself, for who writes whole messages anyway."""
        self._flush()
        return self._transport

    def _flush(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._transport.write(b"".join(waiting))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class TimedProtocol(HttpToolsProtocol):
    """One connection. Use a subclass made by :func:`timed`."""

    deadlines: Deadlines

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._phase = self._watched = _Phase.IDLE
        self._began = False
        self._head_bytes = 0
        self._stream: Connection | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A fresh connection owes a head from the start."""
        super().connection_made(Coalescing(transport, self.loop))  # type: ignore[arg-type]
        self._phase = _Phase.HEAD
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._phase = _Phase.IDLE
        self._watch()
        super().connection_lost(exc)
        # uvicorn lets the timer of a connection that was reset, and with it the connection, live on.
        self._unset_keepalive_if_required()
        if self._stream is not None:
            self._stream.became(False)

    def data_received(self, data: bytes) -> None:
        """Whatever arrives on an idle connection begins a head, be it only an empty line."""
        if self._stream is not None:
            return  # a stream's client has nothing more to say
        if self._phase is _Phase.IDLE:
            self._phase = _Phase.HEAD
        self._began = False
        super().data_received(data)
        if self._phase is not self._watched:
            self._watch()
        if self._phase is _Phase.HEAD and not self._began:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, "head-too-large", "The request's head is too large")

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._phase = _Phase.HEAD
        self._began = True
        self._head_bytes = 0
        super().on_message_begin()
        self.scope["extensions"] = {TAKEOVER: self.take_over}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._phase = _Phase.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._phase = _Phase.IDLE
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the one form that all our errors have."""
        self._refuse(400, "malformed-request", "This is not HTTP as this server reads it")

    def expire(self) -> None:
        """The deadline passed: say so where an answer can still be placed, then close."""
        self._refuse(408, "request-timeout", "The request did not arrive in time")

    def take_over(self, head: bytes, encoder: Encoder) -> Connection:
        """Answer the request that is being served with this head, and have the connection from then on. Raises
        ClientGone, and ends it, when there is nobody, or another request is waiting behind this one."""
        if self.transport.is_closing() or self.pipeline or self._phase is not _Phase.IDLE:
            self.transport.close()
            raise ClientGone
        self.cycle.response_started = self.cycle.response_complete = True
        # What a request needs is let go: a stream may last for long, and there may be thousands.
        self.cycle = self.scope = self.headers = self.parser = None  # type: ignore[assignment]
        self.flow.resume_reading()  # or the client's end would go unnoticed
        self._stream = Connection(self.transport.bare(), encoder)  # type: ignore[attr-defined]
        self._stream.paused = self.flow.write_paused  # by a reply before, which is still being read
        self._stream.write(head)
        return self._stream

    def pause_writing(self) -> None:
        """The socket has taken enough for now."""
        super().pause_writing()
        if self._stream is not None:
            self._stream.paused = True

    def resume_writing(self) -> None:
        """The socket takes bytes again."""
        super().resume_writing()
        if self._stream is not None:
            self._stream.resume()

    def shutdown(self) -> None:
        """The server stops: a stream that is still here has had its time."""
        if self._stream is not None:
            self._stream.close()
        else:
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """From here on this is another protocol's, which has deadlines of its own."""
        self._phase = _Phase.IDLE
        self._watch()
        super().handle_websocket_upgrade()

    def _watch(self) -> None:
        self._watched = self._phase
        self.deadlines.watch(self, self._phase)

    def _refuse(self, status: int, code: str, title: str) -> None:
        if self._answerable():
            self.transport.write(_problem(status, code, title))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _answerable(self) -> bool:
        """Whether bytes written now would be the answer to the incomplete request, not part of another's."""
        if self.transport.is_closing():
            return False
        if self.cycle is None:
            return True
        if self._phase is _Phase.BODY:
            return not self.pipeline and not self.cycle.response_started
        return self.cycle.response_complete


def timed(head_s: float, body_s: float) -> type[TimedProtocol]:
    """The protocol class of one server, for uvicorn's ``Config(http=…)``; both times in seconds."""
    return type("TimedProtocol", (TimedProtocol,), {"deadlines": Deadlines(head_s, body_s)})


def _problem(status: int, code: str, title: str) -> bytes:
    body = f'{{"type":"urn:tidings:problem:{code}","title":"{title}","status":{status},"detail":"{title}"}}'
    head = (
        f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[status] + (head + body).encode()
