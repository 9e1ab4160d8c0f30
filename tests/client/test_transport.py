"""What reaches the wire, by a server of a few lines that keeps what it is sent."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.outbound.certificates import certified
from tidings.client import AsyncClient, Client, Connection, ProblemError, Unreachable
from tidings.client.timeouts import POLL_AFTER, SubscriptionTimeouts
from tidings.client.transport import MAX_REPLY_BYTES, checked, is_direct


@contextmanager
def answering(*replies: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends these replies, one a connection, and its requests so far; encrypted if there is a context."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for reply in replies:
                connection, _ = listener.accept()
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    heard.append(connection.recv(65_536))
                    with connection.makefile("wb") as out:
                        out.write(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        thread.join()


def reply(body: bytes, *headers: bytes) -> bytes:
    """A reply that ends with the connection."""
    return b"\r\n".join(
        [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), b"Connection: close", *headers, b"", body]
    )


def test_a_request_as_it_is_sent() -> None:
    """Below the prefix, with the credential, its parts and parameters encoded."""
    with answering(reply(b'{"items":[]}')) as (url, heard), Client(url + "/api/", api_key="secret") as client:
        assert list(client.activity("club:a/b?c", verb="é&")) == []
    head = heard[0].decode()
    assert head.startswith(
        "GET /api/v1/topics/club%3Aa%2Fb%3Fc/activity?limit=100&verb=%C3%A9%26 HTTP/1.1\r\n"
    )
    assert "authorization: bearer secret" in head.lower()


def test_a_credential_does_not_follow_elsewhere() -> None:
    """A redirection is an answer like others, and no success."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with (
        answering(moved) as (url, _),
        Client(url, api_key="secret") as client,
        pytest.raises(ProblemError, match="302"),
    ):
        client.top()


def test_a_reply_is_bounded() -> None:
    """More than any server sends is not taken into memory."""
    with (
        answering(reply(b" " * (MAX_REPLY_BYTES + 1))) as (url, _),
        Client(url, retries=0) as client,
        pytest.raises(Unreachable, match="more than"),
    ):
        client.top()


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("http://127.0.0.1:8787", True),
        ("http://127.9.9.9/api", True),
        ("http://[::1]:8787", True),
        ("http://localhost:8787", True),
        ("https://feeds.example.com", False),
        ("http://10.0.0.1", False),
    ],
)
def test_this_machine_is_never_asked_by_way_of_a_proxy(url: str, direct: bool) -> None:
    """The fault: with ``HTTP_PROXY`` set, a server on this machine was looked for at the proxy, which cannot reach it."""
    assert is_direct(url) is direct


@pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "ALL_PROXY"])
def test_this_machine_is_trusted_by_the_authorities_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """The fault: without the proxy, ``SSL_CERT_FILE`` was ignored as well, and https://localhost with an authority of its
    own failed."""
    context, file = certified(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv(proxy, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    replies = [reply(b'{"items":[]}')] * 2
    with answering(*replies, tls=context) as (url, _):
        https = url.replace("http://127.0.0.1", "https://localhost")
        with Client(https, retries=0) as client:
            assert list(client.activity("club:a")) == []

        async def asked() -> None:
            async with AsyncClient(https, retries=0) as client:
                assert [one async for one in client.activity("club:a")] == []

        asyncio.run(asked())


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_connection_without_encryption_loads_no_certificates(
    monkeypatch: pytest.MonkeyPatch, client: type[Client] | type[AsyncClient]
) -> None:
    """The fault: each client of a server on this machine loaded those of all authorities, which takes 30 ms."""
    monkeypatch.setenv("SSL_CERT_FILE", "absent")
    client("http://127.0.0.1:8787")
    with pytest.raises(FileNotFoundError):
        client("https://127.0.0.1:8787")


@pytest.mark.parametrize(
    ("url", "got"), [("http://a:0", "0"), ("http://a:65536", "65536"), ("http://a:x", "x")]
)
def test_a_refused_port_is_named_with_the_accepted_ones(url: str, got: str) -> None:
    """The fault: an address with the port 0 was "not an http:// or https:// address", which it is."""
    with pytest.raises(ValueError, match=f"expected a port from 1 to 65535, got {got}$"):
        checked(url)


@pytest.mark.parametrize(
    "url", ["http://a:0", "http://a:99999", "http://a:x", "http://[", "http://" + "a" * 70]
)
def test_an_address_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    """The fault: a port or a host name that cannot be was an error of another kind, at the first call."""
    with pytest.raises(ValueError, match="is not an http:// or https:// address"):
        checked(url)


class Enough(Exception):
    """A subscription waited often enough."""


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_port_where_nobody_listens_is_no_proxy(kind: type[Client | AsyncClient]) -> None:
    """The subscription tries streams, and does not poll."""
    states: list[str] = []

    def told(connection: Connection) -> None:
        states.append(connection.state)
        if states.count("waiting") > 2 * POLL_AFTER:
            raise Enough

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    pace = SubscriptionTimeouts(first_s=0.001, longest_s=0.001)
    subscription = kind(url, user_id="bob").subscribe(on_connection=told, pace=pace)

    async def soon() -> None:
        assert isinstance(subscription, AsyncIterator)
        await anext(subscription)

    def listen() -> None:
        if isinstance(subscription, AsyncIterator):
            asyncio.run(soon())
        else:
            next(subscription)

    with pytest.raises(Enough):
        listen()
    assert set(states) == {"connecting", "waiting"}
