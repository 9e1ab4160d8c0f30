"""Actions on notifications on the wire: offered by events and types, taken once, and told to all devices."""

from typing import Any

import httpx
import msgspec
import pytest

from tests.wire.people import KEY, bearer, event, moment, token
from tests.wire.replies import inbox, of, publish, refused
from tests.wire.streams import streaming
from tidings.client import Client, InboxState, NewAction, NewEvent, Notification, Read
from tidings.http import schemas

ACCEPT = {"id": "accept", "label": "Accept", "style": "primary", "verb": "accepted"}
OPEN = {"id": "open", "label": "Open", "url": "https://example.com/requests/7"}
DECLINE = {"id": "decline", "label": "Decline"}
BUTTON = {"id": "a", "label": "A"}
SIX = [BUTTON | {"id": f"a{n}"} for n in range(6)]
WRONG: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"actions": SIX}, ("/actions",)),
    ({"actions": [BUTTON, BUTTON]}, ("/actions/1/id",)),
    ({"actions": [BUTTON | {"url": "https://a.b", "verb": "v"}]}, ("/actions/0/verb",)),
    ({"actions": [{"id": "a"}]}, ("/actions/0/label",)),
    ({"actions": [{}]}, ("/actions/0/id", "/actions/0/label")),
    ({"actions": [BUTTON | {"label": "x" * 101}]}, ("/actions/0/label",)),
    ({"actions": [BUTTON | {"label": ""}]}, ("/actions/0/label",)),
    ({"actions": [BUTTON | {"label": {"en": "A"}}]}, ("/actions/0/label",)),
    ({"actions": [BUTTON | {"id": ".."}]}, ("/actions/0/id",)),
    ({"actions": [BUTTON | {"id": "a" * 65}]}, ("/actions/0/id",)),
    ({"actions": [BUTTON | {"url": "javascript:alert(1)"}]}, ("/actions/0/url",)),
    ({"actions": [BUTTON | {"url": "/accept"}]}, ("/actions/0/url",)),
    ({"actions": [BUTTON | {"style": "a b"}]}, ("/actions/0/style",)),
    ({"actions": [BUTTON | {"verb": ""}]}, ("/actions/0/verb",)),
    ({"actions": [BUTTON | {"x": 1}]}, ("/actions/0/x",)),
    ({"object_id": "", "actions": [BUTTON, BUTTON]}, ("/object_id", "/actions/1/id")),
)
"""Actions that no event, reminder or type may have, and where they are wrong."""
WRONG_RULES: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"actions": [BUTTON | {"label": "{x}"}]}, ("/actions/0/label",)),
    ({"labels": {"de": {"a": "A"}}}, ("/labels/de/a",)),
    ({"actions": [BUTTON], "labels": {"xx yy": {"a": "A"}}}, ("/labels/xx yy",)),
    ({"actions": [BUTTON], "labels": {"de": {"a": "{", "c": "C"}}}, ("/labels/de/a", "/labels/de/c")),
    (
        {"labels": {"de": {f"a{n}": "A" for n in range(6)}}},
        ("/labels/de",),
    ),
)
"""The same for types, whose labels are templates."""


def ask(app: httpx.Client, user: str, **changed: Any) -> schemas.Notification:
    """Publish an event with actions, and return its notification."""
    sent = {"verb": "request", "target_user_ids": [user], "actions": [ACCEPT, OPEN, DECLINE]}
    publish(app, **(sent | changed))
    return inbox(app, user).items[0]


def act(app: httpx.Client, user: str, id: str, action: str) -> httpx.Response:
    """The reply to an action."""
    return app.post(f"/v1/notifications/{id}/actions/{action}", params={"user_id": user})


def taken(app: httpx.Client, user: str, id: str, action: str) -> schemas.Notification:
    """The notification after an action."""
    return of(act(app, user, id, action), schemas.Notification)


@pytest.mark.parametrize(("wrong", "pointers"), WRONG)
def test_wrong_actions_are_refused(
    app: httpx.Client, wrong: dict[str, Any], pointers: tuple[str, ...]
) -> None:
    """Each with the place; on events, broadcasts and reminders alike, and on types."""
    refused(app.post("/v1/events", json=event() | wrong), 422, *pointers)
    refused(app.post("/v1/broadcasts", json=event(audience="*") | wrong), 422, *pointers)
    due = {"type": "t", "object_type": "o", "object_id": "1", "user_ids": ["u"], "after_s": 3_600}
    refused(app.put("/v1/reminders/wrong", json=due | wrong), 422, *pointers)
    if "object_id" not in wrong:
        refused(app.put("/v1/admin/types/wrong", json=wrong), 422, *pointers)


@pytest.mark.parametrize(("wrong", "pointers"), WRONG_RULES)
def test_wrong_labels_are_refused(
    app: httpx.Client, wrong: dict[str, Any], pointers: tuple[str, ...]
) -> None:
    """Unknown placeholders, languages and actions."""
    refused(app.put("/v1/admin/types/wrong", json=wrong), 422, *pointers)


@pytest.mark.need("NO11")
def test_an_action_is_recorded_once(app: httpx.Client, user: str) -> None:
    """The reply is the notification, read; a repetition changes nothing, and another action is refused."""
    item = ask(app, user)
    assert msgspec.to_builtins(item.actions) == [
        {"id": "accept", "label": "Accept", "style": "primary"},
        {"id": "open", "label": "Open", "url": OPEN["url"]},
        {"id": "decline", "label": "Decline"},
    ]
    assert item.acted is None
    done = taken(app, user, item.id, "decline")
    assert done.acted is not None
    assert (done.acted.action_id, done.acted.by) == ("decline", "server")
    assert (done.read_at, done.seq) == (done.acted.at, item.seq + 1)
    assert taken(app, user, item.id, "decline") == done
    assert refused(act(app, user, item.id, "accept"), 409).type == "urn:tidings:problem:acted-otherwise"
    page = inbox(app, user)
    assert (page.items, page.unread_count, page.seq) == ([done], 0, item.seq + 1)


def test_a_user_acts_with_a_token(app: httpx.Client, anybody: httpx.Client, user: str) -> None:
    """The record names who did; nobody else's notification is found."""
    item = ask(app, user)
    path = f"/v1/notifications/{item.id}/actions/accept"
    refused(anybody.post(path, headers=bearer(token(f"{user}-other"))), 404)
    reply = anybody.post(path, headers=bearer(token(user)))
    acted = of(reply, schemas.Notification).acted
    assert acted is not None
    assert acted.by == "user"


def test_unknown_notifications_and_actions(app: httpx.Client, user: str) -> None:
    """A wrong action names the field, and what there is; so does an action of a notification without any."""
    item = ask(app, user)
    problem = refused(act(app, user, item.id, "no%2Fsuch"), 404, "action_id")
    assert [error.detail for error in problem.errors or ()] == [
        "expected the id of an action of the notification: accept, open, decline"
    ]
    refused(act(app, user, "n0-0", "accept"), 404)
    plain = ask(app, user, verb="plain", actions=[])
    assert plain.actions == []
    refused(act(app, user, plain.id, "accept"), 404, "action_id")
    receipt = publish(app, verb="gone", target_user_ids=[user], actions=[ACCEPT])
    gone = inbox(app, user).items[0]
    assert app.delete(f"/v1/events/{receipt.event_id}").status_code == 204
    refused(act(app, user, gone.id, "accept"), 404)


@pytest.mark.need("NO11")
def test_an_action_publishes_its_event_once(app: httpx.Client, user: str) -> None:
    """By the user, about the same object, for the actor; no wider than the event that asked."""
    asker = f"{user}-asker"
    item = ask(app, user, actor_id=asker, object_id=user, object_title="Team", visibility="recipients")
    for _ in range(2):
        taken(app, user, item.id, "accept")
    (answer,) = inbox(app, asker).items
    assert (answer.type, answer.actors, answer.object_id, answer.object_title) == (
        "accepted",
        [user],
        user,
        "Team",
    )
    assert answer.metadata == {"action_id": "accept", "event_id": item.event_ids[0]}
    (event_id,) = answer.event_ids
    said = of(app.get(f"/v1/events/{event_id}"), schemas.FullEvent)
    assert (said.visibility, said.target_user_ids) == ("recipients", [asker])
    assert inbox(app, user).unread_count == 0


def test_the_event_of_an_action_has_the_known_name(app: httpx.Client, user: str) -> None:
    """Its actor is named as elsewhere, and keeps that name; one without a name has none."""
    for name in (None, "Nora Berg"):
        if name is not None:
            assert app.put(f"/v1/users/{user}/name", json={"name": name}).status_code == 200
        row = ask(app, user, object_id=f"{user}:{name}")
        path = f"/v1/notifications/{row.id}/actions/accept"
        assert app.post(path, params={"user_id": user}).status_code == 200
        page = app.get("/v1/activity", params={"verb": "accepted", "actor_id": user, "limit": 1}).json()
        assert page["items"][0].get("actor_name") == name
        assert app.get(f"/v1/users/{user}/name").json()["name"] == name


def test_other_tabs_learn_of_an_action(app: httpx.Client, user: str) -> None:
    """By a frame with a new seq; the list that a client holds is the one that is fetched."""
    client = Client(str(app.base_url), api_key=KEY)
    fold = InboxState()
    item = ask(app, user)
    with client, client.subscribe(user=user, fresh=True) as events:
        for n, one in enumerate(events):
            fold.apply(one)
            if n == 0:
                assert client.act(item.id, "open", user=user).acted is not None
            if isinstance(one, Read):
                break
        assert fold.items == list(client.notifications(user=user))
        (held,) = fold.items
    assert held.acted is not None
    assert (held.acted.action_id, fold.unread_count, fold.seq) == ("open", 0, item.seq + 1)


def test_what_is_snoozed_or_archived_can_be_acted_on(app: httpx.Client, user: str) -> None:
    """A snooze ends: it returns read, at its place, and not later as unread."""
    with streaming(app, user) as stream:
        stream.next("hello")
        item = ask(app, user)
        stream.next("notification")
        query = {"user_id": user}
        app.post(f"/v1/notifications/{item.id}/snooze", params=query, json={"until": moment(days=1)})
        assert stream.next("notification").data["snoozed_until"] is not None
        taken(app, user, item.id, "accept")
        (back,) = stream.next("read").data["items"]
    assert (back["snoozed_until"], back["acted"]["action_id"], back["order"]) == (None, "accept", item.order)
    archived = ask(app, user)
    app.post(f"/v1/notifications/{archived.id}/archive", params={"user_id": user})
    assert taken(app, user, archived.id, "decline").archived_at is not None


def test_a_type_declares_actions_in_several_languages(app: httpx.Client, user: str) -> None:
    """Labels are templates; actions of an event replace those of its type, and a group has them too."""
    rule = {
        "actions": [
            {"id": "thank", "label": "Thank {actors}", "verb": "thanks"},
            {"id": "all", "label": "See all {count}", "style": "link", "url": "https://example.com/all"},
        ],
        "labels": {"de": {"thank": "{actors} danken"}},
    }
    of(app.put(f"/v1/admin/types/{user}", json=rule), schemas.Type)
    app.put("/v1/preferences", params={"user_id": user}, json={"locale": "de-AT"})
    for n in range(2):
        publish(app, actor_id=f"ann{n}", verb=user, target_user_ids=[user], object_id=user)
    (item,) = inbox(app, user).items
    assert [action.label for action in item.actions] == ["ann1 und ann0 danken", "See all 2"]
    app.put("/v1/preferences", params={"user_id": user}, json={"locale": "fr"})
    assert [action.label for action in inbox(app, user).items[0].actions] == [
        "Thank ann1 and ann0",
        "See all 2",
    ]
    done = taken(app, user, item.id, "thank")
    assert (done.count, [action.id for action in done.actions]) == (2, ["thank", "all"])
    assert inbox(app, "ann1", type="thanks").items[0].object_id == user
    other = ask(app, user, verb=user)
    assert [action.id for action in other.actions] == ["accept", "open", "decline"]


def test_a_withdrawn_action_stays_taken(app: httpx.Client, user: str) -> None:
    """A repeated request for it succeeds; on other notifications there is none any more."""
    rule = {"actions": [DECLINE], "group": "none"}
    app.put(f"/v1/admin/types/{user}", json=rule).raise_for_status()
    for n in range(2):
        publish(app, verb=user, target_user_ids=[user], object_id=f"{user}{n}")
    one, other = inbox(app, user).items
    done = taken(app, user, one.id, "decline")
    app.put(f"/v1/admin/types/{user}", json={}).raise_for_status()
    again = taken(app, user, one.id, "decline")
    assert (again.acted, again.actions, again.seq) == (done.acted, [], done.seq)
    refused(act(app, user, other.id, "decline"), 404, "action_id")


def test_a_hostile_label_is_plain_text(app: httpx.Client, user: str) -> None:
    """Characters that turn the direction of writing do not reach the front end."""
    item = ask(app, user, actions=[{"id": "a", "label": "pay \u202e001"}])
    assert item.actions[0].label == "pay 001"


def test_a_reminder_has_actions(app: httpx.Client, user: str) -> None:
    """It is for its recipients, and so is the event of an action."""
    body = {"type": "due", "object_type": "plan", "object_id": user, "user_ids": [user], "after_s": 0}
    app.put(f"/v1/reminders/{user}", json=body | {"actions": [ACCEPT]}).raise_for_status()
    (item,) = inbox(app, user).items
    assert taken(app, user, item.id, "accept").acted is not None
    page = app.get("/v1/activity", params={"verb": "accepted", "actor_id": user}).json()
    assert page["items"] == []


def test_all_of_a_broadcast_act(app: httpx.Client, user: str) -> None:
    """A record is one user's own."""
    users = [f"{user}-{n}" for n in range(2)]
    app.post(
        "/v1/follows", json=[{"user_id": one, "topic": f"club:{user}"} for one in users]
    ).raise_for_status()
    app.post("/v1/broadcasts", json=event(audience=f"club:{user}", actions=[ACCEPT])).raise_for_status()
    (first,) = inbox(app, users[0]).items
    taken(app, users[0], first.id, "accept")
    assert [item.acted for item in inbox(app, users[1]).items] == [None]


def test_exports_have_what_was_done(app: httpx.Client, user: str) -> None:
    """The record is a user's own data, and an erasure removes it."""
    item = ask(app, user)
    taken(app, user, item.id, "open")
    lines = [msgspec.json.decode(line) for line in app.get(f"/v1/users/{user}/export").iter_lines()]
    (shown,) = [line for line in lines if line["kind"] == "notification"]
    assert (shown["acted"]["action_id"], shown["acted"]["by"]) == ("open", "server")
    assert app.delete(f"/v1/users/{user}").status_code == 204
    refused(act(app, user, item.id, "open"), 404)


def test_the_python_client_offers_and_acts(app: httpx.Client, user: str) -> None:
    """As typed values; the event shows its actions to those who may read it."""
    with Client(str(app.base_url), api_key=KEY) as client:
        offered = NewAction(id="rsvp", label="I am coming", style="primary", verb="rsvp")
        receipt = client.publish(
            NewEvent(
                actor_id="ann",
                verb="invite",
                object_type="party",
                object_id=user,
                target_user_ids=(user,),
                actions=(offered,),
            )
        )
        (item,) = client.notifications(user=user)
        assert isinstance(item, Notification)
        assert [(one.id, one.label, one.style, one.url) for one in item.actions] == [
            ("rsvp", "I am coming", "primary", None)
        ]
        acted = client.act(item.id, "rsvp", user=user).acted
        assert acted is not None
        assert (acted.action_id, acted.by) == ("rsvp", "server")
        assert [one.id for one in client.event(receipt.event_id).actions] == ["rsvp"]
