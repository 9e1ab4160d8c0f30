"""A block on the wire: what its two users see of each other, at once and over broken connections."""

from typing import Any

import httpx
import pytest

from tests.wire.people import bearer, event, token
from tests.wire.replies import done, inbox, of
from tests.wire.streams import Message, Stream, streaming
from tidings.http import schemas


def publish(app: httpx.Client, *events: dict[str, Any]) -> list[str]:
    """The ids of events."""
    receipts = of(app.post("/v1/events", json=events), schemas.Receipts, 201).events
    return [receipt.event_id for receipt in receipts]


def block(app: httpx.Client, user: str, other: str, on: bool = True) -> None:
    done(app.request("PUT" if on else "DELETE", f"/v1/users/{user}/blocks/{other}"))


def activity(app: httpx.Client, path: str, headers: dict[str, str] | None = None, **query: str) -> list[str]:
    """The ids of a page of activity."""
    page = of(app.get(path, params=query, headers=headers), schemas.ActivityPage)
    return [item.event_id for item in page.items]


def frames(stream: Stream, number: int) -> list[Message]:
    return [stream.next("notification") for _ in range(number)]


def test_ids_are_opaque(app: httpx.Client, user: str) -> None:
    """A block of an id with the form of a topic, and ids with blanks at their ends: each is an id of its own, so the server
    neither refuses nor trims it."""
    eve = f"eve-{user}"
    publish(app, event(eve, target_user_ids=[user, f"{user} "]))
    block(app, user, f"user:{eve}")
    block(app, user, f"{eve} ")
    assert (inbox(app, user).unread_count, inbox(app, f"{user} ").unread_count) == (1, 1)
    block(app, user, eve)
    assert (inbox(app, user).unread_count, inbox(app, f"{user} ").unread_count) == (0, 1)


def test_the_stream_of_a_blocker_tells_what_leaves_and_resumes_across_it(
    app: httpx.Client, user: str
) -> None:
    """A group that shrank comes as it is now, one that is empty as a tombstone, each with exact counts and a seq of its
    own; a device that was away gets the same."""
    eve, told = f"eve-{user}", {"target_user_ids": [user]}
    publish(
        app,
        event("ann", **told),
        event(eve, **told, actor_name="Eve"),
        event(eve, **told, verb="wave"),
    )
    seen = inbox(app, user)
    assert (seen.unread_count, seen.seq) == (2, 3)
    with streaming(app, user) as stream:
        hello = stream.next("hello")
        block(app, user, eve)
        stone, group = frames(stream, 2)
    assert stone.data == {
        "id": stone.data["id"], "seq": 4, "deleted": True, "unread_count": 1, "unread_items": 1, "unseen_count": 1
    }  # fmt: skip
    assert (group.data["seq"], group.data["unread_count"], group.data["unread_items"]) == (5, 1, 1)
    assert (group.data["message"], group.data["actors"]) == ("ann: comment · market 42", ["ann"])
    with streaming(app, user, last=hello.id) as again:
        assert again.next("hello").data["resumed"]
        assert [frame.data for frame in frames(again, 2)] == [stone.data, group.data]
    with streaming(app, user, last=stone.id) as half:
        half.next("hello")
        assert [frame.data for frame in frames(half, 1)] == [group.data]
    now = inbox(app, user)
    assert (now.unread_count, now.seq, [item.actors for item in now.items]) == (1, 5, [["ann"]])


@pytest.mark.need("FE15")
def test_no_page_shows_the_blocked_to_the_viewer(app: httpx.Client, user: str) -> None:
    """The activity of everyone, of a topic and of the actor; named by an API key or by the user's own token. Others, and
    who asks for nobody, see it."""
    eve, thing = f"eve-{user}", f"market:{user}"
    mine = {"object_id": user}
    shown, hidden = publish(app, event("ann", **mine), event(eve, **mine))
    block(app, user, eve)

    page = f"/v1/topics/{thing}/activity"
    assert activity(app, page, user_id=user) == [shown]
    assert activity(app, page, user_id=user, verb="comment") == [shown]
    assert activity(app, f"/v1/topics/user:{eve}/activity", user_id=user) == []
    assert activity(app, "/v1/activity", user_id=user, object_id=user) == [shown]
    assert activity(app, "/v1/activity", user_id=eve, object_id=user) == [hidden, shown]
    assert activity(app, page) == [hidden, shown]
    assert activity(app, page, bearer(token(user))) == [shown]
    block(app, user, eve, on=False)
    assert activity(app, page, user_id=user) == [hidden, shown]


def test_the_feed_the_new_count_and_the_summary_hide_the_blocked(app: httpx.Client, user: str) -> None:
    """And show it again when the block is taken back; the inbox does not."""
    eve, told = f"eve-{user}", {"target_user_ids": [user]}
    publish(app, event(eve, **told))

    def seen() -> list[int]:
        query = {"user_id": user}
        page = of(app.get("/v1/feed", params=query), schemas.FeedPage)
        new = of(app.get("/v1/feed/new", params=query | {"since": "0"}), schemas.NewCount)
        summary = of(app.get("/v1/feed/summary", params=query), schemas.Summary)
        return [len(page.items), new.count, summary.total]

    assert seen() == [1, 1, 1]
    block(app, user, eve)
    assert seen() == [0, 0, 0]
    block(app, user, eve, on=False)
    assert (seen(), inbox(app, user).items) == ([1, 1, 1], [])


def test_a_cursor_of_one_viewer_is_none_of_anothers(app: httpx.Client, user: str) -> None:
    """Their pages differ."""
    publish(app, event("ann", object_id=user), event("ann", object_id=user))
    path = f"/v1/topics/market:{user}/activity"
    query: dict[str, Any] = {"user_id": user, "limit": 1}
    first = of(app.get(path, params=query), schemas.ActivityPage)
    second = query | {"cursor": first.next_cursor}
    assert not of(app.get(path, params=second), schemas.ActivityPage).has_more
    assert app.get(path, params=second | {"user_id": "ann"}).status_code == 400
