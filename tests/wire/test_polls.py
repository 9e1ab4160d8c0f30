"""The long poll: a request for what changed in an inbox that is answered when something has."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.scenario import serving as mortal
from tests.serving import serving
from tests.wire.replies import inbox, of, publish
from tidings.http.schemas import InboxChanges

LIMIT_S = 30
WAIT_S = 20
"""Long enough that an answer before half of it was not the end of the waiting."""
SOON_S = WAIT_S / 2


class Polls:
    """Requests that wait, each in a thread of its own."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def ask(
        self, url: str, user: str, since: int, wait_s: int = WAIT_S
    ) -> "Future[tuple[InboxChanges, float]]":
        """The answer to come, and the seconds until then; returns when the question has been sent."""
        sent = threading.Event()
        asked = self._pool.submit(_asked, url, user, since, wait_s, sent)
        assert sent.wait(LIMIT_S)
        return asked


def _asked(url: str, user: str, since: int, wait_s: int, sent: threading.Event) -> tuple[InboxChanges, float]:
    def trace(name: str, info: object) -> None:
        if name == "http11.receive_response_headers.started":
            sent.set()

    question: dict[str, Any] = {"user_id": user, "since": since, "wait": wait_s}
    begun = time.monotonic()
    with httpx.Client(timeout=LIMIT_S, trust_env=False) as client:
        reply = client.get(f"{url}/v1/notifications", params=question, extensions={"trace": trace})
    return of(reply, InboxChanges), time.monotonic() - begun


@pytest.fixture(scope="module")
def polls() -> Iterator[Polls]:
    """Room for as many as a test needs at once."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield Polls(pool)


def base(app: httpx.Client) -> str:
    """The address of the server that is asked."""
    return str(app.base_url).rstrip("/")


def follow(app: httpx.Client, *users: str) -> None:
    """Have these follow the thing that the events here are about."""
    for user in users:
        assert app.put(f"/v1/users/{user}/follows/market:42", json={"backfill": 0}).status_code == 201


CHANGES: dict[str, Callable[[httpx.Client, str], object]] = {
    "told": lambda app, user: publish(app, target_user_ids=[user], object_id="more"),
    "read": lambda app, user: app.post("/v1/notifications/read-all", params={"user_id": user}),
    "archived": lambda app, user: app.post(
        "/v1/notifications/archive",
        params={"user_id": user},
        json={"ids": [inbox(app, user).items[0].id]},
    ),
    "erased": lambda app, user: app.delete(f"/v1/users/{user}"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_poll_is_answered_when_something_happens(dev: httpx.Client, polls: Polls, name: str) -> None:
    user = f"polled-{name}"
    publish(dev, target_user_ids=[user])
    waiting = [polls.ask(base(dev), user, 1) for _ in range(3)]
    CHANGES[name](dev, user)
    for poll in waiting:
        changes, took_s = poll.result(LIMIT_S)
        assert changes.items or changes.marks or changes.reset
        assert took_s < SOON_S


def test_a_poll_waits_as_long_as_it_was_asked_to(dev: httpx.Client, polls: Polls, user: str) -> None:
    """What happens to others does not end it."""
    publish(dev, target_user_ids=[user])
    seq = inbox(dev, user).seq
    poll = polls.ask(base(dev), user, seq, wait_s=1)
    publish(dev, target_user_ids=[f"not-{user}"])
    changes, took_s = poll.result(LIMIT_S)
    assert (changes.items, changes.marks, changes.reset, changes.next_since) == ([], [], False, seq)
    assert 1 <= took_s < SOON_S


@pytest.mark.parametrize("since", [0, 7])
def test_a_poll_that_has_an_answer_does_not_wait(
    dev: httpx.Client, polls: Polls, user: str, since: int
) -> None:
    """There is something new; or the place is ahead of the inbox, and so none of this server's."""
    publish(dev, target_user_ids=[user])
    changes, took_s = polls.ask(base(dev), user, since).result(LIMIT_S)
    assert (len(changes.items), changes.reset) == ((1, False) if since == 0 else (0, True))
    assert took_s < SOON_S


def test_a_change_without_a_hint_is_found(tmp_path: Path, polls: Polls) -> None:
    """Followers who are told by later work are named by no hint: their inboxes are looked at every second."""
    followers = [f"follower-{n}" for n in range(3)]
    with (
        serving(tmp_path, "--fan-out=worker", "--fanout-sync-max-followers=1") as url,
        httpx.Client(base_url=url, timeout=LIMIT_S) as app,
    ):
        assert app.put("/v1/admin/types/comment", json={"notify": "followers"}).is_success
        follow(app, *followers)
        waiting = [polls.ask(url, user, 0) for user in followers]
        publish(app)
        for poll in waiting:
            changes, took_s = poll.result(LIMIT_S)
            assert [item["object_id"] for item in changes.items] == ["42"]
            assert took_s < SOON_S


def test_a_stopping_server_answers_who_waits(tmp_path: Path, polls: Polls) -> None:
    """With nothing, and at once: neither does the server wait for them, nor do they lose their connection."""
    with mortal(tmp_path) as server:
        waiting = [polls.ask(server.url, f"user-{n}", 0) for n in range(3)]
        server.end(signal.SIGTERM)
        for poll in waiting:
            changes, took_s = poll.result(LIMIT_S)
            assert (changes.items, changes.next_since) == ([], 0)
            assert took_s < SOON_S


def test_hostile_text_stays_in_its_place(dev: httpx.Client, polls: Polls, user: str) -> None:
    evil = 'x"}],"items":[]\r\n\0\u2028'
    poll = polls.ask(base(dev), user, 0)
    publish(dev, target_user_ids=[user], object_title=evil, metadata={evil: evil})
    (item,) = poll.result(LIMIT_S)[0].items
    assert (item["metadata"], item["parts"]["object"]["title"]) == ({evil: evil}, evil)
