"""The client of the commands, against a server that does what is asked of it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import click
import pytest

from tests.serving import environ
from tidings.cli.client import (
    BUSY_TRIES,
    MAX_RETRY_S,
    CommandClient,
    Foreign,
    Refused,
    ServerUnreachable,
    connect,
    wait_of,
)
from tidings.client import ProblemError


class Scripted(BaseHTTPRequestHandler):
    """Answers each request with the next status of the script, and keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together; apart, the second waits for the first to be acknowledged
    kind = "application/json"
    retry_after = "0"
    script: list[int]
    seen: list[dict[str, Any]]

    def do_GET(self) -> None:
        """Answer, without any wait between two tries."""
        self.seen.append(
            {"path": self.path, "key": self.headers["Authorization"], "port": self.client_address[1]}
        )
        status = self.script.pop(0) if self.script else 200
        errors = [{"pointer": "/verb", "detail": "missing"}]
        problem = {"type": "urn:tidings:problem:x", "title": "No", "detail": "not so", "errors": errors}
        body = json.dumps({"unread_count": 1, "seq": 2} if status == 200 else problem).encode()
        if self.kind != "application/json":
            body = b"<html>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", self.kind)
        self.send_header("Retry-After", self.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def scripted(*statuses: int, **replies: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that answers with these statuses, then with 200, and what it saw. ``replies`` are the
    ``kind`` of all bodies and the ``retry_after`` of all replies."""
    seen: list[dict[str, Any]] = []
    handler = type("Handler", (Scripted,), {"script": list(statuses), "seen": seen, **replies})
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
    with scripted() as (url, seen), CommandClient(url + "/api/", "k-1") as client:
        assert client.unread_count(user="a&b").unread_count == 1
        expected = ("/api/v1/notifications/unread-count?user_id=a%26b", "Bearer k-1")
        assert (seen[0]["path"], seen[0]["key"]) == expected


def test_without_a_key_nothing_is_claimed() -> None:
    """In dev mode there is no Authorization at all."""
    with scripted() as (url, seen), CommandClient(url, None) as client:
        client.unread_count()
        assert seen[0]["key"] is None


def test_a_busy_server_is_waited_for() -> None:
    """429 and 503 are tried again as often as it takes, within reason."""
    with scripted(503, 429, 503) as (url, seen), CommandClient(url, None) as client:
        assert client.unread_count().seq == 2
        assert len(seen) == 4


def test_a_server_that_stays_busy_is_given_up() -> None:
    """After the last try the refusal is told as any other."""
    with scripted(*[503] * 100) as (url, seen), CommandClient(url, None) as client:
        with pytest.raises(Refused, match=r"^the server answered 503: not so"):
            client.unread_count()
        assert len(seen) == BUSY_TRIES + 1


def test_a_refusal_names_status_reason_and_fields() -> None:
    """What the problem says of each field is part of the message; nothing is tried again."""
    with scripted(422) as (url, seen), CommandClient(url, None) as client:
        with pytest.raises(Refused, match=r"(?s)422: not so.*/verb: missing"):
            client.unread_count()
        assert len(seen) == 1


def test_a_server_that_is_gone_is_told_as_such() -> None:
    """A refused connection is an error of its own, which names the address, and comes at once."""
    with scripted() as (url, _):
        client = CommandClient(url, None)
    with client, pytest.raises(ServerUnreachable, match=f"{url} cannot be reached: ."):
        client.unread_count()


@pytest.mark.parametrize(("status", "phrase"), [(200, "OK"), (404, "Not Found"), (302, "Found"), (799, "")])
def test_another_server_is_told_as_such(status: int, phrase: str) -> None:
    """A page for people, at a wrong address or prefix, is no answer: one line says so, whatever its status."""
    with scripted(*[status] * 2, kind="text/html") as (url, _), CommandClient(url, None) as client:
        with pytest.raises(Foreign, match=f"{url} answered {status}.{phrase}") as told:
            client.unread_count()
        assert "which is no response of Tidings" in told.value.message


def test_a_proxy_s_own_page_of_errors_is_waited_out() -> None:
    """A 503 without a problem is a busy server too."""
    with scripted(503, 503, kind="text/html") as (url, seen), CommandClient(url, None) as client:
        with pytest.raises(Foreign):
            client.unread_count()
        assert len(seen) == 3


@pytest.mark.parametrize(("given", "seconds"), [(0.0, 0), (7.0, 7), (999_999.0, MAX_RETRY_S), (None, 1)])
def test_a_wait_is_what_the_server_asks_for_within_reason(given: float | None, seconds: float) -> None:
    """No server can hold a command for days."""
    assert wait_of(ProblemError(503, "", "", "", retry_after=given)) == seconds


@pytest.mark.parametrize(
    ("status", "key", "advice"),
    [
        (401, None, "put an API key or a token into MY_KEY"),
        (401, "k-1", "the key was taken from MY_KEY"),
        (403, "k-1", "the key was taken from MY_KEY"),
    ],
)
def test_a_refused_key_says_where_it_comes_from(status: int, key: str | None, advice: str) -> None:
    """Who is not let in learns which variable to look at, and the key is not repeated."""
    with scripted(status) as (url, _), CommandClient(url, key, "MY_KEY") as client:
        with pytest.raises(Refused, match=f"(?s){status}: not so.*{advice}") as refused:
            client.unread_count()
        assert "k-1" not in refused.value.message


def test_a_key_is_taken_from_the_variable_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Space around it, as files of secrets end with, is no part of it; an empty or impossible one is refused by name."""
    with scripted() as (url, seen):
        monkeypatch.setenv("MY_KEY", "k-1\n")
        with connect(url, "MY_KEY") as client:
            client.unread_count()
        assert seen[0]["key"] == "Bearer k-1"
        for bad in ("", "k\n1", "ключ"):
            monkeypatch.setenv("MY_KEY", bad)
            with pytest.raises(click.UsageError, match="MY_KEY"):
                connect(url, "MY_KEY")


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of most clients: the server of ``replay --store``, on loopback, would be looked for at a proxy elsewhere."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with scripted() as (url, _), CommandClient(url, None) as client:
        assert client.unread_count().seq == 2


@pytest.mark.parametrize(
    "url",
    [
        *(
            "localhost:8787",
            "ftp://a.example",
            "http://",
            "",
            "http://[",
            "http://a.example:99999",
            "http://a.example:x",
        ),
        "http://" + "a" * 70 + ".example",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    """Only http and https addresses with a host are."""
    with pytest.raises(click.BadParameter, match="is not an http:// or https:// address"):
        CommandClient(url, None)


def test_a_server_does_without_the_client() -> None:
    """The commands that ask a server load the client; ``serve`` and ``doctor``, whose memory counts, do not."""
    loaded = "import sys; from tidings.cli import main; main.get_command(None, sys.argv[1]); print('httpx' in sys.modules)"
    for command, expected in (("serve", "False"), ("doctor", "False"), ("tail", "True")):
        run = [sys.executable, "-c", loaded, command]
        assert (
            subprocess.run(run, env=environ(), capture_output=True, text=True, check=True).stdout.strip()
            == expected
        )
