"""HTTP/1.1 by uvicorn, with the deadlines and the bounds that it lacks.

uvicorn waits for a request's head and body without a deadline, keeps a head, trailers and a queue of pipelined requests of
any length, and never ends a connection whose client does not read: a client that sends a byte now and then holds a socket,
and no middleware can notice, because there is no request yet. The methods are in the order of a connection's life.
"""

import asyncio
import logging
import socket
from collections.abc import Sequence
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tidings.config import KIB
from tidings.errors import TidingsError
from tidings.http.body import ClientGone
from tidings.http.cycle import cycle_of, scope_of
from tidings.http.deadlines import HEALTH_S, Deadlines, KeepAlive, Phase
from tidings.http.disconnects import DisconnectWatcher
from tidings.http.gate import Entry, Gate
from tidings.http.headers import DateHeader, Header, SharedHeaders, checked_lines
from tidings.http.portions import HEAD_END, PIPELINED, PORTION_BYTES, portion_end
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
from tidings.http.stream_connection import StreamConnection
from tidings.http.transport import Coalescing, Stalls
from tidings.http.unchunked import Unchunked
from tidings.http.unparsed import UnparsedInput
from tidings.http.unsent import Unsent
from tidings.http.websocket import MAX_HANDSHAKE_LINE, SocketProtocol
from tidings.live import Encoder

MAX_HEAD_BYTES = 64 * KIB
"""Bytes of a request's line and headers, and again of its trailers, one portion more or less. Tokens have at most 8 KiB."""
MAX_HEADERS = 100
"""Headers of a request, and again trailers: as many as Apache allows, several times what browsers and proxies send."""
MAX_AFTER_BYTES = 64 * KIB
"""Bytes that the client of a stream may send after its request; it has no reason to send any."""
HEALTH_PATHS = (b"/livez", b"/readyz", b"/metrics")
"""The paths that get a response on a connection above the cap, under the prefix of all paths."""
_READING = frozenset({"GET", "HEAD"})
_log = logging.getLogger("tidings.http")


class TimedProtocol(HttpToolsProtocol):
    """One connection. Use a subclass made by :func:`tidings.process.timed`."""

    deadlines: Deadlines
    stalls: Stalls
    keep_alive: KeepAlive
    disconnects: DisconnectWatcher
    gate: Gate
    unsent: Unsent
    unparsed: UnparsedInput
    date: DateHeader
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
        self.idle_since: float | None = None
        self._phase = self._watched = Phase.IDLE
        self._entry = Entry.CLOSED
        self._discarding = False
        """Whether input is discarded: the last response was given, or a stream has the connection."""
        self._held = b""
        """Input that is not parsed yet."""
        self._stopped = False
        """Whether reading is paused because of unparsed input or unfinished responses."""
        self._feeding = False
        """Whether the next portion of the unparsed input is scheduled."""
        self._began = self._gained = False
        """Whether the portion that is being parsed began a message, or contained a part of a body."""
        self._unsettled = 0
        """Bytes of the head, or since the last part of a body."""
        self._trailers = 0
        self._fault = NO_HTTP
        """The refusal of a request if an exception ends its parsing."""
        self._declining = False
        """Whether the request asks for another protocol, and is served in this one."""
        self._stream: StreamConnection | None = None
        self._discarded = 0
        """Bytes that were discarded."""
        self._task: asyncio.Task[Any] | None = None
        """The running request, if it changes nothing."""
        self.disconnected = False
        self._served: RequestResponseCycle = None  # type: ignore[assignment]
        """The running request, of which :attr:`cycle` may be a later one."""
        self._last: Refusal | None = None
        """The refusal of a request, which is sent after the responses to those before it."""

    # --- a connection begins and ends ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline for the first head."""
        out = Coalescing(transport, self.loop, self.stalls, self)
        super().connection_made(out)  # type: ignore[arg-type]
        self._entry = self.gate.acquire(self)
        if self._entry is Entry.CLOSED:
            self._discarding = True
            out.write(message(TOO_MANY_CONNECTIONS))
            out.close()
            return
        self._phase = Phase.HEAD
        self.keep_alive.watch(self)
        if self._entry is Entry.HEALTH:
            self.app = HealthOnly(self.app, self.health_paths)
        self._watch(HEALTH_S if self._entry is Entry.HEALTH else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection."""
        self._phase = Phase.IDLE
        self._discarding, self._held = True, b""
        self._watch()
        self.transport.lost()  # type: ignore[attr-defined]
        self._release()
        super().connection_lost(exc)
        if self._stream is not None:
            self._stream.lost()
        self.disconnected = True
        if self._task is not None:
            # A client that requests slow work and leaves must not keep the server busy, nor wait in it. To wait for
            # ``http.disconnect`` would cost a task for every request.
            self._task.cancel()
        self._let_go()

    def _let_go(self) -> None:
        """Drop the objects that refer to this connection. Garbage collections are rare (``process.GC_THRESHOLDS``), so a
        client that connects again and again would fill the memory with ended connections."""
        for cycle in (self._served, self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()
        self.disconnects.forget(self)
        self.keep_alive.forget(self)
        self.pipeline.clear()
        self._last = self._task = None
        self.cycle = self._served = self.scope = self.parser = None  # type: ignore[assignment]

    def _release(self) -> None:
        if self._entry is not Entry.CLOSED:
            self._entry = Entry.CLOSED
            self.gate.release(self)

    def count_unsent(self, by: int) -> None:
        """Add so many bytes to those that wait for this client in this process."""
        self.unsent.change(self.gate.counted_as(self.host), by)

    def refusal(self, size: int) -> TidingsError | None:
        """The reason why a response of this size is refused to this client; None if it is not."""
        if self.unsent.gives(size):
            return None  # nearly always: the address is not even looked up
        return self.unsent.refusal(self.gate.counted_as(self.host), size)

    @property
    def host(self) -> str:
        """The network address of the client, "" if unknown."""
        return self.client[0] if self.client else ""

    def evict(self) -> bool:
        """End the connection in favour of another one, unless its response is pending; returns whether it was ended."""
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
        """The client closed its side; returns whether the other side stays open. It does while a complete request has no
        response. The client of a stream counts as gone, as no client of streams closes its side first."""
        unanswered = self.cycle is not None and not self.cycle.response_complete
        if self._discarding or not unanswered or self.unread():
            self.transport.flush()  # type: ignore[attr-defined]
            return False
        self._phase = Phase.HALF_CLOSED
        self._watch()
        return True

    def expire(self) -> None:
        """The deadline passed. Refuse an incomplete request if a response can still be sent, then close."""
        if self._phase in (Phase.HEAD, Phase.BODY):
            self._refuse(TOO_SLOW)
        elif self.transport.waiting:  # type: ignore[attr-defined]
            self._watch()  # a response is being sent, and may take as long as it does not stall
        elif self._phase is Phase.LINGER or not self.cycle.response_started:
            self.transport.abort()

    def paused_socket(self) -> socket.socket | None:
        """The socket, if nothing is read from it while a request waits for its response; else None."""
        waits = self._stopped and not self._served.response_complete and not self.transport.is_closing()
        return self.transport.get_extra_info("socket") if waits else None

    def on_disconnect(self, at_once: bool) -> None:
        """The client has left while nothing was read: ``at_once``, or unless a response is being sent to it."""
        if at_once or not (self._served.response_started or self.transport.waiting):  # type: ignore[attr-defined]
            (self.transport.abort if at_once else self.transport.linger)()  # type: ignore[attr-defined]

    @property
    def reading_paused(self) -> bool:
        """Whether the server is the slow side, for a temporary reason: a permanent one would never end the connection."""
        ours = self.flow.read_paused or bool(self.pipeline) or self._feeding
        return ours and self._phase in (Phase.HEAD, Phase.BODY)

    # --- bytes arrive ---------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Any byte on an idle connection begins a head, even an empty line."""
        if self._discarding:
            self._discarded += len(data)
            if self._stream is not None and self._discarded > MAX_AFTER_BYTES:
                self._stream.abort()
            return
        if self._phase is Phase.IDLE:
            self._phase = Phase.HEAD
        if len(data) > PORTION_BYTES or data.count(HEAD_END) > PIPELINED or self._held:
            self._held += data
            self._stop_reading()
            if self.unparsed.is_waiting:
                self.read_on()
            else:
                self._feed_portion()
        else:
            self._feed(data)

    def _feed_portion(self) -> None:
        """Parse a portion of the input; the next one is scheduled for another turn, once no response is pending."""
        self._feeding = False
        if self._discarding or self.flow.read_paused or self.pipeline:
            return  # read_on() schedules the next portion
        end = portion_end(self._held, self._phase is Phase.BODY)
        portion, self._held = self._held[:end], self._held[end:]
        try:
            if portion:
                self._feed(portion)
        except Exception:  # the loop would only log it, and keep the connection open
            _log.exception("a connection failed")
            self.transport.abort()
            return
        self.read_on()

    def _stop_reading(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.transport.pause_reading()

    def read_on(self) -> None:
        """Continue to read, unless a reason to pause remains: called whenever such a reason may have ended."""
        if self._discarding or self.flow.read_paused or self.pipeline:
            return
        if self._held:
            if not self._feeding:
                self._feeding = True
                self.unparsed.add(self._feed_portion, self.loop)
        elif not self.transport.is_closing():
            self._stopped = False
            self.transport.read_on()  # type: ignore[attr-defined]

    def _feed(self, data: bytes) -> None:
        """Pass the data to the parser, which calls the methods below."""
        self.idle_since = None
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
            self.disconnects.watch(self)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._phase = Phase.HEAD
        self._began = True
        self._unsettled = self._trailers = 0
        self.url, self.expect_100_continue, self.headers = b"", False, []
        self.scope = scope_of(self, {CONNECTION: self})

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for trailers too. Those are counted and discarded: no decision may depend on a header after
        the body. Raises ValueError, which ends the parsing, for one too many."""
        if self._phase is Phase.BODY:
            self._trailers += 1
            count = self._trailers
        else:
            # The parser leaves trailing blanks (RFC 9112, 5.1).
            name, value = name.lower(), value.rstrip(b" \t")
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))
            count = len(self.headers)
        if count > MAX_HEADERS:
            self._fault = TOO_LARGE
            raise ValueError("too many headers")

    def on_headers_complete(self) -> None:
        """Called by the parser. Raises ValueError, which ends the parsing, for a head that is refused."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        upgrades = self.parser.should_upgrade()
        is_handshake = upgrades and self._is_handshake()
        refusal = head_refusal(method, self.url, version, self.headers)
        if refusal is None and is_handshake and has_body(self.headers):
            refusal = HANDSHAKE_WITH_BODY
        if refusal is not None:
            self._fault = refusal
            raise ValueError(refusal.title)
        if not self.url.startswith(b"/"):
            self.url = origin_form(self.url, self.headers)
        if version == "1.0":
            self.expect_100_continue = False  # ignored for HTTP/1.0 (RFC 9110, 10.1.1)
        self._declining = upgrades and not is_handshake
        if self._declining:
            return
        self.scope["method"], self.scope["http_version"] = method.decode("ascii"), version
        if not is_handshake:
            self._begin_cycle(version)
        if not self.pipeline:
            self._served = self.cycle
        self._phase = Phase.BODY
        self._unsettled = 0
        if self._entry is Entry.HEALTH and self.cycle is not None:
            self.cycle.keep_alive = False

    def _begin_cycle(self, version: str) -> None:
        """Begin to serve the request, after those before it: uvicorn's method, without what the application does not use."""
        target = httptools.parse_url(self.url)
        self.scope["raw_path"], self.scope["query_string"] = target.path, target.query or b""
        before, self.cycle = self.cycle, cycle_of(self, version)
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

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
        if not self.parser.should_upgrade():  # else it is served later
            self.url = b""
            self.cycle.waiting_for_100_continue = False  # the client does not wait any more

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Called by uvicorn to serve a request."""
        if cycle.scope["http_version"] == "1.0":
            app = Unchunked(app, cycle)
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)
        self._task = task if cycle.scope["method"] in _READING else None

    def on_response_complete(self) -> None:
        """Called by uvicorn after the response to a request."""
        self._task = None
        was_last = not self.pipeline
        if self.pipeline:
            self._served = self.pipeline[-1][0]
            self.disconnects.watch(self)
        self._go_on()
        if self._last is not None:
            if was_last:
                self._refuse_now(self._last)
        elif self._phase is Phase.HALF_CLOSED or self.unread():
            self._end_or_go_on()
        elif self._stopped:
            self.read_on()

    def _go_on(self) -> None:
        """Serve the next request, or wait for one: uvicorn's method, without a timer for each response."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.idle_since = self.loop.time()

    def _end_or_go_on(self) -> None:
        """Close, after the last pipelined response, for a client that closed its side or does not complete its request."""
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self._watch()
            if self._stopped:  # the next request comes from the pipeline, which had paused reading
                self.read_on()

    def unread(self) -> bool:
        """Whether the running request, or the last one with a response, is still arriving."""
        return self._phase is Phase.BODY and not self.pipeline

    # --- a request gets its response ------------------------------------------------------------------------------

    def respond(self, status: int, headers: Sequence[Header], shared: SharedHeaders, body: bytes) -> bool:
        """Send this whole response to the running request; returns False if it cannot be written now. uvicorn would take a
        tenth of a small request's time to check each header, and to receive head and body apart."""
        cycle = self._served
        if cycle is None or cycle.disconnected:
            return True  # the client has left
        own, others = checked_lines(headers), shared.lines
        if self.flow.write_paused or own is None or others is None:  # uvicorn refuses such a header
            return False
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        if self.unread():  # the rest of the body would have to be read to find the next request after it
            cycle.keep_alive = False
        last = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        date = self.date.lines(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINE[status], date, own, others, last, body)))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def abort(self) -> None:
        """Reset the connection in the middle of a response. uvicorn would log an error for an incomplete one."""
        if self._served is not None:
            self._served.disconnected = True
        self.transport.reset()  # type: ignore[attr-defined]

    # --- the connection changes its protocol ----------------------------------------------------------------------

    def take_over(self, head: bytes, encoder: Encoder) -> StreamConnection:
        """Send this head as the last response, and take the connection; further input is discarded. Raises ClientGone,
        and ends the connection, if the client has left or the request is still arriving."""
        if self.transport.is_closing() or self._phase is Phase.HALF_CLOSED or self.unread():
            if self._served is not None:  # it is set unless the connection is lost already
                self._served.disconnected = True
            self.transport.close()
            raise ClientGone
        self._served.response_started = self._served.response_complete = True
        self.pipeline.clear()
        self._held, self._last, self._phase = b"", None, Phase.IDLE
        self._watch()
        self.keep_alive.forget(self)
        # The state of a request is freed: a stream may last long, and there may be thousands.
        self.cycle = self._served = self.scope = self.headers = self.parser = None  # type: ignore[assignment]
        self._task = None
        # Reading may be paused for any reason, a refused request after this one included: then the end of the client would
        # go unnoticed, and the connection would stay counted.
        self._discarding, self._stopped = True, False
        self.transport.read_on()  # type: ignore[attr-defined]
        self._stream = StreamConnection(self.transport.bare(), encoder)  # type: ignore[attr-defined]
        self._stream.paused = self.flow.write_paused  # by an earlier response that is still being received
        self._stream.write(head)
        return self._stream

    def pause_writing(self) -> None:
        """The buffer of the socket is full for now."""
        super().pause_writing()
        if self._stream is not None:
            self._stream.paused = True

    def resume_writing(self) -> None:
        """The buffer of the socket has room again."""
        super().resume_writing()
        self.transport.recounted()  # type: ignore[attr-defined]
        if self._stream is not None:
            self._stream.resume()

    def shutdown(self) -> None:
        """The server stops: a stream that is still open has had its time."""
        if self._stream is not None:
            self._stream.close()
        else:
            super().shutdown()

    def _is_handshake(self) -> bool:
        """Whether the head is the handshake of a WebSocket (RFC 6455, 4.1)."""
        asked = self.parser.get_method() == b"GET" and self.parser.get_http_version() == "1.1"
        return asked and self._should_upgrade()

    def _upgraded(self, rest: bytes) -> None:
        """The request asks for another protocol. An unsupported one is declined by serving the request in this one (RFC
        9110, 7.8). The parser takes the bytes after such a head, body included, for the other protocol's, so a new parser
        gets the head without the offer."""
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
        """From here on the other protocol, with its own deadlines, has the connection."""
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
        """The last response is sent; further input is read, so that the client can read the response, and discarded."""
        self._discarding, self._held = True, b""
        if self.cycle is not None:
            self.cycle.body = bytearray()  # no handler reads the parts of it any more
        self._phase = Phase.LINGER
        self._watch()
        self.transport.read_on()  # type: ignore[attr-defined]

    def _refuse(self, refusal: Refusal) -> None:
        """Stop reading, and send this refusal as the response to the arriving request, in its turn; then close our side."""
        self._discarding, self._held = True, b""
        if self._phase is Phase.BODY:
            if self.pipeline:
                self.pipeline.popleft()  # this request, which is begun after others
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
        self.disconnects.watch(self)

    def _refuse_now(self, refusal: Refusal | None) -> None:
        if refusal is not None and not self.transport.is_closing():
            asks_head = self.url and self.parser.get_method() == b"HEAD"
            self.transport.write(message(refusal, with_body=not asks_head))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.linger()  # type: ignore[attr-defined]
