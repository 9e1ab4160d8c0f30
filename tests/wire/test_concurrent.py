"""Sixty-four who write and read at the same time: whatever is said of an inbox at one seq is the same, whoever says it,
and is what a client holds.

``SOAK=1``, as in ``make soak``, lets them go on for a minute.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving import serving
from tests.wire.clients import Facts, Person, held
from tests.wire.people import event
from tidings.client import Changed, Client, InboxState, Subscription

DURATION_S = 60 if os.environ.get("SOAK") else 5
PATIENCE_S = 30
USERS = tuple(f"user-{n}" for n in range(6))
WRITERS, POLLERS, LISTERS, STREAMS = 24, 18, 10, 2 * len(USERS)
"""64 together; each stream is of the next user."""
THE_END = "the end"
"""The thing that the last event is about."""
STORES = {"sqlite": (), "memory": ("--store=memory://",)}


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A server of their own, with users who follow a topic that has broadcasts."""
    with serving(tmp_path, *STORES[request.param]) as address:
        follows = [{"user_id": user, "topic": "club:all"} for user in USERS]
        assert httpx.post(f"{address}/v1/follows", json=follows, trust_env=False).is_success
        yield address


@contextmanager
def listening(client: Client, user: str) -> Iterator[Subscription]:
    """A stream that has begun, and that ends in any case."""
    with client.subscribe(user=user, fresh=True) as stream:
        limit = threading.Timer(DURATION_S + PATIENCE_S, stream.close)
        limit.start()
        try:
            yield stream
        finally:
            limit.cancel()


def listen(url: str, user: str, begun: threading.Barrier) -> InboxState:
    """What a client holds that hears of everything up to the end."""
    fold = InboxState()
    with Client(url) as client, listening(client, user) as stream:
        begun.wait(PATIENCE_S)
        for item in stream:
            fold.apply(item)
            if isinstance(item, Changed) and item.item.object_id == THE_END:
                return fold
    raise AssertionError(f"{user} did not hear of the end")


def for_a_while(person: Person, act: Callable[[], object], begun: threading.Barrier) -> None:
    """Do this again and again."""
    begun.wait(PATIENCE_S)
    until = time.monotonic() + DURATION_S
    with closing(person):
        while time.monotonic() < until:
            act()


def poll(person: Person, user: str) -> Callable[[], None]:
    """Hold an inbox, and learn what changed in it."""
    held_by = {user: person.fresh(user)}

    def act() -> None:
        held_by[user] = person.catch_up(user, held_by[user])

    return act


def crowd(url: str, facts: Facts) -> Iterator[tuple[Person, Callable[[], object]]]:
    """Who writes and who reads, each with what they do."""
    people = [Person(url, USERS, facts, seed) for seed in range(WRITERS + POLLERS + LISTERS)]
    for number, person in enumerate(people):
        if number < WRITERS:
            yield person, person.write
        elif number < WRITERS + POLLERS:
            yield person, poll(person, USERS[number % len(USERS)])
        else:
            yield person, person.list if number % 2 else person.count


@pytest.mark.need("NO2")
def test_counts_are_rows_are_what_clients_hold(url: str) -> None:
    facts = Facts()
    begun = threading.Barrier(WRITERS + POLLERS + LISTERS + STREAMS)
    with ThreadPoolExecutor(begun.parties) as pool, closing(Person(url, USERS, facts, seed=0)) as last:
        listeners = [(user, pool.submit(listen, url, user, begun)) for user in USERS * 2]
        for act in [pool.submit(for_a_while, person, act, begun) for person, act in crowd(url, facts)]:
            act.result()
        for user in USERS:
            last.see_all_return(user)  # before the end: listeners hear of nothing after it
            last.page(user)  # broadcasts that nobody has asked for yet come now
        ending = event("admin", object_id=THE_END, target_user_ids=list(USERS))
        assert httpx.post(f"{url}/v1/events", json=ending, trust_env=False).is_success
        for user, listener in listeners:
            fold, fresh = listener.result(), last.fresh(user)
            assert fold.items == fresh.items
            assert held(fold) == (fold.unread_count, fold.unread_items, fold.unseen_count) == held(fresh)
    assert facts.said > 10 * DURATION_S * len(USERS)
