"""Display names over the wire: notifications show the newest one of each actor, whatever was published with the event."""

from typing import Any

import httpx
import pytest

from tests.wire.people import KEY, bearer, token
from tests.wire.replies import inbox, of, publish, refused
from tests.wire.streams import streaming
from tidings.client import Client
from tidings.http import schemas
from tidings.http.schemas_users import DisplayName


def rename(app: httpx.Client, user: str, name: str) -> None:
    """Give a user a name, as the application does."""
    reply = of(app.put(f"/v1/users/{user}/name", json={"name": name}), DisplayName)
    assert reply == DisplayName(user_id=user, name=name)


@pytest.mark.need("IN2", "NO13")
def test_a_rename_shows_in_stored_notifications(app: httpx.Client, user: str) -> None:
    """In the message, the parts and ``actor_name``, by itself too; events, feeds and verbatim messages stay as published,
    and no seq is taken."""
    ann, bo = f"ann-{user}", f"bo-{user}"
    publish(app, actor=ann, actor_name="Ann", target_user_ids=[user])
    said = {"verb": "post", "message": "Bo said so"}
    publish(app, actor=bo, actor_name="Bo", object_title="Rain?", target_user_ids=[user])
    publish(app, actor=bo, actor_name="Bo", target_user_ids=[user], **said)
    before = inbox(app, user)
    rename(app, bo, "Bob")
    publish(app, actor=ann, actor_name="Anna", object_id="43")
    verbatim, group = inbox(app, user).items
    assert group.message == "Bob and Anna: comment · Rain?"
    assert (group.actor_name, group.actors) == ("Bob", [bo, ann])
    assert [(one.id, one.name) for one in group.parts.actors] == [(bo, "Bob"), (ann, "Anna")]
    assert (verbatim.message, verbatim.actor_name) == ("Bo said so", "Bob")
    alone = of(app.get(f"/v1/notifications/{group.id}", params={"user_id": user}), schemas.Notification)
    assert alone == group
    assert inbox(app, user).seq == before.seq
    feed = app.get("/v1/feed", params={"user_id": user}).json()["items"]
    assert [item["actor_name"] for item in feed] == ["Bo", "Bo", "Ann"]
    assert app.get(f"/v1/events/{group.event_ids[0]}").json()["actor_name"] == "Bo"


def test_an_entity_tag_does_not_hide_a_rename(app: httpx.Client, user: str) -> None:
    """Of the list, the changes and one notification; the same name, and one of a user who did nothing, are no change."""
    actor = f"ann-{user}"
    publish(app, actor=actor, actor_name="Ann", target_user_ids=[user])
    (item,) = inbox(app, user).items
    paths = ["/v1/notifications?", "/v1/notifications?since=0&", f"/v1/notifications/{item.id}?"]

    def get(path: str, tag: str) -> httpx.Response:
        return app.get(f"{path}user_id={user}", headers={"if-none-match": tag})

    tags = {path: get(path, "").headers["etag"] for path in paths}
    rename(app, actor, "Ann")
    publish(app, actor=f"new-{user}", actor_name="New", object_id="43")
    assert [get(path, tag).status_code for path, tag in tags.items()] == [304] * 3
    rename(app, actor, "Anna")
    for path, tag in tags.items():
        changed = get(path, tag)
        assert (changed.status_code, "Anna" in changed.text) == (200, True)
        assert get(path, changed.headers["etag"]).status_code == 304


def test_a_rename_leaves_the_entity_tag_of_the_counts(app: httpx.Client, user: str) -> None:
    """The fault: a poll for the count got it again after each rename of anybody, though it was the same."""
    path, actor = f"/v1/notifications/unread-count?user_id={user}", f"ann-{user}"
    publish(app, actor=actor, actor_name="Ann", target_user_ids=[user])
    tag = app.get(path).headers["etag"]
    rename(app, actor, "Anna")
    assert app.get(path, headers={"if-none-match": tag}).status_code == 304
    publish(app, actor=actor, object_id="43", target_user_ids=[user])
    changed = app.get(path, headers={"if-none-match": tag})
    assert (changed.status_code, changed.json()["unread_count"]) == (200, 2)


def test_a_remembered_page_of_groups_does_not_hide_a_rename(app: httpx.Client, user: str) -> None:
    """The first page of a feed is cached from its second request on."""
    actor = f"ann-{user}"
    publish(app, actor=actor, actor_name="Ann", target_user_ids=[user])

    def names() -> list[list[str | None]]:
        reply = app.get("/v1/feed", params={"user_id": user, "group": "true"})
        return [group.actor_names for group in of(reply, schemas.FeedGroupPage).items]

    assert [names() for _ in range(3)] == [[["Ann"]]] * 3
    rename(app, actor, "Anna")
    assert names() == [["Anna"]]


def test_frames_have_the_name_of_their_moment(app: httpx.Client, user: str) -> None:
    """A rename sends no frame; the next change of the notification does, with the new name."""
    actor = f"ann-{user}"
    with streaming(app, user) as stream:
        stream.next("hello")
        publish(app, actor=actor, actor_name="Ann", target_user_ids=[user])
        assert stream.next("notification").data["actor_name"] == "Ann"
        rename(app, actor, "Anna")
        publish(app, actor=actor, target_user_ids=[user])
        frame = stream.next("notification").data
    assert (frame["actor_name"], frame["seq"], frame["message"]) == (
        "Anna",
        2,
        "Anna: comment · market 42 (2)",
    )


def test_a_token_reads_its_own_name_and_sets_none(
    app: httpx.Client, anybody: httpx.Client, user: str
) -> None:
    """Another name could deceive other users."""
    path = f"/v1/users/{user}/name"
    headers = bearer(token(user))
    assert of(anybody.get(path, headers=headers), DisplayName) == DisplayName(user_id=user, name=None)
    refused(anybody.put(path, json={"name": "Support"}, headers=headers), 403)
    of(anybody.put(path, json={"name": "Sue"}, headers=bearer(token("op", scope="admin"))), DisplayName)
    assert of(anybody.get(path, headers=headers), DisplayName).name == "Sue"
    refused(anybody.get(path, headers=bearer(token("other"))), 403)


@pytest.mark.parametrize("body", [{"name": ""}, {"name": "x" * 501}, {"name": None}, {"name": 1}])
def test_a_name_has_1_to_500_characters(app: httpx.Client, user: str, body: dict[str, Any]) -> None:
    refused(app.put(f"/v1/users/{user}/name", json=body), 422, "/name")
    assert app.get(f"/v1/users/{user}/name").json() == {"user_id": user, "name": None}


INVISIBLE = [
    " ",
    "\u00a0\u3000",
    "\u200b",
    "\u2060\ufeff\u00ad",
    "\u202e\u2069",
    "\u3164",
    "\u2800",
    "\u0301",
    "\U000e0041",
]


@pytest.mark.parametrize("name", INVISIBLE)
def test_a_name_that_cannot_be_seen_is_none(app: httpx.Client, user: str, name: str) -> None:
    """The fault: users could appear without a name. In an event it is dropped, since the event is of use without it."""
    actor = f"ann-{user}"
    publish(app, actor=actor, actor_name="Ann")
    problem = refused(app.put(f"/v1/users/{actor}/name", json={"name": name}), 422, "/name")
    assert "visible character" in str(problem.errors)
    sent = publish(app, actor=actor, actor_name=name, object_id="43", target_user_ids=[user])
    assert app.get(f"/v1/events/{sent.event_id}").json()["actor_name"] is None
    assert inbox(app, user).items[0].actor_name == "Ann"
    assert app.get(f"/v1/users/{actor}/name").json()["name"] == "Ann"


@pytest.mark.parametrize("name", ["\u200bA", "\U0001f469\u200d\U0001f680", "\u1f0d\u0301", " 1 "])
def test_a_name_may_have_characters_that_join_others(app: httpx.Client, user: str, name: str) -> None:
    rename(app, user, name)


def test_the_client_sets_and_reads_names(url: str, user: str) -> None:
    with Client(url, api_key=KEY, user_id=user) as client:
        assert client.display_name().name is None
        assert client.set_display_name("Sue").name == "Sue"
        assert client.display_name(user=user).name == "Sue"


def test_an_import_of_older_events_brings_no_old_name_back(app: httpx.Client, user: str) -> None:
    """By ``created_at``, though their positions are later."""
    actor = f"ann-{user}"
    publish(app, actor=actor, actor_name="Anna", target_user_ids=[user])
    publish(app, actor=actor, actor_name="Ann", created_at="2020-01-01T00:00:00Z", object_id="43")
    assert inbox(app, user).items[0].actor_name == "Anna"
    publish(app, actor=actor, actor_name="Annabel", object_id="44")
    assert inbox(app, user).items[0].actor_name == "Annabel"
