"""A few users' endpoints that never answer delay the deliveries of nobody else."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from tests.outbound.receivers import HOST, WAIT_S, Web
from tests.outbound.world import World
from tidings.outbound.channel import AT_ONCE
from tidings.outbound.dispatcher import LANE, PAGE
from tidings.outbound.retry import FAILURES, FIRST_ENDPOINT_REST_MS, SPREAD, WAITS_S
from tidings.outbound.slots import (
    MAX_SLOW,
    PROMPT_MS,
    SLOTS,
    SLOW_FOR_MS,
    SLOW_SLOTS,
    UNKNOWN_SLOTS,
    USER_SLOTS,
    USER_UNPROVEN_SLOTS,
    WAITING_PER_ATTEMPT,
    Slots,
    Speed,
)
from tidings.outbound.webhook_signing import new_secret
from tidings.personal_data import Endpoint

NEVER_S = 3_600
"""A limit on attempts that no test reaches."""
AT_ONCE_S = 0.01
"""One that any attempt reaches at which nobody answers."""
USERS = [f"mallory-{number}" for number in range(5)]


def endpoint(id: str, user: str, channel: str = "webhook", sent_at: int = 0) -> Endpoint:
    """One to which something was sent at this time, or nothing yet."""
    return Endpoint(id, user, channel, f"https://{id}.example/", sent_at=sent_at)


def taken(slots: Slots, *endpoints: Endpoint, now: int = 0) -> int:
    """How many of these endpoints get a slot."""
    return sum(slots.take(one, now) for one in endpoints)


# --- who gets a slot ----------------------------------------------------------------------------------------


def test_a_user_holds_a_few_slots() -> None:
    """Fewer for endpoints that are not known to be prompt, so that those which are do not wait for them."""
    slots = Slots()
    unknown = [endpoint(f"new-{number}", "bob") for number in range(20)]
    prompt = [endpoint(f"old-{number}", "bob", sent_at=1) for number in range(20)]
    assert taken(slots, *unknown) == USER_UNPROVEN_SLOTS
    assert taken(slots, *prompt) == USER_SLOTS - USER_UNPROVEN_SLOTS
    slots.release(unknown[0])
    assert taken(slots, *prompt[USER_SLOTS:]) == 1


def test_slots_are_left_for_prompt_endpoints() -> None:
    """However many users have endpoints that are unknown, slow, or of channels that make few attempts at a time."""
    slots = Slots()
    slow = [endpoint(f"slow-{number}", f"slow-{number}", sent_at=1) for number in range(SLOTS)]
    for each in slow:
        slots.note(each, PROMPT_MS + 1, False, 0)
    assert taken(slots, *slow) == SLOW_SLOTS
    assert taken(slots, *(endpoint(f"new-{n}", f"new-{n}") for n in range(SLOTS))) == UNKNOWN_SLOTS
    for channel, attempts in AT_ONCE.items():
        others = (endpoint(f"{channel}-{n}", f"{channel}-{n}", channel, sent_at=1) for n in range(SLOTS))
        assert taken(slots, *others) == attempts * WAITING_PER_ATTEMPT
    left = taken(slots, *(endpoint(f"old-{n}", f"old-{n}", sent_at=1) for n in range(SLOTS)))
    assert left == 12
    assert slots.are_full()


def test_slots_that_are_released_are_free_again() -> None:
    slots = Slots()
    for _ in range(3):
        all = [endpoint(f"e{number}", f"u{number}", sent_at=1) for number in range(SLOTS + 1)]
        assert taken(slots, *all) == SLOTS
        for each in all[:SLOTS]:
            slots.release(each)
    assert not slots.are_full()


@pytest.mark.parametrize(
    ("took_ms", "timed_out", "speed"),
    [(PROMPT_MS, False, Speed.PROMPT), (PROMPT_MS + 1, False, Speed.SLOW), (0, True, Speed.SLOW)],
)
def test_the_last_attempt_tells_whether_an_endpoint_is_slow(
    took_ms: int, timed_out: bool, speed: Speed
) -> None:
    """An answer that takes nearly all of its time is as bad as none; a prompt one ends it, and so does time."""
    slots, known = Slots(), endpoint("e1", "bob", sent_at=1)
    slots.note(known, took_ms, timed_out, 0)
    assert slots.speed(known, SLOW_FOR_MS - 1) is speed
    assert slots.speed(known, SLOW_FOR_MS) is Speed.PROMPT
    slots.note(known, 1, False, 1)
    assert slots.speed(known, 1) is Speed.PROMPT


def test_a_user_with_a_slow_endpoint_gets_no_further_unknown_ones() -> None:
    """Or each that is registered would hold a slot of those for unknown ones. Endpoints that work are not concerned."""
    slots = Slots()
    slots.note(endpoint("e1", "mallory"), 0, True, 0)
    speeds = [slots.speed(endpoint(f"e2-{at}", "mallory", sent_at=at), 1) for at in (0, 1)]
    assert speeds == [Speed.SLOW, Speed.PROMPT]
    assert slots.speed(endpoint("e3", "bob"), 1) is Speed.UNKNOWN


def test_a_slow_mail_server_says_nothing_of_the_user() -> None:
    slots = Slots()
    slots.note(endpoint("e1", "bob", "email"), 30_000, True, 0)
    assert slots.speed(endpoint("e2", "bob"), 0) is Speed.UNKNOWN


def test_only_so_many_slow_endpoints_are_remembered() -> None:
    slots, first = Slots(), endpoint("first", "first", sent_at=1)
    slots.note(first, 0, True, 0)
    for number in range(MAX_SLOW // 2):
        slots.note(endpoint(f"e{number}", f"u{number}"), 0, True, 0)
    assert slots.speed(first, 0) is Speed.PROMPT


# --- the dispatcher --------------------------------------------------------------------------------------------


@pytest.fixture
def quick(loop: asyncio.Runner) -> Iterator[Web]:
    """A web server beside that of the world."""
    web = Web()
    web.port = loop.run(web.start())
    yield web
    loop.run(web.stop())


def limit(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let an attempt take so long."""
    monkeypatch.setattr("tidings.outbound.http_client.TIMEOUT_S", seconds)


async def victim(world: World, quick: Web) -> None:
    """Somebody whose webhook works."""
    await world.endpoint("webhook", f"http://{HOST}:{quick.port}/quick", new_secret(), "victim")


@pytest.mark.parametrize("has_worked", [True, False])
def test_dead_webhooks_of_some_users_hold_few_slots(
    loop: asyncio.Runner, world: World, quick: Web, monkeypatch: pytest.MonkeyPatch, has_worked: bool
) -> None:
    """The fault: five users with twenty webhooks each that accept and never answer held all the slots, and what waited for
    them filled every page that was read; a delivery to somebody else took a minute instead of a moment."""
    limit(monkeypatch, NEVER_S)

    async def scene() -> None:
        await victim(world, quick)
        if has_worked:
            await world.tell(user="victim")
            await quick.received(1)
        world.web.open.clear()
        for user in USERS:
            for number in range(20):
                await world.hook(f"/{user}/{number}", user)
            await world.tell(*["like"] * 8, user=user)
        await world.web.received(USER_UNPROVEN_SLOTS * len(USERS))
        await world.tell(user="victim")
        await quick.received(1 + has_worked)
        assert world.web.most_at_once == USER_UNPROVEN_SLOTS * len(USERS)
        world.web.open.set()

    loop.run(scene())


def test_more_than_a_page_for_a_busy_endpoint_keeps_its_order(loop: asyncio.Runner, world: World) -> None:
    """The fault: what waited for an endpoint under way was postponed when it filled a page, by ten seconds; what came later
    overtook it."""

    async def scene() -> None:
        await world.hook()
        await world.tell()
        await world.deliver()
        await world.tell(*["like"] * (3 * PAGE))
        await world.deliver()
        assert things(world.web) == [str(number) for number in range(1 + 3 * PAGE)]
        assert world.web.most_at_once == 1

    loop.run(scene())


def things(web: Web) -> list[str]:
    """What the webhooks that came are about, in order."""
    return [msgspec.json.decode(each.body)["data"]["notification"]["object_id"] for each in web.requests]


def test_an_attempt_that_times_out_gives_its_slot_back(
    loop: asyncio.Runner, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else waits for the endpoint fails untried, holds no slot, and comes back in its order, behind the one that was
    tried."""
    limit(monkeypatch, AT_ONCE_S)

    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell(*["like"] * (2 * LANE))
        await world.deliver()
        assert await world.waiting() == [1] * 2 * LANE
        assert len(world.web.requests) <= 1
        limit(monkeypatch, NEVER_S)
        world.web.open.set()
        world.web.requests.clear()
        await world.deliver(WAITS_S[0] * (1 + SPREAD))
        assert things(world.web) == [str(number) for number in range(2 * LANE)]
        assert world.web.most_at_once == 1

    loop.run(scene())


def test_an_endpoint_is_tried_again_by_its_first_retry() -> None:
    """Or the retry would be spent untried, and the next is five minutes later."""
    assert WAITS_S[0] * 1_000 * (1 - SPREAD) > FIRST_ENDPOINT_REST_MS


def test_paths_that_hang_do_not_close_their_host(
    loop: asyncio.Runner, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may have webhooks at the same host: some users could have had those put off for a minute each time."""
    limit(monkeypatch, AT_ONCE_S)

    async def scene() -> None:
        for number in range(FAILURES + 1):
            await world.hook(f"/silent-{number}", f"mallory-{number}")
            world.web.silent.add(f"/silent-{number}")
            await world.tell(user=f"mallory-{number}")
        await world.deliver()
        assert await world.waiting() == [1] * (FAILURES + 1)
        limit(monkeypatch, NEVER_S)
        await world.hook("/quick", "victim")
        await world.tell(user="victim")
        await world.deliver()
        assert world.web.paths[-1] == "/quick"
        assert await world.waiting() == [1] * (FAILURES + 1)

    loop.run(scene())


def test_an_endpoint_that_is_slow_gives_its_slot_back_after_each_attempt(
    loop: asyncio.Runner, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that answers after a time that is just allowed held a slot for eight attempts."""
    released = []

    class Watched(Slots):
        def release(self, endpoint: Endpoint) -> None:
            released.append(len(world.web.requests))
            super().release(endpoint)

    monkeypatch.setattr("tidings.outbound.dispatcher.Slots", Watched)

    async def scene() -> None:
        await world.dispatcher.close()
        world.begin()
        await world.hook()
        world.web.open.clear()
        await world.tell(*["like"] * 3)
        await world.web.received(1)
        world.clock.advance(PROMPT_MS + 1)
        world.web.open.set()
        await world.deliver()
        assert things(world.web) == ["0", "1", "2"]
        assert released == [1, 3]

    loop.run(scene())


def test_a_mail_server_that_hangs_holds_up_no_webhook(
    loop: asyncio.Runner, world: World, quick: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All mails wait for the same few connections: more of them than have a turn held all the slots."""
    began = asyncio.Event()
    over = asyncio.Event()
    sending = 0

    async def hang(*_: object) -> None:
        nonlocal sending
        sending += 1
        if sending == AT_ONCE["email"]:
            began.set()
        await over.wait()

    monkeypatch.setattr("aiosmtplib.SMTP.send_message", hang)

    async def scene() -> None:
        users = [f"reader-{number}" for number in range(PAGE)]
        for user in users:
            await world.endpoint("email", f"{user}@example.org", user=user)
            await world.tell(user=user)
        async with asyncio.timeout(WAIT_S):
            await began.wait()
        await victim(world, quick)
        await world.tell(user="victim")
        await quick.received(1)
        assert sending == AT_ONCE["email"]
        over.set()

    loop.run(scene())
