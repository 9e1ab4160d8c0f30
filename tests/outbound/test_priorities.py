"""The order in which the dispatcher sends: critical deliveries first, those of broadcasts last, and each goes on."""

import asyncio
from email.message import EmailMessage

import msgspec
import pytest

from tests.outbound.receivers import WAIT_S
from tests.outbound.test_slots import endpoint
from tests.outbound.world import World
from tidings.delivery_priority import DeliveryPriority
from tidings.model import Follow, MaterializeBroadcasts, Publish
from tidings.outbound.channel import AT_ONCE
from tidings.outbound.slots import SLOTS, SLOW_SLOTS, UNKNOWN_SLOTS, WAITING_PER_ATTEMPT, Slots, Speed
from tidings.testing import event

READERS = tuple(f"reader-{number}" for number in range(60))
MAIL_SLOTS = WAITING_PER_ATTEMPT * AT_ONCE["email"]


async def announce(world: World, verb: str, on: str = "email") -> None:
    """Publish a broadcast, which all READERS have as an item, on a channel."""
    for reader in READERS:
        if on == "email":
            await world.endpoint("email", f"{reader}@example.org", user=reader)
        await world.write(Follow(reader, "city:1"))
    now = world.clock.now()
    news = event("admin", verb, "release:2", at=now)
    await world.write(
        Publish((msgspec.structs.replace(news, audience="city:1", expires_at=now + 3_600_000),))
    )
    await world.write(MaterializeBroadcasts(READERS))


class Mails:
    """A mail server that accepts nothing before ``open``: the recipients in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.to: list[str] = []
        self.began = asyncio.Event()
        self.open = asyncio.Event()

        async def send(_: object, message: EmailMessage) -> None:
            self.to.append(message["To"])
            if len(self.to) == AT_ONCE["email"]:
                self.began.set()
            await self.open.wait()

        monkeypatch.setattr("aiosmtplib.SMTP.send_message", send)

    async def are_busy(self) -> None:
        """Returns when as many mails are being sent as may be at a time."""
        async with asyncio.timeout(WAIT_S):
            await self.began.wait()


@pytest.mark.need("NO10")
@pytest.mark.parametrize("verb", ["alarm", "reply"])
def test_an_announcement_does_not_delay_other_mails(
    loop: asyncio.Runner, world: World, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """The fault: a critical mail was sent after the 3,000 mails of an announcement before it, 107 s later. Now only those
    come first that have a slot already."""

    async def scene() -> None:
        mails = Mails(monkeypatch)
        await world.endpoint("email", "victim@example.org", user="victim")
        await announce(world, "like")
        await mails.are_busy()
        await world.tell(verb, user="victim")
        mails.open.set()
        await world.deliver()
        assert len(mails.to) == len(READERS) + 1
        assert mails.to.index("victim@example.org") <= MAIL_SLOTS

    loop.run(scene())


def test_a_critical_announcement_does_not_stop_other_mails(
    loop: asyncio.Runner, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of the slots is left for lower priorities."""

    async def scene() -> None:
        mails = Mails(monkeypatch)
        await world.endpoint("email", "victim@example.org", user="victim")
        await announce(world, "alarm")
        await mails.are_busy()
        await world.tell("reply", user="victim")
        mails.open.set()
        await world.deliver()
        assert len(mails.to) == len(READERS) + 1
        assert mails.to.index("victim@example.org") <= MAIL_SLOTS

    loop.run(scene())


def test_a_critical_delivery_overtakes_others_to_its_endpoint(loop: asyncio.Runner, world: World) -> None:
    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell(*["like"] * 20)
        await world.web.received(1)
        await world.tell("alarm")
        world.web.open.set()
        await world.deliver()
        types = [
            msgspec.json.decode(each.body)["data"]["notification"]["type"] for each in world.web.requests
        ]
        assert len(types) == 21
        assert types.index("alarm") == 8

    loop.run(scene())


@pytest.mark.parametrize(
    ("channel", "speed", "size"),
    [
        ("email", Speed.PROMPT, MAIL_SLOTS),
        ("webhook", Speed.PROMPT, SLOTS),
        ("webhook", Speed.UNKNOWN, UNKNOWN_SLOTS),
        ("webhook", Speed.SLOW, SLOW_SLOTS),
    ],
)
def test_no_priority_takes_a_whole_pool(channel: str, speed: Speed, size: int) -> None:
    """Whatever came first, each of the others finds a slot. Endpoints that are slow or unknown had none to share."""

    def taken(slots: Slots, priority: DeliveryPriority, many: int = SLOTS * 2) -> int:
        sent_at = int(speed is not Speed.UNKNOWN)
        some = [endpoint(f"{priority}-{n}", f"{priority}-{n}", channel, sent_at) for n in range(many)]
        for one in some if speed is Speed.SLOW else ():
            slots.note(one, 0, True, 0)
        return sum(slots.take(one, 0, priority) for one in some)

    kinds = (DeliveryPriority.CRITICAL, DeliveryPriority.ORDINARY, DeliveryPriority.BULK)
    for first in DeliveryPriority:
        slots = Slots()
        assert taken(slots, first) <= size
        for other in kinds:
            if other == first or (other.is_critical and first.is_critical):
                continue
            assert taken(slots, other, 1) == 1, (first, other)
    for left in kinds:
        slots = Slots()
        for each in kinds:
            if each != left:
                taken(slots, each)
        assert taken(slots, left) >= size // 8, left
    slots = Slots()
    for each in reversed(DeliveryPriority):
        taken(slots, each)
    assert len(slots._held) == size + 2 * (size // 8)


def test_an_announcement_does_not_delay_others_to_new_webhooks(loop: asyncio.Runner, world: World) -> None:
    """The fault: webhooks without an attempt so far share 16 slots, all of which an announcement held; a critical delivery
    to such a webhook waited for those that did not answer."""

    async def scene() -> None:
        world.web.open.clear()
        for reader in READERS:
            await world.hook(f"/{reader}", reader)
        for user in ("urgent", "usual"):
            await world.hook(f"/{user}", user)
        await announce(world, "like", on="webhook")
        most = UNKNOWN_SLOTS - UNKNOWN_SLOTS // 4
        await world.web.received(most)
        for user, verb in (("urgent", "alarm"), ("usual", "reply")):
            await world.tell(verb, user=user)
        await world.web.received(most + 2)
        paths = [request.path for request in world.web.requests]
        assert len(paths) == most + 2
        assert {"/urgent", "/usual"} <= set(paths)
        world.web.open.set()

    loop.run(scene())
