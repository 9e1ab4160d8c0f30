"""Changing some preferences (PATCH), and muting what a notification is about."""

from typing import Any

import httpx
import pytest

from tests.wire.replies import inbox, of, publish, refused
from tidings.client import Client
from tidings.http import schemas

NIGHT = {"time_zone": "Europe/Berlin", "start": "22:00", "end": "07:00"}
ALL_DAYS = [1, 2, 3, 4, 5, 6, 7]
WANTED: dict[str, Any] = {
    "types": {"like": {"in_app": False, "email": True}, "*": {"web_push": False}},
    "quiet_hours": {**NIGHT, "days": [1, 2]},
    "locale": "de",
    "digest_s": 60,
    "muted_topics": ["category:a", "category:b"],
}


def change(app: httpx.Client, user: str, patch: Any, media: str = "application/json") -> httpx.Response:
    """The reply to a patch."""
    headers = {"content-type": media}
    return app.patch(
        "/v1/preferences", params={"user_id": user}, content=httpx.Request("PATCH", "http://x", json=patch).content,
        headers=headers,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({}, {}),
        ({"digest_s": 3600}, {"digest_s": 3600}),
        ({"locale": None, "quiet_hours": None}, {"locale": "", "quiet_hours": None}),
        ({"types": {"like": {"email": None}}}, {"types": {"like": {"in_app": False}, "*": {"web_push": False}}}),
        ({"types": {"like": None, "new": {"email": False}}}, {"types": {"new": {"email": False}, "*": {"web_push": False}}}),
        ({"types": None}, {"types": {}}),
        ({"quiet_hours": {"end": "08:00", "days": None}}, {"quiet_hours": {**NIGHT, "end": "08:00", "days": ALL_DAYS}}),
        ({"muted_topics": ["category:c"]}, {"muted_topics": ["category:c"]}),
        ({"muted_topics": None}, {"muted_topics": []}),
    ],
)  # fmt: skip
def test_a_patch_changes_what_it_names(
    app: httpx.Client, user: str, patch: dict[str, Any], changed: dict[str, Any]
) -> None:
    """As RFC 7396 says; the reply is what GET returns. Both media types are read."""
    assert app.put("/v1/preferences", params={"user_id": user}, json=WANTED).is_success
    reply = change(
        app, user, patch, "application/merge-patch+json" if "types" in patch else "application/json"
    )
    of(reply, schemas.Preferences)
    assert reply.json() == WANTED | changed
    assert app.get("/v1/preferences", params={"user_id": user}).json() == WANTED | changed


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"quiet_hours": {"start": "22:00"}}, "/quiet_hours"),
        ({"quiet_hours": {**NIGHT, "time_zone": "Mars"}}, "/quiet_hours/time_zone"),
        ({"locale": "xx"}, "/locale"),
        ({"digest_s": -1}, "/digest_s"),
        ({"colour": "red"}, "/colour"),
        ({"types": {"like": {"pigeon": True}}}, "/types/like/pigeon"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(
    app: httpx.Client, user: str, patch: dict[str, Any], pointer: str
) -> None:
    """What it leaves is checked as a whole."""
    problem = refused_at(change(app, user, patch), pointer)
    assert problem.status == 422
    assert app.get("/v1/preferences", params={"user_id": user}).json()["quiet_hours"] is None


def refused_at(reply: httpx.Response, pointer: str) -> schemas.Problem:
    """The problem, whose first field is this one or below it."""
    assert reply.status_code == 422, reply.text
    first = reply.json()["errors"][0]["pointer"]
    assert first.startswith(pointer)
    return refused(reply, 422, *(error["pointer"] for error in reply.json()["errors"]))


def test_a_thread_is_muted_from_its_notification(app: httpx.Client, user: str) -> None:
    """Its object is muted, which the reply names and the list of mutes has; another thread still notifies."""
    publish(app, object_id=f"{user}-1", target_user_ids=[user])
    (item,) = inbox(app, user).items
    who = {"user_id": user}
    muted = of(app.post(f"/v1/notifications/{item.id}/mute", params=who), schemas.MutedTopic)
    assert muted.topic == f"market:{user}-1"
    for thing in ("1", "2"):
        publish(app, actor="bob", object_id=f"{user}-{thing}", target_user_ids=[user], verb="like")
    assert [item.object_id for item in inbox(app, user).items] == [f"{user}-2", f"{user}-1"]
    refused(app.post(f"/v1/notifications/{item.id}/mute", params={"user_id": f"{user}-x"}), 404)
    client = Client(str(app.base_url), token=app.headers["authorization"].removeprefix("Bearer "))
    with client:
        assert [one.topic for one in client.mutes(user=user)] == [muted.topic]
        assert client.mute_thread(item.id, user=user).topic == muted.topic
        assert client.change_preferences({"digest_s": 5}, user=user).digest_s == 5
