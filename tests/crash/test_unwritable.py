"""A full disk, a file that is taken away, and a commit by another program: what cannot be kept is not acknowledged."""

import json
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.crash.client import TIMEOUT_S
from tests.crash.server_process import serving

FULL_BYTES = 4_096
"""What a file may hold once the disk is full: less than the write-ahead log holds already."""
ASKED_AT_MOST = 100_000
"""Questions, about a millisecond each, until a server must have noticed: it looks every second."""
EVENT = {"actor_id": "ann", "verb": "like", "object_type": "t", "object_id": "1", "target_user_ids": ["bob"]}


@contextmanager
def full_disk(process: subprocess.Popen[str]) -> Iterator[None]:
    """No file of this process grows while the block lasts: the kernel refuses, whoever the user is."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def asking(path: Path, errors: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """A client of a server in which there is one event, and its process."""
    with (
        errors.open("w") as said,
        serving(path, errors=said) as (url, process),
        httpx.Client(base_url=url, timeout=TIMEOUT_S) as http,
    ):
        assert http.post("/v1/events", json=EVENT).status_code == 201
        yield http, process


def wait_for(http: httpx.Client, path: str, status: int) -> None:
    """Ask until the answer has this status."""
    for _ in range(ASKED_AT_MOST):
        if http.get(path).status_code == status:
            return
    raise AssertionError(f"{path} is never answered {status}")


def refused(answer: httpx.Response) -> None:
    """503, as a problem that says when to come back, and not where the store lies."""
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "urn:tidings:problem:unavailable"
    assert "tidings.db" not in answer.text, "every caller is told the path of the store"


def reads_go_on(http: httpx.Client) -> None:
    """The event is in the feed and the inbox, and a stream begins and tells the inbox as it is."""
    assert len(http.get("/v1/feed", params={"user_id": "bob"}).json()["items"]) == 1
    assert len(http.get("/v1/notifications", params={"user_id": "bob"}).json()["items"]) == 1
    asked = {"user_id": "bob", "last_event_id": "0"}
    with http.stream("GET", "/v1/notifications/stream", params=asked) as stream:
        lines = iter(stream.iter_lines())
        assert any(line == "event: notification" for line in lines)


def test_a_full_disk_is_503_until_a_write_succeeds(tmp_path: Path) -> None:
    """Publishing and every other write are refused in words, not with a traceback; readiness says so, and when it is
    over; nothing that was refused is kept, nothing acknowledged is lost."""
    errors = tmp_path / "errors"
    with asking(tmp_path / "tidings.db", errors) as (http, process):
        with full_disk(process):
            refused(http.post("/v1/events", json=EVENT))
            refused(http.get("/readyz"))
            refused(http.put("/v1/users/bob/follows/t:2"))
            refused(http.post("/v1/notifications/read-all", params={"user_id": "bob"}))
            assert http.get("/livez").status_code == 200
            reads_go_on(http)
        wait_for(http, "/readyz", 200)
        assert http.post("/v1/events", json=EVENT).json()["position"] == 2
    said = errors.read_text()
    assert "Traceback" not in said
    assert "the store can be written again" in said


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_is_taken_away_is_not_written_any_more(tmp_path: Path, replaced: bool) -> None:
    """Deleted or replaced under the server: it says so loudly, is not ready, and acknowledges nothing; reading goes on."""
    path, errors = tmp_path / "tidings.db", tmp_path / "errors"
    with asking(path, errors) as (http, _):
        path.unlink()
        if replaced:
            path.touch()
        refused(http.post("/v1/events", json=EVENT))
        wait_for(http, "/readyz", 503)
        refused(http.get("/readyz"))
        reads_go_on(http)
    what = "replaced by another file" if replaced else "deleted or moved"
    assert f"{path} was {what}" in errors.read_text()
    assert "Traceback" not in errors.read_text()


def test_a_file_that_is_taken_away_is_noticed_without_a_write(tmp_path: Path) -> None:
    """Nobody has to lose an event first."""
    path = tmp_path / "tidings.db"
    with asking(path, tmp_path / "errors") as (http, _):
        path.unlink()
        wait_for(http, "/readyz", 503)


COPY = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as source, sqlite3.connect(sys.argv[2]) as target:
    source.backup(target)
"""


def copy_through_sqlite(source: Path, target: Path) -> None:
    """What ``.backup`` and ``.restore`` of the SQLite shell do, in a process of its own."""
    subprocess.run([sys.executable, "-c", COPY, str(source), str(target)], check=True)


def test_a_restore_into_the_open_file_ends_all_service_until_a_restart(tmp_path: Path) -> None:
    """The fault: ``.restore`` of the SQLite shell into the file of a running server went unnoticed. The server acknowledged
    events on top of the copy and stayed ready, and old cursors seemed valid although what they had seen was gone. Now it is
    found without a write, streams end, nothing is read or written, and the restart begins a new epoch. A backup of the
    running store by ``.backup`` is no commit."""
    path, copy, errors = tmp_path / "tidings.db", tmp_path / "copy.db", tmp_path / "errors"
    with asking(path, errors) as (http, process):
        copy_through_sqlite(path, copy)
        assert http.post("/v1/events", json=EVENT).json()["position"] == 2
        assert http.get("/readyz").status_code == 200
        with http.stream("GET", "/v1/notifications/stream", params={"user_id": "bob"}) as stream:
            lines = stream.iter_lines()
            cursor = next(line.removeprefix("id: ") for line in lines if line.startswith("id: "))
            copy_through_sqlite(copy, path)
            assert [line for line in lines if line.startswith("event: ")][-1] == "event: drain"
        wait_for(http, "/readyz", 503)
        why = http.get("/readyz").json()["detail"]
        assert (
            why
            == "another program made a commit in the store while it was open, and the server must be restarted"
        )
        refused(http.get("/readyz"))
        refused(http.post("/v1/events", json=EVENT))
        refused(http.get("/v1/feed", params={"user_id": "bob"}))
        refused(http.get("/v1/notifications", params={"user_id": "bob"}))
        refused(http.get("/v1/notifications/stream", params={"user_id": "bob"}))
        assert http.get("/livez").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 1
    said = errors.read_text()
    assert "ERROR" in said
    assert "reads and writes get 503: another program made a commit in" in said
    assert "restart the server, which begins a new epoch, so clients fetch their state again" in said
    assert "Traceback" not in said
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("SELECT count(*) FROM log").fetchall() == [(1,)]
    with serving(path) as (url, _), httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
        asked = {"user_id": "bob", "last_event_id": cursor}
        with http.stream("GET", "/v1/notifications/stream", params=asked) as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line == "event: reset")
            assert json.loads(next(line for line in lines if line.startswith("data: "))[6:])["reason"]
        assert http.post("/v1/events", json=EVENT).json()["position"] == 2
