"""Real hours of GitHub through ``tidings replay``: whatever can be read afterwards is what the files say."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.checkers import inboxes, tops
from tests.checkers.adapters import ALL, whole_inbox
from tests.replay import archive
from tests.replay.archive import FILES, LINES, Act, acts
from tests.serving import environ
from tidings.cli import main
from tidings.config import Settings
from tidings.event_counts import DIMENSIONS
from tidings.filters import FeedFilter
from tidings.http.app import Services
from tidings.model import LogEntry
from tidings.ports import Store
from tidings.server import running
from tidings.storage.sqlite import SqliteStore
from tidings.testing import FakeClock
from tidings.timeutil import SystemClock, rfc3339

LENGTHS_S = {"1m": 60, "5m": 300, "1h": 3_600}
TOP = 100
"""Keys compared: the most that one reply may have."""
STEP = 500
"""Events taken in between two looks at the windows."""


@pytest.fixture(scope="module")
def history() -> list[Act]:
    """The lines of the files."""
    found = acts(FILES)
    assert len(found) == LINES
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a server into which everything was replayed twice."""
    found = tmp_path_factory.mktemp("replay") / "tidings.db"
    replay = ("replay", *map(str, FILES), "--format", "gharchive", "--store", f"sqlite:///{found}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.environ", environ())
        first, again = (CliRunner().invoke(main, replay) for _ in range(2))
    assert f"{LINES:,} stored, 0 already there, 0 refused" in first.output, first.output
    assert f"0 stored, {LINES:,} already there, 0 refused" in again.output, again.output
    return found


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The event loop of one test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def store(path: Path, runner: asyncio.Runner) -> Iterator[Store]:
    """The store that the server left."""
    store = runner.run(SqliteStore.open(path, SystemClock(), Settings()))
    yield store
    runner.run(store.close())


def _act(entry: LogEntry) -> Act:
    body = json.loads(entry.body)
    assert (body["actor_id"], body["verb"], body["object_id"]) == (
        entry.actor_id,
        entry.verb,
        entry.object_id,
    )
    return Act(entry.position, entry.key >> 20, entry.actor_id, entry.verb, entry.object_id)


def test_every_event_is_stored_once(store: Store, runner: asyncio.Runner, history: list[Act]) -> None:
    """I1, I2: replayed twice, the log is the files line by line, with nothing between them."""
    log = runner.run(store.tail(0, ALL))
    assert [_act(entry) for entry in log] == history
    assert [entry.targets for entry in log] == [act.told for act in history]
    assert [set(entry.topics) for entry in log] == [set(act.topics) for act in history]


def test_every_timeline_is_the_recomputed_one(
    store: Store, runner: asyncio.Runner, history: list[Act]
) -> None:
    """Each topic shows all its events and no others, newest first, and so does everyone's timeline."""
    expected = archive.timelines(history)

    async def positions(topic: str | None) -> list[int]:
        page = await store.activity(topic, FeedFilter(), ALL, None)
        return [item.position for item in page.items]

    async def all_timelines() -> dict[str, list[int]]:
        return {topic: await positions(topic) for topic in expected}

    found = runner.run(all_timelines())
    assert found == expected
    assert runner.run(positions(None)) == archive.newest_first(history)


def test_every_feed_is_the_recomputed_one(store: Store, runner: asyncio.Runner, history: list[Act]) -> None:
    """I3: each follower and each owner has what came by their follows and to them directly, newest first."""
    expected = archive.feeds(history)

    async def all_feeds() -> dict[str, list[int]]:
        pages = {user: await store.feed(user, FeedFilter(), ALL, None) for user in expected}
        return {user: [item.position for item in page.items] for user, page in pages.items()}

    found = runner.run(all_feeds())
    assert sum(map(len, found.values())) > LINES // 10  # the follows of the files matter
    assert found == expected


def test_every_inbox_is_the_recomputed_one(store: Store, runner: asyncio.Runner, history: list[Act]) -> None:
    """I3, I6: each owner is told of each star, fork and comment once, in order, and all of it is unread."""
    ids = {entry.position: store.ids.text(entry.key) for entry in runner.run(store.tail(0, ALL))}
    for user, positions in archive.inboxes(history).items():
        items, counts = runner.run(whole_inbox(store, user))
        inboxes.addressed(items, (ids[position] for position in positions))
        assert counts.seq == len(positions)
        inboxes.counted(items, counts.unread_count, counts.unread_items, counts.unseen_count)


async def _same_tops(services: Services, history: list[Act]) -> None:
    """I7: every window and dimension, as the server answers it, is a count over the files."""
    as_of = services.clock.now() // 1000
    for window, length in LENGTHS_S.items():
        for by in DIMENSIONS:
            shown = json.loads(await services.trends.top(window, by, TOP))
            counted = archive.keys(history, by, as_of, length)
            assert (shown["as_of"], shown["exact"]) == (rfc3339(as_of * 1000), True)
            assert shown["total"] == len(counted)
            tops.exact([(item["key"], item["count"]) for item in shown["items"]], counted, TOP)


@pytest.mark.need("TR1")
@pytest.mark.parametrize("number", range(len(FILES)))
def test_a_server_that_starts_knows_the_top_of_the_hour(path: Path, history: list[Act], number: int) -> None:
    """I7: the windows that a starting server rebuilds from the log are exact at the end of each hour."""
    hour = acts(FILES[number : number + 1])

    async def check() -> None:
        clock = FakeClock(max(act.at for act in hour))
        async with running(Settings(store=f"sqlite:///{path}"), clock) as services:
            await _same_tops(services, history)

    asyncio.run(check())


def test_a_running_server_knows_the_top_at_any_time(tmp_path: Path) -> None:
    """I7: the windows of a server that took an hour of events in stay exact while their seconds pass."""
    hour = acts(FILES[:1])

    async def check() -> None:
        clock = FakeClock(hour[0].at)
        async with running(Settings(store=f"sqlite:///{tmp_path}/tidings.db"), clock) as services:
            for act in hour:
                clock.ms = max(clock.ms, act.at)
                if act.position % STEP == 0:
                    await _take_in(services, hour[act.position - STEP : act.position])
                    await _same_tops(services, hour[: act.position])
            for _ in range(3):
                clock.advance(10 * 60_000)
                await _same_tops(services, hour[: len(hour) // STEP * STEP])

    asyncio.run(check())


async def _take_in(services: Services, some: list[Act]) -> None:
    body = [
        {
            "actor_id": act.actor,
            "verb": act.verb,
            "object_type": "repository",
            "object_id": act.repository,
            "created_at": rfc3339(act.at),
        }
        for act in some
    ]
    await services.ingest.publish_array(json.dumps(body).encode(), scope="test")
