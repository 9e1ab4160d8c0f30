"""Sixty-four who write and read at the same time: whatever is said of an inbox at one seq is the same, whoever says it,
and is what a client holds; and nobody is shown an event that is not for them.

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
from tests.wire.clients import Facts, held
from tests.wire.feed_clients import BLOCKED, TOGETHER, TOPIC, Reader, Tab, Watcher
from tests.wire.people import KEY, SETTINGS, bearer, event
from tests.wire.streams import Stream
from tidings.client import Client, Subscription

DURATION_S = 60 if os.environ.get("SOAK") else 5
PATIENCE_S = 30
USERS = tuple(f"user-{n}" for n in range(6))
WRITERS, POLLERS, LISTERS, STREAMS, WATCHERS = 24, 14, 8, 2 * len(USERS), 6
"""64 together; each stream is of the next user, and two of three watchers have no credential."""
THE_END = "the end"
"""The thing that the last event is about."""
STORES = {"sqlite": (), "memory": ("--store=memory://",)}
PUBLIC = {"TIDINGS_PUBLIC_READS": "activity", "TIDINGS_PUBLIC_READS_PER_MIN": "100000"}


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A server of their own, with users who follow a topic that has broadcasts; some follow that of all events."""
    with serving(tmp_path, *STORES[request.param], **SETTINGS, **PUBLIC) as address:
        follows = [{"user_id": user, "topic": "club:all"} for user in USERS]
        follows += [{"user_id": user, "topic": TOPIC} for user in USERS[::2]]
        assert post(f"{address}/v1/follows", follows).is_success
        path, rule = f"/v1/admin/types/{TOGETHER}", {"read_together": True}
        assert httpx.put(f"{address}{path}", json=rule, headers=bearer(KEY), trust_env=False).is_success
        yield address


def post(url: str, body: object) -> httpx.Response:
    """The reply to the application."""
    return httpx.post(url, json=body, headers=bearer(KEY), trust_env=False)


@contextmanager
def listening(client: Client, user: str) -> Iterator[Subscription]:
    """A stream that has begun, and that ends in any case."""
    with client.subscribe(user=user, include=("notifications", "activity"), fresh=True) as stream:
        limit = threading.Timer(DURATION_S + PATIENCE_S, stream.close)
        limit.start()
        try:
            yield stream
        finally:
            limit.cancel()


def listen(url: str, user: str, begun: threading.Barrier) -> Tab:
    """What a client holds that hears of everything up to the end."""
    tab = Tab(user)
    with Client(url, api_key=KEY) as client, listening(client, user) as stream:
        begun.wait(PATIENCE_S)
        for item in stream:
            if not tab.take(item, THE_END):
                return tab
    raise AssertionError(f"{user} did not hear of the end")


def watch(url: str, watcher: Watcher, begun: threading.Barrier) -> Watcher:
    """What a stream of activity was told up to the end."""
    path, query = watcher.request
    headers = {"accept": "text/event-stream"} | (bearer(KEY) if watcher.viewer else {})
    with (
        httpx.Client(base_url=url, timeout=DURATION_S + PATIENCE_S, trust_env=False) as client,
        client.stream("GET", path, params=query, headers=headers) as reply,
    ):
        stream = Stream(reply)
        watcher.take(stream.next("hello"), THE_END)
        begun.wait(PATIENCE_S)
        until = time.monotonic() + DURATION_S + PATIENCE_S
        for message in stream.messages:  # one a second at least, also when somebody failed and no end comes
            if time.monotonic() > until:
                break
            if not watcher.take(message, THE_END) or (message.name == "reset" and has_ended(url, watcher)):
                return watcher
    raise AssertionError(f"{watcher.viewer!r} did not hear of the end")


def has_ended(url: str, watcher: Watcher) -> bool:
    """Whether the page that a client fetches after a reset has the last event, which the stream then skips."""
    with closing(Reader(url, USERS, Facts(), seed=0)) as reader:
        page = reader.activity(watcher.viewer, watcher.topic)
    return any(item.object_id == THE_END for item in page.items)


def for_a_while(person: Reader, act: Callable[[], object], begun: threading.Barrier) -> None:
    """Do this again and again."""
    begun.wait(PATIENCE_S)
    until = time.monotonic() + DURATION_S
    with closing(person):
        while time.monotonic() < until:
            act()


def poll(person: Reader, user: str) -> Callable[[], None]:
    """Hold an inbox, and learn what changed in it."""
    held_by = {user: person.fresh(user)}

    def act() -> None:
        held_by[user] = person.catch_up(user, held_by[user])

    return act


def crowd(url: str, facts: Facts) -> Iterator[tuple[Reader, Callable[[], object]]]:
    """Who writes and who reads, each with what they do."""
    pairs = [(user, actor) for user in USERS for actor in BLOCKED]
    for number in range(WRITERS + POLLERS + LISTERS):
        person = Reader(url, USERS, facts, number, pairs[number] if number < len(pairs) else None)
        if number < WRITERS:
            yield person, person.write
        elif number < WRITERS + POLLERS:
            yield person, poll(person, USERS[number % len(USERS)])
        else:
            yield person, (person.list, person.count, person.look)[number % 3]


def watching() -> Iterator[Watcher]:
    """Those who watch activity."""
    for number in range(WATCHERS):
        yield Watcher(USERS[number], TOPIC if number % 2 else None) if number % 3 == 0 else Watcher("")


@pytest.mark.need("NO2")
def test_counts_are_rows_are_what_clients_hold(url: str) -> None:
    facts = Facts()
    begun = threading.Barrier(WRITERS + POLLERS + LISTERS + STREAMS + WATCHERS)
    with ThreadPoolExecutor(begun.parties) as pool, closing(Reader(url, USERS, facts, seed=0)) as last:
        listeners = [(user, pool.submit(listen, url, user, begun)) for user in USERS * 2]
        watchers = [pool.submit(watch, url, watcher, begun) for watcher in watching()]
        for act in [pool.submit(for_a_while, person, act, begun) for person, act in crowd(url, facts)]:
            act.result()
        for user in USERS:
            last.see_all_return(user)  # before the end: listeners hear of nothing after it
            last.page(user)  # broadcasts that nobody has asked for yet come now
            last.reread(user)
            last.reads_together(user)
        ending = event("admin", object_id=THE_END, target_user_ids=list(USERS), topics=[TOPIC])
        assert post(f"{url}/v1/events", ending).is_success
        marks = 0
        for user, listener in listeners:
            tab, fresh = listener.result(), last.fresh(user)
            fold = tab.inbox
            assert fold.items == fresh.items
            assert held(fold) == (fold.unread_count, fold.unread_items, fold.unseen_count) == held(fresh)
            tab.agrees(last.feed(user))
            marks += tab.marks
        for watcher in (one.result() for one in watchers):
            watcher.agrees(last.all_activity(watcher.viewer, watcher.topic))
    assert marks, "no tab was told of anything that was read"
    assert facts.said > 10 * DURATION_S * len(USERS)
