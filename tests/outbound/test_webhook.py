"""Webhooks on the wire, read as a receiver reads that knows the standard and nothing else."""

import asyncio
import base64
import hashlib
import hmac
import json

import msgspec
import pytest

from tests.outbound.receivers import HOST, WAIT_S, Request, Web
from tests.outbound.world import USER, World
from tidings.endpoint_commands import RotateSecret
from tidings.outbound.channel import OutboundMessage
from tidings.outbound.http_client import MAX_RETRY_AFTER_S, seconds_of
from tidings.outbound.ssrf_guard import NOT_PUBLIC
from tidings.outbound.webhook import MAX_BODY_BYTES, body
from tidings.outbound.webhook_signing import new_secret, signed
from tidings.reply_limit import MAX_REPLY_BYTES
from tidings.testing import START_MS

Loop = asyncio.Runner


def is_signed(request: Request, secret: str) -> bool:
    """Whether one of a request's signatures holds, by the text of Standard Webhooks 1.0.0."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    given = request.headers
    content = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + request.body
    wanted = "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return any(hmac.compare_digest(one, wanted) for one in given["webhook-signature"].split(" "))


@pytest.mark.need("NO10")
def test_the_receiver_gets_what_the_api_shows_and_can_verify_it(loop: Loop, world: World) -> None:
    async def scene() -> None:
        endpoint = await world.hook("/in?x=1")
        await world.tell()
        await world.deliver(7)
        (request,) = world.web.requests
        assert request.line == "POST /in?x=1 HTTP/1.1"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["webhook-timestamp"] == str(START_MS // 1000 + 7)
        assert is_signed(request, endpoint.secret)
        assert not is_signed(request, new_secret())
        content = json.loads(request.body)
        assert content.keys() == {"type", "timestamp", "data"}
        assert content["timestamp"] == "2023-11-14T22:13:20.000Z"
        assert content["data"]["user_id"] == USER
        assert content["data"]["notification"]["id"] == (await world.newest()).id
        assert content["data"]["notification"]["message"] == "bob: like · item 0"

    loop.run(scene())


@pytest.mark.parametrize(
    "target", ["/hook;secret=abc", "/a;b/hook;secret=abc;x?y=1;z", "/%7Ea//b/../c?x=%2F&&="]
)
def test_a_url_is_called_as_it_was_given(loop: Loop, world: World, target: str) -> None:
    """The fault: parameters of the last segment were dropped, by which receivers may know a sender."""

    async def scene() -> None:
        await world.hook(target)
        await world.tell()
        await world.deliver()
        assert [request.line for request in world.web.requests] == [f"POST {target} HTTP/1.1"]
        assert world.web.requests[0].headers["host"] == f"{HOST}:{world.web_port}"

    loop.run(scene())


def test_each_attempt_is_signed_anew_under_the_same_id(loop: Loop, world: World) -> None:
    """Or a receiver would refuse the repeat as too old."""

    async def scene() -> None:
        endpoint = await world.hook()
        world.web.answer(503)
        await world.tell()
        await world.deliver()
        await world.deliver(60)
        first, second = world.web.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 60
        assert is_signed(first, endpoint.secret)
        assert is_signed(second, endpoint.secret)

    loop.run(scene())


def test_two_secrets_sign_for_a_time_after_a_rotation(loop: Loop, world: World) -> None:
    """Both signatures are in the header, so that a receiver with either accepts it; from the named time on, one is."""

    async def scene() -> None:
        endpoint, secret = await world.hook(), new_secret()
        until = world.clock.now() + 60_000
        await world.write(RotateSecret(endpoint.user, endpoint.id, secret, until))
        await world.tell()
        await world.deliver(59)
        await world.tell()
        await world.deliver(1)
        during, after = world.web.requests
        assert [is_signed(during, one) for one in (secret, endpoint.secret)] == [True, True]
        assert [is_signed(after, one) for one in (secret, endpoint.secret)] == [True, False]
        numbers = [len(one.headers["webhook-signature"].split(" ")) for one in (during, after)]
        assert numbers == [2, 1]

    loop.run(scene())


def test_the_signature_is_the_one_of_the_standard() -> None:
    """The example of its specification's reference library."""
    headers = signed(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        1614265330,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_32_random_bytes() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) for secret in secrets} == {32}


def item(**fields: object) -> bytes:
    """A notification as the API gives it, with these fields."""
    usual = {"id": "n1-1", "seq": 1, "type": "like", "message": "m", "count": 1, "object_id": "o" * 128}
    return msgspec.json.encode(usual | fields)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"metadata": {"a": "x" * 1_000}}, {"metadata", "actors"}),
        ({"metadata": {"a": "x" * 60_000}}, {"actors"}),
        ({"parts": {"a": "x" * 60_000}, "metadata": {}}, set()),
        ({"message": "x" * 60_000}, set()),
        ({"message": '"\x01é' * 20_000}, set()),
    ],
)
def test_a_body_keeps_below_its_limit(fields: dict[str, object], kept: set[str]) -> None:
    """Metadata go first, then all but the core; the message is cut last. The longest ids there are included."""
    note = OutboundMessage("msg_1", "n1-1", "like", "m", item(actors=["b"], **fields), START_MS)
    content = body("\U0001f642" * 128, note)
    assert len(content) <= MAX_BODY_BYTES
    notification = json.loads(content)["data"]["notification"]
    assert notification.keys() & {"metadata", "actors", "parts"} == kept | ({"parts"} & fields.keys() & kept)
    assert notification["id"] == "n1-1"
    assert notification["message"]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "body": (CHUNKED, b"10000\r\n" + b"x" * 0x10000 + b"\r\n", True),
    "small-chunks": (CHUNKED, b"1\r\nx\r\n", True),
    "trailers": (CHUNKED + b"0\r\n", b"a:\r\n", True),
    "interim-responses": (b"", b"HTTP/1.1 100 \r\n\r\n", False),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a:\r\n", False),
}
"""Replies that never end: how they begin, what is repeated, and whether their status is received."""


@pytest.mark.parametrize(("begin", "again", "has_status"), ENDLESS.values(), ids=ENDLESS)
def test_a_reply_is_read_no_further_than_its_limit(
    loop: Loop, world: World, begin: bytes, again: bytes, has_status: bool
) -> None:
    """Its connection is closed after MAX_REPLY_BYTES of whatever it consists of: interim responses, which were not counted,
    took all of the event loop for 15 seconds. A reply whose status was received has its result all the same."""

    async def scene() -> None:
        endless = Endless(begin, again)
        port = await endless.start()
        await world.endpoint("webhook", f"http://{HOST}:{port}/", new_secret())
        await world.tell()
        await world.deliver()
        assert await world.waiting() == ([] if has_status else [1])
        assert await world.dead() == []
        async with asyncio.timeout(WAIT_S):
            await endless.left.wait()
        await endless.stop()

    loop.run(scene())


class Endless(Web):
    """Answers without an end until nobody listens."""

    def __init__(self, begin: bytes, again: bytes) -> None:
        super().__init__()
        self._begin = begin
        self._again = again * (2 * MAX_REPLY_BYTES // len(again) + 1)
        self.left = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._begin)
        try:
            while True:
                writer.write(self._again)
                await writer.drain()
        except ConnectionError:
            writer.close()
            self.left.set()


def test_a_receiver_that_says_nothing_fails_in_time(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidings.outbound.http_client.TIMEOUT_S", 0.1)

    async def scene() -> None:
        await world.hook()
        world.web.open.clear()
        await world.tell()
        await world.deliver()
        assert await world.waiting() == [1]
        world.web.open.set()

    loop.run(scene())


def test_an_answer_that_is_no_http_is_a_failure(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await world.hook()
        world.web.answers.append(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        await world.tell()
        await world.deliver()
        assert await world.waiting() == [1]

    loop.run(scene())


def test_an_allowed_network_is_not_for_the_webhooks_of_users(loop: Loop, world: World) -> None:
    """The fault: whoever had a user's token could make the server post to any host and port of that network."""

    async def scene() -> None:
        for host in (HOST, "localhost"):
            url = f"http://{host}:{world.web_port}/hook"
            await world.endpoint("webhook", url, new_secret(), vouched=False)
        await world.tell()
        await world.deliver()
        assert [letter.error for letter in await world.dead()] == [NOT_PUBLIC] * 2
        assert world.web.requests == []

    loop.run(scene())


def test_a_webhook_to_the_inside_is_a_dead_letter(loop: Loop, world: World) -> None:
    """As the settings are when nothing is said."""

    async def scene() -> None:
        await world.dispatcher.close()
        world.begin(webhook_allow_networks="")
        await world.hook()
        await world.tell()
        await world.deliver()
        assert [letter.error for letter in await world.dead()] == [NOT_PUBLIC]
        assert world.web.requests == []

    loop.run(scene())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        ("0", 0),
        ("120", 120),
        ("99999999999999999999", MAX_RETRY_AFTER_S),
        ("-5", 0),
        ("1.5", 0),
        ("²", 0),
        ("soon", 0),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60),
        ("Mon, 13 Nov 2023 22:14:20 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S),
        ("Fri, 31 Dec 9999 23:59:59 -1200", MAX_RETRY_AFTER_S),
        ("Mon, 01 Jan 0001 00:00:00 +1200", 0),
        ("Fri, 31 Dec 9999 23:59:59 +99999999999999999999", 0),
        ("Fri, 99999999999999999999 Dec 2023 23:59:59 GMT", 0),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", 0),
    ],
)
def test_how_long_to_wait_is_read_from_numbers_and_dates(text: str, seconds: int) -> None:
    """Some were a fault of the server, with a traceback for each attempt: dates that no UTC time has."""
    assert seconds_of(text, START_MS) == seconds
