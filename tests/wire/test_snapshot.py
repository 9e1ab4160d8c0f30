"""A list, and what is told from its seq on, are together what a fresh list shows: for every kind of change, on both
stores, whichever way it is told."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from tests.serving import serving
from tests.wire.clients import told_by
from tests.wire.people import event
from tidings.client import (
    Client,
    InboxState,
    Item,
    Subscription,
    SubscriptionMachine,
    SubscriptionTimeouts,
    cursor_of,
)
from tidings.client.effects import Emit, Open, Outcome, Sleep, TransportError
from tidings.client.shapes import InboxChanges, InboxPage

TIMEOUT_S = 30
POLLED_AT_ONCE = SubscriptionTimeouts(wait_s=0)
MAX_STEPS = 1_000
"""Steps of a subscription that polls after which what it should be told must have come."""
STORES = {"sqlite": (), "memory": ("--store=memory://",)}


@pytest.fixture(scope="module", params=STORES)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with this store."""
    with serving(tmp_path_factory.mktemp(request.param), *STORES[request.param]) as address:
        yield address


class Inbox:
    """Somebody's inbox, and what can be done to it, one thing after the other. ``events`` are the ids of what they were told
    of, by actor and thing."""

    def __init__(self, app: httpx.Client, user: str) -> None:
        self.user = user
        self._app = app
        self.events: dict[str, str] = {}
        self.undo = ""
        self.tell("old", verb="like").mark("old", "read")
        self.tell("shelved").mark("shelved", "archive")
        self.tell("done").mark("done", "read")
        self.tell("seen").mark("seen", "seen")
        self.tell("new")
        self.tell("zoe", object_type="user")
        self.tell("group", verb="like").tell("group", "bob", verb="like")

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """The reply to a request that must be done."""
        reply = self._app.request(method, path, params=query, json=body)
        assert reply.is_success, reply.text
        return reply.json() if reply.content else None

    def tell(self, thing: str, actor: str = "alice", **fields: Any) -> Self:
        """Have something happen that this user is told of."""
        given = event(actor, object_id=thing, target_user_ids=[self.user]) | fields
        self.events[f"{actor}/{thing}"] = self.ask("POST", "/v1/events", given)["event_id"]
        return self

    def mark(self, thing: str, state: str) -> Self:
        """Say this of the notification of a thing."""
        self._deliver(f"{self.id(thing)}/{state}")
        return self

    def mark_some(self, state: str, *things: str) -> Self:
        """The same of some, in one request."""
        self._deliver(state, {"ids": [self.id(thing) for thing in things]})
        return self

    def read_all(self, **body: Any) -> Self:
        """Read everything; ``undo`` is then the token."""
        self.undo = self._deliver("read-all", body)["undo"] or ""
        return self

    def take_back(self) -> Self:
        """Undo the last read-all."""
        self._deliver("undo", {"undo": self.undo})
        return self

    def retract(self, act: str) -> Self:
        """Take back the event of this actor and thing."""
        self.ask("DELETE", f"/v1/events/{self.events[act]}")
        return self

    def erase(self, person: str = "") -> Self:
        """Forget a person, this user if nobody else is named."""
        self.ask("DELETE", f"/v1/users/{person or self.user}")
        return self

    def id(self, thing: str) -> str:
        """The id of the newest notification of a thing, whatever has become of it."""
        changes, found = {"has_more": True, "next_since": 0}, ""
        while changes["has_more"]:
            changes = self._list(since=changes["next_since"]).json()
            found = next((one["id"] for one in changes["items"] if one.get("object_id") == thing), found)
        return found

    @property
    def page(self) -> InboxPage:
        """What a fresh list shows, its pages as one."""
        pages = [msgspec.json.decode(self._list().content, type=InboxPage)]
        while cursor := pages[-1].next_cursor:
            pages.append(msgspec.json.decode(self._list(cursor=cursor).content, type=InboxPage))
        items = tuple(item for page in pages for item in page.items)
        return replace(pages[0], items=items, next_cursor=None, has_more=False)

    def since(self, page: InboxPage) -> InboxState:
        """What a client holds that had ``page`` and asked for changes."""
        fold = InboxState()
        fold.replace([page])
        more, since = True, page.seq
        while more:
            changes = msgspec.json.decode(self._list(since=since).content, type=InboxChanges)
            if changes.reset:
                fold.replace([self.page])
                return fold
            for item in told_by(changes):
                fold.apply(item)
            more, since = changes.has_more, changes.next_since
        return fold

    def _list(self, **query: Any) -> httpx.Response:
        parameters: dict[str, Any] = {"user_id": self.user, "limit": 100} | query
        return self._app.get("/v1/notifications", params=parameters)

    def _deliver(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", f"/v1/notifications/{path}", body, user_id=self.user)


Change = Callable[[Inbox], object]


def undone(box: Inbox, **body: Any) -> None:
    """A read-all and its undoing, with news in between."""
    box.read_all(**body).tell("between").take_back()


def reminded(box: Inbox) -> None:
    """A reminder that is due already fires at once."""
    past = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    about = {"type": "renewal", "object_type": "plan", "object_id": "7", "deliver_at": past}
    assert box.ask("PUT", f"/v1/reminders/{box.user}", about | {"user_ids": [box.user]})["fired"]


def broadcast(box: Inbox) -> None:
    """News for all who follow a topic of this test's own."""
    box.ask("PUT", f"/v1/users/{box.user}/follows/club:{box.user}", {"backfill": 0})
    box.ask("POST", "/v1/broadcasts", event("admin", object_id="news", audience=f"club:{box.user}"))


def many(box: Inbox) -> None:
    """More than a stream or a page tells at once, with marks among it."""
    for n in range(150):
        box.tell(f"many-{n}")
        if n % 50 == 0:
            box.read_all()
    box.mark("many-149", "archive")
    box.mark("many-3", "unread")


def returned(box: Inbox) -> None:
    """Whoever was erased is told of more than they ever were."""
    before = box.page.seq
    box.erase()
    for n in range(before + 1):
        box.tell(f"again-{n}")


CHANGES: dict[str, Change] = {
    "new": lambda box: box.tell("more"),
    "joined": lambda box: box.tell("group", "carol", verb="like"),
    "joined again by one who is in it": lambda box: box.tell("group", "alice", verb="like"),
    "beside a group that is closed": lambda box: box.tell("old", "carol", verb="like"),
    "read": lambda box: box.mark("new", "read"),
    "read after it was seen": lambda box: box.mark("seen", "read"),
    "unread": lambda box: box.mark("done", "unread"),
    "seen": lambda box: box.mark("new", "seen"),
    "unseen": lambda box: box.mark("seen", "unseen"),
    "unseen and so unread": lambda box: box.mark("done", "unseen"),
    "archived": lambda box: box.mark("new", "archive"),
    "archived when read": lambda box: box.mark("done", "archive"),
    "unarchived": lambda box: box.mark("shelved", "unarchive"),
    "some read": lambda box: box.mark_some("read", "new", "done", "group"),
    "some unread": lambda box: box.mark_some("unread", "done", "old", "new"),
    "some seen": lambda box: box.mark_some("seen", "new", "group"),
    "some unseen": lambda box: box.mark_some("unseen", "done", "seen"),
    "some archived": lambda box: box.mark_some("archive", "new", "done", "group"),
    "some unarchived": lambda box: box.mark_some("unarchive", "shelved", "new"),
    "all read": lambda box: box.read_all(),
    "all read up to a seq": lambda box: box.read_all(up_to=box.page.seq - 2),
    "all of a type read": lambda box: box.read_all(type="like"),
    "all read, and then unread": lambda box: box.read_all().mark("new", "unread"),
    "all read, and then joined": lambda box: box.read_all().tell("group", "carol", verb="like"),
    "all read, and then seen": lambda box: box.read_all(up_to=1).mark("new", "seen"),
    "all read of two types": lambda box: box.read_all(type="like").read_all(type="comment"),
    "all read, undone": undone,
    "all of a type read, undone": lambda box: undone(box, type="comment"),
    "one of a group retracted": lambda box: box.retract("alice/group"),
    "the newest of a group retracted": lambda box: box.retract("bob/group"),
    "all of a group retracted": lambda box: box.retract("bob/group").retract("alice/group"),
    "retracted": lambda box: box.retract("alice/new"),
    "retracted when read": lambda box: box.retract("alice/done"),
    "retracted when archived": lambda box: box.retract("alice/shelved"),
    "broadcast": broadcast,
    "reminded": reminded,
    "erased": lambda box: box.erase(),
    "erased and told again": lambda box: box.erase().tell("again"),
    "erased and told of more than before": returned,
    "the actor of all erased": lambda box: box.erase("alice"),
    "an actor of a group erased": lambda box: box.erase("bob"),
    "an actor erased who returns": lambda box: box.erase("bob").tell("group", "bob", verb="like"),
    "the object erased": lambda box: box.erase("zoe"),
    "actor and object erased when all was read": lambda box: box.read_all().erase("alice").erase("zoe"),
    "many": many,
}


def muted(box: Inbox) -> None:
    """A topic that is muted brings nothing, and takes nothing away."""
    box.ask("PUT", f"/v1/users/{box.user}/mutes/market:quiet")
    box.tell("quiet")


def unwanted(box: Inbox) -> None:
    """Nor does a type that is not wanted."""
    box.ask("PUT", "/v1/preferences", {"types": {"comment": {"in_app": False}}}, user_id=box.user)
    box.tell("unwanted")


NO_CHANGES: dict[str, Change] = {
    "muted": muted,
    "unwanted": unwanted,
    "read again": lambda box: box.mark("done", "read"),
    "of all of a type that there is not": lambda box: box.read_all(type="poke"),
    "own act": lambda box: box.tell("own", box.user),
}


def applied(page: InboxPage, items: Iterator[Item], until: InboxPage) -> InboxState:
    """What a client holds that had ``page`` and was told ``items`` up to the seq of another page."""
    fold = InboxState()
    fold.replace([page])
    while fold.seq != until.seq or fold.unread_count != until.unread_count:
        fold.apply(next(items))
    return fold


def polled(client: Client, user: str, page: InboxPage) -> Iterator[Item]:
    """What polls tell beyond a page: a subscription to which no stream gets through."""
    session = SubscriptionMachine(user, cursor=cursor_of(page), pace=POLLED_AT_ONCE)
    outcome: Outcome = None
    for _ in range(MAX_STEPS):
        match action := session.step(outcome):
            case Emit():
                outcome = None
                yield action.item
            case Open():
                outcome = TransportError("no stream gets through")
            case Sleep():
                outcome = None
            case _:
                outcome = client.perform(action, threading.Event())


@contextlib.contextmanager
def listening(client: Client, user: str, page: InboxPage) -> Iterator[Subscription]:
    """What a stream tells beyond a page; it ends when that takes too long."""
    with client.subscribe(user=user, cursor=cursor_of(page)) as stream:
        limit = threading.Timer(TIMEOUT_S, stream.close)
        limit.start()
        try:
            yield stream
        finally:
            limit.cancel()


def same(fold: InboxState, page: InboxPage) -> None:
    """What a client holds is what the list shows, field by field."""
    assert fold.items == list(page.items)
    assert (fold.unread_count, fold.unread_items, fold.seq) == (
        page.unread_count,
        page.unread_items,
        page.seq,
    )


def told(url: str, user: str, change: Change) -> tuple[InboxPage, InboxPage]:
    """The list before a change and after it, when all ways of being told of it have led from the one to the other."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_S) as app, Client(url) as client:
        box = Inbox(app, user)
        before = box.page
        with listening(client, user, before) as live:
            next(live)  # it stands
            change(box)
            after = box.page
            same(applied(before, live, after), after)
        with listening(client, user, before) as resumed:
            same(applied(before, resumed, after), after)
        same(applied(before, polled(client, user, before), after), after)
        same(box.since(before), after)
    return before, after


@pytest.mark.parametrize("name", CHANGES)
def test_list_and_changes_are_a_fresh_list(url: str, name: str) -> None:
    before, after = told(url, re.sub(r"\W+", "-", name), CHANGES[name])
    assert after.seq != before.seq


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_changes_nothing_is_not_told(url: str, name: str) -> None:
    before, after = told(url, "un" + re.sub(r"\W+", "-", name), NO_CHANGES[name])
    assert after == before
