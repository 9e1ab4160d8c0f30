"""Attacks by users who register mail addresses of others."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.attack.probe import AttackedServer, attacked_server
from tests.loops import loop_in_a_thread
from tests.outbound.receivers import HOST, Relay, text
from tests.wire.people import KEY, SETTINGS, bearer, event, token
from tidings.confirmations import MAILS_PER_ADDRESS, MAILS_PER_USER

VICTIM = "victim@example.org"
TIMEOUT_S = 60
TYPES = '[types.comment]\nchannels = ["email"]\n'


class Mails:
    """A relay in a thread of its own."""

    def __init__(self, relay: Relay, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.relay = relay
        self.port = port
        self._loop = loop

    def received(self, number: int) -> None:
        """Returns when so many mails have come."""
        asyncio.run_coroutine_threadsafe(self.relay.received(number), self._loop).result()

    @property
    def recipients(self) -> list[str]:
        """Who got mails."""
        return sorted(to for mail in self.relay.mails for to in mail.recipients)


@pytest.fixture
def mails() -> Iterator[Mails]:
    """A relay that takes all."""
    relay = Relay()
    with loop_in_a_thread("relay") as loop:
        port = asyncio.run_coroutine_threadsafe(relay.start(), loop).result()
        yield Mails(relay, port, loop)
        asyncio.run_coroutine_threadsafe(relay.stop(), loop).result()


@contextmanager
def mailing(folder: Path, mails: Mails, **changed: str) -> Iterator[AttackedServer]:
    """A server that sends mail."""
    (folder / "tidings.toml").write_text(TYPES)
    settings = {
        "TIDINGS_SMTP_URL": f"smtp://{HOST}:{mails.port}",
        "TIDINGS_MAIL_FROM": "Market <market@example.org>",
        "TIDINGS_SERVER_URL": "https://market.example/api",
    }
    with attacked_server(folder, **SETTINGS | settings | changed) as server:
        yield server


def register(client: httpx.Client, credential: str, user: str, address: str = VICTIM) -> httpx.Response:
    """Register a mail address for a user."""
    return client.post(
        "/v1/endpoints",
        params={"user_id": user},
        headers=bearer(credential),
        json={"channel": "email", "address": address},
    )


def publish(client: httpx.Client, user: str, thing: str) -> None:
    """Something that is mailed to a user, if anything is."""
    sent = event(target_user_ids=[user], object_id=thing, object_title="BUY NOW")
    assert client.post("/v1/events", headers=bearer(KEY), json=sent).status_code == 201


def test_a_stranger_s_address_gets_a_few_mails_that_say_nothing_of_the_users(
    tmp_path: Path, mails: Mails
) -> None:
    """However many users register it, and whatever happens to them: a user's token could have everything sent there."""
    with (
        mailing(tmp_path, mails) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
    ):
        users = [f"buy-now-{i}" for i in range(20)]
        answers = [register(client, token(user), user) for user in users for _ in range(2)]
        assert [reply.status_code for reply in answers].count(201) == MAILS_PER_ADDRESS
        assert {reply.status_code for reply in answers} == {201, 429}
        assert {reply.json()["confirmed"] for reply in answers if reply.status_code == 201} == {False}
        for user in users:
            publish(client, user, user)
        mails.received(MAILS_PER_ADDRESS)
        publish(client, "vouched", "1")  # what is due before it is not sent any more when this has come
        assert register(client, KEY, "vouched", "app@example.org").json()["confirmed"] is True
        publish(client, "vouched", "2")
        mails.received(MAILS_PER_ADDRESS + 1)
        assert mails.recipients == ["app@example.org", *[VICTIM] * MAILS_PER_ADDRESS]
        said = [text(mail) for mail in mails.relay.mails if VICTIM in mail.recipients]
        assert not any("buy" in each.lower() for each in said)
        server.assert_bounds(memory_mib=16)


def of_strangers(client: httpx.Client, afterwards: Callable[[httpx.Response], None]) -> list[int]:
    """The statuses of one user's registrations of five addresses too many, each with what is done after it."""
    statuses = []
    for i in range(MAILS_PER_USER + 5):
        reply = register(client, token("mallory"), "mallory", f"stranger-{i}@example.org")
        statuses.append(reply.status_code)
        afterwards(reply)
    return statuses


def test_one_user_cannot_have_a_list_of_strangers_asked(tmp_path: Path, mails: Mails) -> None:
    """Also by removing what was registered, and by erasing themselves the counts by address go on."""
    with (
        mailing(tmp_path, mails) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
    ):

        def remove(reply: httpx.Response) -> None:
            if reply.status_code == 201:
                path = f"/v1/endpoints/{reply.json()['id']}"
                assert client.delete(path, headers=bearer(token("mallory"))).status_code == 204

        assert of_strangers(client, remove) == [201] * MAILS_PER_USER + [429] * 5
        mails.received(MAILS_PER_USER)
        server.assert_bounds(memory_mib=16)


def test_a_user_who_erases_themselves_again_and_again_gets_no_more_mails_sent(
    tmp_path: Path, mails: Mails
) -> None:
    """The fault: an erasure ended what counted for the user, and one token reached any number of strangers."""
    with (
        mailing(tmp_path, mails) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
    ):

        def erase(_: httpx.Response) -> None:
            erased = client.delete("/v1/users/mallory", headers=bearer(token("mallory")))
            assert erased.status_code == 204

        assert of_strangers(client, erase) == [201] * MAILS_PER_USER + [429] * 5
        server.assert_bounds(memory_mib=16)


def test_a_scanner_that_opens_every_link_confirms_nothing(tmp_path: Path, mails: Mails) -> None:
    """GET and HEAD show a page with a button; its POST confirms, twice without harm. Then the mails come."""
    with (
        mailing(tmp_path, mails) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
    ):
        mine = bearer(token("bob"))
        assert register(client, token("bob"), "bob").status_code == 201
        mails.received(1)
        (link,) = (line for line in text(mails.relay.mails[0]).splitlines() if line.startswith("https://"))
        url = urlsplit(link)
        assert (url.netloc, url.path) == ("market.example", "/api/v1/confirm")
        path = f"/v1/confirm?{url.query}"
        page = client.get(path)
        assert (page.status_code, client.head(path).status_code) == (200, 200)
        assert '<form method="post">' in page.text
        assert page.headers["referrer-policy"] == "no-referrer"
        assert [one["confirmed"] for one in client.get("/v1/endpoints", headers=mine).json()["items"]] == [
            False
        ]
        assert [client.post(path).status_code for _ in range(2)] == [200, 200]
        assert [one["confirmed"] for one in client.get("/v1/endpoints", headers=mine).json()["items"]] == [
            True
        ]
        assert client.post(path[:-1] + ("A" if path[-1] != "A" else "Q")).status_code == 404
        publish(client, "bob", "1")
        mails.received(2)
        server.assert_bounds(memory_mib=16)


def test_without_a_way_to_ask_only_the_application_registers_addresses(tmp_path: Path, mails: Mails) -> None:
    """A user is told what is missing, and no link is made from a Host header that anybody can send."""
    with (
        mailing(tmp_path, mails, TIDINGS_SERVER_URL="") as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
    ):
        refused = register(client, token("bob"), "bob")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/channel")
        assert "server_url" in refused.json()["errors"][0]["detail"]
        assert register(client, KEY, "bob").status_code == 201
        server.assert_bounds(memory_mib=16)


def test_a_mail_is_ended_by_its_link_and_not_by_opening_it(tmp_path: Path, mails: Mails) -> None:
    """RFC 8058: the POST of a mail program needs no credential. Scanners open links, which ends nothing."""
    with (
        mailing(tmp_path, mails) as server,
        httpx.Client(base_url=server.url, timeout=TIMEOUT_S) as client,
    ):
        register(client, KEY, "bob", "bob@example.org")
        publish(client, "bob", "1")
        mails.received(1)
        url = str(mails.relay.mails[0].content["List-Unsubscribe"]).strip("<>")
        path = f"/v1/unsubscribe?{urlsplit(url).query}"
        opened = client.get(path)
        assert (opened.status_code, "about <b>comment</b>" in opened.text) == (200, True)
        publish(client, "bob", "2")
        mails.received(2)
        ended = client.post(path, data={"List-Unsubscribe": "One-Click"})
        assert (ended.status_code, "You are unsubscribed" in ended.text) == (200, True)
        asked = client.get("/v1/preferences", params={"user_id": "bob"}, headers=bearer(KEY))
        assert asked.json()["types"] == {"comment": {"email": False}}
        for method, other in (("GET", path[:-3]), ("POST", path[:-3]), ("POST", path + "A")):
            assert client.request(method, other).status_code == 404
        assert client.post("/v1/unsubscribe").status_code == 400
        server.assert_bounds(memory_mib=16)
