"""When to try again."""

from random import Random

import pytest

from tidings.outbound.retry import (
    FAILURES,
    MAX_HOSTS,
    REST_MS,
    SPREAD,
    WAITS_S,
    CircuitBreaker,
    retry_delay_ms,
)


def test_ten_attempts_are_spread_over_about_75_hours() -> None:
    assert len(WAITS_S) + 1 == 10
    assert 74 * 3600 <= sum(WAITS_S) <= 76 * 3600
    assert list(WAITS_S) == sorted(WAITS_S)


@pytest.mark.parametrize("attempts", range(1, len(WAITS_S) + 1))
def test_waits_spread_by_chance_around_their_step(attempts: int) -> None:
    """All within the spread, and over it: they are not all the same."""
    chance, step = Random(attempts), WAITS_S[attempts - 1] * 1_000
    waits = [retry_delay_ms(attempts, 0, chance) or 0 for _ in range(500)]
    assert step * (1 - SPREAD) * 0.99 <= min(waits) < step * (1 - SPREAD / 2)
    assert step * (1 + SPREAD / 2) < max(waits) <= step * (1 + SPREAD)


def test_a_wait_that_was_asked_for_is_kept() -> None:
    assert retry_delay_ms(1, 4_000, Random(1)) == 4_000_000


def test_after_the_last_wait_it_is_given_up() -> None:
    assert retry_delay_ms(len(WAITS_S) + 1, 5, Random(1)) is None


def failing(breaker: CircuitBreaker, host: str, times: int, now: int = 0) -> None:
    """Let attempts at a host go unanswered."""
    for _ in range(times):
        breaker.note(host, True, now)


def test_a_host_rests_after_failures_in_a_row() -> None:
    breaker = CircuitBreaker()
    failing(breaker, "a", FAILURES - 1)
    assert not breaker.is_open("a", 0)
    failing(breaker, "a", 1)
    assert breaker.is_open("a", REST_MS - 1)
    assert not breaker.is_open("b", 0)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    breaker = CircuitBreaker()
    failing(breaker, "a", FAILURES - 1)
    breaker.note("a", False, 0)
    failing(breaker, "a", FAILURES - 1)
    assert not breaker.is_open("a", 0)


def test_after_the_rest_one_attempt_finds_out_how_it_is() -> None:
    breaker = CircuitBreaker()
    failing(breaker, "a", FAILURES)
    assert [breaker.is_open("a", REST_MS) for _ in range(3)] == [False, True, True]
    breaker.note("a", False, REST_MS)
    assert not breaker.is_open("a", REST_MS)


def test_a_host_that_still_fails_rests_again() -> None:
    breaker = CircuitBreaker()
    failing(breaker, "a", FAILURES)
    assert not breaker.is_open("a", REST_MS)
    breaker.note("a", True, REST_MS + 5)
    assert breaker.is_open("a", 2 * REST_MS + 4)


def test_only_so_many_hosts_are_remembered() -> None:
    breaker = CircuitBreaker()
    failing(breaker, "first", FAILURES)
    for host in range(MAX_HOSTS):
        breaker.note(str(host), True, 0)
    assert not breaker.is_open("first", 0)
