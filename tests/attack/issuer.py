"""A token issuer on loopback that misbehaves, for those who fetch its key set."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.loops import loop_in_a_thread

DRIP_S = 0.05
"""Seconds between two bytes of a reply that never ends."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
SIGNER = ec.generate_private_key(ec.SECP256R1())
OTHER = rsa.generate_private_key(65537, 2048)

Misbehave = Callable[[asyncio.StreamWriter], Awaitable[None]]


def jwk(
    kid: str | None, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = SIGNER, **more: Any
) -> dict[str, Any]:
    """The public half of a key as an entry of a set."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        found: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    else:
        found = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return found | ({"kid": kid} if kid else {}) | more


def document(*entries: Any) -> bytes:
    """A key set."""
    return json.dumps({"keys": entries}).encode()


def _says(reply: bytes) -> Misbehave:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()

    return say


def _goes_on(begin: bytes, more: bytes, pause: Callable[[], Awaitable[None]]) -> Misbehave:
    async def go_on(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while not writer.is_closing():
            writer.write(more)
            await writer.drain()
            await pause()

    return go_on


async def _drip() -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), DRIP_S)


async def _at_once() -> None:
    """No pause but for what the socket takes."""


def _body(body: bytes, *headers: str) -> Misbehave:
    lines = "".join(f"{header}\r\n" for header in headers)
    return _says(HEAD + f"Content-Length: {len(body)}\r\n{lines}\r\n".encode() + body)


MISBEHAVIOURS: Mapping[str, Misbehave] = {
    "drips a body": _goes_on(HEAD + b"Content-Length: 100000\r\n\r\n", b" ", _drip),
    "drips a head": _goes_on(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", _drip),
    "says nothing": _goes_on(b"", b"", _drip),
    "hangs up": _says(b""),
    "garbage status line": _says(b"\x00\xff HELLO 2OO\r\n\r\n"),
    "another protocol": _says(b"220 mail.example ESMTP\r\n"),
    "status of no kind": _says(b"HTTP/1.1 99999999999 OK\r\n\r\n"),
    "endless head": _goes_on(b"HTTP/1.1 200 OK\r\n", b"a: " + b"b" * 1_000 + b"\r\n", _at_once),
    "header of no kind": _says(HEAD + b"\x01\x02: \xff\x00\r\n no\r\n\r\n{}"),
    "length of no kind": _says(HEAD + b"Content-Length: -7\r\n\r\n{}"),
    "two lengths": _says(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "body too short": _says(HEAD + b'Content-Length: 100\r\n\r\n{"keys'),
    "bad chunking": _says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
    "endless chunks": _goes_on(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b" " * 0x4000 + b"\r\n", _at_once
    ),
    "small chunks": _goes_on(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 10_000, _at_once),
    "huge body": _goes_on(HEAD + b"Content-Length: 1000000000\r\n\r\n", b" " * 65_536, _at_once),
    "compressed bomb": _body(gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip"),
    "deep lists": _body(b"[" * 100_000),
    "deep keys": _body(b'{"keys":' + b"[" * 100_000),
    "deep objects": _body(b'{"keys":[' + b'{"kty":' * 30_000),
    "no json": _body(b"<html>\x1b[2J"),
    "no text": _body(b'{"keys":"\xff\xfe"}'),
    "a list": _body(b"[]"),
    "keys are a number": _body(b'{"keys":7}'),
    "keys are null": _body(b'{"keys":null}'),
    "redirects to itself": _says(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
    "redirects nowhere": _says(b"HTTP/1.1 301 Moved\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"),
    "an error": _says(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}"),
    "nothing to say": _says(b"HTTP/1.1 204 No\r\n\r\n"),
    "interim replies": _goes_on(b"", b"HTTP/1.1 103 Early\r\n\r\n" * 2_000, _at_once),
}
"""What an issuer may do instead of serving a set."""

BROKEN_KEYS: Mapping[str, Any] = {
    "alg is a list": jwk("x", alg=["RS256"]),
    "alg is an object": jwk("x", alg={"RS256": 1}),
    "alg is a number": jwk("x", alg=7),
    "alg is unknown": jwk("x", alg="RS257"),
    "alg is of another kind of key": jwk("x", alg="RS256"),
    "kty is a list": jwk("x", kty=["EC"]),
    "kty is null": jwk("x", kty=None),
    "kty is unknown": {"kid": "x", "kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "kty is symmetric": {"kid": "x", "kty": "oct", "k": "c2VjcmV0"},
    "crv is a list": jwk("x", crv=["P-256"]),
    "crv is unknown": jwk("x", crv="P-257"),
    "x is a number": jwk("x", x=7),
    "x is no base64": jwk("x", x="\u2603"),
    "x is a lone surrogate": jwk("x", x="\ud800"),
    "x is missing": {"kid": "x", "kty": "EC", "crv": "P-256", "y": "AA"},
    "not on the curve": jwk("x", x="AA", y="AA"),
    "n is null": jwk("x", OTHER, n=None),
    "n is nothing": jwk("x", OTHER, n=""),
    "n is even": jwk("x", OTHER, n="AAAA"),
    "n is huge": jwk("x", OTHER, n="_" * 100_000),
    "e is huge": jwk("x", OTHER, e="_" * 1_000),
    "e is an object": jwk("x", OTHER, e={}),
    "use is a list": jwk("x", use=["sig"]),
    "kid is a number": jwk("x") | {"kid": 7},
    "kid is an object": jwk("x") | {"kid": {}},
    "a number": 7,
    "null": None,
    "a list": [],
    "empty": {},
}
"""Entries of a set that cannot be used."""


class Issuer:
    """Serves one way of misbehaving, or ``served`` where that is set; ``asked`` counts the requests."""

    def __init__(self, misbehave: Misbehave) -> None:
        self.misbehave = misbehave
        self.served: bytes | None = None
        self.asked = 0
        self.url = ""
        self._over = False
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                await (self.misbehave if self.served is None else _body(self.served))(writer)
        finally:
            self._connections.discard(task)
            if self._over:
                writer.transport.abort()
            else:
                writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def start(self) -> asyncio.Server:
        """Listen."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        return server

    async def stop(self) -> None:
        """Let go of every connection."""
        self._over = True
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@contextmanager
def issuing(what: str) -> Iterator[Issuer]:
    """An issuer that misbehaves in this way, served from a thread of its own."""
    issuer = Issuer(MISBEHAVIOURS[what])
    with loop_in_a_thread("issuer") as loop:
        server = asyncio.run_coroutine_threadsafe(issuer.start(), loop).result()
        try:
            yield issuer
        finally:
            loop.call_soon_threadsafe(server.close)
            asyncio.run_coroutine_threadsafe(issuer.stop(), loop).result()
