"""What a client holds is what a fresh list shows, after every kind of change (I6)."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.client.fake_server import AT, note
from tests.client.proxy import PASS, REFUSE, Fate, between
from tests.wire.people import token
from tidings.client import (
    Activity,
    Changed,
    Client,
    FeedItem,
    FeedRead,
    FeedState,
    InboxState,
    Item,
    NewEvent,
    Notification,
    Read,
    Reset,
    Retracted,
    Subscription,
    SubscriptionTimeouts,
)
from tidings.client.api import State
from tidings.client.shapes import FeedPage, InboxPage

TIMEOUT_S = 30
"""Until an item that does not come fails the test."""


class Inbox:
    """An inbox that is changed over the wire, and a fold that is told of it."""

    def __init__(self, app: Client, user: str, told: Subscription) -> None:
        self.app = app
        self.user = user
        self.fold = InboxState()
        self._told = told

    def populate(self) -> None:
        """A group of two, and two others."""
        self.oldest_of_group = self.tell("1")
        self.newest_of_group = self.tell("1", "carl")
        self.tell("2", verb="comment")
        self.tell("3", verb="comment")

    def tell(self, thing: str, actor: str = "alice", verb: str = "like") -> str:
        """Publish something for the user."""
        return self.app.publish(
            NewEvent(
                actor_id=actor, verb=verb, object_type="m", object_id=thing, target_user_ids=(self.user,)
            )
        ).event_id

    def id(self, thing: str) -> str:
        """The notification of a thing."""
        return next(item.id for item in self.fresh().items if item.object_id == thing)

    def fresh(self) -> InboxPage:
        """The list as it is now."""
        return self.app.notifications_page(user=self.user, limit=100)

    def same(self) -> None:
        """I6, once the fold has been told everything; which it is within TIMEOUT_S."""
        fresh, fold = self.fresh(), self.fold
        limit = threading.Timer(TIMEOUT_S, self._told.close)
        limit.start()
        while fold.seq != fresh.seq:
            fold.apply(next(self._told))
        limit.cancel()
        assert fold.items == list(fresh.items)
        assert (fold.unread_count, fold.unread_items) == (fresh.unread_count, fresh.unread_items)

    def mark(self, thing: str, state: State) -> None:
        """Set the state of the notification of a thing."""
        assert self.app.mark(self.id(thing), state, user=self.user).updated == 1


def join(inbox: Inbox) -> None:
    """Another one comes to a group."""
    inbox.tell("1", "dora")


def open_another(inbox: Inbox) -> None:
    """What was read is a group no more."""
    inbox.mark("1", "read")
    inbox.tell("1", "dora")


def read_and_unread(inbox: Inbox) -> None:
    """Back and forth; the second time it is told of one that is known to be read."""
    inbox.mark("1", "read")
    inbox.same()
    inbox.mark("1", "unread")
    inbox.same()
    inbox.mark("1", "read")


def see_and_unsee(inbox: Inbox) -> None:
    """Seen is not read; unseen is unread."""
    inbox.mark("1", "seen")
    inbox.same()
    inbox.mark("1", "read")
    inbox.mark("1", "unseen")


def archive_and_back(inbox: Inbox) -> None:
    """It leaves the list, and comes back to its place."""
    id = inbox.id("1")
    inbox.mark("1", "archive")
    inbox.same()
    inbox.app.mark(id, "unarchive", user=inbox.user)


def many_at_once(inbox: Inbox) -> None:
    """A seq for each."""
    marked = inbox.app.mark_many([inbox.id("1"), inbox.id("2"), "nobody's"], "read", user=inbox.user)
    assert marked.updated == 2


def read_all(inbox: Inbox) -> None:
    """What came after the list that was seen stays unread."""
    seq = inbox.fresh().seq
    inbox.tell("4")
    assert inbox.app.read_all(user=inbox.user, up_to=seq).updated == 3


def read_all_of_a_type(inbox: Inbox) -> None:
    """The others stay unread."""
    assert inbox.app.read_all(user=inbox.user, type="comment").updated == 2
    inbox.same()
    inbox.mark("2", "unread")
    inbox.same()
    assert inbox.app.read_all(user=inbox.user).updated == 2


def undo(inbox: Inbox) -> None:
    """All as it was, but for what was changed since."""
    marked = inbox.app.read_all(user=inbox.user)
    inbox.same()
    inbox.mark("2", "archive")
    assert marked.undo is not None
    assert inbox.app.undo(marked.undo, user=inbox.user).updated == 2


def retract_one_of_a_group(inbox: Inbox) -> None:
    """The newest: what is left tells of the one before."""
    inbox.app.retract(inbox.newest_of_group)


def retract_the_last(inbox: Inbox) -> None:
    """Nothing is left."""
    inbox.app.retract(inbox.oldest_of_group)
    inbox.same()
    inbox.app.retract(inbox.newest_of_group)


def erase(inbox: Inbox) -> None:
    """The inbox is empty."""
    inbox.app.erase(user=inbox.user)


def broadcast(inbox: Inbox) -> None:
    """It comes to whoever of its audience looks."""
    club = f"club:{inbox.user}"
    inbox.app.follow(club, user=inbox.user)
    news = NewEvent(actor_id="desk", verb="news", object_type="page", object_id="1")
    inbox.app.broadcast(news, audience=club)


STEPS: list[Callable[[Inbox], None]] = [
    join,
    open_another,
    read_and_unread,
    see_and_unsee,
    archive_and_back,
    many_at_once,
    read_all,
    read_all_of_a_type,
    undo,
    retract_one_of_a_group,
    retract_the_last,
    erase,
    broadcast,
]


def no_streams(asked: bytes) -> Fate:
    """A proxy that lets no stream through."""
    return REFUSE if b"/stream" in asked.partition(b"\r\n")[0] else PASS


QUICK = SubscriptionTimeouts(first_s=0.01, longest_s=0.05)


@pytest.mark.parametrize("way", ["stream", "polling"])
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_every_change_is_folded(url: str, app: Client, way: str, step: Callable[[Inbox], None]) -> None:
    """As a stream tells it, and as polls do."""
    user = f"{step.__name__}-{way}"
    with (
        between(url, no_streams if way == "polling" else lambda _: PASS) as proxy,
        Client(proxy.url, token=token(user)) as client,
        client.subscribe(fresh=True, pace=QUICK) as told,
    ):
        inbox = Inbox(app, user, told)
        inbox.populate()
        inbox.same()
        step(inbox)
        inbox.same()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_every_change_is_folded_after_an_absence(
    url: str, app: Client, step: Callable[[Inbox], None]
) -> None:
    """All of it at once, from a cursor that was kept."""
    user = f"{step.__name__}-absent"
    with Client(url, token=token(user)) as client:
        with client.subscribe(fresh=True) as told:
            inbox = Inbox(app, user, told)
            inbox.populate()
            inbox.same()
            cursor = told.cursor
        inbox.same = lambda: None  # type: ignore[method-assign]
        step(inbox)
        with client.subscribe(cursor=cursor) as told:
            again = Inbox(app, user, told)
            again.fold = inbox.fold
            again.same()


def test_a_fold_of_a_part() -> None:
    """Of a long inbox the newest are held; what changes below is not shown, and does not break the order."""
    fold = InboxState(keep=3)
    fold.replace([page(9, 8, more=True), page(7, 5, more=True)])
    assert (shown(fold), fold.complete) == ([9, 8, 7], False)
    fold.apply(changed(note(10, order=5)))
    fold.apply(changed(note(11, order=11)))
    assert shown(fold) == [11, 9, 8]
    fold.apply(changed(note(12, order=9, id="n9", archived_at=AT)))
    assert shown(fold) == [11, 8]
    fold.apply(changed(note(13, order=7)))
    assert shown(fold) == [11, 8]


def test_what_was_folded_changes_nothing() -> None:
    """Items may be applied again, in their order, without harm."""
    fold = InboxState()
    fold.replace([page(2, 1)])
    items: list[Item] = [
        changed(note(3)),
        changed(note(4, id="n1", order=1, deleted=True)),
        Read(read_at=AT, unread_count=1, unread_items=1, seq=5, cursor="", up_to=2),
        changed(note(6)),
    ]
    for item in items:
        fold.apply(item)
    before = fold.items, fold.seq, fold.unread_count
    for item in items:
        fold.apply(item)
        assert (fold.items, fold.seq, fold.unread_count) == before


def notification(of: dict[str, Any]) -> Notification:
    """One of these fields."""
    return msgspec.convert(of, Notification, strict=False)


def changed(of: dict[str, Any]) -> Changed:
    """That it changed."""
    item = notification(of)
    return Changed(item=item, unread_count=1, unread_items=1, seq=item.seq, cursor="")


def page(*seqs: int, more: bool = False) -> InboxPage:
    """A page of a list."""
    return InboxPage(items=tuple(notification(note(seq)) for seq in seqs), has_more=more, seq=9)


def shown(fold: InboxState) -> list[int]:
    """The orders of what a fold shows."""
    return [item.order for item in fold.items]


# --- feeds ------------------------------------------------------------------------------------------------------


def fed(position: int, **fields: Any) -> FeedItem:
    """An item of a feed; its id has the order of its position, unless another is given."""
    known = {"event_id": f"e{position}", "position": position, "actor_id": "ann", "verb": "post"}
    more = {"object_type": "m", "object_id": "1", "created_at": AT, "reason": {"kind": "target"}}
    return msgspec.convert(known | more | fields, FeedItem)


def unread(fold: FeedState) -> list[int]:
    """The positions of what a fold has as unread."""
    return [item.position for item in fold.items if item.read_at is None]


def test_a_feed_fold_takes_in_marks_and_retractions() -> None:
    """By id and up to a position, both ways round; a late item is in its place; what is not held changes nothing."""
    fold = FeedState()
    fold.replace(FeedPage(items=(fed(2), fed(1))))
    fold.apply(Activity(item=fed(3, event_id="e0"), position=3, cursor=""))
    assert [item.event_id for item in fold.items] == ["e2", "e1", "e0"]
    fold.apply(FeedRead(read_at=AT, position=4, cursor="", event_ids=("e1", "e9")))
    assert unread(fold) == [2, 3]
    fold.apply(FeedRead(read_at=AT, position=5, cursor="", up_to=2))
    assert unread(fold) == [3]
    fold.apply(FeedRead(read_at=None, position=6, cursor="", event_ids=("e2",)))
    assert unread(fold) == [2, 3]
    for _ in range(2):
        fold.apply(Retracted(event_id="e2", position=7, cursor=""))
        assert unread(fold) == [3]
    fold.apply(Reset(reason="", cursor="", feed=(fed(8),)))
    assert unread(fold) == [8]


def test_a_feed_fold_applies_read_alls_to_what_their_lists_have() -> None:
    """The fault: one of a topic, or of all users, marked the whole feed read, and one of the feed all that is not in it."""
    by_follow = {"kind": "follow", "topic": "tag:a"}
    items = (
        fed(1),
        fed(2, topics=("tag:a", "tag:b")),
        fed(3, topics=("tag:a", "tag:b"), visibility="followers", reason=by_follow),
        fed(4, topics=("tag:a",), visibility="recipients"),
        fed(5, reason={"kind": ""}),
    )
    left = {
        "tag:a": [5, 4, 1],
        "tag:b": [5, 4, 3, 1],
        "user:ann": [4, 3],
        "m:1": [4, 3],
        "tag:c": [5, 4, 3, 2, 1],
        "all": [4, 3],
        None: [5],
    }
    for activity, unread_now in left.items():
        fold = FeedState()
        fold.replace(FeedPage(items=items))
        fold.apply(FeedRead(read_at=AT, position=6, cursor="", up_to=6, activity=activity))
        assert unread(fold) == unread_now, activity


def test_a_feed_fold_holds_the_newest() -> None:
    """So many, whatever comes."""
    fold = FeedState(keep=2)
    for position in (3, 1, 2, 4):
        fold.apply(Activity(item=fed(position), position=position, cursor=""))
    assert [item.position for item in fold.items] == [4, 3]
