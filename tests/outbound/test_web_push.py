"""Pushes, read as a push service and a browser read them: who it is from, and what only the browser can open."""

import asyncio
import base64
import json
from pathlib import Path

import http_ece
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.outbound.receivers import HOST, Request
from tests.outbound.world import World
from tidings.config import ConfigError, Settings
from tidings.outbound.channel import OutboundMessage
from tidings.outbound.ssrf_guard import NOT_PUBLIC
from tidings.outbound.web_push import MAX_PAYLOAD_BYTES, keys_of, payload, topic, vapid
from tidings.personal_data import Endpoint
from tidings.testing import START_MS

Loop = asyncio.Runner
SERVER_KEY = ec.generate_private_key(ec.SECP256R1())
PEM = SERVER_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SETTINGS = {"vapid_private_key": PEM, "vapid_subject": "mailto:ops@example.org"}


def base64url(raw: bytes) -> str:
    """Without padding, as browsers write it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Browser:
    """The one end that can open what it is sent."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = b"sixteen bytes ok"
        self.point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def secret(self) -> str:
        """Its keys as an endpoint keeps them."""
        return json.dumps({"p256dh": base64url(self.point), "auth": base64url(self.auth)})

    def opened(self, request: Request) -> dict[str, object]:
        """What a push says."""
        content = http_ece.decrypt(request.body, private_key=self.key, auth_secret=self.auth)
        found: dict[str, object] = json.loads(content)
        return found


async def subscribed(world: World, browser: Browser) -> Endpoint:
    """A subscription at the web server, which stands for a push service."""
    await world.dispatcher.close()
    world.begin(None, **SETTINGS)
    return await world.endpoint("web_push", f"http://{HOST}:{world.web_port}/push/1", browser.secret)


@pytest.mark.need("NO10")
def test_a_browser_can_open_its_push(loop: Loop, world: World) -> None:
    async def scene() -> None:
        browser = Browser()
        await subscribed(world, browser)
        await world.tell("ping")
        await world.deliver()
        (request,) = world.web.requests
        content = browser.opened(request)
        assert content.keys() == {"id", "message", "notification"}
        assert content["message"] == "bob: ping · item 0"
        notification = content["notification"]
        assert isinstance(notification, dict)
        assert notification["id"] == (await world.newest()).id

    loop.run(scene())


def test_nobody_else_can(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await subscribed(world, Browser())
        await world.tell("ping")
        await world.deliver()
        with pytest.raises(http_ece.ECEException):
            Browser().opened(world.web.requests[0])
        assert b"ping" not in world.web.requests[0].body

    loop.run(scene())


def test_a_push_service_knows_who_it_is_from(loop: Loop, world: World) -> None:
    """RFC 8292: a token for this service alone, signed with the key that the browser was given."""

    async def scene() -> None:
        await subscribed(world, Browser())
        await world.tell("ping")
        await world.deliver()
        given = world.web.requests[0].headers["authorization"].removeprefix("vapid ")
        token, key = (part.partition("=")[2] for part in given.split(", "))
        point = base64.urlsafe_b64decode(key + "=")
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        assert public == SERVER_KEY.public_key()
        claims = jwt.decode(token, public, ["ES256"], options={"verify_exp": False, "verify_aud": False})
        assert claims["aud"] == f"http://{HOST}:{world.web_port}"
        assert claims["sub"] == "mailto:ops@example.org"
        assert 0 < claims["exp"] - START_MS // 1000 < 24 * 3600

    loop.run(scene())


def test_the_headers_are_those_of_the_standard(loop: Loop, world: World) -> None:
    async def scene() -> None:
        await subscribed(world, Browser())
        await world.tell("ping")
        await world.deliver()
        headers = world.web.requests[0].headers
        assert headers["content-encoding"] == "aes128gcm"
        assert headers["ttl"] == "86400"
        assert headers["urgency"] == "normal"
        assert headers["topic"] == topic((await world.newest()).id)

    loop.run(scene())


def test_a_topic_is_32_characters_of_base64url_for_each_notification() -> None:
    """So that a newer message takes the place of one about the same group that was not fetched."""
    topics = {topic(f"n1-{n:x}") for n in range(50)}
    assert len(topics) == 50
    assert {len(one) for one in topics} == {32}
    assert all(one.replace("-", "").replace("_", "").isalnum() for one in topics)


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_ended_is_removed(loop: Loop, world: World, status: int) -> None:
    async def scene() -> None:
        await subscribed(world, Browser())
        world.web.answer(status)
        await world.tell("ping")
        await world.deliver()
        assert await world.store.endpoints("alice") == []
        assert await world.waiting() == []

    loop.run(scene())


def test_a_push_to_the_inside_is_a_dead_letter(loop: Loop, world: World) -> None:
    """An endpoint of a push service is an address that a user gave, like any other."""

    async def scene() -> None:
        await subscribed(world, Browser())
        await world.dispatcher.close()
        world.begin(None, webhook_allow_networks="", **SETTINGS)
        await world.tell("ping")
        await world.deliver()
        assert [letter.error for letter in await world.dead()] == [NOT_PUBLIC]
        assert world.web.requests == []

    loop.run(scene())


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "{}",
        '{"p256dh": "", "auth": ""}',
        json.dumps({"p256dh": base64url(b"\x04" + b"\x01" * 64), "auth": base64url(b"x" * 16)}),
        json.dumps({"p256dh": base64url(Browser().point), "auth": base64url(b"x" * 15)}),
        json.dumps({"p256dh": "é" * 87, "auth": base64url(b"x" * 16)}),
    ],
)
def test_keys_that_are_none_are_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="subscription"):
        keys_of(secret)


def test_keys_may_be_padded() -> None:
    browser = Browser()
    padded = {"p256dh": base64url(browser.point) + "=", "auth": base64url(browser.auth) + "=="}
    assert keys_of(json.dumps(padded)) == (browser.point, browser.auth)


@pytest.mark.parametrize("text", ["short", "x" * 60_000, "\U0001f642" * 20_000, '"\x01' * 20_000])
@pytest.mark.parametrize("metadata", [0, 10_000])
def test_a_payload_keeps_below_its_limit(text: str, metadata: int) -> None:
    """With the longest ids that there are, whatever is said."""
    widest = "\U0001f642"
    item = {
        "id": "nffffffffffff-ffffffffffff",
        "seq": 2**40,
        "type": widest * 64,
        "message": text,
        "count": 2**40,
        "actor_count": 2**40,
        "object_type": widest * 64,
        "object_id": widest * 128,
        "updated_at": "2023-11-14T22:13:20.000Z",
        "metadata": "x" * metadata,
    }
    note = OutboundMessage("msg_" + "f" * 32, str(item["id"]), "t", text, msgspec.json.encode(item), START_MS)
    content = payload(note)
    assert len(content) <= MAX_PAYLOAD_BYTES
    said = json.loads(content)
    assert said["notification"]["id"] == item["id"]
    assert said["message"]
    assert said["message"].rstrip("…") == text[: len(said["message"].rstrip("…"))]


def test_the_key_can_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "vapid.pem"
    file.write_text(PEM)
    settings = Settings(vapid_private_key=str(file), vapid_subject="https://example.org/contact")
    point = SERVER_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert vapid(settings).public_key == base64url(point)


OTHER = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"vapid_private_key": PEM}, "vapid_subject"),
        ({"vapid_private_key": PEM, "vapid_subject": "ops@example.org"}, "vapid_subject"),
        ({"vapid_private_key": "/no/such/file", "vapid_subject": "mailto:a@b"}, "vapid_private_key"),
        ({"vapid_private_key": "-----BEGIN X", "vapid_subject": "mailto:a@b"}, "vapid_private_key"),
        (
            {
                "vapid_private_key": OTHER.private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                ).decode(),
                "vapid_subject": "mailto:a@b",
            },
            "P-256",
        ),
    ],
)
def test_an_identity_that_is_none_stops_the_server(settings: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        vapid(msgspec.structs.replace(Settings(), **settings))
