"""States of notifications on the wire beyond read and archived: unseen and seen-alls."""

from typing import Any

import httpx

from tests.wire.people import event
from tests.wire.replies import inbox, of, publish
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
