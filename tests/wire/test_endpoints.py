"""Endpoints over the wire: registered, shown without their secrets, replaced and forgotten."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tests.serving import serving
from tests.wire.people import SETTINGS, bearer, token
from tidings.client import replies
from tidings.http import schemas_delivery as shapes
from tidings.outbound.ssrf_guard import NOT_PUBLIC
from tidings.personal_data import MAX_ENDPOINTS

URL = "https://hooks.example.org/inbox?for=bob"
AUTH = base64.urlsafe_b64encode(b"sixteen bytes ok").decode().rstrip("=")


def public_key() -> str:
    """The public key of a browser that subscribes, in base64url."""
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


KEYS = {"p256dh": public_key(), "auth": AUTH}
GOOD: dict[str, dict[str, Any]] = {
    "email": {"channel": "email", "address": "bob.o'neill+news@mail.example.org"},
    "web_push": {"channel": "web_push", "address": "https://push.example.org/x/1", "keys": KEYS},
    "webhook": {"channel": "webhook", "address": URL},
    "apprise": {"channel": "apprise", "address": "slack://token-a/token-b/token-c"},
}


@pytest.fixture(scope="module")
def vapid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the key by which push services know a server."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = tmp_path_factory.mktemp("vapid") / "vapid.pem"
    pem.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, vapid: Path) -> Iterator[str]:
    """A server on which every channel is set up."""
    channels = {
        "TIDINGS_SMTP_URL": "smtp://127.0.0.1:9",
        "TIDINGS_MAIL_FROM": "us@example.org",
        "TIDINGS_VAPID_PRIVATE_KEY": str(vapid),
        "TIDINGS_VAPID_SUBJECT": "mailto:us@example.org",
    }
    with serving(tmp_path_factory.mktemp("endpoints"), **SETTINGS | channels) as address:
        yield address


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user of this test's own."""
    return re.sub(r"\W+", "-", str(request.node.name))


def post(client: httpx.Client, user: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    """Ask for an endpoint to be registered."""
    return client.post("/v1/endpoints", params={"user_id": user}, json=body, headers=headers)


def add(client: httpx.Client, user: str, body: dict[str, Any]) -> shapes.Endpoint:
    """An endpoint that must be accepted."""
    reply = post(client, user, body)
    assert reply.status_code == 201, reply.text
    return msgspec.json.decode(reply.content, type=shapes.Endpoint)


def listed(client: httpx.Client, user: str, **headers: str) -> list[shapes.Endpoint]:
    """A user's endpoints."""
    reply = client.get("/v1/endpoints", params={"user_id": user}, headers=headers)
    return msgspec.json.decode(reply.content, type=shapes.Endpoints).items


def test_each_channel_has_its_endpoints(app: httpx.Client, user: str) -> None:
    """They are listed oldest first as they were given, and what they are signed or encrypted with is not."""
    for body in GOOD.values():
        made = add(app, user, body)
        assert (made.channel, made.address, made.sent_at) == (body["channel"], body["address"], None)
    found = listed(app, user)
    assert [one.channel for one in found] == list(GOOD)
    text = app.get("/v1/endpoints", params={"user_id": user}).text
    assert "secret" not in text
    assert AUTH not in text


def test_a_webhook_gets_its_secret_once(app: httpx.Client, user: str) -> None:
    """The fault: who registered it again at each start had another secret each time, and refused what the new one signed.
    It is the same endpoint, and the secret, which is kept, is not shown again."""
    first, second = add(app, user, GOOD["webhook"]), add(app, user, GOOD["webhook"])
    assert first.id == second.id
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", str(first.secret))
    assert second.secret is msgspec.UNSET
    assert [(one.id, one.secret) for one in listed(app, user)] == [(first.id, msgspec.UNSET)]


def rotate(client: httpx.Client, user: str, id: str, overlap_s: str = "", **headers: str) -> httpx.Response:
    """Ask for another secret."""
    params = {"user_id": user} | ({"overlap_s": overlap_s} if overlap_s else {})
    return client.post(f"/v1/endpoints/{id}/rotate-secret", params=params, headers=headers)


@pytest.mark.need("NO13")
def test_the_secret_of_a_webhook_is_rotated_on_request(
    app: httpx.Client, anybody: httpx.Client, user: str
) -> None:
    """By its user, of a webhook alone."""
    first = add(app, user, GOOD["webhook"])
    rotated = msgspec.json.decode(rotate(app, user, first.id).content, type=shapes.Endpoint)
    assert rotated.id == first.id
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", str(rotated.secret))
    assert rotated.secret != first.secret
    mine, other = bearer(token(user)), bearer(token(f"{user}-other"))
    assert rotate(anybody, f"{user}-other", first.id, **other).status_code == 404
    assert rotate(anybody, user, first.id, **mine).json()["secret"] != rotated.secret
    assert rotate(app, user, add(app, user, GOOD["email"]).id).status_code == 404
    assert rotate(app, user, "0" * 16).status_code == 404


def test_a_rotation_names_the_end_of_the_secret_before_it(app: httpx.Client, user: str) -> None:
    """The overlap is that of the request, else that of the setting; without one the former secret ends at once."""
    made = add(app, user, GOOD["webhook"])
    for overlap_s, kept_s in (("", 86_400), ("3600", 3_600)):
        before = datetime.now(UTC)
        reply = msgspec.json.decode(rotate(app, user, made.id, overlap_s).content, type=replies.Endpoint)
        assert reply.previous_secret_until is not None
        assert timedelta() <= reply.previous_secret_until - before - timedelta(seconds=kept_s - 1)
        assert reply.previous_secret_until <= datetime.now(UTC) + timedelta(seconds=kept_s)
    assert rotate(app, user, made.id, "0").json()["previous_secret_until"] is None
    shown = app.get("/v1/endpoints", params={"user_id": user}).json()["items"][0]
    assert not shown.keys() & {"secret", "previous_secret_until"}


def test_only_webhooks_show_a_secret(app: httpx.Client, user: str) -> None:
    assert {channel for channel, body in GOOD.items() if add(app, user, body).secret} == {"webhook"}


def test_users_manage_their_own(anybody: httpx.Client, user: str) -> None:
    """With their own token; another's endpoint is as if it were not there."""
    mine, other = bearer(token(user)), bearer(token(f"{user}-other"))
    made = post(anybody, user, GOOD["webhook"], **mine).json()
    assert anybody.delete(f"/v1/endpoints/{made['id']}", headers=other).status_code == 404
    assert listed(anybody, f"{user}-other", **other) == []
    assert [one.id for one in listed(anybody, user, **mine)] == [made["id"]]
    assert post(anybody, user, GOOD["webhook"], **other).status_code == 403
    enable = f"/v1/endpoints/{made['id']}/enable"
    assert anybody.post(enable, headers=other).status_code == 404
    assert anybody.post(enable, headers=mine).json()["id"] == made["id"]
    assert anybody.delete(f"/v1/endpoints/{made['id']}", headers=mine).status_code == 204
    assert anybody.delete(f"/v1/endpoints/{made['id']}", headers=mine).status_code == 404
    assert listed(anybody, user, **mine) == []


def test_services_are_the_application_s_affair(anybody: httpx.Client, app: httpx.Client, user: str) -> None:
    """A user can neither set an address that this machine would go to, nor read the passwords in one."""
    mine = bearer(token(user))
    refused = post(anybody, user, GOOD["apprise"], **mine)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:tidings:problem:forbidden")
    add(app, user, GOOD["apprise"])
    assert [one.address for one in listed(anybody, user, **mine)] == ["slack://…"]
    assert [one.address for one in listed(app, user)] == ["slack://token-a/token-b/token-c"]


def test_a_user_has_so_many_and_no_more(app: httpx.Client, user: str) -> None:
    """One that is there already can still be replaced."""
    bodies = [{"channel": "webhook", "address": f"{URL}&n={i}"} for i in range(MAX_ENDPOINTS + 1)]
    for body in bodies[:-1]:
        add(app, user, body)
    refused = post(app, user, bodies[-1])
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "")
    add(app, user, bodies[0])
    assert len(listed(app, user)) == MAX_ENDPOINTS


def test_an_erased_person_is_reached_nowhere(app: httpx.Client, user: str) -> None:
    for body in GOOD.values():
        add(app, user, body)
    assert app.delete(f"/v1/users/{user}").status_code == 204
    assert listed(app, user) == []
    assert app.get(f"/v1/users/{user}/export").text.count(URL) == 0


def test_a_person_is_told_where_they_are_reached(app: httpx.Client, user: str) -> None:
    """All addresses, and no secret."""
    secret = add(app, user, GOOD["webhook"]).secret
    add(app, user, GOOD["web_push"])
    text = app.get(f"/v1/users/{user}/export").text
    told = [msgspec.json.decode(line) for line in text.splitlines()]
    found = [(line["channel"], line["address"]) for line in told if line["kind"] == "endpoint"]
    assert sorted(found) == sorted(
        (GOOD[name]["channel"], GOOD[name]["address"]) for name in ("webhook", "web_push")
    )
    assert str(secret) not in text


def test_an_export_hides_what_the_application_set(
    anybody: httpx.Client, app: httpx.Client, user: str
) -> None:
    """The fault: the list of a user's endpoints hid the password in an address of the application, their export told it."""
    add(app, user, GOOD["apprise"])
    for client, headers in ((anybody, bearer(token(user))), (app, {})):
        text = client.get(f"/v1/users/{user}/export", headers=headers).text
        assert ('"address":"slack://…"' in text, "token-a" in text) == (True, False)
    assert AUTH not in text


@pytest.mark.parametrize(
    ("pointer", "changed"),
    [
        ("/channel", {"channel": "pigeon"}),
        ("/channel", {"channel": "in_app"}),
        ("/address", {"address": ""}),
        ("/address", {"address": "https://x.org/" + "x" * 2_048}),
        ("/address", {"address": "http://hooks.example.org/"}),
        ("/address", {"address": "ftp://hooks.example.org/"}),
        ("/address", {"address": "hooks.example.org"}),
        ("/address", {"address": "https://"}),
        ("/address", {"address": "https:///inbox"}),
        ("/address", {"address": "https://user:password@hooks.example.org/"}),
        ("/address", {"address": "https://hooks.example.org\\@evil.example/"}),
        ("/address", {"address": "https://hooks.example.org/#part"}),
        ("/address", {"address": "https://hooks.example.org:99999/"}),
        ("/address", {"address": "https://hooks.example.org/a b"}),
        ("/address", {"address": "https://hooks.example.org/\r\nx: y"}),
        ("/address", {"address": "https://[::1"}),
        ("/keys", {"keys": KEYS}),
        ("/nonsense", {"nonsense": 1}),
        *(
            ("/address", {"channel": "email", "address": address})
            for address in (
                "bob",
                "bob@",
                "@example.org",
                "bob@exa mple.org",
                "bob@example.org\nBcc: all@example.org",
                "bob@-example.org",
                "bob@example.org>",
                "Bob <bob@example.org>",
                f"{'b' * 65}@example.org",
                f"bob@{'x' * 63}.{'x' * 63}.{'x' * 63}.{'x' * 63}",
                # Accepted once, although no mail could be written to them:
                "bob..jones@example.org",
                ".bob@example.org",
                "bob.@example.org",
                "=?utf-8?q?victim=40bank.example?=@example.org",
                "a.=?utf-8?q?x=2cy?=@example.org",
            )
        ),
        ("/address", {"channel": "apprise", "address": "slack"}),
        ("/address", {"channel": "apprise", "address": "slack://a b"}),
        ("/keys", {"channel": "web_push"}),
        ("/keys/auth", {"channel": "web_push", "keys": {"p256dh": KEYS["p256dh"]}}),
        ("/keys/auth", {"channel": "web_push", "keys": KEYS | {"auth": AUTH[:-1]}}),
        ("/keys/p256dh", {"channel": "web_push", "keys": KEYS | {"p256dh": KEYS["p256dh"][:-1]}}),
        ("/keys/p256dh", {"channel": "web_push", "keys": KEYS | {"p256dh": "B" + "x" * 86}}),
        ("/address", {"channel": "web_push", "keys": KEYS, "address": "http://push.example.org/"}),
    ],
)
def test_what_does_not_fit_is_named(
    app: httpx.Client, user: str, pointer: str, changed: dict[str, Any]
) -> None:
    reply = post(app, user[:100], GOOD["webhook"] | changed)
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:tidings:problem:invalid-fields")
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]
    assert listed(app, user[:100]) == []


@pytest.mark.parametrize("channel", ["webhook", "web_push"])
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
    ],
)
def test_an_address_inside_is_refused_when_it_is_registered(
    app: httpx.Client, user: str, channel: str, host: str
) -> None:
    """However it is written; it was accepted, and each notification made a dead letter."""
    reply = post(app, user[:100], GOOD[channel] | {"address": f"https://{host}/hook"})
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/address")
    assert reply.json()["errors"][0]["detail"] == NOT_PUBLIC


@pytest.mark.parametrize(("channel", "lacking"), [("email", "smtp_url"), ("web_push", "vapid_private_key")])
def test_a_channel_that_is_not_set_up_is_refused(
    dev: httpx.Client, user: str, channel: str, lacking: str
) -> None:
    """The fault: it was accepted with 201, and nothing was ever sent there. The answer names the channel and the setting."""
    reply = post(dev, user, GOOD[channel])
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:tidings:problem:invalid-fields")
    told = f"expected a channel that is set up on this server, got {channel}: {lacking} is not set"
    assert reply.json()["errors"] == [{"pointer": "/channel", "detail": told}]
    assert listed(dev, user) == []


def test_without_a_key_there_is_no_web_push(dev: httpx.Client) -> None:
    reply = dev.get("/v1/web-push/key")
    assert (reply.status_code, reply.json()["detail"]) == (404, "web push is not configured on this server")


def test_browsers_subscribe_with_the_server_s_key(app: httpx.Client, vapid: Path) -> None:
    """What they are given is the public half of what the settings name."""
    private = load_pem_private_key(vapid.read_bytes(), None)
    raw = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    reply = app.get("/v1/web-push/key")
    shown = msgspec.json.decode(reply.content, type=shapes.PushKey)
    assert shown.public_key == base64.urlsafe_b64encode(raw).decode().rstrip("=")
