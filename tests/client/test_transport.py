"""What reaches the wire, by a server of a few lines that keeps what it is sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tidings.client import Client, ProblemError, Unreachable
from tidings.client.transport import MAX_REPLY_BYTES


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
