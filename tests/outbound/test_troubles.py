"""The log says that deliveries fail, and that they succeed again, without a line for each and without a secret."""

import asyncio

import pytest

from tests.outbound.world import World
from tidings.outbound.channel import SENT, SendResult
from tidings.outbound.retry import REST_MS
from tidings.outbound.troubles import MAX_LINES, WINDOW_MS, Troubles
from tidings.personal_data import Endpoint

WRONG = SendResult("failed", "HTTP 500")
DOWN = SendResult("failed", "no connection", down=True)


def endpoint(id: str) -> Endpoint:
    """A webhook whose address has a secret in it."""
    return Endpoint(id, "alice", "webhook", "https://a.example/hook-secret", "whsec_secret", 0)


def test_a_failing_webhook_is_told_once_and_once_that_it_works(
    loop: asyncio.Runner, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: with a webhook that answered 500 the log had no line at all."""

    async def scene() -> None:
        hook = await world.hook("/hook-secret")
        world.web.answer(500, times=3)
        await world.tell("like", "like")
        await world.deliver()
        await world.deliver(10)
        await world.deliver(3600)
        assert await world.waiting() == []
        assert told(caplog) == [
            f"deliveries by webhook to the endpoint {hook.id} fail: HTTP 500",
            f"deliveries by webhook to the endpoint {hook.id} succeed again",
        ]
        assert "secret" not in "".join(told(caplog))

    loop.run(scene())


def test_a_host_that_is_down_is_told_once_for_all_endpoints(
    loop: asyncio.Runner, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: with a server of others down the log had no line. It names the host once, not each endpoint."""

    async def scene() -> None:
        await world.hook("/one-secret")
        await world.hook("/two-secret")
        world.web.broken = True
        await world.tell()
        await world.deliver()
        world.web.broken = False
        await world.deliver(REST_MS / 1_000)
        assert await world.waiting() == []
        place = f"http://127.0.0.1:{world.web_port}"
        assert told(caplog) == [
            f"deliveries by webhook to {place} fail: no connection",
            f"deliveries by webhook to {place} succeed again",
        ]

    loop.run(scene())


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of deliveries, in order."""
    return [record.getMessage() for record in caplog.records if record.name == "tidings.outbound.troubles"]


def test_lines_are_bounded_and_what_was_left_out_is_told_later(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand endpoints that begin to fail at once are eleven lines, and what the log never told needs no all-clear."""
    troubles = Troubles()
    for number in range(1_000):
        troubles.note(endpoint(f"e{number}"), "https://a.example", WRONG, WINDOW_MS)
    assert len(told(caplog)) == MAX_LINES + 1
    assert "to others fail too" in told(caplog)[-1]
    caplog.clear()
    troubles.note(endpoint("e998"), "https://a.example", SENT, WINDOW_MS)
    assert told(caplog) == []
    troubles.note(endpoint("e999"), "https://a.example", WRONG, 2 * WINDOW_MS)
    troubles.note(endpoint("e0"), "https://a.example", SENT, 2 * WINDOW_MS)
    assert [line.partition(" to ")[2] for line in told(caplog)] == [
        "the endpoint e999 fail: HTTP 500",
        "the endpoint e0 succeed again",
    ]


def test_a_host_that_is_down_tells_nothing_of_its_endpoints(caplog: pytest.LogCaptureFixture) -> None:
    """While the host is known to fail its endpoints are not told one by one; gone ones and faults of ours never are."""
    troubles = Troubles()
    troubles.note(endpoint("e1"), "https://a.example", DOWN, WINDOW_MS)
    troubles.note(endpoint("e2"), "https://a.example", WRONG, WINDOW_MS)
    troubles.note(endpoint("e3"), "https://b.example", SendResult("gone"), WINDOW_MS)
    troubles.note(endpoint("e4"), "https://b.example", SendResult("dead", "x", server_fault=True), WINDOW_MS)
    assert told(caplog) == ["deliveries by webhook to https://a.example fail: no connection"]
