"""HTTP/1.1 as uvicorn speaks it, with the deadlines and the bounds that it lacks.

uvicorn waits for a request's head and body for ever, keeps a head, trailers and a row of pipelined requests of any length,
and never ends a connection whose client does not read: somebody who sends a byte now and then holds a socket, and no
middleware can see it, because there is no request yet. What follows is in the order of a connection's life.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tidings.config import KIB, Settings, networks
from tidings.errors import TidingsError
from tidings.http.body import ClientGone
from tidings.http.deadlines import HEALTH_S, Deadlines, Phase
from tidings.http.gate import Entry, Gate, fitting
from tidings.http.refusals import (
    HANDSHAKE_BEHIND,
    HANDSHAKE_WITH_BODY,
    NO_HTTP,
    TOO_LARGE,
    TOO_MANY_CONNECTIONS,
    TOO_SLOW,
    HealthOnly,
    Refusal,
    message,
)
from tidings.http.request import CONNECTION, has_body
from tidings.http.request_head import head_refusal, head_without_upgrade, origin_form
from tidings.http.routing import Header, header_lines
from tidings.http.stream_connection import Connection
from tidings.http.transport import Coalescing, Stalls
from tidings.http.unsent import Unsent, unsent_of
from tidings.http.websocket import MAX_HANDSHAKE_LINE, SocketProtocol
from tidings.live import Encoder

MAX_HEAD_BYTES = 64 * KIB
"""Bytes of a request's line and headers, and again of its trailers, one portion more or less. Tokens end at 8 KiB."""
MAX_HEADERS = 100
"""Headers of a request, and again trailers: as many as Apache allows, several times what browsers and proxies send."""
PORTION_BYTES = 4 * KIB
"""Bytes that are parsed in one turn of the loop, so that a read full of the smallest requests or headers does not keep
others waiting. Nearly every request is smaller."""
BODY_PORTION_BYTES = 32 * KIB
"""The same within a body, of which far larger pieces cost less."""
PIPELINED = 8
"""Requests begun in one turn; those behind them wait in the socket until these are answered."""
MAX_AFTER_BYTES = 64 * KIB
"""Bytes that the client of a stream may send after its request; there is nothing that it could have to say."""
HEALTH_PATHS = (b"/livez", b"/readyz", b"/metrics")
"""What is answered on a connection above the cap, under the prefix of all paths."""
_READING = frozenset({"GET", "HEAD"})
_HEAD_END = b"\r\n\r\n"
_log = logging.getLogger("tidings.http")


class TimedProtocol(HttpToolsProtocol):
    """One connection. Use a subclass made by :func:`timed`."""

    deadlines: Deadlines
    stalls: Stalls
    gate: Gate
    unsent: Unsent
    health_paths: frozenset[bytes] = frozenset(HEALTH_PATHS)

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url = b""
        self._phase = self._watched = Phase.IDLE
        self._entry = Entry.CLOSED
        self._discarding = False
        """Whether what arrives is thrown away: the last answer was given, or a stream has the connection."""
        self._held = b""
        """What was read and not parsed yet."""
        self._stopped = False
        """Whether we do not read because of what is held or waits to be answered."""
        self._feeding = False
        """Whether the next portion of what is held has its turn already."""
        self._began = self._gained = False
        """Whether what is being parsed began a message, brought something of a body."""
        self._unsettled = 0
        """Bytes of the head, or since something of the body came."""
        self._trailers = 0
        self._fault = NO_HTTP
        """What is wrong with a request when its parsing ends by an exception."""
        self._declining = False
        """Whether the request asks for another protocol, and is to be served in this one."""
        self._stream: Connection | None = None
        self._discarded = 0
        """Bytes that were thrown away."""
        self._task: asyncio.Task[Any] | None = None
        """The request that is being served, if it changes nothing."""
        self.left = False
        self._served: RequestResponseCycle = None  # type: ignore[assignment]
        """The request that is being served, of which :attr:`cycle` may be a later one."""
        self._last: Refusal | None = None
        """The refusal of a request, which is sent when those before it are answered."""

    # --- a connection comes and goes ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A fresh connection owes a head from the start."""
        out = Coalescing(transport, self.loop, self.stalls, self)
        super().connection_made(out)  # type: ignore[arg-type]
        self._entry = self.gate.acquire(self)
        if self._entry is Entry.CLOSED:
            self._discarding = True
            out.write(message(TOO_MANY_CONNECTIONS))
            out.close()
            return
        self._phase = Phase.HEAD
        if self._entry is Entry.HEALTH:
            self.app = HealthOnly(self.app, self.health_paths)
        self._watch(HEALTH_S if self._entry is Entry.HEALTH else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._phase = Phase.IDLE
        self._discarding, self._held = True, b""
        self._watch()
        self.transport.lost()  # type: ignore[attr-defined]
        self._release()
        super().connection_lost(exc)
        # uvicorn lets the timer of a connection that was reset, and with it the connection, live on.
        self._unset_keepalive_if_required()
        if self._stream is not None:
            self._stream.lost()
        self.left = True
        if self._task is not None:
            # Whoever asks for what takes long and leaves must not keep the server busy, nor wait in it. To wait for
            # ``http.disconnect`` would cost every request a task of its own.
            self._task.cancel()
        self._let_go()

    def _let_go(self) -> None:
        """Drop what refers to this connection in turn. Collections of garbage are rare (``process.GC_THRESHOLDS``), so who
        connects again and again would fill the memory with connections that have ended."""
        for cycle in (self._served, self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
        self.pipeline.clear()
        self._last = self._task = None
        self.cycle = self._served = self.scope = self.parser = None  # type: ignore[assignment]

    def _release(self) -> None:
        if self._entry is not Entry.CLOSED:
            self._entry = Entry.CLOSED
            self.gate.release(self)

    def count_unsent(self, by: int) -> None:
        """So many bytes more wait for this client in this process."""
        self.unsent.change(self.gate.counted_as(self.host), by)

    def refusal(self, size: int) -> TidingsError | None:
        """Why an answer of this size is not given to this client; None when it is."""
        if self.unsent.gives(size):
            return None  # nearly always: the address is not even looked up
        return self.unsent.refusal(self.gate.counted_as(self.host), size)

    @property
    def host(self) -> str:
        """The address that the connection comes from, "" where that is not known."""
        return self.client[0] if self.client else ""

    def evict(self) -> bool:
        """Give way to another connection, unless this one waits for an answer of ours; returns whether it does."""
        answered = self.cycle is None or self.cycle.response_complete
        if self._phase in (Phase.IDLE, Phase.HALF_CLOSED) and not answered:
            return False
        self._release()
        if self._phase is Phase.HEAD and answered and not self.transport.is_closing():
            self.transport.write(message(TOO_MANY_CONNECTIONS))
            self.transport.close()
        else:
            self.transport.abort()
        return True

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client ended its side; returns whether ours stays open. It does while a complete request is unanswered. Who
        listens to a stream is taken for gone, as nobody's way of listening begins with that."""
        unanswered = self.cycle is not None and not self.cycle.response_complete
        if self._discarding or not unanswered or self.unread():
            self.transport.flush()  # type: ignore[attr-defined]
            return False
        self._phase = Phase.HALF_CLOSED
        self._watch()
        return True

    def expire(self) -> None:
        """The deadline passed. Of a request that is incomplete, say so where an answer can still be placed, then close."""
        if self._phase in (Phase.HEAD, Phase.BODY):
            self._refuse(TOO_SLOW)
        elif self.transport.waiting:  # type: ignore[attr-defined]
            self._watch()  # an answer is on its way, and may take as long as it does not stall
        elif self._phase is Phase.LINGER or not self.cycle.response_started:
            self.transport.abort()

    @property
    def reading_paused(self) -> bool:
        """Whether we are the slow side, for a reason that ends by itself: with another the connection would never end."""
        ours = self.flow.read_paused or bool(self.pipeline) or self._feeding
        return ours and self._phase in (Phase.HEAD, Phase.BODY)

    # --- bytes arrive ---------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Whatever arrives on an idle connection begins a head, be it only an empty line."""
        if self._discarding:
            self._discarded += len(data)
            if self._stream is not None and self._discarded > MAX_AFTER_BYTES:
                self._stream.abort()
            return
        if self._phase is Phase.IDLE:
            self._phase = Phase.HEAD
        if len(data) > PORTION_BYTES or data.count(_HEAD_END) > PIPELINED or self._held:
            self._held += data
            self._stop_reading()
            self._feed_portion()
        else:
            self._feed(data)

    def _feed_portion(self) -> None:
        """Parse a portion of what is held; the next one has another turn, once nothing waits to be answered."""
        self._feeding = False
        if self._discarding or self.flow.read_paused or self.pipeline:
            return  # who resumes reading brings us back
        end = self._portion()
        portion, self._held = self._held[:end], self._held[end:]
        try:
            if portion:
                self._feed(portion)
        except Exception:  # the loop would log it, and the connection stay as it is
            _log.exception("a connection failed")
            self.transport.abort()
            return
        self.read_on()

    def _portion(self) -> int:
        most = BODY_PORTION_BYTES if self._phase is Phase.BODY else PORTION_BYTES
        end = 0
        for _ in range(PIPELINED):
            found = self._held.find(_HEAD_END, end, most)
            if found < 0:
                return most
            end = found + len(_HEAD_END)
        return end

    def _stop_reading(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.transport.pause_reading()

    def read_on(self) -> None:
        """Take in more, unless there is a reason not to: called whenever such a reason may have ended."""
        if self._discarding or self.flow.read_paused or self.pipeline:
            return
        if self._held:
            if not self._feeding:
                self._feeding = True
                self.loop.call_soon(self._feed_portion)
        elif not self.transport.is_closing():
            self._stopped = False
            self.transport.read_on()  # type: ignore[attr-defined]

    def _feed(self, data: bytes) -> None:
        """Have the parser call what is below."""
        self._unset_keepalive_if_required()
        self._began = self._gained = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgraded(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(self._fault)
            return
        if self._phase is not self._watched:
            self._watch()
        if self._phase is not Phase.IDLE and not self._began:
            self._unsettled = 0 if self._gained else self._unsettled + len(data)
            if self._unsettled > MAX_HEAD_BYTES:
                self._refuse(TOO_LARGE)
        if self.pipeline:
            self._stop_reading()

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._phase = Phase.HEAD
        self._began = True
        self._unsettled = self._trailers = 0
        super().on_message_begin()
        ours: Any = {CONNECTION: self}
        self.scope["extensions"] = ours

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for trailers too. Those are counted and let go: nothing that is decided by a header may be
        said after the body. Raises ValueError, which ends the parsing, for one too many."""
        if self._phase is Phase.BODY:
            self._trailers += 1
            count = self._trailers
        else:
            name, value = name.lower(), value.rstrip(b" \t")  # which the parser leaves (RFC 9112, 5.1)
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))
            count = len(self.headers)
        if count > MAX_HEADERS:
            self._fault = TOO_LARGE
            raise ValueError("too many headers")

    def on_headers_complete(self) -> None:
        """Called by the parser. Raises ValueError, which ends the parsing, for a head that is refused."""
        refusal = self._head_refusal()
        if refusal is not None:
            self._fault = refusal
            raise ValueError(refusal.title)
        if not self.url.startswith(b"/"):
            self.url = origin_form(self.url, self.headers)
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # which must be ignored there (RFC 9110, 10.1.1)
        self._declining = self.parser.should_upgrade() and not self._is_handshake()
        if self._declining:
            return
        super().on_headers_complete()
        if not self.pipeline:
            self._served = self.cycle
        self._phase = Phase.BODY
        self._unsettled = 0
        if self._entry is Entry.HEALTH and self.cycle is not None:
            self.cycle.keep_alive = False

    def _head_refusal(self) -> Refusal | None:
        method, version = self.parser.get_method(), self.parser.get_http_version()
        refusal = head_refusal(method, self.url, version, self.headers)
        if refusal is not None:
            return refusal
        if self.parser.should_upgrade() and self._is_handshake() and has_body(self.headers):
            return HANDSHAKE_WITH_BODY
        return None

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._gained = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._declining:
            return
        self._phase = Phase.IDLE
        super().on_message_complete()
        if not self.parser.should_upgrade():  # else it is yet to be served
            self.url = b""
            self.cycle.waiting_for_100_continue = False  # nobody waits any more

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called by uvicorn to serve a request."""
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self._task = task if cycle.scope["method"] in _READING else None

    def on_response_complete(self) -> None:
        """Called by uvicorn when a request has its answer."""
        self._task = None
        was_last = not self.pipeline
        if self.pipeline:
            self._served = self.pipeline[-1][0]
        super().on_response_complete()
        if self._last is not None:
            if was_last:
                self._refuse_now(self._last)
        elif self._phase is Phase.HALF_CLOSED or self.unread():
            self._end_or_go_on()
        elif self._stopped:
            self.read_on()

    def _end_or_go_on(self) -> None:
        """To who ended their side, or does not end their request, no more is said; the former may have asked before."""
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self._watch()
            if self._stopped:  # the request that is begun now was in the pipeline, which kept us from reading
                self.read_on()

    def unread(self) -> bool:
        """Whether the request that is being answered, or was answered last, is still arriving."""
        return self._phase is Phase.BODY and not self.pipeline

    # --- the connection becomes something else --------------------------------------------------------------------

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> bool:
        """Give the request that is being served this whole answer; returns False when it cannot be written now. uvicorn
        takes a tenth of a small request's time to look at each header, and to be told head and body apart."""
        cycle = self._served
        if cycle is None or cycle.disconnected:
            return True  # there is nobody to tell
        head = header_lines(headers)
        if self.flow.write_paused or head.count(b"\n") != len(
            headers
        ):  # uvicorn refuses a header of two lines
            return False
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        if self.unread():
            cycle.keep_alive = (
                False  # what is left of the body would have to be read to find the next request behind it
            )
        last = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        date = header_lines(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINE[status], date, head, last, body)))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def take_over(self, head: bytes, encoder: Encoder) -> Connection:
        """Answer the request that is being served with this head, and have the connection from then on. It is the last
        answer, so what follows the request is discarded. Raises ClientGone, and ends the connection, when there is nobody,
        or the request is still arriving."""
        if self.transport.is_closing() or self._phase is Phase.HALF_CLOSED or self.unread():
            if self._served is not None:  # it is when the connection is not lost yet
                self._served.disconnected = True
            self.transport.close()
            raise ClientGone
        self._served.response_started = self._served.response_complete = True
        self.pipeline.clear()
        self._held, self._last, self._phase = b"", None, Phase.IDLE
        self._watch()
        # What a request needs is let go: a stream may last for long, and there may be thousands.
        self.cycle = self._served = self.scope = self.headers = self.parser = None  # type: ignore[assignment]
        # Reading may be stopped for any reason, a refused request behind this one included: then the client's end would go
        # unnoticed, and the connection keep its place.
        self._discarding, self._stopped = True, False
        self.transport.read_on()  # type: ignore[attr-defined]
        self._stream = Connection(self.transport.bare(), encoder)  # type: ignore[attr-defined]
        self._stream.paused = self.flow.write_paused  # by a reply before, which is still being read
        self._stream.write(head)
        return self._stream

    def cut(self) -> None:
        """End the connection, in the middle of a response. uvicorn would log an error for one that is not completed."""
        if self._served is not None:
            self._served.disconnected = True
        self.transport.abort()

    def pause_writing(self) -> None:
        """The socket has taken enough for now."""
        super().pause_writing()
        if self._stream is not None:
            self._stream.paused = True

    def resume_writing(self) -> None:
        """The socket takes bytes again."""
        super().resume_writing()
        self.transport.recounted()  # type: ignore[attr-defined]
        if self._stream is not None:
            self._stream.resume()

    def shutdown(self) -> None:
        """The server stops: a stream that is still here has had its time."""
        if self._stream is not None:
            self._stream.close()
        else:
            super().shutdown()

    def _is_handshake(self) -> bool:
        """Whether the head is that of a WebSocket's handshake (RFC 6455, 4.1)."""
        asked = self.parser.get_method() == b"GET" and self.parser.get_http_version() == "1.1"
        return asked and self._should_upgrade()

    def _upgraded(self, rest: bytes) -> None:
        """Another protocol is asked for. One that is not spoken here is declined by serving the request in this one (RFC
        9110, 7.8). The parser takes what follows such a head for the other protocol's, body included, so another one gets
        the head without the offer."""
        if self._declining:
            version = self.parser.get_http_version()
            head = head_without_upgrade(self.parser.get_method(), self.url, version, self.headers)
            self._declining = False
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
            self._feed(head + rest)
        else:
            self.handle_websocket_upgrade()

    def handle_websocket_upgrade(self) -> None:
        """From here on this is another protocol's, which has deadlines of its own."""
        refusal = self._handshake_refusal()
        if refusal is not None:
            self._refuse(refusal)
            return
        self._phase = Phase.IDLE
        self._watch()
        self._discarding, self._held = True, b""
        super().handle_websocket_upgrade()
        socket = self.transport.get_protocol()
        if isinstance(socket, SocketProtocol):
            socket.on_lost = self._release
        self.transport.lost()  # type: ignore[attr-defined]
        self._let_go()

    def _handshake_refusal(self) -> Refusal | None:
        if self._entry is Entry.HEALTH:
            return TOO_MANY_CONNECTIONS
        if self.cycle is not None and not self.cycle.response_complete:
            return HANDSHAKE_BEHIND
        if len(self.url) > MAX_HANDSHAKE_LINE or any(
            len(name) + len(value) > MAX_HANDSHAKE_LINE for name, value in self.headers
        ):
            return TOO_LARGE
        return None

    # --- a connection is refused ----------------------------------------------------------------------------------

    def _watch(self, within_s: float | None = None) -> None:
        self._watched = self._phase
        self.deadlines.watch(self, self._phase, within_s)

    def lingers(self) -> None:
        """The last was said; what still comes is read, so that the client can read that, and thrown away."""
        self._discarding, self._held = True, b""
        if self.cycle is not None:
            self.cycle.body = bytearray()  # nobody asks for what came of it any more
        self._phase = Phase.LINGER
        self._watch()
        self.transport.read_on()  # type: ignore[attr-defined]

    def _refuse(self, refusal: Refusal) -> None:
        """Read nothing more, and answer the request that arrives with this refusal, in its place; then end our side."""
        self._discarding, self._held = True, b""
        if self._phase is Phase.BODY:
            if self.pipeline:
                self.pipeline.popleft()  # this request, which is begun behind others
            else:
                self._refuse_now(None if self.cycle.response_started else refusal)
                return
        elif self.cycle is None or self.cycle.response_complete:
            self._refuse_now(refusal)
            return
        self._last = refusal
        self._phase = Phase.IDLE
        self._watch()
        self._stop_reading()

    def _refuse_now(self, refusal: Refusal | None) -> None:
        if refusal is not None and not self.transport.is_closing():
            asks_head = self.url and self.parser.get_method() == b"HEAD"
            self.transport.write(message(refusal, with_body=not asks_head))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.linger()  # type: ignore[attr-defined]


def timed(head_s: float, body_s: float, stalled_s: float, gate: Gate, unsent: Unsent) -> type[TimedProtocol]:
    """The protocol class of one server, for uvicorn's ``Config(http=…)``: seconds to receive a request's head and body,
    seconds for which a client may take nothing of its answer, who is let in, and what waits for whom."""
    members = {
        "deadlines": Deadlines(head_s, body_s),
        "stalls": Stalls(stalled_s),
        "gate": gate,
        "unsent": unsent,
    }
    return type("TimedProtocol", (TimedProtocol,), members)


def protocol_of(settings: Settings) -> type[TimedProtocol]:
    """The protocol class of a server with these settings."""
    gate = Gate(
        fitting(settings.max_connections),
        settings.max_connections_per_address,
        networks("trusted_proxies", settings.trusted_proxies),
    )
    made = timed(
        settings.request_header_timeout_s,
        settings.body_timeout_s,
        settings.reply_timeout_s,
        gate,
        unsent_of(settings),
    )
    prefix = settings.prefix.rstrip("/").encode()
    made.health_paths = frozenset(prefix + path for path in HEALTH_PATHS)
    return made
