"""Trends over HTTP, against counting what was published (I7)."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.checkers import tops
from tests.checkers.tops import Asked, Occurred, Previous
from tests.serving import serving
from tests.wire.people import event, moment
from tests.wire.replies import of
from tidings.event_counts import DIMENSIONS
from tidings.http import schemas_trends

LENGTHS_S = {"1m": 60, "5m": 300, "1h": 3_600}
MOST = 150
"""Events that the server here reads for one reply."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server of this module's own."""
    folder = tmp_path_factory.mktemp("trends")
    with (
        serving(folder, "--dev", TIDINGS_TRENDS_MAX_SCANNED_EVENTS=str(MOST)) as url,
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def published(app: httpx.Client) -> list[Occurred]:
    """What was published: some of it late, some for a little later, some retracted, and somebody was erased."""
    sent = [_act(number) for number in range(120)]
    reply = app.post("/v1/events", json=sent)
    ids = [receipt["event_id"] for receipt in reply.json()["events"]]
    for number in (3, 50, 77):
        assert app.delete(f"/v1/events/{ids[number]}").status_code == 204
    assert app.delete("/v1/users/u5").status_code == 204
    return [_occurred(one) for number, one in enumerate(sent) if number not in (3, 50, 77)]


def _act(number: int) -> dict[str, Any]:
    kind = ("market", "post", "user")[number % 3]
    away = (0, -20, -90, -400, -3_000, -5_000)[number % 6]
    return event(
        f"u{number % 11}",
        verb=f"verb{number % 4}",
        object_type=kind,
        object_id=f"u{number % 7}",
        topics=["category:a"] if number % 2 else [],
        created_at=moment(seconds=away),
    )


def _occurred(sent: dict[str, Any]) -> Occurred:
    thing = f"{sent['object_type']}:{sent['object_id']}"
    keys = {
        "object": "" if thing == "user:u5" else thing,
        "verb": sent["verb"],
        "object_type": sent["object_type"],
        "actor": "" if sent["actor_id"] == "u5" else sent["actor_id"],
    }
    at = datetime.fromisoformat(sent["created_at"])
    topics = (thing, f"user:{sent['actor_id']}", *sent["topics"])
    return Occurred(int(at.timestamp()) * 1000, keys, topics)


def seconds(as_of: str) -> int:
    """The second of a reply."""
    return int(datetime.fromisoformat(as_of).timestamp())


FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"object_type": "market"},
    {"topic": "category:a"},
    {"topic": "post:u4", "object_type": "post"},
    {"topic": "user:u2"},
    {"topic": "category:a", "object_type": "user"},
    {"object_type": "nothing"},
)


@pytest.mark.need("TR1")
@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("window", LENGTHS_S)
def test_a_top_is_a_count_of_what_was_published(
    app: httpx.Client, published: list[Occurred], window: str, filters: dict[str, str]
) -> None:
    """I7: for each dimension, with and without filters."""
    for by in DIMENSIONS:
        reply = of(app.get("/v1/top", params={"window": window, "by": by} | filters), schemas_trends.Top)
        asked = Asked(seconds(reply.as_of), LENGTHS_S[window], **filters)
        occurrences = asked.occurrences(published, by)
        tops.exact([(item.key, item.count) for item in reply.items], occurrences, 100)
        assert (reply.total, reply.exact, reply.error) == (len(occurrences), True, 0)


@pytest.mark.need("TR3")
@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("window", LENGTHS_S)
def test_a_comparison_has_the_count_and_the_rank_of_the_window_before(
    app: httpx.Client, published: list[Occurred], window: str, filters: dict[str, str]
) -> None:
    """I7: for each dimension, also of keys that were not there."""
    for by in DIMENSIONS:
        query = {"window": window, "by": by, "compare": "previous", "limit": "10"} | filters
        reply = of(app.get("/v1/top", params=query), schemas_trends.Top)
        asked = Asked(seconds(reply.as_of), LENGTHS_S[window], **filters)
        tops.exact([(item.key, item.count) for item in reply.items], asked.occurrences(published, by), 10)
        places = [(item.key, item.previous) for item in reply.items]
        said = [(key, Previous(place.count, place.rank)) for key, place in places if place]
        assert len(said) == len(places)
        tops.compared(said, asked.before().occurrences(published, by))


@pytest.mark.need("TR3")
@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("window", LENGTHS_S)
def test_a_series_is_a_count_of_what_was_published(
    app: httpx.Client, published: list[Occurred], window: str, filters: dict[str, str]
) -> None:
    """I7: of all events and of some keys, each point, with its time, and the total."""
    keys = (
        ("object", None),
        ("object", "market:u3"),
        ("actor", "u2"),
        ("verb", "verb1"),
        ("object_type", "user"),
    )
    for by, key in (*keys, ("actor", "u5"), ("object", "user:u5"), ("actor", "nobody")):
        query = {"window": window, "by": by} | filters | ({} if key is None else {"key": key})
        reply = of(app.get("/v1/top/series", params=query), schemas_trends.TopSeries)
        asked = Asked(seconds(reply.as_of), LENGTHS_S[window], **filters)
        times = asked.times(published, by, key)
        tops.series([point.count for point in reply.points], times, asked)
        assert (reply.window, reply.by, reply.key, reply.total) == (window, by, key, len(times))
        step = asked.length_s // 60
        begin = asked.as_of + 1 - asked.length_s
        assert [seconds(point.at) for point in reply.points] == [begin + n * step for n in range(60)]


def test_a_filter_sees_every_write_before_it(tmp_path: Path) -> None:
    """What was acknowledged counts, what was retracted does not. On a server of its own: the others count all events."""
    topic = "category:at-once"
    with serving(tmp_path) as url, httpx.Client(base_url=url, timeout=30) as app:

        def total() -> int:
            return of(app.get("/v1/top", params={"topic": topic}), schemas_trends.Top).total

        for expected in range(1, 4):
            event_id = app.post("/v1/events", json=event(topics=[topic])).json()["event_id"]
            assert total() == expected
        app.delete(f"/v1/events/{event_id}")
        assert total() == 2


@pytest.mark.need("TR1")
def test_a_top_has_a_hundred_keys_by_default(tmp_path: Path) -> None:
    """Fewer on request; no more than a hundred. The fault: the default was 20."""
    with serving(tmp_path) as url, httpx.Client(base_url=url, timeout=30) as app:
        app.post("/v1/events", json=[event(object_id=str(number)) for number in range(101)])
        for filters in ({}, {"object_type": "market"}):
            assert len(app.get("/v1/top", params=filters).json()["items"]) == 100
            assert len(app.get("/v1/top", params=filters | {"limit": "7"}).json()["items"]) == 7


def test_more_events_than_are_read_are_a_parameter_that_is_not_accepted(tmp_path: Path) -> None:
    """The window is named, and the number of events; without filters nothing is read, and everything counts."""
    with (
        serving(tmp_path, "--dev", TIDINGS_TRENDS_MAX_SCANNED_EVENTS="20") as url,
        httpx.Client(base_url=url, timeout=30) as app,
    ):
        app.post("/v1/events", json=[event(topics=["a:few"] if number < 3 else []) for number in range(21)])
        refused = app.get("/v1/top", params={"object_type": "market"})
        assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
        (error,) = refused.json()["errors"]
        assert error["pointer"] == "window"
        assert "at most 20 events" in error["detail"]
        assert app.get("/v1/top", params={"topic": "a:few"}).json()["total"] == 3
        assert app.get("/v1/top").json()["total"] == 21
