"""How much of what changed feeds is kept, alike in both back-ends; and that it outlives the server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.backends import SMALL
from tests.harness import Harness
from tests.unit.storage.inside import Inside
from tidings.feed_changes import FeedChange, FeedMark, FeedReset, Retraction
from tidings.model import Command, MarkFeedRead, MarkFeedUnread, Retract
from tidings.storage.sqlite import SqliteStore, feed_history, feed_since, live_audience
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.testing import FakeClock, MemoryStore, event

KEPT = replace(SMALL, feed_history=2, retraction_history=2)


def history(store: Harness) -> list[object]:
    """What can be continued from where, for two users, while more and more is marked and retracted."""
    ids = store.publish(*(event("alice", targets=("bob", "cy")) for _ in range(4)))
    seen: list[object] = []
    commands: list[Command] = [MarkFeedRead("bob", (id,)) for id in ids]
    commands += [MarkFeedUnread("bob", (ids[0],)), MarkFeedRead("cy"), *map(Retract, ids)]
    for command in commands:
        store.write(command)
        head = store.run(store.store.head()).position
        for user in ("bob", "cy", "nobody"):
            pages = [store.run(store.store.feed_since(user, after, 100)) for after in range(head + 1)]
            seen += [(page.reset, page.changes) for page in pages]
        for after in range(head + 1):
            heard, last = store.run(store.store.audience_since(after, {"bob", "cy", "dan"}, 100))
            told = [(one.change, sorted(one.listeners[0][2])) for one in heard if one.change is not None]
            seen.append((told, last))
    return seen


def test_so_much_is_kept_and_no_more(tmp_path: Path) -> None:
    """The latest changes of each user, and the latest retractions; from before them there is a reset, said the same way by
    both back-ends, to who returns and to who listens."""
    with Inside.opened(tmp_path, KEPT, salt=0) as inside:
        memory = MemoryStore(inside.clock, feed_history=2, retraction_history=2)
        law = history(Harness(memory, inside.clock, inside._runner))
        assert history(inside) == law
        rows = {
            table: inside.writer.db.one(f"SELECT count(*) FROM {table}")[0]
            for table in ("feed_change", "retraction")
        }
        assert rows == {"feed_change": 2 + 1, "retraction": 2}
    assert (True, ()) in law
    assert any(isinstance(one, tuple) and any(isinstance(c, FeedMark) for c in one[1]) for one in law if one)


def test_changes_of_a_feed_outlive_the_server(tmp_path: Path) -> None:
    """A cursor goes on after a restart, and no position is given twice though the last was no event's."""

    async def open(clock: FakeClock) -> SqliteStore:
        return await SqliteStore.open(tmp_path / "store.db", clock, SMALL)

    clock = FakeClock()
    with asyncio.Runner() as runner:
        first = Harness(runner.run(open(clock)), clock, runner)
        gone, kept = first.publish(*(event("alice", targets=("bob",)) for _ in range(2)))
        first.write(Retract(gone), MarkFeedRead("bob"))
        runner.run(first.store.close())
        again = Harness(runner.run(open(clock)), clock, runner)
        assert again.run(again.store.head()).position == 4
        page = again.run(again.store.feed_since("bob", 1, 10))
        assert page.changes == (Retraction(3, gone), FeedMark(4, clock.ms, up_to=2))
        assert again.ids_of(page) == [kept]
        assert again.published(event("alice")).receipts[0].position == 5
        runner.run(again.store.close())


def test_who_listens_is_reset_when_the_hub_fell_behind_the_history(tmp_path: Path) -> None:
    """Marks that were let go before they were heard of are not passed over; others go on."""
    with Inside.opened(tmp_path, KEPT) as inside:
        ids = inside.publish(*(event("alice", targets=("bob", "cy")) for _ in range(3)))
        inside.write(*(MarkFeedRead("bob", (id,)) for id in ids))
        heard, last = inside.run(inside.store.audience_since(3, {"bob", "cy"}, 100))
        assert (heard[0].change, heard[0].listeners) == (FeedReset(last), [("", "", ["bob"])])


@pytest.mark.parametrize("lets_go", ["marks", "retractions"])
def test_changes_that_are_let_go_while_they_are_read_are_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lets_go: str
) -> None:
    """The hazard: each statement of a read by a thread sees the file as it is then. Changes that are kept when the read
    begins, and gone when it looks for them, would be passed over without a word."""
    with Inside.opened(tmp_path, KEPT) as inside:
        ids = inside.publish(*(event("alice", targets=("bob",)) for _ in range(8)))
        command = MarkFeedRead if lets_go == "marks" else None

        def change(id: str) -> Command:
            return Retract(id) if command is None else command("bob", (id,))

        inside.write(change(ids[0]))
        after = inside.run(inside.store.head()).position - 1
        assert not inside.run(inside.store.feed_since("bob", after, 100)).reset
        looked = feed_since.changes

        def late(r: ReadSnapshot, *given: Any) -> list[FeedChange]:
            inside.store._apply([change(id) for id in ids[1:6]], ())
            return looked(r, *given)

        with monkeypatch.context() as slow:
            slow.setattr(feed_since, "changes", late)
            page = inside.run(inside.store.feed_since("bob", after, 100))
        assert (page.reset, page.items, page.changes) == (True, [], ())


def test_changes_that_are_let_go_while_listeners_are_looked_up_are_a_reset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same of the streams that are open."""
    with Inside.opened(tmp_path, KEPT) as inside:
        ids = inside.publish(*(event("alice", targets=("bob",)) for _ in range(8)))
        inside.write(Retract(ids[0]))
        after = inside.run(inside.store.head()).position - 1
        looked = feed_history.retractions

        def late(*given: Any) -> Iterator[tuple[int, EventRow]]:
            inside.store._apply([Retract(id) for id in ids[1:6]], ())
            return looked(*given)

        reading = inside.store._own_readers.readings[0]
        with monkeypatch.context() as slow:
            slow.setattr(feed_history, "retractions", late)
            heard_, last = live_audience.audience(reading, live_audience.FollowerCache(), after, {"bob"}, 100)
        assert (heard_[0].change, heard_[0].listeners) == (FeedReset(last), [("", "", ["bob"])])
