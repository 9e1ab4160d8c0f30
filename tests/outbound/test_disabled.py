"""Endpoints that refuse everything for good: disabled, shown, enabled again. Over real stores, to real receivers."""

import asyncio
from collections.abc import Callable

import pytest

from tests.outbound.world import ATTEMPTS, USER, World
from tidings.endpoint_commands import EnableEndpoint
from tidings.model import RetryDeadLetters
from tidings.outbound.dispatcher import MAX_FAILURES
from tidings.personal_data import Endpoint
from tidings.telemetry import REGISTRY

Loop = asyncio.Runner
Refuse = Callable[[World, int], None]


def refuse_posts(world: World, times: int) -> None:
    """Let the web server refuse, as a push service does that does not know us."""
    world.web.answer(403, times=times)


def refuse_mails(world: World, times: int) -> None:
    """Let the mail server refuse the recipient."""
    world.relay.answers.extend(["550 no such user"] * times)


async def the_endpoint(world: World) -> Endpoint:
    """USER's one endpoint."""
    (found,) = await world.store.endpoints(USER)
    return found


async def told(world: World, times: int) -> None:
    """Tell USER so many things, one after another."""
    for _ in range(times):
        await world.tell()
        await world.deliver()


def disabled(channel: str) -> float:
    """How many endpoints of a channel the metric has seen disabled."""
    return REGISTRY.get_sample_value("tidings_endpoints_disabled_total", {"channel": channel}) or 0


@pytest.mark.parametrize(
    ("channel", "refuse", "reason"),
    [("webhook", refuse_posts, "HTTP 403"), ("email", refuse_mails, "the mail server says 550")],
)
def test_an_endpoint_that_refuses_everything_is_disabled(
    loop: Loop, world: World, channel: str, refuse: Refuse, reason: str
) -> None:
    """After MAX_FAILURES refusals in a row it makes no further dead letters, and says since when and why; a 403 of a push
    service left it, so that each notification made one."""

    async def scene() -> None:
        await (world.hook() if channel == "webhook" else world.mailbox())
        before = disabled(channel)
        refuse(world, MAX_FAILURES + 3)
        await told(world, MAX_FAILURES - 1)
        assert (await the_endpoint(world)).disabled_at == 0
        await told(world, 4)
        found = await the_endpoint(world)
        assert (found.disabled_at, found.disabled_reason) == (world.clock.now(), reason)
        assert len(await world.dead()) == MAX_FAILURES
        assert await world.waiting() == []
        assert disabled(channel) == before + 1

    loop.run(scene())


def test_one_that_takes_something_in_between_is_not_disabled(loop: Loop, world: World) -> None:
    """Only refusals in a row count: a receiver may dislike some of its messages for ever."""

    async def scene() -> None:
        await world.hook()
        for _ in range(3):
            refuse_posts(world, MAX_FAILURES - 1)
            await told(world, MAX_FAILURES)
        found = await the_endpoint(world)
        assert (found.failures, found.disabled_at) == (0, 0)

    loop.run(scene())


def test_what_waits_for_a_disabled_endpoint_is_dropped(loop: Loop, world: World) -> None:
    """All that is due at once ends with the refusal that is one too many; the rest makes no dead letters."""

    async def scene() -> None:
        await world.hook()
        refuse_posts(world, 100)
        await world.tell(*["like"] * (MAX_FAILURES + 20))
        await world.deliver()
        assert len(world.web.requests) == MAX_FAILURES
        assert len(await world.dead()) == MAX_FAILURES
        assert await world.waiting() == []

    loop.run(scene())


def test_what_was_given_up_after_all_attempts_counts_too(loop: Loop, world: World) -> None:
    """A receiver that is gone without saying so answers 500, or not at all, for 75 hours each time."""

    async def scene() -> None:
        await world.hook()
        world.web.answer(500, times=1_000)
        await world.tell(*["like"] * MAX_FAILURES)
        for _ in range(ATTEMPTS + 2):
            await world.deliver(3 * 86_400)
        assert (await the_endpoint(world)).disabled_reason == "HTTP 500"

    loop.run(scene())


def test_a_channel_that_is_not_set_up_disables_nothing(loop: Loop, world: World) -> None:
    """That is the server's fault, and it may be set up again."""

    async def scene() -> None:
        await world.dispatcher.close()
        world.begin(smtp_url="")
        await world.mailbox()
        await told(world, MAX_FAILURES + 1)
        assert (await the_endpoint(world)).disabled_at == 0

    loop.run(scene())


def test_an_endpoint_is_enabled_again(loop: Loop, world: World) -> None:
    """What comes from then on goes there, and what it refused can be replayed."""

    async def scene() -> None:
        hook = await world.hook()
        refuse_posts(world, MAX_FAILURES)
        await told(world, MAX_FAILURES)
        await world.write(RetryDeadLetters())
        await world.deliver()
        assert (len(world.web.requests), len(await world.dead())) == (MAX_FAILURES, MAX_FAILURES)
        await world.write(EnableEndpoint(USER, hook.id))
        found = await the_endpoint(world)
        assert (found.failures, found.disabled_at, found.disabled_reason) == (0, 0, "")
        await told(world, 1)
        assert len(world.web.requests) == MAX_FAILURES + 1
        await world.write(RetryDeadLetters())
        await world.deliver()
        assert (len(world.web.requests), await world.dead()) == (2 * MAX_FAILURES + 1, [])

    loop.run(scene())


@pytest.mark.need("NO13")
def test_nothing_goes_to_an_address_that_was_not_confirmed(loop: Loop, world: World) -> None:
    """Nor does anything wait for it: what came before the confirmation is in the inbox."""

    async def scene() -> None:
        await world.endpoint("email", "somebody@example.org", confirmed=False)
        await told(world, 2)
        assert (world.relay.mails, await world.waiting(), await world.dead()) == ([], [], [])

    loop.run(scene())
