"""A request that does not arrive in time is ended, over real sockets and with uvicorn's own server."""

import asyncio
import contextlib
import errno
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

import pytest
import uvicorn

from tidings.http.body import ClientGone
from tidings.http.gate import Gate
from tidings.http.portions import PORTION_BYTES
from tidings.http.protocol import MAX_HEAD_BYTES, TimedProtocol
from tidings.http.request import CONNECTION, Request
from tidings.http.routing import Response, StreamResponse
from tidings.http.sse import SERVER_SENT_EVENTS
from tidings.http.unsent import Unsent
from tidings.http.websocket import TEXTS, SocketProtocol, sockets
from tidings.process import timed

HEAD_S, BODY_S, STALLED_S = 0.2, 0.3, 0.4
MANY, MIB = 100, 1 << 20
GIVE_UP_S = 10
"""Long enough that only a missing deadline can reach it."""
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of the body; ``/early`` answers before it is read, ``/stream`` is a stream without a client,
    ``/fails`` fails after a part of its response."""
    if scope["raw_path"] == b"/stream":
        connection = scope["extensions"][CONNECTION]
        connection.eof_received()  # the client ends its side before its stream begins
        with pytest.raises(ClientGone):
            connection.take_over(b"", SERVER_SENT_EVENTS)
        return
    if scope["raw_path"] == b"/fails":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise RuntimeError("planted")
    size, more = 0, scope["raw_path"] != b"/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    text = str(size).encode()
    length = (b"content-length", str(len(text)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": text})


def when_freed(kind: type[asyncio.Protocol], monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the first connection of this kind is in memory no longer."""
    freed = asyncio.Event()
    begin = kind.connection_made
    seen: list[weakref.ref[asyncio.Protocol]] = []

    def begun(protocol: asyncio.Protocol, transport: asyncio.Transport) -> None:
        seen.append(weakref.ref(protocol, lambda _: freed.set()))
        begin(protocol, transport)

    monkeypatch.setattr(kind, "connection_made", begun)
    return freed


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Only what nothing refers to is freed meanwhile."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def talk(client: Client, ws: "type[SocketProtocol] | Literal['none']" = "none") -> None:
    """Run a client against a fresh server with short deadlines."""

    async def scenario() -> None:
        protocol = timed(HEAD_S, BODY_S, STALLED_S, Gate(MANY, MANY, ()), Unsent(MANY * MIB, MANY * MIB))
        config = uvicorn.Config(
            echo,
            http=protocol,
            port=0,
            lifespan="off",
            ws=ws,
            log_config=None,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(GIVE_UP_S):
                await client(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):  # the server may have reset what we still sent
                await writer.wait_closed()
            await server.shutdown()
        assert not len(protocol.deadlines)

    asyncio.run(scenario())


async def one_reply(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_head_that_never_ends_is_cut(sent: bytes) -> None:
    """A fresh connection that sends nothing, an empty line or half a head is answered 408 and closed."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        reply = await reader.read()
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert b"urn:tidings:problem:request-timeout" in reply

    talk(client)


def test_trickled_head_is_cut_at_the_absolute_deadline() -> None:
    """Bytes that keep coming do not extend the time."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reply = asyncio.ensure_future(reader.read())
        for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * 1000:
            writer.write(bytes((byte,)))
            done, _ = await asyncio.wait({reply}, timeout=HEAD_S / 10)
            if done:
                break
        assert reply.done()
        assert reply.result().startswith(b"HTTP/1.1 408 ")

    talk(client)


def test_body_that_never_ends_is_cut() -> None:
    """A body that stays short of its Content-Length is answered 408 and closed."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")

    talk(client)


def test_second_request_has_a_deadline_too() -> None:
    """On a connection that was used before, the deadline runs from the first byte of the next request."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            assert (await one_reply(reader)).endswith(b"\r\n\r\n3")
        writer.write(b"\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")

    talk(client)


def test_answered_request_is_not_answered_twice() -> None:
    """When the reply went out before the body was in, the late body only ends the connection."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        reply = await reader.read()
        assert reply.startswith(b"HTTP/1.1 200 ")
        assert reply.count(b"HTTP/1.1") == 1

    talk(client)


def test_a_stream_without_a_client_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever ended their side of the connection wrote an error into the log by each request for a stream."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.read() == b""

    talk(client)
    assert not caplog.records


def test_a_reset_behind_a_refusal_is_no_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reset the connection while it was refused wrote an error into the log."""

    def reset(_: object) -> None:
        raise OSError(errno.ENOTCONN, "planted")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        monkeypatch.setattr(type(writer.transport), "write_eof", reset)
        writer.write(HEAD + b"\x01\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()

    talk(client)
    assert not caplog.records


def test_a_partial_response_of_http_1_0_does_not_look_complete() -> None:
    """Without chunks the end of the connection is the end of the response, so a failure has to reset it."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /fails HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()

    talk(client)


def test_pipelined_requests_are_all_answered() -> None:
    """Requests that arrive in one piece, or cut anywhere, are answered in order."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        writer.write(request * 3 + request[:20])
        for _ in range(3):
            assert (await one_reply(reader)).endswith(b"\r\n\r\n3")
        writer.write(request[20:])
        assert (await one_reply(reader)).endswith(b"\r\n\r\n3")

    talk(client)


@pytest.mark.parametrize("inside", [1, 20, 59, 60, 70])
@pytest.mark.parametrize("last", [1, 2, 8])
def test_body_cut_by_a_portion_is_read_on(inside: int, last: int) -> None:
    """The last of pipelined requests was never answered, nor its connection ended, when a portion of what is parsed at once
    ended within its body."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n%b\r\n"
        body = b"a" * 60
        before = (head % b"" + body) * (last - 1)
        padding = PORTION_BYTES - inside - len(head % b"" + before + head % b"X: \r\n" + body)
        first = head % b"X: %b\r\n" % (b"p" * padding) + body
        writer.write(first + before + head % b"" + body)
        for _ in range(last + 1):
            assert (await one_reply(reader)).endswith(b"\r\n\r\n60")

    talk(client)


@pytest.mark.parametrize(
    "sent",
    [b"", HEAD, HEAD * 8, HEAD[:-2], POST, HEAD * 3 + POST, b"\x01\r\n\r\n", HEAD + b"\x01\r\n\r\n"],
    ids=["nothing", "request", "pipelined", "half", "body", "pipelined-body", "garbage", "garbage-behind"],
)
def test_an_ended_connection_is_freed_at_once(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It referred to itself, so it was kept until the next full collection of garbage, which is rare: 1,600 connections with
    pipelined requests left 24 MiB, again and again."""
    freed = when_freed(TimedProtocol, monkeypatch)

    async def client(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        writer.transport.abort()
        await freed.wait()

    with without_collections():
        talk(client)


@pytest.mark.parametrize("kind", [TimedProtocol, SocketProtocol])
@pytest.mark.parametrize("let_in", [True, False])
def test_an_ended_socket_is_freed_at_once(
    kind: type[asyncio.Protocol], let_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same of a WebSocket, and of the connection that it was before: 400 sockets left 5 MiB."""
    freed = when_freed(kind, monkeypatch)

    class Doorkeeper:
        async def upgrade(self, _: Request) -> Response:
            return (
                Response(b"", 101, attach=StreamResponse(TEXTS, lambda _: None))
                if let_in
                else Response(b"", 403)
            )

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HANDSHAKE)
        assert (await reader.readline()).startswith(b"HTTP/1.1 101 " if let_in else b"HTTP/1.1 403 ")
        writer.transport.abort()
        await freed.wait()

    with without_collections():
        talk(client, sockets(Doorkeeper()))


def test_connection_whose_parsing_fails_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails in a later portion is no callback of the transport, which would end the connection: it stayed."""

    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(TimedProtocol, "_upgraded", fail)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\nX: ")
        writer.write(b"y" * PORTION_BYTES + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""

    talk(client)


def test_endless_head_is_refused() -> None:
    """A head over its bound is refused while it arrives, long before its deadline."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\n")
        await writer.drain()
        reply = asyncio.ensure_future(reader.read())
        while not reply.done():
            writer.write(b"X: " + b"y" * 4096 + b"\r\n")
            await asyncio.wait({reply}, timeout=0.001)
        assert reply.result().startswith(b"HTTP/1.1 431 ")

    assert MAX_HEAD_BYTES < 1_000_000
    talk(client)


@pytest.mark.parametrize("sent", [b"NONSENSE\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02"])
def test_what_is_not_http_is_told_so(sent: bytes) -> None:
    """Bytes that are not HTTP are answered 400 with a problem document and closed."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        reply = await reader.read()
        assert reply.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in reply

    talk(client)
