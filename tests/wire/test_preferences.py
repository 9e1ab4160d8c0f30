"""Preferences on the wire: what is set is what is shown and what is obeyed; and why a user was notified, or was not."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer, event, token
from tests.wire.replies import done, inbox, of, publish, refused
from tidings.http import schemas

NOTHING: dict[str, Any] = {
    "types": {},
    "quiet_hours": None,
    "locale": "",
    "digest_s": 0,
    "muted_topics": [],
}
NIGHT = {"time_zone": "Europe/Berlin", "start": "22:00", "end": "07:00", "days": [1, 2, 3, 4, 5]}
ALWAYS = {"time_zone": "UTC", "start": "00:00", "end": "00:00", "days": [1, 2, 3, 4, 5, 6, 7]}
WIDE = {
    "types": {"like": {"in_app": False, "email": True}, "*": {"web_push": False}},
    "quiet_hours": NIGHT,
    "locale": "pt-BR",
    "digest_s": 3600,
    "muted_topics": ["market:1", "user:eve"],
}


def put(app: httpx.Client, user: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The preferences after they were set."""
    reply = app.put("/v1/preferences", params={"user_id": user}, json=wanted)
    of(reply, schemas.Preferences)
    shown: dict[str, Any] = reply.json()
    return shown


def get(app: httpx.Client, user: str) -> dict[str, Any]:
    """The preferences as they are shown."""
    reply = app.get("/v1/preferences", params={"user_id": user})
    of(reply, schemas.Preferences)
    shown: dict[str, Any] = reply.json()
    return shown


# --- preferences --------------------------------------------------------------------------------------------------


def test_what_is_shown_can_be_set_again(app: httpx.Client, user: str) -> None:
    assert get(app, user) == NOTHING
    assert put(app, user, NOTHING) == NOTHING
    assert put(app, user, WIDE) == get(app, user) == WIDE
    assert put(app, user, get(app, user)) == WIDE


def test_setting_replaces_all_but_mutes_that_are_not_said(app: httpx.Client, user: str) -> None:
    put(app, user, WIDE)
    assert put(app, user, {"digest_s": 60}) == NOTHING | {
        "digest_s": 60,
        "muted_topics": ["market:1", "user:eve"],
    }
    assert put(app, user, {"muted_topics": []}) == NOTHING


def test_muted_topics_are_the_mutes(app: httpx.Client, user: str) -> None:
    """They are one thing, whichever way they are set; a block is none of them."""
    done(app.put(f"/v1/users/{user}/mutes/market%3A42"))
    done(app.put(f"/v1/users/{user}/blocks/mallory"))
    assert get(app, user)["muted_topics"] == ["market:42"]
    publish(app, target_user_ids=[user])
    publish(app, target_user_ids=[user], object_id="43")
    assert len(inbox(app, user).items) == 1
    assert put(app, user, {"muted_topics": ["market:43"]})["muted_topics"] == ["market:43"]
    publish(app, target_user_ids=[user])
    publish(app, target_user_ids=[user], object_id="43")
    assert [(item.object_id, item.count) for item in inbox(app, user).items] == [("42", 1), ("43", 1)]


def test_mutes_and_blocks_have_limits(tmp_path: Path) -> None:
    """The fault: nothing bounded them. What is one too many is named with its setting, and nothing of it is kept; all that
    is wrong with preferences is named at once."""
    flags = ("--max-mutes-per-user", "2", "--max-blocks-per-user", "1")
    with serving(tmp_path, *flags) as url, httpx.Client(base_url=url, trust_env=False) as app:
        put(app, "ann", {"muted_topics": ["m:1", "m:2"]})
        problem = refused(app.put("/v1/users/ann/mutes/m%3A3"), 422, "topic")
        assert "up to 2 muted topics of one user (max_mutes_per_user)" in str(problem.errors)
        done(app.put("/v1/users/ann/mutes/m%3A2"))
        wrong = {"muted_topics": ["m:1", "m:3", "m:4"], "locale": "xx-none"}
        reply = app.put("/v1/preferences", params={"user_id": "ann"}, json=wrong)
        problem = refused(reply, 422, "/muted_topics", "/locale")
        assert "up to 2 topics (max_mutes_per_user), got one of 3" in str(problem.errors)
        assert get(app, "ann") == NOTHING | {"muted_topics": ["m:1", "m:2"]}
        done(app.put("/v1/users/ann/blocks/bob"))
        problem = refused(app.put("/v1/users/ann/blocks/cy"), 422, "other_id")
        assert "up to 1 blocked users of one user (max_blocks_per_user)" in str(problem.errors)


@pytest.mark.need("NO7")
@pytest.mark.parametrize(
    ("types", "notified"),
    [
        ({}, True),
        ({"comment": {"in_app": False}}, False),
        ({"like": {"in_app": False}}, True),
        ({"*": {"in_app": False}}, False),
        ({"*": {"in_app": False}, "comment": {"in_app": True}}, True),
        ({"comment": {"email": False}}, True),
    ],
)
def test_who_does_not_want_a_type_is_not_notified(
    app: httpx.Client, user: str, types: dict[str, Any], notified: bool
) -> None:
    put(app, user, {"types": types})
    publish(app, target_user_ids=[user])
    page = inbox(app, user)
    assert (len(page.items), page.seq) == ((1, 1) if notified else (0, 0))


def test_a_preference_for_a_verb_names_its_type(app: httpx.Client, user: str) -> None:
    """The fault: it was accepted, and had no effect. One from before the type was declared is not shown, and a patch drops
    it."""
    verb, type = f"{user}-like", f"{user}-social"
    wanted = {"types": {verb: {"email": False}}}
    assert put(app, user, wanted)["types"] == wanted["types"]
    app.put(f"/v1/admin/types/{type}", json={"verbs": [verb]})
    assert get(app, user)["types"] == {}
    for method in ("PUT", "PATCH"):
        reply = app.request(method, "/v1/preferences", params={"user_id": user}, json=wanted)
        (error,) = reply.json()["errors"]
        assert (reply.status_code, error["pointer"]) == (422, f"/types/{verb}")
        assert f"got a verb of the type '{type}'" in error["detail"]
    assert app.patch("/v1/preferences", params={"user_id": user}, json={"digest_s": 60}).is_success
    assert put(app, user, {"types": {type: {"email": False}}})["types"] == {type: {"email": False}}
    app.put(f"/v1/admin/types/{verb}", json={"verbs": [f"{user}-love"]})
    assert put(app, user, wanted)["types"] == wanted["types"]


def test_a_critical_type_cannot_be_switched_off(app: httpx.Client, user: str) -> None:
    """Neither by its name nor with all others; and a preference from before it was critical neither holds nor is shown."""
    preference = {"types": {user: {"in_app": False, "email": True}, "like": {"email": False}}}
    put(app, user, preference)
    app.put(f"/v1/admin/types/{user}", json={"critical": True, "channels": ["email"]})
    refused(
        app.put("/v1/preferences", params={"user_id": user}, json=preference), 422, f"/types/{user}/in_app"
    )
    shown = get(app, user)
    assert shown["types"] == {user: {"email": True}, "like": {"email": False}}
    publish(app, target_user_ids=[user], verb=user)
    assert len(inbox(app, user).items) == 1
    assert put(app, user, shown) == shown
    put(app, user, {"types": {"*": {"in_app": False}}})
    publish(app, target_user_ids=[user], verb=user)
    assert inbox(app, user).unread_items == 2


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"locale": "tlh"}, "/locale"),
        ({"locale": "e"}, "/locale"),
        ({"locale": "../../etc"}, "/locale"),
        ({"digest_s": -1}, "/digest_s"),
        ({"digest_s": 7 * 86_400 + 1}, "/digest_s"),
        ({"types": {"like": {"pigeon": True}}}, "/types/like/pigeon"),
        ({"types": {"like": {"email": 1}}}, "/types/like/email"),
        ({"types": {"": {}}}, "/types/"),
        ({"types": {str(i): {} for i in range(201)}}, "/types"),
        ({"quiet_hours": NIGHT | {"time_zone": "Mars/Base"}}, "/quiet_hours/time_zone"),
        ({"quiet_hours": NIGHT | {"time_zone": "../../etc/passwd"}}, "/quiet_hours/time_zone"),
        ({"quiet_hours": NIGHT | {"start": "24:00"}}, "/quiet_hours/start"),
        ({"quiet_hours": NIGHT | {"end": "7:00"}}, "/quiet_hours/end"),
        ({"quiet_hours": NIGHT | {"days": []}}, "/quiet_hours/days"),
        ({"quiet_hours": NIGHT | {"days": [0]}}, "/quiet_hours/days/0"),
        ({"quiet_hours": {"start": "22:00", "end": "07:00"}}, "/quiet_hours/time_zone"),
        ({"muted_topics": ["market"]}, "/muted_topics/0"),
        ({"muted_topics": [f"m:{i}" for i in range(1_001)]}, "/muted_topics"),
    ],
)
def test_a_wish_that_cannot_be_kept_is_refused(
    app: httpx.Client, user: str, wrong: dict[str, Any], pointer: str
) -> None:
    """By the name of what is wrong; and nothing of it is kept."""
    refused(app.put("/v1/preferences", params={"user_id": user}, json=wrong), 422, pointer)
    assert get(app, user) == NOTHING


# --- explain ------------------------------------------------------------------------------------------------------


def explain(app: httpx.Client, user: str, event_id: str) -> schemas.Explanation:
    """Why the user was notified, or was not."""
    asked = {"user_id": user, "event_id": event_id}
    return of(app.get("/v1/notifications/explain", params=asked), schemas.Explanation)


def failed(found: schemas.Explanation) -> list[str]:
    """The checks that do not hold."""
    return [check.check for check in found.checks if not check.passed]


def test_a_target_that_was_told(app: httpx.Client, user: str) -> None:
    receipt = publish(app, target_user_ids=[user])
    found = explain(app, user, receipt.event_id)
    (item,) = inbox(app, user).items
    assert (found.notified, found.notification_id, found.type) == (True, item.id, "comment")
    assert [check.check for check in found.checks] == [
        "rule",
        "addressed",
        "own_act",
        "masked",
        "preference",
        "notify",
        "result",
    ]
    assert failed(found) == []
    assert found.channels["in_app"] == schemas.Decision(wanted=True, why="notified")


def test_somebody_else(app: httpx.Client, user: str) -> None:
    receipt = publish(app, target_user_ids=["somebody"])
    found = explain(app, user, receipt.event_id)
    assert (found.notified, found.notification_id, failed(found)) == (False, None, ["addressed", "result"])
    assert {decision.wanted for decision in found.channels.values()} == {False}


def test_ones_own_act(app: httpx.Client, user: str) -> None:
    receipt = publish(app, actor=user, target_user_ids=[user])
    assert failed(explain(app, user, receipt.event_id)) == ["own_act", "result"]


@pytest.mark.parametrize(
    ("mask", "named"), [("mutes/market%3A42", "market:42"), ("blocks/alice", "alice")], ids=["mute", "block"]
)
def test_what_is_masked(app: httpx.Client, user: str, mask: str, named: str) -> None:
    done(app.put(f"/v1/users/{user}/{mask}"))
    receipt = publish(app, target_user_ids=[user])
    found = explain(app, user, receipt.event_id)
    assert failed(found) == ["masked", "result"]
    assert named in found.checks[3].detail


def test_a_user_is_not_told_who_blocked_them(tmp_path: Path) -> None:
    """The fault: it said "hidden by" with their own name, and so that the actor blocks them. Servers see the reason."""
    with (
        serving(tmp_path, **SETTINGS) as url,
        httpx.Client(base_url=url, timeout=30, headers=bearer(KEY)) as app,
    ):
        done(app.put("/v1/users/alice/blocks/bob"))
        blocked = publish(app, target_user_ids=["bob"])
        found = explain(app, "bob", blocked.event_id)
        assert (failed(found), "blocked" in found.checks[3].detail) == (["masked", "result"], True)
        app.headers = httpx.Headers(bearer(token("bob")))
        found = explain(app, "bob", blocked.event_id)
        assert (found.notified, failed(found)) == (False, ["result"])
        assert "hidden by" not in str(found)


def test_what_was_muted_after_it_was_told(app: httpx.Client, user: str) -> None:
    """Both are said: that it was told, and what speaks against it now."""
    receipt = publish(app, target_user_ids=[user])
    done(app.put(f"/v1/users/{user}/mutes/market%3A42"))
    found = explain(app, user, receipt.event_id)
    assert (found.notified, failed(found)) == (True, ["masked"])
    assert found.checks[-1].detail == "notified, before the conditions that prevent it now"


def test_what_is_not_wanted_in_the_application(app: httpx.Client, user: str) -> None:
    put(app, user, {"types": {"comment": {"in_app": False}}})
    receipt = publish(app, target_user_ids=[user])
    assert failed(explain(app, user, receipt.event_id)) == ["preference", "result"]


def test_a_critical_type_overrides_it(app: httpx.Client, user: str) -> None:
    app.put(f"/v1/admin/types/{user}", json={"critical": True})
    put(app, user, {"types": {"*": {"in_app": False}}})
    receipt = publish(app, target_user_ids=[user], verb=user)
    found = explain(app, user, receipt.event_id)
    assert (found.notified, failed(found)) == (True, [])
    assert "critical" in found.checks[4].detail


def test_a_rule_that_tells_followers(app: httpx.Client, user: str) -> None:
    """Who follows the object since before is told; a target is not, and neither is who came later."""
    app.put(f"/v1/admin/types/{user}", json={"notify": "followers"})
    follower, late = f"{user}-follower", f"{user}-late"
    app.put(f"/v1/users/{follower}/follows/market%3A{user}")
    receipt = publish(app, target_user_ids=[user], verb=user, object_id=user)
    app.put(f"/v1/users/{late}/follows/market%3A{user}")
    assert failed(explain(app, follower, receipt.event_id)) == []
    assert failed(explain(app, user, receipt.event_id)) == ["addressed", "result"]
    detail = "among its targets, but the type does not notify those"
    assert explain(app, user, receipt.event_id).checks[1].detail == detail
    assert failed(explain(app, late, receipt.event_id)) == ["addressed", "result"]


def test_a_type_that_does_not_notify_followers(app: httpx.Client, user: str) -> None:
    app.put(f"/v1/users/{user}/follows/market%3A{user}")
    receipt = publish(app, verb=user, object_id=user)
    assert failed(explain(app, user, receipt.event_id)) == ["addressed", "result"]
    detail = "followed its object before, but the type does not notify followers"
    assert explain(app, user, receipt.event_id).checks[1].detail == detail


def test_a_duplicate(app: httpx.Client, user: str) -> None:
    """Of the event that notified; not for others, and stated beside what else prevents the notification."""
    app.put(f"/v1/admin/types/{user}", json={"duplicate_window_s": 3600})
    first, second = (publish(app, target_user_ids=[user], verb=user) for _ in range(2))
    assert failed(explain(app, user, first.event_id)) == []
    found = explain(app, user, second.event_id)
    assert failed(found) == ["duplicate", "result"]
    assert first.event_id in found.checks[-2].detail
    assert failed(explain(app, "nobody", second.event_id)) == ["addressed", "result"]
    put(app, user, {"types": {user: {"in_app": False}}})
    done(app.put(f"/v1/users/{user}/mutes/market%3A42"))
    third = publish(app, target_user_ids=[user], verb=user)
    assert failed(explain(app, user, third.event_id)) == ["masked", "preference", "duplicate", "result"]
    assert failed(explain(app, user, first.event_id)) == ["masked", "preference"]


def test_a_broadcast_to_followers(app: httpx.Client, user: str) -> None:
    app.put(f"/v1/users/{user}/follows/user%3A{user}-editor")
    sent = event(f"{user}-editor", audience=f"user:{user}-editor", verb="announce")
    receipt = of(app.post("/v1/broadcasts", json=sent), schemas.Receipt, 201)
    found = explain(app, user, receipt.event_id)
    assert (found.notified, failed(found)) == (True, [])
    assert failed(explain(app, f"{user}-other", receipt.event_id)) == ["addressed", "result"]
    assert failed(explain(app, f"{user}-editor", receipt.event_id))[-1] == "result"


@pytest.mark.need("NO7")
def test_each_channel_says_why(app: httpx.Client, user: str) -> None:
    """What keeps it in, one reason after the other, until it goes out."""
    app.put(f"/v1/admin/types/{user}", json={"channels": ["webhook"], "group": "none"})
    receipt = publish(app, target_user_ids=[user], verb=user)

    def why(channel: str = "webhook") -> tuple[bool, str]:
        decision = explain(app, user, receipt.event_id).channels[channel]
        return decision.wanted, decision.why

    assert why("email") == (False, "the type is not delivered on this channel")
    assert why() == (False, "the user has no endpoint on this channel that is confirmed and enabled")
    address = {"channel": "webhook", "address": "https://hooks.example.org/zoe"}
    assert app.post("/v1/endpoints", params={"user_id": user}, json=address).status_code == 201
    assert why() == (True, "wanted")
    put(app, user, {"types": {user: {"webhook": False}}})
    assert why() == (False, "not wanted here")
    put(app, user, {"quiet_hours": ALWAYS})
    assert why() == (True, "wanted"), "nothing of it waits for quiet hours"
    receipt = publish(app, target_user_ids=[user], verb=user)
    wanted, waits = why()
    assert wanted
    assert waits.startswith("wanted, but quiet hours defer it until 20")
    app.put(f"/v1/admin/types/{user}", json={"channels": ["webhook"], "critical": True})
    assert why() == (True, "critical: preferences, quiet hours and digests do not apply")


def test_nothing_can_be_explained_about_nothing(app: httpx.Client, user: str) -> None:
    """Neither an event that never was nor one that was retracted."""
    gone = publish(app, target_user_ids=[user])
    done(app.delete(f"/v1/events/{gone.event_id}"))
    for event_id in (gone.event_id, "nothing"):
        asked = {"user_id": user, "event_id": event_id}
        assert app.get("/v1/notifications/explain", params=asked).status_code == 404
    refused(app.get("/v1/notifications/explain", params={"user_id": user}), 400, "event_id")
