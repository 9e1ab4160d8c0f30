"""Whether a file that survived a crash holds what was acknowledged, nothing twice and nothing in part."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec

import apsw

from tests.checkers import ledger
from tests.checkers.adapters import ALL, places
from tests.checkers.ledger import Reply
from tests.crash.workload import SETTINGS, TOPICS, WATCHED, History, Run
from tests.harness import Harness
from tests.property.worlds import World, same, same_feed
from tidings.model import FeedFilter, Published
from tidings.storage.sqlite import SqliteStore
from tidings.testing import FakeClock, MemoryStore

WANTED = (FeedFilter(), FeedFilter(include_own=True), FeedFilter(read=False))

P = ParamSpec("P")


def judge(path: Path, history: History, acked: int, runner: asyncio.Runner) -> int:
    """Open the file that was left when ``acked`` steps had ended and the next one was perhaps under way.

    It must be sound, hold exactly those steps or that one as well, and take the rest of the history to the same end.
    Returns how many steps it held. Raises AssertionError, or whatever the store raises.
    """
    with opened(path, history.law(acked).world.harness.clock.ms, runner) as run:
        held = _held(history, acked, run.world)
        _check_ledger(history, held, run.world)
        for number, step in enumerate(history.steps[held:], held):
            same(run.take(step), history.outcomes[number], f"outcomes of step {number}, {step}")
        same_state(history.law(len(history.steps)).world, run.world)
    with closing(apsw.Connection(str(path))) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return held


@contextmanager
def opened(path: Path, ms: int, runner: asyncio.Runner, vfs: str | None = None) -> Iterator[Run]:
    """A run on a store in this file, at this time; the store is closed with the block."""
    clock = FakeClock(ms)
    store = runner.run(SqliteStore.open(path, clock, SETTINGS, salt=0, vfs=vfs))
    try:
        yield Run(Harness(store, clock, runner))
    finally:
        runner.run(store.close())


def _held(history: History, acked: int, found: World) -> int:
    try:
        same_state(history.law(acked).world, found)
    except AssertionError:
        if acked == len(history.steps):
            raise
        same_state(history.law(acked + 1).world, found)  # what was under way may have come through
        return acked + 1
    return acked


def _check_ledger(history: History, held: int, found: World) -> None:
    """I1 and I2."""
    log = found.read(found.store.tail(0, ALL))
    ledger.exactly_once(places(history.receipts(held)), places(log), history.retracted(held))
    if (keyed := history.last_keyed(held)) is not None:
        command, told = keyed
        (again,) = found.apply([command])
        assert isinstance(again, Published)
        ((event,), key) = command.events, command.events[0].key
        ledger.idempotent(Reply(key, event.fingerprint, answer) for answer in (told.receipts, again.receipts))


def same_state(law: World, found: World) -> None:
    """Once the fan-out has ended, whatever can be read of both is the same. I3, I5 and I6 hold."""
    for world in (law, found):
        world.harness.settle()
    _alike(law, found, World.log)
    _alike(law, found, World.position)
    for topic in (None, *TOPICS):
        _alike(law, found, World.activity, topic, FeedFilter())
        _alike(law, found, World.topic, topic or "nobody:1", "ann")
    for user in WATCHED:
        _same_feeds(law, found, user)
        _alike(law, found, World.inbox, user, True, None)
        _alike(law, found, World.changes, user)
        _alike(law, found, World.follows, user)
        found.check_inbox(user)


def _same_feeds(law: World, found: World, user: str) -> None:
    assert isinstance(law.store, MemoryStore)
    for want in WANTED:
        expected, shown = law.feed(user, want), found.feed(user, want)
        same_feed(law.store, user, expected, shown, f"feed of {user} {want}")
    _alike(law, found, World.feed_since, user)
    _alike(law, found, World.summary, user)
    found.check_stream(user)


def _alike(
    law: World, found: World, read: Callable[Concatenate[World, P], object], *args: P.args, **kwargs: P.kwargs
) -> None:
    expected = read(law, *args, **kwargs)
    same(read(found, *args, **kwargs), expected, f"{read.__name__} {args}")
