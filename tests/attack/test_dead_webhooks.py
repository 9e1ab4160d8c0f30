"""Attacks by users whose webhooks accept and never answer, or answer without an end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.attack.probe import LONG, AttackedServer, attacked_server
from tests.loops import loop_in_a_thread
from tests.outbound.receivers import HOST, Web
from tests.wire.people import KEY, SETTINGS, bearer, event
from tidings.outbound.slots import SLOTS, UNKNOWN_SLOTS, USER_UNPROVEN_SLOTS

TYPES = '[types.comment]\nchannels = ["webhook"]\ngroup = "none"\n'
ALLOWED = {"TIDINGS_WEBHOOK_ALLOW_HTTP": "true", "TIDINGS_WEBHOOK_ALLOW_NETWORKS": f"{HOST}/32"}
TIMEOUT_S = 60
FEW = 5
MANY = 20
"""Attackers whose webhooks would hold all the slots, if they could."""
ENDPOINTS = 20
EVENTS = 8


class Receivers:
    """Two web servers in a thread of their own: one that answers, and one that never does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.quick, self.dead = Web(), Web()
        self._loop = loop
        for web in (self.quick, self.dead):
            web.port = asyncio.run_coroutine_threadsafe(web.start(), loop).result()
        self.dead.open.clear()

    def received(self, web: Web, number: int) -> None:
        """Returns when so many requests have come."""
        asyncio.run_coroutine_threadsafe(web.received(number), self._loop).result()

    async def stop(self) -> None:
        """End both."""
        await asyncio.gather(self.quick.stop(), self.dead.stop())


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Two web servers."""
    with loop_in_a_thread("receivers") as loop:
        receivers = Receivers(loop)
        yield receivers
        asyncio.run_coroutine_threadsafe(receivers.stop(), loop).result()


def register(client: httpx.Client, user: str, web: Web, path: str) -> None:
    """Register a webhook for a user."""
    sent = {"channel": "webhook", "address": f"http://{HOST}:{web.port}{path}"}
    assert client.post("/v1/endpoints", params={"user_id": user}, json=sent).status_code == 201


def publish(client: httpx.Client, *users: str, thing: str) -> None:
    """Something that is sent to the webhooks of these users."""
    sent = event(target_user_ids=list(users), object_id=thing)
    assert client.post("/v1/events", json=sent).status_code == 201


@pytest.mark.parametrize(("attackers", "has_worked"), [(MANY if LONG else FEW, True), (FEW, False)])
def test_dead_webhooks_of_a_few_users_delay_nobody_else(
    tmp_path: Path, receivers: Receivers, attackers: int, has_worked: bool
) -> None:
    """Five users with a hundred of them delayed another user's delivery by a minute. However many there are, they do not
    delay a webhook that has worked; one to which nothing was sent before, only if they are many."""
    (tmp_path / "tidings.toml").write_text(TYPES)
    with (
        attacked_server(tmp_path, **SETTINGS | ALLOWED) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S, headers=bearer(KEY)) as client,
    ):
        register(client, "victim", receivers.quick, "/victim")
        if has_worked:
            publish(client, "victim", thing="0")
            receivers.received(receivers.quick, 1)
        _attack(client, receivers, server, attackers)
        publish(client, "victim", thing="1")
        receivers.received(receivers.quick, 1 + has_worked)
        # Twice, for a machine that is so slow that the next attempts begin.
        assert receivers.dead.most_at_once <= min(2 * attackers * USER_UNPROVEN_SLOTS, SLOTS - 12)
        server.assert_bounds(memory_mib=32)


def _attack(client: httpx.Client, receivers: Receivers, server: AttackedServer, number: int) -> None:
    """Let many deliveries wait for webhooks that never answer, and the first of them be under way."""
    attackers = [f"mallory-{one}" for one in range(number)]
    for user in attackers:
        for path in range(ENDPOINTS):
            register(client, user, receivers.dead, f"/{user}/{path}")
    server.reset()
    for thing in range(EVENTS):
        publish(client, *attackers, thing=f"attack-{thing}")
    receivers.received(receivers.dead, min(number * USER_UNPROVEN_SLOTS, UNKNOWN_SLOTS))


REPLY_BYTES = 1_000_000
ENDLESS = (
    (b"", b"HTTP/1.1 100 \r\n\r\n"),
    (b"HTTP/1.1 200 OK\r\n", b"a:\r\n"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"a:\r\n"),
)
"""Replies that do not end: how they begin, and what is repeated."""


def test_endless_replies_of_a_webhook_do_not_take_the_loop(tmp_path: Path, receivers: Receivers) -> None:
    """Interim responses were read for 15 seconds without a pause, and nobody else got a response: median 280 ms, and 2.6 s
    by 16 such webhooks. One attempt read 64 KiB in chunks of one byte: a turn of 80 ms."""
    (tmp_path / "tidings.toml").write_text(TYPES)
    with (
        attacked_server(tmp_path, **SETTINGS | ALLOWED) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S, headers=bearer(KEY)) as client,
    ):
        register(client, "mallory", receivers.quick, "/")
        server.reset()
        for number, (begin, again) in enumerate(ENDLESS, 1):
            receivers.quick.answers.append(begin + again * (REPLY_BYTES // len(again)))
            publish(client, "mallory", thing=str(number))
            receivers.received(receivers.quick, number)
        while _attempts(server) < len(ENDLESS):
            server.bystander.wait()
        server.assert_bounds(memory_mib=32)


def _attempts(server: AttackedServer) -> float:
    outcomes = ("sent", "failed")
    return sum(
        server.sample(f'tidings_deliveries_total{{channel="webhook",outcome="{outcome}"}}')
        for outcome in outcomes
    )
