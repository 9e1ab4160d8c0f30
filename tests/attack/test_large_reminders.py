"""An application sets reminders for ten thousand users each; to list, export and erase them holds up nobody.

Each is 2.6 MB in the store: the event, and the names once more. How many rows a transaction of an erasure writes is counted
in tests/unit/storage/test_reminder_rows.py.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.attack.probe import LONG, PATIENCE_S, AttackedServer, attacked_server

REMINDERS = 60 if LONG else 16
USERS = 10_000
PAGE_MIB = 24
"""Memory of one page or part: one reminder as it is read, as Python's objects and as JSON."""
EXPORT_MIB = 24
WRITE_MIB = 96
"""A few reminders as they are read, checked and written, the page cache of the writer, and the log."""
ERASE_MIB = 64
"""The page cache of the writer, the log, and a few reminders."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server with large reminders that name ann, due at some time to come."""
    with attacked_server(tmp_path_factory.mktemp("reminders")) as running:
        with client(running) as asking:
            for n in range(REMINDERS):
                assert asking.put(f"/v1/reminders/r{n}", json=reminder()).is_success
        yield running


def client(server: AttackedServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=PATIENCE_S)


def reminder() -> dict[str, object]:
    users = ["ann", *(f"{n:05d}" + "x" * 120 for n in range(USERS - 1))]
    at = datetime.now(UTC) + timedelta(days=30)
    return {
        "type": "t",
        "object_type": "t",
        "object_id": "1",
        "user_ids": users,
        "deliver_at": at.isoformat(),
    }


def test_a_page_reads_no_more_than_it_shows(server: AttackedServer) -> None:
    """The fault: a hundred reminders were read and encoded on the event loop for a page of one."""
    server.reset()
    keys: list[str] = []
    cursor = ""
    with client(server) as asking:
        while True:
            page = asking.get(f"/v1/reminders?limit=100{cursor}").json()
            keys += [one["key"] for one in page["items"]]
            if not page["has_more"]:
                break
            cursor = f"&cursor={page['next_cursor']}"
    assert sorted(keys) == sorted(f"r{n}" for n in range(REMINDERS))
    server.assert_bounds(memory_mib=PAGE_MIB)


def test_one_reminder_is_read_off_the_event_loop(server: AttackedServer) -> None:
    """The fault: megabytes were read and decoded on the event loop, and each erasure that went on searched them there."""
    server.reset()
    with client(server) as asking:
        for n in range(REMINDERS):
            assert len(asking.get(f"/v1/reminders/r{n}").json()["user_ids"]) == USERS
    server.assert_bounds(memory_mib=PAGE_MIB)


def test_an_export_does_not_read_whom_else_reminders_tell(server: AttackedServer) -> None:
    """The fault: all reminders that name a user were in memory at once, for an answer of some KB."""
    server.reset()
    with client(server) as asking:
        lines = asking.get("/v1/users/ann/export").text.splitlines()
    assert sum('"kind":"reminder"' in line for line in lines) == REMINDERS
    server.assert_bounds(memory_mib=EXPORT_MIB)


def test_an_erasure_takes_a_user_out_of_large_reminders(server: AttackedServer) -> None:
    """The fault: all their users were written again in one transaction of many seconds."""
    server.reset()
    with client(server) as asking:
        assert asking.delete("/v1/users/ann").is_success
        first = asking.get("/v1/reminders/r0").json()
        assert "ann" not in first["user_ids"]
        assert len(first["user_ids"]) == USERS - 1
    server.assert_bounds(memory_mib=ERASE_MIB)


def test_a_reminder_is_set_fires_and_is_cancelled(server: AttackedServer) -> None:
    """Each of these wrote or deleted ten thousand rows in one transaction."""
    server.reset()
    with client(server) as asking:
        for n in range(3):
            assert asking.put(f"/v1/reminders/new{n}", json=reminder()).is_success
            assert asking.delete(f"/v1/reminders/new{n}").is_success
            assert asking.put("/v1/reminders/new", json=reminder()).is_success
        due = reminder() | {"deliver_at": "2020-01-01T00:00:00Z"}
        assert asking.put("/v1/reminders/new", json=due).json()["fired"]
        assert asking.get("/v1/reminders/new").status_code == 404
    server.assert_bounds(memory_mib=WRITE_MIB)
