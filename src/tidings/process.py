"""The process: its sockets first, then the store, then HTTP over it, until a signal; at the end everything is closed.

The sockets are first because a port in use is the most frequent failure of a start, and must leave no new store.
"""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import FrameType

import uvicorn

from tidings.config import ConfigError, Settings
from tidings.errors import Unavailable
from tidings.http.app import App, build
from tidings.http.deadlines import Deadlines, KeepAlive
from tidings.http.disconnects import DisconnectWatcher
from tidings.http.gate import Gate, gate_of
from tidings.http.headers import DateHeader
from tidings.http.protocol import HEALTH_PATHS, TimedProtocol
from tidings.http.transport import Stalls
from tidings.http.unparsed import UnparsedInput
from tidings.http.unsent import Unsent, unsent_of
from tidings.http.websocket import sockets
from tidings.live import Hub
from tidings.server import running
from tidings.server_parts import ServerParts, make_parts
from tidings.timeutil import SystemClock

GC_THRESHOLDS = (10_000, 500, 1_000)
"""Allocations between collections, then collections of a generation between those of the next. With thousands of open
streams walks over all that lives were the largest pauses, so those are rare. A walk over what is young takes milliseconds;
one over 100,000 young objects took 135, after many requests that failed."""
BACKLOG = 2_048
"""Connections waiting to be accepted: after a restart all clients reconnect at once."""
KEEP_ALIVE_S = 75
"""Seconds an idle connection is kept: longer than proxies keep theirs (60 s is usual), or a request now and then would
meet a connection that is just being closed."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
KILLED = 128
"""Exit code of a process that a signal ended at once, without the signal's number: the convention of shells."""


def serve(settings: Settings, *, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, then close everything and return. ``on_ready`` gets the base URL once the
    server serves requests.

    Raises ConfigError for invalid settings, ConfigError or Unavailable if it cannot listen, or the store cannot be opened.
    """
    gc.set_threshold(*GC_THRESHOLDS)
    _log_with_time()
    clock = SystemClock()
    parts, refusals = make_parts(settings, clock)  # first: invalid settings leave no file
    if parts is None:
        raise refusals[0].error
    with ExitStack() as closing:
        listening = listen(settings.host, settings.port)
        for one in listening:
            closing.enter_context(one)
        stop = closing.enter_context(_Stop())
        with asyncio.Runner(loop_factory=_loop_factory()) as loop:
            loop.run(_serve(settings, clock, parts, listening, stop, on_ready))


class _Timed(logging.Formatter):
    """Begins lines with the time as RFC 3339 writes it."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


TIMED = _Timed("%(asctime)s %(levelname)s %(name)s: %(message)s")


def _log_with_time() -> None:
    """Log to stderr, each line with its time in UTC, unless an embedding application has configured logging."""
    handler = logging.StreamHandler()
    handler.setFormatter(TIMED)
    logging.basicConfig(handlers=[handler], level=logging.WARNING)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(
    settings: Settings,
    clock: SystemClock,
    parts: ServerParts,
    listening: list[socket.socket],
    stop: "_Stop",
    on_ready: Callable[[str], None],
) -> None:
    # It ends after the store is closed: until then a second signal cuts what delays that.
    with ExitStack() as handled:
        async with running(settings, clock, parts.channels) as services:
            server = _Server(
                _config(settings, build(services, parts.authenticator)),
                services.live,
                services.cut,
                lambda url: on_ready(url + settings.prefix),
            )
            gc.freeze()
            handled.enter_context(stop.stopping(server))
            if not stop.asked:
                await server.serve(listening)


def _config(settings: Settings, app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=protocol_of(settings),
        ws=sockets(app),
        access_log=False,
        log_config=None,  # our handler, with the time, instead of its own
        log_level="warning",
        backlog=BACKLOG,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_s,
    )


def timed(head_s: float, body_s: float, stalled_s: float, gate: Gate, unsent: Unsent) -> type[TimedProtocol]:
    """The protocol class of one server, for uvicorn's ``Config(http=…)``: seconds to receive a request's head and body,
    seconds for which a client may take nothing of its response, the gate, and the account of unsent responses."""
    members = {
        "deadlines": Deadlines(head_s, body_s),
        "stalls": Stalls(stalled_s),
        "keep_alive": KeepAlive(KEEP_ALIVE_S),
        "disconnects": DisconnectWatcher(),
        "gate": gate,
        "unsent": unsent,
        "unparsed": UnparsedInput(),
        "date": DateHeader(),
    }
    return type("TimedProtocol", (TimedProtocol,), members)


def protocol_of(settings: Settings) -> type[TimedProtocol]:
    """The protocol class of a server with these settings: uvicorn creates connections from a class, which therefore holds
    all that they share."""
    made = timed(
        settings.request_header_timeout_s,
        settings.body_timeout_s,
        settings.reply_timeout_s,
        gate_of(settings),
        unsent_of(settings),
    )
    prefix = settings.prefix.rstrip("/").encode()
    made.health_paths = frozenset(prefix + path for path in HEALTH_PATHS)
    return made


# --- listening ------------------------------------------------------------------------------------------------


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of ``host``. Raises ConfigError for a host that is not this machine's, and Unavailable
    for a port in use."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"host: {host!r} cannot be resolved: {error}", "host") from None
    bound: list[socket.socket] = []
    with ExitStack() as undo:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            # With port 0 the first address picks one, and the others take the same.
            there = (address[0], bound[0].getsockname()[1] if bound else port, *address[2:])
            one = _bound(socket.socket(family, kind, protocol), there)
            if one is not None:
                bound.append(undo.enter_context(one))
        if not bound:
            raise ConfigError(f"host: {host!r} is no address of this machine", "host")
        undo.pop_all()
    return bound


def _bound(one: socket.socket, address: tuple[object, ...]) -> socket.socket | None:
    """The socket bound to an address; None if this machine lacks the address, as it may lack all of IPv6."""
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError as error:
        one.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise Unavailable(_refusal(address, error)) from None
    return one


def _refusal(address: tuple[object, ...], error: OSError) -> str:
    """The reason why the server cannot listen on an address, and the remedy."""
    host, port = address[:2]
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is in use by another program: stop that program, or choose another --port"
        )
    if error.errno == errno.EACCES:
        return f"port {port} of {host} needs privileges that this user lacks: choose a --port of 1024 or more"
    return f"port {port} of {host} cannot be listened on: {os.strerror(error.errno or 0)}"


# --- stopping -------------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """uvicorn, with another shutdown: streams are asked to reconnect before the server waits for their connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        live: Hub,
        cut_deliveries: Callable[[], None],
        on_ready: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self._live = live
        self._cut_deliveries = cut_deliveries
        self._on_ready = on_ready
        self._ending: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """No effect: :class:`_Stop` handles the signals. uvicorn raises a captured signal again after its shutdown, which
        would end the process before the store is closed."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then report the address. Raises Unavailable if another program began to listen there meanwhile."""
        try:
            await super().startup(sockets)
        except OSError as error:
            raise Unavailable(_refusal((self.config.host, self.config.port), error)) from None
        if self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            self._on_ready(f"http://{shown}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then everything else; or close all connections at once if :meth:`cut` is called meanwhile."""
        self._ending = asyncio.create_task(self._end(sockets))
        if self.force_exit:
            self._ending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ending

    async def _end(self, sockets: list[socket.socket] | None) -> None:
        await self._live.close()
        await super().shutdown(sockets)

    def cut(self) -> None:
        """Stop waiting for streams, requests and deliveries."""
        self.force_exit = True
        if self._ending is not None:
            self._ending.cancel()
        self._cut_deliveries()


class _Stop:
    """The handling of SIGTERM, SIGINT and SIGHUP, from before the store is opened until after it is closed.

    The first requests an orderly end. The second closes open connections and ends the deliveries under way; the store is
    still closed. One more, or a second one while the server starts, ends the process at once, like a kill: acknowledged
    writes are in the write-ahead log.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._server: _Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> "_Stop":
        # A server under nohup must outlive its terminal.
        outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        handled = [number for number in STOP_SIGNALS if number != signal.SIGHUP or not outlives]
        self._before = {number: signal.signal(number, self._handle) for number in handled}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def stopping(self, server: _Server) -> Iterator[None]:
        """Signals stop this server while the block lasts."""
        self._server, self._loop = server, asyncio.get_running_loop()
        try:
            yield
        finally:
            self._server = self._loop = None

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.asked += 1
        if self._server is None or self._loop is None:
            if self.asked > 1:
                os._exit(KILLED + number)
        elif self.asked == 1:
            self._server.should_exit = True
        elif self.asked == 2:
            # A handler runs between any two instructions of the loop, so it may not touch tasks itself.
            self._loop.call_soon_threadsafe(self._server.cut)
        else:
            os._exit(KILLED + number)
