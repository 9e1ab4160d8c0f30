"""Many who write to some inboxes and read them at the same time, and what each reply says of their counts."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import msgspec

from tests.wire.people import event
from tidings.client import Changed, InboxState, Read, Seen
from tidings.client.shapes import InboxChanges, InboxPage, Notification, ReadAll

PAGE = 100
STATES = ("read", "unread", "seen", "unseen", "archive", "unarchive", "pin", "unpin")
SNOOZE_S = (0.2, 2.0)
"""Seconds of the shortest and of the longest snooze."""
ACTIONS = ({"id": "accept", "label": "Accept", "verb": "accept"}, {"id": "decline", "label": "Decline"})
"""What the events offer; one of the two publishes an event."""
VERBS = ("like", "comment", "follow")
RETURNS = 1_000
"""Changes of an inbox during which the last snooze must end: one of them is its end."""
THINGS = 6
"""So few things that most of what happens joins a group."""


class Counts(NamedTuple):
    """What an inbox counts."""

    unread_count: int
    unread_items: int
    unseen_count: int


class Facts:
    """What was said of inboxes, by user and seq: one truth for each. ``said`` is how often something was."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, tuple[Counts, str]]] = defaultdict(dict)
        self._lock = threading.Lock()
        self.said = 0

    def say(self, who: str, user: str, seq: int, counts: Counts) -> None:
        """Note a reply. Raises AssertionError when another one said otherwise of the same moment."""
        with self._lock:
            self.said += 1
            known, by = self._counts[user].setdefault(seq, (counts, who))
        assert known == counts, f"{user} at {seq}: {by} says {known}, {who} says {counts}"


class Person:
    """Somebody who asks and writes, with a connection of their own."""

    def __init__(
        self,
        url: str,
        users: Sequence[str],
        facts: Facts,
        seed: int,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.chance = random.Random(seed)
        self._users = users
        self._facts = facts
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False, headers=headers)
        self._own: list[str] = []
        self._undo: dict[str, str] = {}

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def somebody(self) -> str:
        """One of the users."""
        return self.chance.choice(self._users)

    # --- reading ----------------------------------------------------------------------------------------------

    def page(self, user: str, **query: Any) -> InboxPage:
        """A page of an inbox, noted."""
        given: dict[str, Any] = {"user_id": user, "limit": PAGE} | query
        page = msgspec.json.decode(self._ask("GET", "/v1/notifications", given).content, type=InboxPage)
        self._facts.say(
            "a list", user, page.seq, Counts(page.unread_count, page.unread_items, page.unseen_count)
        )
        return page

    def list(self) -> None:
        """An inbox that fits one page has as many unread rows as it says."""
        page = self.page(self.somebody(), unread_only=self.chance.random() < 0.5)
        if not page.has_more:
            unread = [item for item in page.items if item.unread]
            counted = Counts(
                len(unread), sum(item.count for item in unread), sum(item.unseen for item in unread)
            )
            assert counted == (page.unread_count, page.unread_items, page.unseen_count), page

    def count(self) -> None:
        """The counts alone, noted."""
        user = self.somebody()
        self._note("the counts", user, self._ask("GET", "/v1/notifications/unread-count", {"user_id": user}))

    def fresh(self, user: str) -> InboxState:
        """An inbox as a client first has it: page by page, while it changes."""
        fold, pages = InboxState(), [self.page(user)]
        while cursor := pages[-1].next_cursor:
            pages.append(self.page(user, cursor=cursor))
        fold.replace(pages)
        return fold

    def catch_up(self, user: str, fold: InboxState) -> InboxState:
        """What the client holds once it has been told all there is: its unread rows are as many as it is told."""
        while True:
            given = {"user_id": user, "since": fold.seq, "limit": PAGE}
            reply = self._ask("GET", "/v1/notifications", given).content
            changes = msgspec.json.decode(reply, type=InboxChanges)
            if changes.reset:
                fold = self.fresh(user)
                continue
            for item in told_by(changes):
                fold.apply(item)
            if not changes.has_more:
                break
        told = Counts(changes.unread_count, changes.unread_items, changes.unseen_count)
        self._facts.say("since", user, changes.seq, told)
        assert held(fold) == told, f"{user} at {changes.seq}: holds {held(fold)}, is told {told}"
        fold.seq = changes.seq
        return fold

    # --- writing ----------------------------------------------------------------------------------------------

    def write(self) -> None:
        """One of all the things that can be done."""
        choice = self.chance.choices(list(WRITES), weights=list(WRITES.values()))[0]
        choice(self)

    def publish(self) -> None:
        """Something happens, to some of the users."""
        targets = self.chance.sample(self._users, self.chance.randint(1, len(self._users)))
        given = event(
            f"actor-{self.chance.randrange(5)}",
            verb=self.chance.choice(VERBS),
            object_id=str(self.chance.randrange(THINGS)),
            target_user_ids=targets,
            actions=ACTIONS,
        )
        self._own.append(self._ask("POST", "/v1/events", body=given).json()["event_id"])

    def retract(self) -> None:
        """Something is taken back."""
        if self._own:
            self._ask("DELETE", f"/v1/events/{self._own.pop(self.chance.randrange(len(self._own)))}")

    def broadcast(self) -> None:
        """Something for all."""
        self._ask("POST", "/v1/broadcasts", body=event("admin", object_id="news", audience="club:all"))

    def mark(self) -> None:
        """One notification, or some; or, where they fill more than a page, most of that page is archived."""
        user = self.somebody()
        page = self.page(user)
        state, ids = self.chance.choice(STATES), [item.id for item in page.items]
        if page.has_more:
            state, ids = "archive", ids[PAGE // 5 :]
        elif ids:
            ids = self.chance.sample(ids, self.chance.randint(1, min(5, len(ids))))
        else:
            return
        path = f"/v1/notifications/{state}"
        self._note(state, user, self._ask("POST", path, {"user_id": user}, {"ids": ids}))

    def snooze(self) -> None:
        """Some notifications come back later, or now."""
        user = self.somebody()
        if self.chance.random() < 0.2:
            state, body = "unsnooze", dict[str, Any]()
            ids = [item.id for item in self.page(user, state="snoozed").items]
        else:
            until = datetime.now(UTC) + timedelta(seconds=self.chance.uniform(*SNOOZE_S))
            state, body = "snooze", {"until": until.isoformat()}
            ids = [item.id for item in self.page(user).items]
        if not ids:
            return
        body["ids"] = self.chance.sample(ids, self.chance.randint(1, min(5, len(ids))))
        reply = self._http.post(f"/v1/notifications/{state}", params={"user_id": user}, json=body)
        if reply.status_code != 422:  # the request took longer than the snooze was to last
            assert reply.is_success, f"{state} {body}: {reply.text}"
            self._note(state, user, reply)

    def act(self) -> None:
        """An action is taken, unless another one was, or the notification went meanwhile."""
        user = self.somebody()
        offered = [item.id for item in self.page(user).items if item.actions and item.acted is None]
        if offered:
            action = self.chance.choice(ACTIONS)["id"]
            path = f"/v1/notifications/{self.chance.choice(offered)}/actions/{action}"
            reply = self._http.post(path, params={"user_id": user})
            assert reply.is_success or reply.status_code in (404, 409), f"{path}: {reply.text}"

    def see_all_return(self, user: str) -> None:
        """Wait until nothing of an inbox is snoozed."""
        for _ in range(RETURNS):
            page = self.page(user, state="snoozed")
            if not page.items:
                return
            self._ask("GET", "/v1/notifications", {"user_id": user, "since": page.seq, "wait": 1})
        raise AssertionError(f"{user} does not get back what was snoozed: {page.items}")

    def read_all(self) -> None:
        """All, all of a type, or all up to a seq."""
        user = self.somebody()
        body: dict[str, Any] = {"type": self.chance.choice(VERBS)} if self.chance.random() < 0.5 else {}
        if self.chance.random() < 0.3:
            body["up_to"] = self.page(user).seq - self.chance.randrange(10)
        body["up_to"] = max(0, body.get("up_to", 1 << 40))
        reply = self._ask("POST", "/v1/notifications/read-all", {"user_id": user}, body)
        self._note(f"read-all {body}", user, reply)
        if token := reply.json()["undo"]:
            self._undo[user] = token

    def seen_all(self) -> None:
        """All, or all up to a seq."""
        user = self.somebody()
        up_to = max(0, self.page(user).seq - self.chance.randrange(10))
        body = {"up_to": up_to} if self.chance.random() < 0.5 else {}
        self._note("seen-all", user, self._ask("POST", "/v1/notifications/seen-all", {"user_id": user}, body))

    def undo(self) -> None:
        """The last read-all of somebody is taken back, perhaps a second time."""
        if self._undo:
            user, token = self.chance.choice(list(self._undo.items()))
            reply = self._ask("POST", "/v1/notifications/undo", {"user_id": user}, {"undo": token})
            self._note("undo", user, reply)

    def _note(self, who: str, user: str, reply: httpx.Response) -> None:
        said = reply.json()
        self._facts.say(
            who, user, said["seq"], Counts(said["unread_count"], said["unread_items"], said["unseen_count"])
        )

    def _ask(self, method: str, path: str, query: Any = None, body: Any = None) -> httpx.Response:
        reply = self._http.request(method, path, params=query, json=body)
        assert reply.is_success, f"{method} {path} {query} {body}: {reply.text}"
        return reply


WRITES: dict[Callable[[Any], None], int] = {
    Person.publish: 10,
    Person.mark: 8,
    Person.snooze: 3,
    Person.act: 3,
    Person.read_all: 2,
    Person.seen_all: 2,
    Person.undo: 1,
    Person.retract: 3,
    Person.broadcast: 1,
}
"""What is done, and how often."""


def held(fold: InboxState) -> Counts:
    """What a client counts in what it holds."""
    unread = [item for item in fold.items if item.unread]
    return Counts(len(unread), sum(item.count for item in unread), sum(item.unseen for item in unread))


def told_by(changes: InboxChanges) -> list[Changed | Read | Seen]:
    """Changes as a subscription hands them over."""
    both: list[Notification | ReadAll] = [*changes.items, *changes.marks]
    return [_told(change, changes) for change in sorted(both, key=lambda change: change.seq)]


def _told(change: Notification | ReadAll, changes: InboxChanges) -> Changed | Read | Seen:
    counts: dict[str, Any] = {
        "unread_count": changes.unread_count,
        "unread_items": changes.unread_items,
        "unseen_count": changes.unseen_count,
        "seq": change.seq,
        "cursor": "",
    }
    if isinstance(change, ReadAll) and change.read_at is None:
        assert change.seen_at is not None, change
        return Seen(seen_at=change.seen_at, up_to=change.up_to, **counts)
    if isinstance(change, ReadAll):
        assert change.read_at is not None, change
        return Read(read_at=change.read_at, up_to=change.up_to, type=change.type, **counts)
    return Changed(item=change, **counts)
