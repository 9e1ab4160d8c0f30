"""Subscriptions over servers that die, leave, and come back."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.server import free_port
from tests.serving import START_S, STOP_S, address, environ, within
from tidings.client import (
    Activity,
    Client,
    Connection,
    InboxState,
    Item,
    NewEvent,
    ProblemError,
    Reset,
    Subscription,
    SubscriptionTimeouts,
    Unreachable,
)

QUICK = SubscriptionTimeouts(first_s=0.02, longest_s=0.2)
BOTH = ("notifications", "activity")
TIMEOUT_S = 60
"""Until what does not come fails the test."""


@contextmanager
def server(folder: Path, port: str = "") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A development server on the store in this folder, and its address: one that nobody else is given while the server is
    away."""
    command = [sys.executable, "-m", "tidings", "serve", "--dev", "--port", port or str(free_port())]
    with subprocess.Popen(command, cwd=folder, env=environ(), stdout=subprocess.PIPE, text=True) as process:
        try:
            yield within(START_S, process, lambda: address(process)), process
        finally:
            process.kill()
            process.communicate(timeout=STOP_S)


def port_of(url: str) -> str:
    """The port of an address."""
    return url.rpartition(":")[2]


def publish(app: Client, thing: str) -> str:
    """Something happens that concerns bob."""
    return app.publish(
        NewEvent(actor_id="alice", verb="like", object_type="m", object_id=thing, target_user_ids=("bob",))
    ).event_id


@contextmanager
def listening(url: str, on_connection: Callable[[Connection], None] | None = None) -> Iterator[Subscription]:
    """A subscription of bob's, which ends within TIMEOUT_S; what waits for more then fails."""
    with (
        Client(url, user_id="bob") as client,
        client.subscribe(include=BOTH, fresh=True, pace=QUICK, on_connection=on_connection) as told,
    ):
        limit = threading.Timer(TIMEOUT_S, told.close)
        limit.start()
        yield told
        limit.cancel()


def until(told: Subscription, event_id: str) -> list[Item]:
    """What is told up to and with this event."""
    items = []
    for item in told:
        items.append(item)
        if isinstance(item, Activity) and item.item.event_id == event_id:
            return items
    raise AssertionError(f"{event_id} was not told")


def activities(items: list[Item]) -> list[str]:
    """The events among items."""
    return [item.item.event_id for item in items if isinstance(item, Activity)]


def publish_until_it_dies(app: Client, acknowledged: list[str]) -> None:
    """A burst."""
    with contextlib.suppress(Unreachable):
        while True:
            acknowledged.append(publish(app, str(len(acknowledged) % 9)))


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    """kill -9 in a burst; what it had acknowledged is told, by itself or by the next on the same port and file, once."""
    acknowledged: list[str] = []
    with server(tmp_path) as (url, process), listening(url) as told:
        items = [next(told)]
        with Client(url, retries=0) as app:
            publishing = threading.Thread(target=publish_until_it_dies, args=(app, acknowledged))
            publishing.start()
            while len(activities(items)) < 50:
                items.append(next(told))
            process.kill()
            publishing.join()
        with server(tmp_path, port_of(url)), Client(url) as app:
            items += until(told, publish(app, "last"))
            fresh = list(app.notifications(user="bob"))
    heard = activities(items)
    assert len(heard) == len(set(heard)), "something came twice"
    assert [one for one in heard if one in set(acknowledged)] == acknowledged
    assert sum(isinstance(item, Reset) for item in items) == 1
    fold = InboxState()
    for item in items:
        fold.apply(item)
    assert fold.items == fresh


def test_a_server_that_leaves_is_waited_for(tmp_path: Path) -> None:
    """SIGTERM: the stream is drained, and what happens after the restart is told to whoever came back."""
    seen: list[Connection] = []
    with server(tmp_path) as (url, process), listening(url, seen.append) as told:
        next(told)
        with Client(url) as app:
            first = publish(app, "1")
            assert activities(until(told, first)) == [first]
        process.terminate()
        process.wait(STOP_S)
        with server(tmp_path, port_of(url)), Client(url) as app:
            second = publish(app, "2")
            assert activities(until(told, second)) == [second]
    assert "the server asks the client to reconnect" in {connection.why for connection in seen}


def test_another_store_is_noticed(tmp_path: Path) -> None:
    """A server on a new file, at the same address: what was known is replaced, not continued."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with server(tmp_path / "one") as (url, process), listening(url) as told:
        next(told)
        with Client(url) as app:
            until(told, [publish(app, thing) for thing in "123"][-1])
        process.kill()
        process.wait(STOP_S)
        with server(tmp_path / "two", port_of(url)), Client(url) as app:
            publish(app, "9")
            reset = next(item for item in told if isinstance(item, Reset))
            assert [item.object_id for item in reset.notifications] == ["9"]
            assert [item.object_id for item in reset.feed] == ["9"]
            assert len(activities(until(told, publish(app, "10")))) == 1


def test_a_subscription_may_begin_before_its_server(tmp_path: Path) -> None:
    """It waits, tells that it waits, and begins."""
    with server(tmp_path) as (url, _):
        pass
    waiting = threading.Event()
    items: list[Item] = []
    with listening(url, lambda to: waiting.set() if to.state == "waiting" else None) as told:
        listener = threading.Thread(target=lambda: items.append(next(told)))
        listener.start()
        assert waiting.wait(TIMEOUT_S)
        with server(tmp_path, port_of(url)):
            listener.join(TIMEOUT_S)
    assert isinstance(items[0], Reset)


def test_a_call_survives_a_restart(tmp_path: Path) -> None:
    """A publication that finds no server is repeated until there is one, and is stored once."""
    with server(tmp_path) as (url, _):
        pass
    with Client(url, retries=30) as app:
        receipts: list[str] = []
        calling = threading.Thread(target=lambda: receipts.append(publish(app, "1")))
        calling.start()
        with server(tmp_path, port_of(url)):
            calling.join(TIMEOUT_S)
            assert [item.event_id for item in app.feed(user="bob")] == receipts


def test_without_a_server_a_call_fails(tmp_path: Path) -> None:
    """With what is wrong."""
    with server(tmp_path) as (url, _):
        pass
    with Client(url, retries=0) as app, pytest.raises(Unreachable, match=r"refused|connect"):
        app.top()


def test_a_refusal_ends_a_subscription(tmp_path: Path) -> None:
    """It says why, and is over."""
    with server(tmp_path) as (url, _), Client(url) as client:
        told = client.subscribe()
        with pytest.raises(ProblemError) as raised:
            next(told)
        assert raised.value.status == 400
        assert raised.value.errors[0].pointer == "user_id"
