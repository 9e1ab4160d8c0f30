"""What reaches the wire, by a server of a few lines that keeps what it is sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tidings.client import Client, ProblemError, Unreachable
from tidings.client.transport import MAX_REPLY_BYTES, by_proxy, checked


@contextmanager
def answering(*replies: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends these replies, one a connection, and its requests so far."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for reply in replies:
                connection, _ = listener.accept()
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
    ("url", "proxied"),
    [
        ("http://127.0.0.1:8787", False),
        ("http://127.9.9.9/api", False),
        ("http://[::1]:8787", False),
        ("http://localhost:8787", False),
        ("https://feeds.example.com", True),
        ("http://10.0.0.1", True),
    ],
)
def test_this_machine_is_never_asked_by_way_of_a_proxy(url: str, proxied: bool) -> None:
    """The fault: with ``HTTP_PROXY`` set, a server on this machine was looked for at the proxy, which cannot reach it."""
    assert by_proxy(url) is proxied


@pytest.mark.parametrize(
    "url", ["http://a:0", "http://a:99999", "http://a:x", "http://[", "http://" + "a" * 70]
)
def test_an_address_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    """The fault: a port or a host name that cannot be was an error of another kind, at the first call."""
    with pytest.raises(ValueError, match="is not an http:// or https:// address"):
        checked(url)
