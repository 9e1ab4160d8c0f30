"""``kill -9`` under load: what a client was told holds, however often the server dies, and nothing is doubled."""

import random
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from tests.checkers import inboxes, ledger
from tests.checkers.adapters import json_item
from tests.checkers.ledger import Place
from tests.crash.client import CROWD, POOL, TIMEOUT_S, WIDE, Client, Sent, load
from tests.crash.effort import repeatable, seeds
from tests.crash.server_process import kill_while_starting, serving

CLIENTS = 3
KILLS = 20
"""Kills that one file lives through."""
MOST_ACKNOWLEDGED = 120
"""Requests acknowledged before the longest-lived server is killed."""
REPEATS = 10
"""Requests of each client that are repeated after each kill."""

DAMAGES = (
    "DELETE FROM event_1 WHERE position=(SELECT max(position) FROM event_1)",
    "DELETE FROM timeline_1 WHERE timeline % 2 = 1",
    "DELETE FROM idempotency",
    "UPDATE idempotency SET position=position+1",
    "UPDATE inbox SET seq=seq+1",
    "UPDATE inbox SET unread=unread+1",
)
"""Lost events, empty homes, forgotten and false receipts, a hole in the seqs, a false count."""
PARTITIONS = (
    "SELECT name FROM sqlite_schema WHERE type='table' AND name GLOB '*_[0-9]*'"
    " AND ?1 LIKE '%' || substr(name, 1, instr(name, '_')) || '1%'"
)
"""The tables of the family whose first one a statement names."""
ASKED_AT_MOST = 10_000
"""Questions, about a millisecond each, until the fan-out must have ended."""

Log = dict[str, Place]
"""Where each event is, by its token, in the order of the log."""


@pytest.mark.need("IN7")
@pytest.mark.parametrize("seed", seeds(1, 10))
def test_what_was_acknowledged_survives_kills(tmp_path: Path, seed: int) -> None:
    """I1, I2, I3, I6 over the wire, after each of twenty kills on one file; and no kill is taken for a restored backup."""
    lives: set[str] = set()
    path, chance = tmp_path / "tidings.db", random.Random(seed)
    clients = [Client(number, seed) for number in range(CLIENTS)]
    with repeatable(seed, "test_kill.py"):
        for kill in range(KILLS):
            with serving(path) as (url, process):
                with httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
                    lives.add(http.get("/v1/admin/status").json()["epoch"])
                    gather(http) if kill == 0 else check(http, clients)
                load(clients, url, chance.randrange(MOST_ACKNOWLEDGED), process.kill)
            if chance.random() < 0.2:
                kill_while_starting(path, chance)
        with serving(path) as (url, _), httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
            check(http, clients)
        assert len(lives) == 1, "a kill began a new epoch"


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    """The check is able to fail: each kind of damage to a file is found."""
    path, clients = tmp_path / "tidings.db", [Client(number, seed=0) for number in range(CLIENTS)]
    with serving(path) as (url, process):
        load(clients, url, MOST_ACKNOWLEDGED, process.kill)
    with closing(apsw.Connection(str(path))) as file:
        before = file.total_changes()
        # Partitions roll and merge meanwhile: the same harm is done to each table of the family.
        tables = [str(row[0]) for row in file.execute(PARTITIONS, (damage,))]
        for table in tables or [""]:
            file.execute(re.sub(r"\b(event|timeline|inbox)_1\b", table, damage))
        assert file.total_changes() > before
    with (
        serving(path) as (url, _),
        httpx.Client(base_url=url, timeout=TIMEOUT_S) as http,
        pytest.raises(AssertionError),
    ):
        check(http, clients)


def gather(http: httpx.Client) -> None:
    """Let the crowd follow the wide topic."""
    follows = [{"user_id": user, "topic": WIDE} for user in CROWD]
    assert http.post("/v1/follows", json=follows).json() == {"updated": len(CROWD)}


def check(http: httpx.Client, clients: list[Client]) -> None:
    """Everything that a client may rely on after a restart."""
    for client in clients:
        client.settle(http)
    wait_for_the_fan_out(http)
    sent = {token: event for client in clients for token, event in client.ledger.sent.items()}
    log = check_log(http, clients)
    check_repeats(http, clients)
    arrived = [sent[token] for token in log]
    for user in POOL:
        addressed = [event for event in arrived if user in event.targets]
        check_feed(http, user, log, addressed)
        marks = sum(len(client.ledger.read) for client in clients if POOL[client.number] == user)
        last = check_inbox(http, user, log, addressed)
        assert last == len(addressed) + marks, f"{user} has seqs of nothing, or lacks some"
    for client in clients:
        check_inbox(http, client.reader, log, [event for event in arrived if client.reader in event.targets])
        check_feed(http, client.follower, log, [event for event in arrived if followed(client, event)])
    for user in (CROWD[0], CROWD[-1]):
        check_feed(http, user, log, [event for event in arrived if WIDE in event.topics])


def followed(client: Client, event: Sent) -> bool:
    """Whether this client's follower has this event by a follow that stands: each covers what was sent after it."""
    lanes = client.ledger.lanes
    return any(event.number >= lanes[topic] for topic in event.topics if topic in lanes)


def wait_for_the_fan_out(http: httpx.Client) -> None:
    """Ask until nothing is owed: what was owed when the server was killed is paid by the next one."""
    for _ in range(ASKED_AT_MOST):
        status = http.get("/v1/admin/status").json()
        if not status["pending_fanout_jobs"]:
            assert status["dead_letters"] == 0
            return
    raise AssertionError(f"still owed: {status}")


def check_log(http: httpx.Client, clients: list[Client]) -> Log:
    """I1: dense positions, what was acknowledged where it was acknowledged, nothing twice, nothing in part."""
    items = sorted(walk(http, "/v1/activity"), key=lambda item: int(item["position"]))
    assert [item["position"] for item in items] == list(range(1, len(items) + 1))
    log = {item["object_id"]: Place(item["position"], item["event_id"]) for item in items}
    assert len(log) == len(items), "an event is in the log twice"
    acked = {token: place for client in clients for token, place in client.ledger.acked.items()}
    ledger.exactly_once(acked.values(), list(log.values()))
    unknown = [request.events for client in clients for request in client.ledger.unknown]
    for events in unknown:
        assert len({event.token in log for event in events}) == 1, f"an array was stored in part: {events}"
    assert log.keys() <= acked.keys() | {event.token for events in unknown for event in events}
    return log


def check_repeats(http: httpx.Client, clients: list[Client]) -> None:
    """I2: what is sent again is answered as it was, with another body refused."""
    for client in clients:
        ledger.idempotent((*client.ledger.replies, *client.repeats(http, REPEATS)))


def check_feed(http: httpx.Client, user: str, log: Log, expected: list[Sent]) -> None:
    """I3, I4: exactly these events, newest first, none twice."""
    found = [item["event_id"] for item in walk(http, "/v1/feed", user_id=user)]
    assert found == sorted((log[event.token].event_id for event in expected), reverse=True), (
        f"the feed of {user}"
    )


def check_inbox(http: httpx.Client, user: str, log: Log, expected: list[Sent]) -> int:
    """I3, I6: a notification for each of these events, in their order, and an exact count; returns the last seq."""
    rows, since, more = [], 0, True
    while more:
        page = http.get("/v1/notifications", params={"user_id": user, "since": since, "limit": 100}).json()
        rows += page["items"]
        since, more = (rows[-1]["seq"] if rows else 0), page["has_more"]
    items = [json_item(row) for row in rows]
    inboxes.sound(items, page["seq"])
    inboxes.addressed(items, [log[event.token].event_id for event in expected])
    inboxes.counted(items, page["unread_count"], page["unread_items"], page["unseen_count"])
    return int(page["seq"])


def walk(http: httpx.Client, path: str, **query: str) -> Iterator[dict[str, Any]]:
    """The items of all pages."""
    cursor: dict[str, str] = {}
    while True:
        page = http.get(path, params={"limit": 100, **query, **cursor}).json()
        yield from page["items"]
        if not page["has_more"]:
            return
        cursor = {"cursor": page["next_cursor"]}
