"""Read-all of a very full inbox, while it goes on to fill: what came before is read, what came after is not."""

import asyncio
import itertools
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import event as given
from tidings.config import Settings
from tidings.model import Publish
from tidings.storage.sqlite import SqliteStore
from tidings.testing import event
from tidings.timeutil import SystemClock

USER = "ada"
UNREAD = 20_000
"""The benchmark has a million of them."""
BATCH = 1_000
VERBS = ("comment", "like")
ROUNDS = 5


async def fill(file: Path) -> None:
    """Tell the user of so many things, of both types in turn."""
    store = await SqliteStore.open(file, SystemClock(), Settings())
    now = SystemClock().now()
    for at in range(0, UNREAD, BATCH):
        some = range(at, at + BATCH)
        events = (
            event("bob", VERBS[i % 2], f"thing:{i}", targets=(USER,), at=now - UNREAD + i) for i in some
        )
        await store.write([Publish(tuple(events))])
    await store.close()


class Publisher(threading.Thread):
    """Tells the user of one new thing after the other."""

    def __init__(self, url: str, verb: str) -> None:
        super().__init__()
        self.number = 0
        self.told = threading.Semaphore(0)
        self._url = url
        self._verb = verb
        self._over = threading.Event()

    def run(self) -> None:
        """Publish until it is enough."""
        with httpx.Client(base_url=self._url, trust_env=False) as http:
            for number in itertools.count(1):
                if self._over.is_set():
                    return
                body = given("eve", verb=self._verb, object_id=f"{number}", target_user_ids=[USER])
                assert http.post("/v1/events", json=body).status_code == 201
                self.number = number
                self.told.release()

    def enough(self) -> None:
        """End when what is under way has been acknowledged."""
        self._over.set()
        self.join()


@pytest.mark.need("NO3")
@pytest.mark.parametrize("type", [None, "like"])
def test_what_comes_meanwhile_stays_unread(tmp_path: Path, type: str | None) -> None:
    """Of everything, and of one type; each time undone, so that the next has as much to read."""
    asyncio.run(fill(tmp_path / "tidings.db"))
    with serving(tmp_path) as url, httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        publisher = Publisher(url, "like")
        publisher.start()
        try:
            for _ in range(ROUNDS):
                assert all(publisher.told.acquire(timeout=30) for _ in range(10))
                before = publisher.number
                read = say(http, "read-all", {"type": type} if type else {})
                other = 0 if type is None else UNREAD // 2
                # All that was acknowledged before, and no more than was sent; the last may be unacknowledged.
                assert read["unread_count"] == other
                assert before <= read["updated"] - (UNREAD - other) <= publisher.number + 1
                assert all(publisher.told.acquire(timeout=30) for _ in range(10))
                say(http, "undo", {"undo": read["undo"]})
            last = say(http, "read-all", {})
        finally:
            publisher.enough()
        items = changed(http, last["seq"])
        assert all(item["read_at"] is None for item in items)
        assert http.get("/v1/notifications/unread-count", params={"user_id": USER}).json() == {
            "unread_count": len(items),
            "unread_items": len(items),
            "unseen_count": len(items),
            "seq": last["seq"] + len(items),
        }
        assert last["updated"] + len(items) == UNREAD + publisher.number


def say(http: httpx.Client, path: str, body: Any) -> Any:
    """The reply to a mark."""
    reply = http.post(f"/v1/notifications/{path}", params={"user_id": USER}, json=body)
    assert reply.is_success, reply.text
    return reply.json()


def changed(http: httpx.Client, since: int) -> list[dict[str, Any]]:
    """What came after a seq."""
    items: list[dict[str, Any]] = []
    more = True
    while more:
        question: dict[str, Any] = {"user_id": USER, "since": since, "limit": 100}
        changes = http.get("/v1/notifications", params=question).json()
        items += changes["items"]
        more, since = changes["has_more"], changes["next_since"]
    return items
