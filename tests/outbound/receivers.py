"""The other side: servers that really listen, note what they get, and answer as they are told."""

import asyncio
import socket
import ssl
import struct
from collections import deque
from collections.abc import Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session

WAIT_S = 20
"""Seconds that something may take to arrive before a test fails instead of hanging."""
HOST = "127.0.0.1"


class Request(NamedTuple):
    """What an HTTP client sent; names of headers in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The path asked for."""
        return self.line.split()[1]


class Web:
    """An HTTP server. Answers 204 unless ``answers`` holds something else to say first; while ``open`` is not set it
    says nothing at all, and to requests for ``silent`` paths it never does. With ``keep`` a connection stays for the next
    request. With ``broken`` it resets every connection, and counts them in ``resets``."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.answers: deque[bytes] = deque()
        self.open = asyncio.Event()
        self.open.set()
        self.silent: set[str] = set()
        self.most_at_once = 0
        self.keep = False
        self.broken = False
        self.resets = 0
        self._busy = 0
        self._news = asyncio.Condition()
        self._connections: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.WriteTransport] = set()

    async def start(self, context: ssl.SSLContext | None = None) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._serve, HOST, 0, ssl=context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listen no more, and let go of every connection."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        _abort(self._transports)

    def answer(self, status: int, *headers: str, body: bytes = b"", times: int = 1) -> None:
        """Say this next."""
        head = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
        self.answers.extend(["\r\n".join(head).encode() + body] * times)

    async def received(self, number: int) -> None:
        """Returns when so many requests have come."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: len(self.requests) >= number)

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [request.path for request in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._transports.add(writer.transport)
        if self.broken:
            self.resets += 1
            _reset(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._busy += 1
        self.most_at_once = max(self.most_at_once, self._busy)
        try:
            await self._answer(reader, writer)
            while self.keep:
                await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._busy -= 1
            self._connections.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read(reader)
        await self._note(request)
        if request.path in self.silent:
            await reader.read()  # until the client goes
            raise ConnectionAbortedError
        await self.open.wait()
        usual = _KEPT if self.keep else _NO_CONTENT
        writer.write(self.answers.popleft() if self.answers else usual)
        await writer.drain()

    async def _note(self, request: Request) -> None:
        async with self._news:
            self.requests.append(request)
            self._news.notify_all()


def _abort(transports: set[asyncio.WriteTransport]) -> None:
    """Close connections at once. One with TLS that is only closed waits for its peer: it stays open if the loop ends."""
    for transport in transports:
        transport.abort()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection the way a crashed machine does."""
    at_once = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    writer.close()


_KEPT = b"HTTP/1.1 204 X\r\n\r\n"
_NO_CONTENT = b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n"


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    named = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in named}
    return Request(head[0], headers, await reader.readexactly(int(headers.get("content-length", "0"))))


class Mail(NamedTuple):
    """A mail as the relay took it: who it is for, the bytes, and what they say."""

    recipients: Sequence[str]
    raw: bytes
    content: EmailMessage


class Connection(SMTP):
    """A connection to a relay, which knows its transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have the relay keep it."""
        assert isinstance(self.event_handler, Relay)
        assert isinstance(transport, asyncio.WriteTransport)
        self.event_handler.transports.add(transport)
        super().connection_made(transport)


class Relay:
    """An SMTP server. Takes every mail unless ``answers`` holds refusals; ``at`` is the command that they answer."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.answers: deque[str] = deque()
        self.at = "RCPT"
        self.transports: set[asyncio.WriteTransport] = set()
        self._news = asyncio.Condition()

    async def start(self, context: ssl.SSLContext | None = None, *, starttls: bool = False) -> int:
        """Listen; the port. With a ``context``, TLS from the first byte, or with ``starttls`` only after being asked."""
        self._upgrade = context if starttls else None
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, HOST, 0, ssl=None if starttls else context
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listen no more, and let go of every connection."""
        self._server.close()
        await self._server.wait_closed()
        _abort(self.transports)

    def _protocol(self) -> SMTP:
        return Connection(
            self,
            hostname="relay.example",
            enable_SMTPUTF8=True,
            tls_context=self._upgrade,
            require_starttls=self._upgrade is not None,
        )

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Who it is for."""
        if self.at == "RCPT" and self.answers:
            return self.answers.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """What it says."""
        if self.at == "DATA" and self.answers:
            return self.answers.popleft()
        raw = envelope.content
        assert isinstance(raw, bytes)
        content = message_from_bytes(raw, policy=default)
        assert isinstance(content, EmailMessage)
        async with self._news:
            self.mails.append(Mail(list(envelope.rcpt_tos), raw, content))
            self._news.notify_all()
        return "250 OK"

    async def received(self, number: int) -> None:
        """Returns when so many mails have come."""
        async with asyncio.timeout(WAIT_S), self._news:
            await self._news.wait_for(lambda: len(self.mails) >= number)


def text(mail: Mail, kind: str = "plain") -> str:
    """The part of a mail that is text of this kind."""
    part = mail.content.get_body((kind,))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content
