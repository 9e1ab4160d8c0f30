"""Many who write events that not everybody may see, block actors and mark what they read; and what replies show of it."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import msgspec

from tests.wire.clients import ACTIONS, THINGS, VERBS, WRITES, Facts, Person
from tests.wire.people import KEY, bearer, event
from tests.wire.streams import Message
from tidings.client import Activity, Changed, FeedItem, FeedRead, FeedState, InboxState, Item, Reset
from tidings.client.cursor import parse
from tidings.client.shapes import FeedPage, Notification
from tidings.visibility import NAMES

TOPIC = "club:half"
"""What every other user follows, and every event names."""
VISITS = 3
"""Notifications of each visitor who is merged into a user."""
ACTORS = tuple(f"actor-{n}" for n in range(5))
BLOCKED = ACTORS[:2]
"""Those whom users block at times. Nobody tells a client of a block: of these it may hold more, or less, than a new page."""
HOST = "host"
"""Who notifies visitors. No stream carries what a merge of users adds to a feed."""
TOGETHER = "like"
"""The verb whose notifications share their read state with the feed. What was read with its notification, and then in the
feed too, has the later time there, of which no stream tells."""
EVERYBODY = "all"
_SEEN_BY = re.compile(rb'"seen_by":"([^"]*)"')
_page = msgspec.json.Decoder(FeedPage).decode


def untainted(reply: bytes, viewer: str) -> None:
    """I9: every event in a reply is for everybody, or for this viewer ("": somebody without a credential)."""
    for found in _SEEN_BY.finditer(reply):
        names = found[1].decode().split("+")
        around = reply[max(0, found.start() - 400) : found.end()]
        assert EVERYBODY in names or viewer in names, f"in a reply to {viewer!r}: {around!r}"


def counts_all(page: FeedPage, later: FeedPage) -> None:
    """The number of new items of a page, which is read after its items, includes each that a later page still has; but for
    those of actors who were blocked, of whom the number may be from between."""
    still = {item.event_id for item in later.items if item.actor_id not in BLOCKED}
    sure = [item for item in page.items if item.event_id in still]
    assert page.new_count is None or page.new_count_capped or page.new_count >= len(sure), (page, later)


class Reader(Person):
    """Somebody who also reads feeds and activity, and does what concerns them. ``pair``: a user and an actor whom nobody
    else blocks for that user, and when this one does, the user sees nothing of the actor."""

    def __init__(
        self, url: str, users: Sequence[str], facts: Facts, seed: int, pair: tuple[str, str] | None = None
    ) -> None:
        super().__init__(url, users, facts, seed, bearer(KEY))
        self._pair = pair
        self._blocks = False
        self._undo_feed: dict[str, str] = {}

    def write(self) -> None:
        """One of all the things that can be done."""
        choice = self.chance.choices(list(_WRITES), weights=list(_WRITES.values()))[0]
        choice(self)

    def publish(self) -> None:
        """Something happens that everybody may see, or that some may."""
        targets = self.chance.sample(self._users, self.chance.randint(1, len(self._users)))
        visibility = self.chance.choice(NAMES)
        followers = self._users[::2] if visibility == "followers" else ()
        seen_by = [EVERYBODY] if visibility == "public" else sorted({*targets, *followers})
        given = event(
            self.chance.choice(ACTORS),
            verb=self.chance.choice(VERBS),
            object_id=str(self.chance.randrange(THINGS)),
            target_user_ids=targets,
            topics=[TOPIC],
            actions=ACTIONS,
            visibility=visibility,
            metadata={"seen_by": "+".join(seen_by)},
        )
        self._own.append(self._ask("POST", "/v1/events", body=given).json()["event_id"])

    def feed(self, user: str, **query: Any) -> FeedPage:
        """A page of a feed."""
        return _page(self._ask("GET", "/v1/feed", {"user_id": user, "limit": 100} | query).content)

    def activity(self, user: str, topic: str | None = None) -> FeedPage:
        """A page of activity, for a user."""
        path = "/v1/activity" if topic is None else f"/v1/topics/{topic}/activity"
        return _page(self._ask("GET", path, {"user_id": user, "limit": 100}).content)

    def all_activity(self, user: str, topic: str | None) -> list[FeedItem]:
        """All pages of activity; for a visitor ("") as for everybody."""
        path, items, cursor = (
            "/v1/activity" if topic is None else f"/v1/topics/{topic}/activity",
            list[FeedItem](),
            "",
        )
        while True:
            query = (
                {"limit": 100} | ({"user_id": user} if user else {}) | ({"cursor": cursor} if cursor else {})
            )
            page = _page(self._http.get(path, params=query).raise_for_status().content)
            items += page.items
            if page.next_cursor is None:
                return items
            cursor = page.next_cursor

    def look(self) -> None:
        """Some lists of somebody, and their numbers of new events."""
        user = self.somebody()
        counts_all(self.feed(user, since=0), self.feed(user))
        for topic in (None, TOPIC):
            self.activity(user, topic)

    def block(self) -> None:
        """A block begins or ends; between the two, the user sees nothing of the actor, and every count says so."""
        if self._pair is None:
            self.look()
            return
        user, actor = self._pair
        path = f"/v1/users/{user}/blocks/{actor}"
        if self._blocks:
            self.sees_nothing(user, actor)
        self._ask("DELETE" if self._blocks else "PUT", path)
        self._blocks = not self._blocks
        if self._blocks:
            self.sees_nothing(user, actor)

    def sees_nothing(self, user: str, actor: str) -> None:
        """I3, I6, I9: neither the inbox of a user has anything of an actor, nor any list."""
        inbox = self.page(user)
        assert not [item for item in inbox.items if actor in item.actors], (
            f"{user} has notifications of {actor}"
        )
        for page in (self.feed(user), self.activity(user), self.activity(user, TOPIC)):
            assert not [item for item in page.items if item.actor_id == actor], f"{user} sees {actor}"

    def merge(self) -> None:
        """I3: somebody who was notified without an account turns out to be a user, who has the notifications then, and
        nobody else."""
        user, visitor = self.somebody(), f"visitor-{self.chance.getrandbits(64):x}"
        for n in range(VISITS):
            given = event(
                HOST,
                object_id=f"{visitor}-{n}",
                target_user_ids=[visitor],
                visibility="recipients",
                metadata={"seen_by": f"{visitor}+{user}"},
            )
            self._ask("POST", "/v1/events", body=given)
        job = self._ask("POST", f"/v1/admin/users/{visitor}/merge", body={"into": user}).json()
        while job["state"] == "running":
            job = self._ask("GET", f"/v1/admin/jobs/{job['job_id']}").json()
        assert (job["state"], job["counts"]["notifications"]) == ("done", VISITS), job
        left = self.page(visitor)
        assert (left.items, left.unread_count, self.feed(visitor).items) == ((), 0, ()), (
            f"{visitor} has {left}"
        )

    def reads_together(self, user: str) -> None:
        """I6: no event of a read notification is unread in a feed that shares its read state."""
        read = {item.event_id: item.read_at for item in self.feed(user).items}
        for item in self.page(user).items:
            if item.type == TOGETHER and item.read_at is not None:
                unread = [one for one in item.event_ids if one in read and read[one] is None]
                assert not unread, f"{user} has read {item}, and not {unread}"

    def mark_feed(self) -> None:
        """Some events are read, or unread, in the feed or as activity."""
        user, of_feed = self.somebody(), self.chance.random() < 0.5
        items = (self.feed(user) if of_feed else self.activity(user)).items
        ids = [
            item.event_id for item in self.chance.sample(items, min(len(items), self.chance.randint(1, 5)))
        ]
        if ids:
            path = f"/v1/{'feed' if of_feed else 'activity'}/{self.chance.choice(('read', 'read', 'unread'))}"
            self._ask("POST", path, {"user_id": user}, {"event_ids": ids})

    def reread(self, user: str) -> None:
        """The newest event of a feed becomes unread, and read again."""
        ids = [item.event_id for item in self.feed(user).items[:1]]
        for state in ("unread", "read") if ids else ():
            self._ask("POST", f"/v1/feed/{state}", {"user_id": user}, {"event_ids": ids})

    def read_feed(self) -> None:
        """All of a feed, or of activity, up to a position; perhaps of the topic alone."""
        user, of_feed = self.somebody(), self.chance.random() < 0.5
        body: dict[str, Any] = {
            "all": True,
            "up_to": max(0, self.feed(user).position - self.chance.randrange(20)),
        }
        if not of_feed and self.chance.random() < 0.5:
            body["topic"] = TOPIC
        reply = self._ask("POST", f"/v1/{'feed' if of_feed else 'activity'}/read", {"user_id": user}, body)
        if token := reply.json()["undo"]:
            self._undo_feed[user] = token

    def undo_feed(self) -> None:
        """The last such read-all of somebody is taken back, perhaps a second time."""
        if self._undo_feed:
            user, token = self.chance.choice(list(self._undo_feed.items()))
            self._ask("POST", "/v1/feed/undo", {"user_id": user}, {"undo": token})

    def _ask(self, method: str, path: str, query: Any = None, body: Any = None) -> httpx.Response:
        reply = super()._ask(method, path, query, body)
        if query:
            untainted(reply.content, query["user_id"])
        return reply


_WRITES: dict[Callable[[Reader], None], int] = {
    **WRITES,
    Reader.publish: 10,
    Reader.block: 3,
    Reader.mark_feed: 4,
    Reader.read_feed: 2,
    Reader.undo_feed: 1,
    Reader.look: 1,
    Reader.merge: 2,
}
"""What is done, and how often."""
del _WRITES[Person.publish]


class Tab:
    """What one of a user's tabs holds: an inbox and a feed. ``since`` is the position from which on it was told all of the
    feed, ``marks`` how often it was told what was read."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.inbox = InboxState()
        self.feed = FeedState()
        self.since = 0
        self.marks = 0
        self._heard_end = {"inbox": False, "feed": False}

    def take(self, item: Item, the_end: str) -> bool:
        """The next item; whether there is another, which there is until the feed and the inbox have come to the end."""
        self.inbox.apply(item)
        self.feed.apply(item)
        match item:
            case Reset():
                self.since = parse(item.cursor).position or 0
                self._take("inbox", item.notifications, the_end)
                self._take("feed", item.feed, the_end)
            case FeedRead():
                self.marks += 1
            case Changed():
                self._take("inbox", [item.item], the_end)
            case Activity():
                self._take("feed", [item.item], the_end)
            case _:
                pass
        return not all(self._heard_end.values())

    def _take(self, where: str, items: Sequence[Notification | FeedItem], the_end: str) -> None:
        untainted(msgspec.json.encode(items), self.user)
        self._heard_end[where] = self._heard_end[where] or any(item.object_id == the_end for item in items)

    def agrees(self, fresh: FeedPage) -> None:
        """I5, I6: it holds each event of a new page that it was told of since, and each is read as that says; but for those
        of actors who were blocked, and for followers, of whose topics a client does not know which its user follows."""
        held = {item.event_id: item for item in self.feed.items}
        for item in fresh.items:
            if item.actor_id in (*BLOCKED, HOST) or item.visibility == "followers":
                continue
            assert item.event_id in held or item.position <= self.since, f"{self.user} was not told of {item}"
            shown = held.get(item.event_id, item)
            same = (shown.read_at is None) == (item.read_at is None)
            same = same if item.verb == TOGETHER else shown.read_at == item.read_at
            assert same, f"{self.user} holds {shown}, a new page has {item}"


class Watcher:
    """A stream of activity, of a user or ("") of somebody without a credential: of all public events, or of a topic.
    ``since`` is the position from which on it was told all: that of its hello, or of its last reset."""

    def __init__(self, viewer: str, topic: str | None = None) -> None:
        self.viewer = viewer
        self.topic = topic
        self.since = 0
        self._told: dict[str, int] = {}
        self._retracted: set[str] = set()

    @property
    def request(self) -> tuple[str, dict[str, str]]:
        """The path and the query of the stream."""
        if not self.viewer:
            return "/v1/activity/stream", {}
        scope = (
            {"include": "activity:all"}
            if self.topic is None
            else {"topic": self.topic, "include": "activity"}
        )
        return "/v1/notifications/stream", {"user_id": self.viewer} | scope

    def take(self, message: Message, the_end: str) -> bool:
        """The next message; whether there is another."""
        name, id, data = message
        untainted(msgspec.json.encode(data), self.viewer)
        match name:
            case "hello":
                self.since = data["position"]
            case "activity":
                assert data["event_id"] not in self._told, f"{data} came twice"
                self._told[data["event_id"]] = data["position"]
                return bool(data["object_id"] != the_end)
            case "retracted":
                self._retracted.add(data["event_id"])
            case "reset":
                assert self.viewer, f"nobody undoes what a visitor read: {message}"
                self.since = parse(id).position or 0
            case _:
                assert name in ("heartbeat", "feed_read"), message
        return True

    def agrees(self, listed: Sequence[FeedItem]) -> None:
        """I5: it was told of each event that is listed now, and that each other one was retracted; but for those of actors
        who were blocked."""
        sure = [item for item in listed if item.position > self.since]
        if self.viewer:
            sure = [item for item in sure if item.actor_id not in BLOCKED]
        missed = [item for item in sure if item.event_id not in self._told]
        assert not missed, f"{self.viewer!r} was not told of {missed}"
        left = self._told.keys() - self._retracted - {item.event_id for item in listed}
        assert self.viewer or not left, f"{left} are not listed, and no retraction was told"
