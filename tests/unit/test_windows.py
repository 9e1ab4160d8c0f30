"""Trends against brute force (I7), and within their memory (I12)."""

import subprocess
import sys
from collections import Counter
from operator import itemgetter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidings.errors import BadParameter
from tidings.event_counts import DIMENSIONS
from tidings.projections.heavy_hitters import SketchedWindow
from tidings.projections.sliding_counts import ENTRIES_PER_KEY
from tidings.projections.top_k import KEPT, MOST
from tidings.projections.windows import BATCH, Occurrence, Top, Windows
from tidings.testing import START_MS, FakeClock

LENGTHS = {"1m": 60, "5m": 300, "1h": 3600}
PLENTY = 1_000_000


class Oracle:
    """The windows beside a plain list of what was counted."""

    def __init__(self, max_keys: int = PLENTY) -> None:
        self.clock = FakeClock()
        self.windows = Windows(self.clock, max_keys)
        self.events: list[Occurrence] = []

    def add(self, events: list[Occurrence]) -> None:
        self.windows.add_many(events)
        self.events += events

    def remove(self, index: int) -> None:
        self.windows.remove(*self.events.pop(index))

    def truth(self, window: str, by: str) -> Counter[str]:
        """Every key of the window, counted one by one."""
        return self.truths(window)[by]

    def truths(self, window: str) -> dict[str, Counter[str]]:
        """The same for each dimension."""
        end = self.clock.now() // 1000 * 1000 + 1000
        start = end - LENGTHS[window] * 1000
        inside = [event for event in self.events if start <= event[0] < end]
        return {
            by: Counter(map(str, map(itemgetter(field), inside))) for field, by in enumerate(DIMENSIONS, 1)
        }

    def check_exact(self, limit: int = 100) -> None:
        """Every window and dimension equals brute force."""
        for window in LENGTHS:
            for by, truth in self.truths(window).items():
                ranked = sorted(truth.items(), key=lambda item: (-item[1], item[0]))[:limit]
                as_of = self.clock.now() // 1000 * 1000
                expected = Top(window, by, as_of, True, 0, truth.total(), ranked)
                assert self.windows.top(window, by, limit) == expected

    def check_stated_error(self, limit: int = 100) -> None:
        """Every count, and every key left out, is within the error that the reply states."""
        for window in LENGTHS:
            for by, truth in self.truths(window).items():
                self._check_one(self.windows.top(window, by, limit), truth, limit)

    @staticmethod
    def _check_one(top: Top, truth: Counter[str], limit: int) -> None:
        shown = dict(top.items)
        assert top.total == truth.total()
        assert top.items == sorted(top.items, key=lambda item: (-item[1], item[0]))
        assert all(abs(count - truth[key]) <= top.error for key, count in top.items)
        last = top.items[-1][1] if len(top.items) == limit else 0
        assert all(count <= last + top.error for key, count in truth.items() if key not in shown)
        assert not (top.exact and top.error)


def happening(second: int, number: int) -> Occurrence:
    """An event ``second`` seconds after the start; ``number`` chooses its keys."""
    kind = f"type{number % 3}"
    return (
        START_MS + second * 1000 + number % 1000,
        f"{kind}:{number}",
        f"verb{number % 5}",
        kind,
        f"user{number // 2}",
    )


def zipf(random: Random, second: int) -> Occurrence:
    """An event of a crowd with a few famous members and a long tail."""
    return happening(second, int(random.paretovariate(0.4)) % 100_000)


ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from([-4000, -3599, -300, -61, -60, -59, -1, 0, 0, 0, 1, 59, 300]), st.integers(0, 12)
    ),
    max_size=12,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), ARRIVALS),
        st.tuples(
            st.just("pass"), st.sampled_from([1, 999, 1000, 59_000, 61_000, 299_000, 3_599_000, 3_700_000])
        ),
        st.tuples(st.just("remove"), st.integers(0, 1000)),
    ),
    max_size=25,
)


def _play(oracle: Oracle, steps: list[tuple[str, object]]) -> None:
    for kind, value in steps:
        since_start = (oracle.clock.now() - START_MS) // 1000
        if kind == "add" and isinstance(value, list):
            oracle.add([happening(since_start + offset, number) for offset, number in value])
        elif kind == "pass" and isinstance(value, int):
            oracle.clock.advance(value)
        elif isinstance(value, int) and oracle.events:
            oracle.remove(value % len(oracle.events))


@given(STEPS)
@settings(max_examples=80, deadline=None)
def test_exact_windows_equal_brute_force(steps: list[tuple[str, object]]) -> None:
    """I7: with late, future, too old and retracted events, every window equals counting them one by one."""
    oracle = Oracle()
    for step in steps:
        _play(oracle, [step])
        oracle.check_exact()


@pytest.mark.need("TR2")
@given(STEPS, st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_the_stated_error_holds_whatever_comes(steps: list[tuple[str, object]], max_keys: int) -> None:
    """With hardly any memory, every count is within the stated error of the truth and totals are exact."""
    oracle = Oracle(max_keys)
    for step in steps:
        _play(oracle, [step])
        oracle.check_stated_error(limit=5)


def test_a_long_run_of_a_tie_equals_brute_force() -> None:
    """I7: the candidates still hold the first hundred when thousands of keys rise, fall and leave."""
    random, oracle = Random(11), Oracle()
    for second in range(0, 420, 7):
        volume = 900 if second < 200 else 60
        oracle.add([zipf(random, second - random.choice((0, 0, 0, 2, 70))) for _ in range(volume)])
        for _ in range(20):
            oracle.remove(random.randrange(len(oracle.events)))
        oracle.check_exact()
        oracle.clock.advance(7000)
    oracle.clock.advance(3_500_000)
    oracle.check_exact()


def test_a_tie_without_leaders_is_ranked_by_key() -> None:
    """Ties are broken by key, also when far more keys tie than are kept as candidates."""
    oracle = Oracle()
    for second in range(70):
        oracle.add([happening(second, 10_000 + second * 100 + n) for n in range(100)])
        oracle.clock.advance(1000)
    assert len(oracle.truth("1m", "object")) > MOST > KEPT
    oracle.check_exact()


def test_an_event_from_the_future_is_counted_when_its_second_comes() -> None:
    """Neither the totals nor the ranking know an event before its second."""
    oracle = Oracle()
    oracle.add([happening(2, 0)])
    oracle.clock.advance(1999)
    assert oracle.windows.top("1m", "actor", 10).total == 0
    oracle.clock.advance(1)
    assert oracle.windows.top("1m", "actor", 10).items == [("user0", 1)]


def test_a_long_silence_does_not_lose_what_was_still_to_come() -> None:
    """After more than an hour without a call, an event that came due in the meantime is counted."""
    oracle = Oracle()
    oracle.add([happening(0, 1), happening(300, 2)])
    oracle.clock.advance(3_700_000)
    assert oracle.windows.top("1h", "object", 10).items == [("type2:2", 1)]


def test_an_event_leaves_when_its_second_leaves_the_window() -> None:
    """The window is the whole seconds in (as_of - length, as_of]."""
    oracle = Oracle()
    oracle.windows.add(*happening(0, 999))
    oracle.clock.advance(59_999)
    assert oracle.windows.top("1m", "object", 1).items == [("type0:999", 1)]
    oracle.clock.advance(1)
    assert oracle.windows.top("1m", "object", 1).items == []
    assert oracle.windows.top("5m", "object", 1).items == [("type0:999", 1)]


def test_a_late_event_retracted_leaves_the_others_of_its_key() -> None:
    """A second in which a key came and was taken back changes nothing when it leaves the window."""
    oracle = Oracle()
    oracle.add([happening(0, 1), happening(-3500, 1)])
    oracle.remove(1)
    oracle.clock.advance(200_000)
    oracle.check_exact()


def test_a_clock_that_goes_back_moves_nothing() -> None:
    """While the clock is behind, the windows stay as they are, and as_of with them."""
    oracle = Oracle()
    oracle.add([happening(0, 1)])
    before = oracle.windows.top("1m", "verb", 1)
    oracle.clock.ms -= 90_000
    assert oracle.windows.top("1m", "verb", 1) == before


@pytest.mark.parametrize(
    ("window", "by", "limit"), [("2m", "object", 1), ("1m", "colour", 1), ("1h", "verb", 0)]
)
def test_unknown_tops_are_refused(window: str, by: str, limit: int) -> None:
    """A window, dimension or limit outside the contract is a bad parameter."""
    with pytest.raises(BadParameter):
        Oracle().windows.top(window, by, limit)


@pytest.mark.need("TR2")
def test_windows_over_their_cap_state_an_error_that_holds() -> None:
    """When keys outgrow memory the hour is approximate within its stated error, a small part of the total."""
    random, oracle = Random(5), Oracle(max_keys=2_000)
    for second in range(0, 3900, 30):
        oracle.add([zipf(random, second) for _ in range(400)])
        oracle.clock.advance(30_000)
    oracle.check_stated_error()
    hour = oracle.windows.top("1h", "object", 100)
    assert not hour.exact
    assert 0 < hour.error < hour.total / 20


def test_a_short_window_stays_exact_while_the_hour_is_approximate() -> None:
    """The oldest seconds are folded first, and dimensions with few keys are not folded at all."""
    random, oracle = Random(5), Oracle(max_keys=600)
    for second in range(0, 900, 30):
        oracle.add([zipf(random, second) for _ in range(450)])
        oracle.clock.advance(30_000)
    tops = {(w, by): oracle.windows.top(w, by, 10).exact for w in LENGTHS for by in ("object", "verb")}
    assert tops == {
        ("1m", "object"): True,
        ("5m", "object"): False,
        ("1h", "object"): False,
        ("1m", "verb"): True,
        ("5m", "verb"): True,
        ("1h", "verb"): True,
    }


def test_windows_become_exact_again() -> None:
    """When the folded seconds have left the window, it equals brute force again."""
    random, oracle = Random(5), Oracle(max_keys=200)
    oracle.add([zipf(random, 0) for _ in range(2000)])
    assert not oracle.windows.top("1h", "object", 10).exact
    oracle.clock.advance(3_599_000)
    oracle.add([happening(3599, number) for number in range(50)])
    assert not oracle.windows.top("1h", "object", 10).exact
    oracle.clock.advance(1000)
    oracle.check_exact()


def test_memory_stays_under_its_caps() -> None:
    """I12: keys, bucket entries and candidates never exceed their caps by more than one batch."""
    max_keys, oracle = 1_000, Oracle(max_keys=1_000)
    for second in range(40):
        oracle.windows.add_many(happening(second * 30 - n % 400, second * 2_500 + n) for n in range(2_500))
        for keys, entries, candidates in oracle.windows.sizes().values():
            assert keys <= max_keys + BATCH
            assert entries <= max_keys * ENTRIES_PER_KEY + BATCH
            assert candidates <= len(LENGTHS) * (MOST + BATCH)
        oracle.clock.advance(30_000)


def test_memory_is_given_back() -> None:
    """I12: when every event has left the hour, no key and no bucket entry is left, whichever way it came."""
    oracle = Oracle()
    oracle.add([happening(offset, number) for number in range(30) for offset in (-400, 0, 200)])
    for index in (80, 41, 7, 0):
        oracle.remove(index)
    oracle.clock.advance(250_000)
    oracle.check_exact()
    oracle.clock.advance(3_590_000)
    oracle.check_exact()
    assert [size[:2] for size in oracle.windows.sizes().values()] == [(0, 0)] * len(DIMENSIONS)


def test_a_sketch_states_the_error_of_what_it_dropped() -> None:
    """More keys than a sketch tracks: each estimate, 0 for a dropped key, is within the stated error."""
    random, folded = Random(3), SketchedWindow(3600)
    truth = Counter(int(random.paretovariate(0.4)) % 100_000 for _ in range(60_000))
    folded.add(0, {str(number): count for number, count in truth.items()})
    estimates = folded.estimates()
    assert len(estimates) < len(truth)
    stated = folded.error(map(str, truth))
    assert max(abs(estimates.get(str(number), 0) - count) for number, count in truth.items()) <= stated


def test_a_future_without_room_is_counted_in_the_total_and_stated_as_error() -> None:
    """I12: events waiting for their second are capped; those beyond are missing by key, within the error."""
    oracle = Oracle(max_keys=10)
    for number in range(500):
        oracle.add([happening(5, number)])
    assert oracle.windows.sizes()["object"][1] <= 10 * ENTRIES_PER_KEY
    oracle.clock.advance(5000)
    oracle.check_stated_error()
    top = oracle.windows.top("1m", "object", 100)
    assert (top.total, top.exact) == (500, False)
    oracle.clock.advance(60_000)
    assert oracle.windows.top("1m", "object", 100).exact


def test_sketches_are_not_loaded_before_they_are_needed() -> None:
    """A server whose keys fit in memory never pays for the sketch library."""
    code = "import sys, tidings.projections.windows; sys.exit('datasketches' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
