"""The message, the address and the images of an event, over the wire: checked, carried, and made safe where they show."""

from typing import Any

import httpx
import pytest

from tests.wire.people import event
from tests.wire.replies import inbox, publish, refused

FIELDS = {
    "message": "Market 42 resolved: YES",
    "url": "https://markets.example/42?from=mail#top",
    "actor_image": "https://img.example/alice.png",
    "object_image": "https://img.example/42.png",
}


@pytest.mark.need("IN2")
def test_items_of_feeds_and_inboxes_carry_them(app: httpx.Client, user: str) -> None:
    """With the names, as they were sent; an event without them has none in feeds, and null in inboxes."""
    names = {"actor_name": "Alice", "object_title": "Rain?"}
    publish(app, target_user_ids=[user], **names, **FIELDS)
    (item,) = inbox(app, user).items
    assert {name: getattr(item, name) for name in names | FIELDS} == names | FIELDS
    assert [one.image for one in item.parts.actors] == [FIELDS["actor_image"]]
    assert item.parts.object.image == FIELDS["object_image"]
    publish(app, actor_id="nameless", target_user_ids=[user], object_id="43")
    plain, shown = app.get("/v1/feed", params={"user_id": user}).json()["items"]
    assert {name: shown[name] for name in FIELDS} == FIELDS
    assert plain.keys().isdisjoint(FIELDS)
    bare = inbox(app, user).items[0]
    assert (bare.url, bare.actor_name, bare.object_title, bare.actor_image, bare.object_image) == (None,) * 5


@pytest.mark.need("NO13")
def test_a_message_is_verbatim_whatever_the_type_says(app: httpx.Client, user: str) -> None:
    """No template: braces stay, and a group shows that of its newest event; without one the template holds again."""
    rule = {"messages": {"en": {"other": "{count} times"}}}
    app.put(f"/v1/admin/types/{user}", json=rule).raise_for_status()
    said = []
    for given in ({"message": "{count} of {title}"}, {"message": "second"}, {}):
        publish(app, verb=user, target_user_ids=[user], **given)
        said += [item.message for item in inbox(app, user).items]
    assert said == ["{count} of {title}", "second", "3 times"]


def test_a_message_controls_no_screen(app: httpx.Client, user: str) -> None:
    """Like all rendered text: control characters become blanks, those that turn the direction go; feeds have what was
    sent."""
    publish(app, target_user_ids=[user], message="a\x1b[2Jb\u202ec\nd")
    (item,) = inbox(app, user).items
    assert item.message == "a [2Jbc d"
    (shown,) = app.get("/v1/feed", params={"user_id": user}).json()["items"]
    assert shown["message"] == "a\x1b[2Jb\u202ec\nd"


@pytest.mark.parametrize(
    "address",
    [
        "http://img.example/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AA",
        "//img.example/a.png",
        "https://",
        "https://user@img.example/",
        "https://img.example/a b",
        'https://img.example/"onload="x',
        "https://img.example/\u202e",
        "https://img.example/" + "a" * 2_048,
        "",
    ],
)
def test_an_address_is_https_and_bounded(app: httpx.Client, address: str) -> None:
    """Each field that has one is named."""
    fields = dict.fromkeys(("url", "actor_image", "object_image"), address)
    refused(app.post("/v1/events", json=event(**fields)), 422, "/url", "/actor_image", "/object_image")


@pytest.mark.parametrize("message", ["", "x" * 1_001, None, 5])
def test_a_message_is_bounded(app: httpx.Client, message: Any) -> None:
    """A text of 1 to 1,000 characters."""
    refused(app.post("/v1/events", json=event(message=message)), 422, "/message")


def test_a_reminder_has_them_too(app: httpx.Client, user: str) -> None:
    """Its event carries them when it fires."""
    given = {"type": "due", "object_type": "market", "object_id": "42", "user_ids": [user], "after_s": 0}
    app.put(f"/v1/reminders/{user}", json=given | FIELDS).raise_for_status()
    (item,) = inbox(app, user).items
    assert (item.message, item.url) == (FIELDS["message"], FIELDS["url"])
