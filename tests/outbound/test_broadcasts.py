"""Broadcasts and reminders to topics reach the endpoints of users who make no request, each once."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.outbound.receivers import HOST, Relay, Web, text
from tests.outbound.test_kill import victim

NEWS = {"actor_id": "admin", "verb": "news", "object_type": "release", "object_id": "2", "title": "Version 2"}
TYPES = """
webhook_allow_http = true
webhook_allow_networks = "127.0.0.1/32"
smtp_url = "smtp://{host}:{port}"
mail_from = "Market <market@example.org>"
public_url = "https://market.example/inbox"

[types.news]
channels = ["webhook", "email"]
"""


class Receivers(NamedTuple):
    """A receiver of webhooks and a mail server, with their ports."""

    web: Web
    web_port: int
    relay: Relay
    relay_port: int


@pytest.fixture
def receivers(loop: asyncio.Runner) -> Iterator[Receivers]:
    web, relay = Web(), Relay()
    yield Receivers(web, loop.run(web.start()), relay, loop.run(relay.start()))
    loop.run(web.stop())
    loop.run(relay.stop())


@contextmanager
def prepared(folder: Path, receivers: Receivers) -> Iterator[httpx.Client]:
    """A server in this folder, where alice has a webhook, and bob a webhook and a mailbox; bob follows a topic."""
    (folder / "tidings.toml").write_text(TYPES.format(host=HOST, port=receivers.relay_port))
    with victim(folder) as client:
        for user in ("alice", "bob"):
            hook = {"channel": "webhook", "address": f"http://{HOST}:{receivers.web_port}/{user}"}
            client.post("/v1/endpoints", params={"user_id": user}, json=hook).raise_for_status()
        mail = {"channel": "email", "address": "bob@example.org"}
        client.post("/v1/endpoints", params={"user_id": "bob"}, json=mail).raise_for_status()
        client.put("/v1/users/bob/follows/release:2").raise_for_status()
        yield client


def users(web: Web) -> list[str]:
    """The users whose webhooks were called, once for each delivery: a kill may repeat the call of one."""
    called = {r.headers["webhook-id"]: json.loads(r.body)["data"]["user_id"] for r in web.requests}
    return sorted(called.values())


def wait(loop: asyncio.Runner, web: Web, number: int) -> list[str]:
    """Wait until webhooks were called for so many deliveries; returns their users."""
    while len(found := users(web)) < number:
        loop.run(web.received(len(web.requests) + 1))
    return found


@pytest.mark.need("NO9")
def test_a_broadcast_reaches_users_who_are_away(
    tmp_path: Path, loop: asyncio.Runner, receivers: Receivers
) -> None:
    """By webhook and by mail, without a request of theirs. A reminder to a topic reaches its followers alone."""
    with prepared(tmp_path, receivers) as client:
        client.post("/v1/broadcasts", json=NEWS | {"audience": "*"}).raise_for_status()
        assert wait(loop, receivers.web, 2) == ["alice", "bob"]
        loop.run(receivers.relay.received(1))
        about = {"type": "news", "object_type": "release", "object_id": "3", "after_s": 0}
        client.put("/v1/reminders/r", json=about | {"topic": "release:2"}).raise_for_status()
        loop.run(receivers.relay.received(2))
        assert wait(loop, receivers.web, 3) == ["alice", "bob", "bob"]
        page = client.get("/v1/notifications", params={"user_id": "bob"}).json()
    assert "Version 2" in text(receivers.relay.mails[0])
    assert [item["object_id"] for item in page["items"]] == ["3", "2"]


def test_a_broadcast_whose_server_was_killed_is_delivered_once(
    tmp_path: Path, loop: asyncio.Runner, receivers: Receivers
) -> None:
    """Killed as soon as it is accepted; the next start continues its job. A user who reads it meanwhile gets it once."""
    count = "/v1/notifications/unread-count"
    with prepared(tmp_path, receivers) as client:
        client.post("/v1/broadcasts", json=NEWS | {"audience": "*"}).raise_for_status()
    with victim(tmp_path) as client:
        assert client.get(count, params={"user_id": "bob"}).json()["unread_count"] == 1
        loop.run(receivers.relay.received(1))
        assert wait(loop, receivers.web, 2) == ["alice", "bob"]
        other = NEWS | {"audience": "*", "object_id": "4"}
        client.post("/v1/broadcasts", json=other).raise_for_status()
        loop.run(receivers.relay.received(2))
        assert wait(loop, receivers.web, 4) == ["alice", "alice", "bob", "bob"]
    assert len(receivers.relay.mails) == 2
