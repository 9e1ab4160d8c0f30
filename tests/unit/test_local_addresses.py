"""Addresses of this machine in events: for applications in development."""

from urllib.parse import urlsplit

import msgspec
import pytest

from tidings.config import Settings
from tidings.errors import FieldError, InvalidFields
from tidings.events import EventInput, are_within_bounds, read_at_once, read_broadcast, read_event
from tidings.reminder_input import ReminderInput, accept_reminder
from tidings.rules import Rule
from tidings.validation import decode

decode_rule = msgspec.json.Decoder(Rule).decode
LOCAL = "http://localhost:3000/a?b#c"
DEV, OTHER = Settings(dev=True), Settings()
EVENT = {"actor_id": "a", "verb": "like", "object_type": "item", "object_id": "1"}
REMINDER = {"user_ids": ["a"], "type": "like", "object_type": "item", "object_id": "1", "after_s": 5}
FIELDS = ("url", "actor_image", "object_image")
DETAIL = "expected https://…, got http://…, which a server accepts with --dev alone"


def errors(settings: Settings, **more: object) -> tuple[FieldError, ...]:
    """The errors of an event with these members."""
    try:
        read_event(msgspec.json.encode(EVENT | more), 0, settings)
    except InvalidFields as error:
        return error.errors
    return ()


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    "address",
    [LOCAL, "http://localhost", "http://127.0.0.1:8000/x", "http://[::1]:3000", "https://a.example"],
)
def test_dev_mode_accepts_addresses_of_this_machine(name: str, address: str) -> None:
    """The fault: an application on http://localhost:3000 could not link to itself."""
    assert errors(DEV, **{name: address}) == ()


@pytest.mark.parametrize("name", FIELDS)
def test_other_servers_refuse_them(name: str) -> None:
    assert errors(OTHER, **{name: LOCAL}) == (FieldError(f"/{name}", DETAIL),)
    both = errors(OTHER, **{name: LOCAL, "verb": 1})
    assert {error.pointer for error in both} == {"/verb", f"/{name}"}
    action = {"id": "a", "label": "A", "url": LOCAL}
    assert errors(OTHER, actions=[action]) == (FieldError("/actions/0/url", DETAIL),)
    assert errors(DEV, actions=[action]) == ()


@pytest.mark.parametrize(
    "address",
    [
        *("http://example.com", "http://localhost.example.com", "http://127.0.0.1.example.com/"),
        *("http://a@localhost", "http://localhost:3000\\@evil", "http://10.0.0.1/", "http://localhost evil"),
        *("javascript:alert(1)", "//localhost"),
    ],
)
def test_dev_mode_accepts_no_other_scheme_or_host(address: str) -> None:
    (error,) = errors(DEV, url=address)
    assert error.pointer == "/url"
    assert "http://localhost:3000/…" in error.detail


@pytest.mark.parametrize("settings", [DEV, OTHER])
@pytest.mark.parametrize("name", [*FIELDS, "actions"])
@pytest.mark.parametrize(
    "address",
    [
        *(
            "https://[",
            "https://]",
            "https://[]",
            "https://[x]/",
            "https://[::1]x/",
            "https://[1:2]",
            "https://[::1",
        ),
        *("https://[1::2::3]", "https://[1:2:3:4:5:6:7:8:9]", "https://a[::1]/", "https://a]b"),
        *(
            "https://a:b/",
            "https://a:65536/",
            "https://a:1:2",
            "https://:80/",
            "https://a:-1",
            "https://a:99999",
        ),
        *(
            "http://localhost:65536",
            "http://127.0.0.256/",
            "http://127.0.0.1:99999",
            "http://localhost:\u0663/",
        ),
        *("http://127.0.0.\u0661/", "http://127.0.0.1\uff11/", "https://a:\u0663/"),
    ],
)
def test_addresses_have_a_host_and_a_port(settings: Settings, name: str, address: str) -> None:
    """The fault: addresses passed that no parser of URLs takes, and digits of other scripts."""
    given: object = [{"id": "a", "label": "A", "url": address}] if name == "actions" else address
    (error,) = errors(settings, **{name: given})
    assert error.pointer == ("/actions/0/url" if name == "actions" else f"/{name}")
    with pytest.raises(ValueError, match="url"):
        decode_rule(msgspec.json.encode({"actions": [{"id": "a", "label": "A", "url": address}]}))


@pytest.mark.parametrize(
    "address",
    [
        *(
            "https://a",
            "https://a:0/",
            "https://a:65535?x",
            "https://a:/",
            "https://a.example:443#[x]",
            "https://a/[",
        ),
        *("https://[::1]", "https://[::]:8443/", "https://[2001:db8::1]:1/a", "https://[1:2:3:4:5:6:7:8]"),
        *("https://[1::]", "https://[1:2:3:4:5:6:7::]", "https://[::2:3:4:5:6:7:8]", "https://[fe80::1:2]/"),
    ],
)
def test_every_address_that_is_accepted_can_be_split(address: str) -> None:
    assert errors(OTHER, url=address) == ()
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port is None or 0 <= parts.port <= 65_535
    assert decode_rule(msgspec.json.encode({"actions": [{"id": "a", "label": "A", "url": address}]})).actions


def test_arrays_broadcasts_and_reminders_have_the_same_rule() -> None:
    given = read_at_once(msgspec.json.encode([EVENT | {"url": LOCAL}]), OTHER)
    assert given is not None
    assert [are_within_bounds(given, settings) for settings in (DEV, OTHER)] == [True, False]
    broadcast = msgspec.json.encode(EVENT | {"audience": "*", "url": LOCAL})
    assert isinstance(read_broadcast(broadcast, 0, DEV), EventInput)
    reminder = decode(
        msgspec.json.Decoder(ReminderInput), msgspec.json.encode(REMINDER | {"object_image": LOCAL})
    )
    assert accept_reminder("k", reminder, 0, DEV).key == "k"
    for refused in (
        lambda: read_broadcast(broadcast, 0, OTHER),
        lambda: accept_reminder("k", reminder, 0, OTHER),
    ):
        with pytest.raises(InvalidFields) as error:
            refused()
        assert [one.detail for one in error.value.errors] == [DETAIL]
