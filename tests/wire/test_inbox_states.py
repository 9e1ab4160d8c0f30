"""States of notifications on the wire beyond read and archived: unseen and seen-alls, snoozes and pins."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.wire.people import event, moment
from tests.wire.replies import inbox, of, publish, refused
from tests.wire.streams import streaming
from tidings.client import Client, InboxState, Seen
from tidings.http import schemas


def tell(app: httpx.Client, user: str, *verbs: str) -> list[str]:
    """Notify the user once for each verb; the ids of all that the inbox lists, newest first."""
    for verb in verbs:
        publish(app, verb=verb, target_user_ids=[user])
    return [item.id for item in inbox(app, user, limit=100).items]


def post(app: httpx.Client, user: str, path: str, body: Any = None) -> schemas.InboxUpdateResult:
    """The reply to a change of an inbox."""
    return of(
        app.post(f"/v1/notifications/{path}", params={"user_id": user}, json=body), schemas.InboxUpdateResult
    )


@pytest.mark.need("NO12")
def test_the_badge_clears_when_the_menu_opens(app: httpx.Client, user: str) -> None:
    """Every reply has the unseen count; a seen-all up to the seq of the list leaves later ones unseen."""
    tell(app, user, "a", "b")
    page = inbox(app, user)
    assert (page.unread_count, page.unseen_count) == (2, 2)
    tell(app, user, "c")
    said = post(app, user, "seen-all", {"up_to": page.seq})
    assert (said.updated, said.unread_count, said.unseen_count, said.seq) == (2, 3, 1, 4)
    counts = of(app.get("/v1/notifications/unread-count", params={"user_id": user}), schemas.Unread)
    assert (counts.unread_count, counts.unseen_count, counts.seq) == (3, 1, 4)
    assert [item.seen_at is not None for item in inbox(app, user).items] == [False, True, True]
    assert post(app, user, "seen-all").unseen_count == 0
    changes = of(app.get("/v1/notifications", params={"user_id": user, "since": 3}), schemas.InboxChanges)
    assert [(mark.seq, mark.up_to, mark.type) for mark in changes.marks] == [(4, 2, None), (5, 4, None)]
    assert all(isinstance(mark.seen_at, str) for mark in changes.marks)
    assert changes.unseen_count == 0


def test_other_tabs_hear_of_a_seen_all(app: httpx.Client, user: str) -> None:
    """Every frame has the unseen count, and the list that a client holds is the one that is fetched."""
    tell(app, user, "a")
    fold = InboxState()
    with streaming(app, user, last="0") as stream:
        assert stream.next("hello").data["unseen_count"] == 1
        assert stream.next("notification").data["unseen_count"] == 1
        post(app, user, "seen-all")
        seen = stream.next("seen")
    assert {**seen.data, "seen_at": ""} == {
        "up_to": 1,
        "seen_at": "",
        "unread_count": 1,
        "unread_items": 1,
        "unseen_count": 0,
        "seq": 2,
    }
    client = Client(str(app.base_url), token=app.headers["authorization"].removeprefix("Bearer "))
    with client, client.subscribe(user=user, fresh=True) as events:
        begun = False
        for item in events:
            fold.apply(item)
            if not begun:
                begun = True
                tell(app, user, "b")
                assert client.seen_all(user=user, up_to=2).updated == 0
                assert client.seen_all(user=user).updated == 1
            if isinstance(item, Seen):
                break
        assert fold.items == list(client.notifications(user=user))
        assert (fold.unread_count, fold.unseen_count) == (2, 0)


def test_a_seen_all_reads_nothing_else(app: httpx.Client, user: str) -> None:
    """An unknown field is refused, and an array of events counts once for each group."""
    reply = app.post("/v1/events", json=[event(verb="x", target_user_ids=[user]) for _ in range(3)])
    assert reply.is_success
    assert inbox(app, user).unseen_count == 1
    reply = app.post("/v1/notifications/seen-all", params={"user_id": user}, json={"type": "x"})
    assert reply.status_code == 422


# --- snoozes ------------------------------------------------------------------------------------------------------


@pytest.mark.need("NO12")
def test_a_snoozed_notification_leaves_and_returns(app: httpx.Client, user: str) -> None:
    """It returns as the newest, unread at a new seq, and streams and changes tell of both."""
    b, a = tell(app, user, "a", "b")
    with streaming(app, user) as stream:
        stream.next("hello")
        said = post(app, user, f"{a}/snooze", {"until": moment(days=1)})
        assert (said.updated, said.unread_count, said.unseen_count, said.seq) == (1, 1, 1, 3)
        left = stream.next("notification").data
        assert (left["id"], left["seq"], left["unread_count"]) == (a, 3, 1)
        assert left["snoozed_until"] is not None
        assert [item.id for item in inbox(app, user).items] == [b]
        assert [item.id for item in inbox(app, user, state="snoozed").items] == [a]
        post(app, user, f"{a}/unsnooze")
        back = stream.next("notification").data
    assert (back["id"], back["seq"], back["order"], back["unread_seq"]) == (a, 4, 4, 4)
    assert (back["snoozed_until"], back["read_at"], back["unread_count"]) == (None, None, 2)
    assert [item.id for item in inbox(app, user).items] == [a, b]
    changes = of(app.get("/v1/notifications", params={"user_id": user, "since": 3}), schemas.InboxChanges)
    assert [(item["id"], item["seq"]) for item in changes.items] == [(a, 4)]


def test_a_snooze_ends_by_itself(app: httpx.Client, user: str) -> None:
    """At its time, which is soon; on a machine so slow that it is over already, a later one."""
    (a,) = tell(app, user, "a")
    with streaming(app, user) as stream:
        stream.next("hello")
        for seconds in (1, 10, 60):
            body = {"until": moment(seconds=seconds)}
            reply = app.post(f"/v1/notifications/{a}/snooze", params={"user_id": user}, json=body)
            if reply.is_success:
                break
        frames = [stream.next("notification").data for _ in range(2)]
    assert [(frame["id"], frame["seq"], frame["snoozed_until"] is None) for frame in frames] == [
        (a, 2, False),
        (a, 3, True),
    ]


def test_some_are_snoozed_and_brought_back(app: httpx.Client, user: str) -> None:
    """Ids of others are skipped; one that is brought back early does not return twice."""
    b, a = tell(app, user, "a", "b")
    body = {"ids": [a, b, "n999-1"], "until": moment(days=1)}
    assert post(app, user, "snooze", body).updated == 2
    assert inbox(app, user).unread_count == 0
    assert post(app, user, f"{a}/unsnooze").updated == 1
    assert post(app, user, f"{a}/unsnooze").updated == 0
    assert [item.id for item in inbox(app, user).items] == [a]
    assert post(app, user, f"{b}/archive").updated == 1
    assert inbox(app, user, state="snoozed").items == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"until": "2020-01-01T00:00:00"}, "/until"),
        ({"until": 5}, "/until"),
        ({}, "/until"),
    ],
    ids=["past", "without a zone", "a number", "nothing"],
)
def test_a_snooze_needs_a_time_to_come(app: httpx.Client, user: str, body: Any, pointer: str) -> None:
    (a,) = tell(app, user, "a")
    reply = app.post(f"/v1/notifications/{a}/snooze", params={"user_id": user}, json=body)
    refused(reply, 422, pointer)


def test_a_snooze_of_nothing_is_refused(app: httpx.Client, user: str) -> None:
    """It is another user's, or nobody's."""
    (a,) = tell(app, user, "a")
    for whose, id in ((f"{user}-other", a), (user, "n999-1")):
        body = {"until": moment(days=1)}
        refused(app.post(f"/v1/notifications/{id}/snooze", params={"user_id": whose}, json=body), 404)


@pytest.mark.need("NO12")
def test_pinned_notifications_are_listed(app: httpx.Client, user: str) -> None:
    """They stay where they are in the list, and pinned when they are read."""
    _, a = tell(app, user, "a", "b")
    assert post(app, user, f"{a}/pin").updated == 1
    assert post(app, user, f"{a}/read").updated == 1
    (pinned,) = inbox(app, user, state="pinned").items
    assert (pinned.id, pinned.pinned_at is not None) == (a, True)
    assert post(app, user, "unpin", {"ids": [a]}).updated == 1
    assert inbox(app, user, state="pinned").items == []


def test_a_client_snoozes_and_holds_what_the_inbox_has(app: httpx.Client, user: str) -> None:
    """A state that leaves the inbox leaves what a client holds."""
    b, a = tell(app, user, "a", "b")
    fold = InboxState()
    client = Client(str(app.base_url), token=app.headers["authorization"].removeprefix("Bearer "))
    with client, client.subscribe(user=user, fresh=True) as events:
        for n, item in enumerate(events):
            fold.apply(item)
            if n == 0:
                until = datetime.now(UTC) + timedelta(days=1)
                assert client.snooze(a, until, user=user).updated == 1
                assert client.snooze_many([b], until, user=user).updated == 1
                assert client.mark(b, "unsnooze", user=user).updated == 1
            if fold.seq == 5:
                break
        assert fold.items == list(client.notifications(user=user))
        assert [item.id for item in client.notifications(user=user, state="snoozed")] == [a]
        assert (fold.unread_count, [item.id for item in fold.items]) == (1, [b])
