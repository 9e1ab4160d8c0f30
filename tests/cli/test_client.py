"""The command line's HTTP client, against a server that does what is asked of it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import click
import pytest

from tidings.cli.client import BUSY_TRIES, Client, Refused, Unreachable


class Scripted(BaseHTTPRequestHandler):
    """Answers each request with the next status of the script, and keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together; apart, the second waits for the first to be acknowledged
    script: list[int]
    seen: list[dict[str, Any]]

    def do_GET(self) -> None:
        """Answer, without any wait between two tries."""
        self.seen.append(
            {"path": self.path, "key": self.headers["Authorization"], "port": self.client_address[1]}
        )
        status = self.script.pop(0) if self.script else 200
        problem = {"title": "No", "detail": "not so", "errors": [{"pointer": "/verb", "detail": "missing"}]}
        body = json.dumps({"ok": True} if status == 200 else problem).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def scripted(*statuses: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that answers with these statuses, then with 200, and what it saw."""
    seen: list[dict[str, Any]] = []
    handler = type("Handler", (Scripted,), {"script": list(statuses), "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def test_a_request_carries_prefix_parameters_and_key() -> None:
    """The prefix of the address comes before every path, absent parameters are left out, others are
    encoded."""
    with scripted() as (url, seen), Client(url + "/api/", "k-1") as client:
        assert client.get("/v1/feed", user_id="a&b", cursor=None) == {"ok": True}
        assert (seen[0]["path"], seen[0]["key"]) == ("/api/v1/feed?user_id=a%26b", "Bearer k-1")


def test_without_a_key_nothing_is_claimed() -> None:
    """In dev mode there is no Authorization at all."""
    with scripted() as (url, seen), Client(url, None) as client:
        client.get("/")
        assert seen[0]["key"] is None


def test_a_busy_server_is_waited_for() -> None:
    """429 and 503 are tried again as often as it takes, within reason."""
    with scripted(503, 429, 503) as (url, seen), Client(url, None) as client:
        assert client.get("/") == {"ok": True}
        assert len(seen) == 4


def test_a_server_that_stays_busy_is_given_up() -> None:
    """After the last try the refusal is told as any other."""
    with scripted(*[503] * 100) as (url, seen), Client(url, None) as client:
        with pytest.raises(Refused, match="503: not so"):
            client.get("/")
        assert len(seen) == BUSY_TRIES + 1


def test_a_refusal_names_status_reason_and_fields() -> None:
    """What the problem says of each field is part of the message."""
    with scripted(422) as (url, _), Client(url, None) as client:
        with pytest.raises(Refused, match=r"(?s)422: not so.*/verb: missing") as refused:
            client.get("/")
        assert refused.value.status == 422


def test_a_connection_is_kept_while_it_is_used_and_replaced_when_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests in a row share one connection; after a pause the server may be closing it, so a new one is
    made."""
    with scripted() as (url, seen), Client(url, None) as client:
        client.get("/")
        client.get("/")
        monkeypatch.setattr("tidings.cli.client.IDLE_S", -1.0)
        client.get("/")
        assert seen[0]["port"] == seen[1]["port"] != seen[2]["port"]


def test_a_server_that_is_gone_is_told_as_such() -> None:
    """A refused connection is an error of its own, which names the address."""
    with scripted() as (url, _):
        client = Client(url, None)
    with client, pytest.raises(Unreachable, match=f"{url} cannot be reached"):
        client.get("/")


@pytest.mark.parametrize("url", ["localhost:8787", "ftp://a.example", "http://", ""])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    """Only http and https addresses with a host are."""
    with pytest.raises(click.BadParameter):
        Client(url, None)
