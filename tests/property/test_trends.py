"""Trends as a server answers them against counting one by one (I7): filters, comparisons, series, whatever came before."""

import asyncio
import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends import opened
from tests.checkers import tops
from tests.checkers.tops import Asked, Occurred, Previous
from tidings.commit_effects import effects_of
from tidings.config import Settings
from tidings.event_counts import DIMENSIONS
from tidings.model import Command, EraseUser, Publish, Published, Retract
from tidings.ports import Store
from tidings.projections.windows import WINDOW_S
from tidings.testing import FakeClock, event
from tidings.timeutil import rfc3339
from tidings.trends import POINTS, Trends

ACTORS, OBJECTS = ("ann", "bob", "cat"), ("page:1", "page:2", "site:1", "user:ann")
PLENTY, FEW = 1_000_000, 2
"""Keys that are exact: all of these, and hardly any."""
FILTERS = ((None, None), ("page", None), (None, "a:b"), ("user", "user:bob"), (None, "page:1"))

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("publish"),
            st.lists(
                st.tuples(
                    st.sampled_from([-7_000, -3_600, -301, -61, -1, 0, 0, 0, 40]),
                    st.sampled_from(ACTORS),
                    st.sampled_from(OBJECTS),
                    st.booleans(),
                ),
                min_size=1,
                max_size=6,
            ),
        ),
        st.tuples(st.just("pass"), st.sampled_from([1, 1_000, 59_000, 301_000, 3_600_000, -4_000, -90_000])),
        st.tuples(st.just("retract"), st.integers(0, 100)),
        st.tuples(st.just("erase"), st.sampled_from(ACTORS)),
        st.tuples(st.just("restart"), st.none()),
    ),
    max_size=9,
)


class World:
    """A store, the trends over it, and a list of all that counts."""

    def __init__(self, store: Store, clock: FakeClock, max_keys: int) -> None:
        self.store = store
        self.clock = clock
        self.settings = Settings(trends_max_exact_keys=max_keys)
        self.trends = Trends(store, clock, self.settings)
        self.events: dict[str, Occurred] = {}

    async def step(self, kind: str, value: Any) -> None:
        """One change, and what a server does every second."""
        match kind:
            case "publish":
                await self._publish(value)
            case "pass":
                self.clock.ms += value
            case "retract" if self.events:
                id = sorted(self.events)[value % len(self.events)]
                await self._commit(Retract(id))
                del self.events[id]
            case "erase":
                await self._commit(EraseUser(value))
                self.events = {id: _without(value, one) for id, one in self.events.items()}
            case "restart":
                self.trends = Trends(self.store, self.clock, self.settings)
                await self.trends.start_at((await self.store.head()).position)
        await self.trends.keep_current()

    async def _publish(self, acts: list[tuple[int, str, str, bool]]) -> None:
        made = tuple(
            event(
                actor,
                f"v{n % 2}",
                obj,
                at=self.clock.now() + away * 1000,
                topics=("a:b",) if named else (),
            )
            for n, (away, actor, obj, named) in enumerate(acts)
        )
        (outcome,) = await self._commit(Publish(made))
        assert isinstance(outcome, Published)
        for receipt, one in zip(outcome.receipts, made, strict=True):
            thing = f"{one.object_type}:{one.object_id}"
            keys = {"object": thing, "verb": one.verb, "object_type": one.object_type, "actor": one.actor_id}
            topics = (thing, f"user:{one.actor_id}", *one.topics)
            self.events[receipt.event_id] = Occurred(one.created_at, keys, topics)

    async def _commit(self, command: Command) -> list[Any]:
        outcomes = await self.store.write([command])
        self.trends.committed(effects_of([command], outcomes))
        while await self.store.work(100):
            pass
        return outcomes

    async def check(self) -> None:
        """Every reply, or what is always exact of it, equals counting the list."""
        for window, length in WINDOW_S.items():
            for kind, topic in FILTERS:
                for by in DIMENSIONS:
                    top = json.loads(await self.trends.top(window, by, 100, kind, topic, compare=True))
                    asked = Asked(self.clock.now() // 1000, length, kind, topic)
                    asked = asked._replace(as_of=max(asked.as_of, _second(top["as_of"])))
                    self._check_top(top, asked)
                await self._check_series(window, length, kind, topic)

    def _check_top(self, top: Any, asked: Asked) -> None:
        occurrences = asked.occurrences(self.events.values(), top["by"])
        assert (top["as_of"], top["total"]) == (rfc3339(asked.as_of * 1000), len(occurrences))
        if top["exact"]:
            tops.exact([(item["key"], item["count"]) for item in top["items"]], occurrences, 100)
        before = [(item["key"], Previous(**_renamed(item["previous"]))) for item in top["items"]]
        tops.compared(before, asked.before().occurrences(self.events.values(), top["by"]))

    async def _check_series(self, window: str, length: int, kind: str | None, topic: str | None) -> None:
        keys = (
            ("actor", None),
            ("actor", "bob"),
            ("object", "page:1"),
            ("verb", "v1"),
            ("object_type", "page"),
        )
        for by, key in keys:
            series = json.loads(await self.trends.series(window, by, key, kind, topic))  # type: ignore[arg-type]
            asked = Asked(_second(series["as_of"]), length, kind, topic)
            times = asked.times(self.events.values(), by, key)
            counts = [point["count"] for point in series["points"]]
            assert (len(counts), series["total"]) == (POINTS, len(times))
            tops.series(counts, times, asked)


def _second(as_of: str) -> int:
    return int(datetime.fromisoformat(as_of).timestamp())


def _renamed(previous: Any) -> dict[str, Any]:
    return {"events": previous["count"], "rank": previous["rank"]}


def _without(user: str, one: Occurred) -> Occurred:
    """The event once the user is erased."""
    names = (user, f"user:{user}")
    keys = {by: "" if by in ("actor", "object") and key in names else key for by, key in one.keys.items()}
    return one._replace(keys=keys, topics=tuple(topic for topic in one.topics if topic not in names))


@pytest.mark.parametrize("max_keys", [PLENTY, FEW])
@pytest.mark.parametrize("backend", ["memory", "sqlite-hot"])
def test_every_reply_about_trends_equals_counting_one_by_one(backend: str, max_keys: int) -> None:
    """I7: after late and future events, retractions, erasures, restarts, and clocks that are set back; while rankings are
    approximate, of what is exact even then."""

    @given(STEPS)
    @settings(max_examples=20, deadline=None)
    def run(steps: list[tuple[str, Any]]) -> None:
        async def world() -> None:
            with tempfile.TemporaryDirectory() as folder:
                clock = FakeClock()
                one = World(await opened(backend, Path(folder), clock), clock, max_keys)
                try:
                    for kind, value in steps:
                        await one.step(kind, value)
                    await one.check()
                finally:
                    await one.store.close()

        asyncio.run(world())

    run()
