"""Every method against the route table and the shapes that the server documents."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.wire.people import event
from tidings.client import AsyncClient, Client, NewReminder, Preferences
from tidings.client.api import Api, ImportResults
from tidings.client.descriptors import listing, methods_of
from tidings.client.request import Call
from tidings.http.routes import ROUTES
from tidings.http.routing import Route

BOB = Client("http://127.0.0.1:1", user_id="bob")
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "publish": (event(),),
    "publish_many": ([event()],),
    "import_lines": ([event()],),
    "event": ("1",),
    "retract": ("1",),
    "broadcast": (event(),),
    "follow": ("market:1",),
    "unfollow": ("market:1",),
    "follow_many": ([("bob", "market:1")],),
    "unfollow_many": ([("bob", "market:1")],),
    "mute": ("market:1",),
    "unmute": ("market:1",),
    "block": ("carl",),
    "unblock": ("carl",),
    "feed_new": (0,),
    "activity_new": (0, "market:1"),
    "mark_feed_unread": (["1"],),
    "undo_feed_read": ("token",),
    "mark_activity_unread": (["1"],),
    "undo_activity_read": ("token",),
    "activity": ("market:1",),
    "changes": (0,),
    "mark": ("n1-1", "read"),
    "notification": ("n1-1",),
    "mark_many": (["n1-1"], "read"),
    "snooze": ("n1-1", datetime(2199, 1, 1, tzinfo=UTC)),
    "snooze_many": (["n1-1"], datetime(2199, 1, 1, tzinfo=UTC)),
    "mute_thread": ("n1-1",),
    "act": ("n1-1", "accept"),
    "undo": ("token",),
    "explain": ("1",),
    "set_preferences": (Preferences(),),
    "change_preferences": ({"locale": None},),
    "set_display_name": ("Bob",),
    "set_reminder": (
        "key",
        NewReminder(type="due", object_type="m", object_id="1", user_ids=("bob",), after_s=60),
    ),
    "reminder": ("key",),
    "cancel_reminder": ("key",),
    "add_endpoint": ("email", "bob@example.com"),
    "enable_endpoint": ("1",),
    "rotate_secret": ("1",),
    "remove_endpoint": ("1",),
    "resend_delivery": ("1",),
    "declare_type": ("like", {}),
    "backfill": (30,),
    "job": ("backfill-1",),
    "merge_user": ("visitor", "bob"),
    "merge_job": ("merge-1",),
    "withdraw_type": ("like",),
}
"""What must be given to describe a call; nothing where nothing must."""
NOT_CALLED = {
    "/v1/notifications/stream",
    "/v1/notifications/ws",
    "/v1/notifications/poll",
    "/v1/activity/stream",
    "/v1/confirm",
    "/v1/unsubscribe",
    "/v1/session",
    "/v1/topics/{topic}",
    "/v1/web-push/key",
    "/v1/admin/status",
    "/v1/admin/dead-letters",
    "/v1/admin/dead-letters/replay",
    "/v1/admin/reconcile",
}
"""Subscriptions have the stream and the poll; the rest is for operators, browsers and other tools."""
OPERATIONS = methods_of(Api)
OTHER_STATES = ("unread", "seen", "unseen", "archive", "unarchive", "unsnooze", "pin", "unpin")
"""States that are set as the one in the examples is."""


def described(name: str) -> Call[Any]:
    """The first call of a method."""
    made: Any = OPERATIONS[name]._describe(BOB, *ARGUMENTS.get(name, ()))
    first: Call[Any] = next(made) if isinstance(OPERATIONS[name], listing) else made
    return first


def route_of(call: Call[Any]) -> Route:
    """The route that a call goes to."""
    found = [route for route in ROUTES if route.method == call.request.method and fits(route.path, call)]
    assert found, f"no route for {call.request.method} {call.request.path}"
    return min(found, key=lambda route: route.path.count("{"))


def fits(path: str, call: Call[Any]) -> bool:
    """Whether a call's path is one of a route's."""
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), call.request.path) is not None


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_method_asks_as_the_route_says(name: str) -> None:
    """Its parameters and its body are those of the route, and so is what it expects of the reply."""
    call = described(name)
    route = route_of(call)
    query = {field.encode_name for field in msgspec.structs.fields(route.query)}
    assert {parameter for parameter, _ in call.request.query} <= query
    if call.request.body is not None and route.body is not None and not route.raw_body:
        msgspec.json.decode(call.request.body, type=route.body)
    for missing in set(needed(call)) - {"items", "deleted", "unreadable"}:  # only changes have tombstones
        assert missing in documented(route), f"{name} reads {missing}, which {route.path} does not send"


def needed(call: Call[Any]) -> Iterator[str]:
    """The fields of a reply that a method reads."""
    shape = getattr(getattr(call.decode, "__self__", None), "type", None)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        yield from (field.encode_name for field in msgspec.structs.fields(shape))


def documented(route: Route) -> set[str]:
    """The fields of a route's replies."""
    replies = route.reply if isinstance(route.reply, tuple) else (route.reply,)
    return {field.encode_name for reply in replies if reply for field in msgspec.structs.fields(reply)}


def test_every_route_has_a_method() -> None:
    """What a server can do, a client can ask for."""
    asked = {route_of(described(name)).path for name in OPERATIONS}
    bulk = {f"/v1/notifications/{{id}}/{verb}" for verb in OTHER_STATES}
    bulk |= {f"/v1/notifications/{verb}" for verb in OTHER_STATES}
    bulk |= {"/v1/activity/new"}  # as activity_new without a topic
    served = {route.path for route in ROUTES if route.path.startswith("/v1/")}
    assert served - NOT_CALLED - bulk - asked == set()


def test_both_clients_have_the_same_methods() -> None:
    """Described once; the docstrings come along."""
    for name, method in OPERATIONS.items():
        assert getattr(AsyncClient, name) is method
        assert getattr(Client, name) is method
        assert getattr(BOB, name).__doc__ == method.__doc__ != None  # noqa: E711


def test_lines_are_cut_into_requests() -> None:
    """A thousand at a time, each with a key of its own; those that came with one keep it."""
    events = (event(idempotency_key="k") if n == 7 else event() for n in range(1_500))
    series = Api.import_lines._describe(BOB, events)
    sent = list(map(msgspec.json.decode, lines_of(next(series))))
    assert len(sent) == 1_000
    assert sent[7]["idempotency_key"] == "k"
    assert len({body["idempotency_key"] for body in sent}) == 1_000
    assert len(lines_of(series.send(ImportResults(())))) == 500


def lines_of(call: Call[Any]) -> list[bytes]:
    """The lines that a call sends."""
    assert call.request.body is not None
    return call.request.body.splitlines()
