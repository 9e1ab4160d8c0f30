"""What only the SQLite store has of ``audience_since`` and ``counts``: they are asked of many users in a few statements."""

import random
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.attack.probe import LONG
from tests.backends import SMALL
from tests.unit.storage.inside import Inside, traced
from tidings.model import (
    Command,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    Publish,
    Retract,
    SetBlock,
    SetMute,
    Unfollow,
)
from tidings.storage.sqlite.live_audience import MOST_ROWS
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WIDE, WriteSession
from tidings.testing import START_MS, event

USERS = tuple(f"u{n}" for n in range(4))
TOPICS = ("market:1", "user:u0", "user:u1")
MOST_STATEMENTS = 4
"""Of one question about any number of inboxes."""
HEARING_STATEMENTS = 7
"""Of one question about any number of listeners: the log, events, followers of small and of wide topics, names, masks,
and the name of the topic that is the reason. Each older partition of events adds one."""
RETRACTION_STATEMENTS = 14
"""The same where retractions may be among what came: they, their rows and what is asked of events are asked for besides,
and marks, and whose history does not reach so far."""
LISTENERS = 10_000 if LONG else 2_000
"""Users with open streams who follow a topic."""
PROBING = msgspec.structs.replace(SMALL, fanout_sync_max_followers=1, fanout_read_threshold_followers=3)
"""Topics count as wide from their first follower, so that listeners are looked up instead of followers."""


class Opened(Inside):
    """A harness that counts the statements of the reader on the loop."""

    def audience(self, after: int, users: tuple[str, ...], limit: int) -> set[tuple[int, str]]:
        """(position, user) of everything in the audience, in steps of ``limit`` positions."""
        found = set()
        head = self.run(self.store.head()).position
        while after < head:
            audiences, last = self.run(self.store.audience_since(after, users, limit))
            assert after < last <= after + limit
            for one in audiences:
                assert after < one.position <= last
                names = [name for _, _, some in one.listeners for name in some]
                assert len(names) == len(set(names)), "each once"
                found |= {(one.position, name) for name in names}
            after = last
        return found

    def statements(self, work: Coroutine[Any, Any, object]) -> list[str]:
        """The statements that the reader on the loop executes in ``work``, its snapshot aside."""
        with traced(self.store._near.db) as seen:
            self.run(work)
        return [text for text in seen if text not in ("BEGIN", "COMMIT")]


@pytest.fixture(params=["listening", "probing"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    with Opened.opened(tmp_path, SMALL if request.param == "listening" else PROBING) as inside:
        yield inside


def change(dice: random.Random, ids: list[str]) -> Command:
    """A random change of who hears what, or something to hear."""
    user, topic = dice.choice(USERS), dice.choice(TOPICS)
    match dice.randrange(10):
        case 0 | 1:
            return Follow(user, topic, dice.choice((0, 1, 100)))
        case 2:
            return Unfollow(user, topic, keep=dice.random() < 0.5)
        case 3:
            block = topic.startswith("user:") and dice.random() < 0.5
            return (SetBlock if block else SetMute)(user, topic, on=dice.random() < 0.7)
        case 4 if ids:
            return Retract(ids.pop(dice.randrange(len(ids))))
        case 5 if ids:
            return dice.choice((MarkFeedRead, MarkFeedUnread))(user, (dice.choice(ids),))
        case 6:
            return MarkFeedRead(user)
        case _:
            at = START_MS + dice.randrange(1_000)  # often late: below the greatest key so far
            targets, extra = dice.sample(USERS, dice.randrange(3)), dice.sample(TOPICS, dice.randrange(2))
            post = event(user, obj=dice.choice(TOPICS), targets=tuple(targets), topics=tuple(extra), at=at)
            return Publish((post,))


@pytest.mark.parametrize("seed", range(12))
def test_who_hears_an_event_is_who_has_it_in_the_feed(opened: Opened, seed: int) -> None:
    """After every change, from every position on, for some users and all: what feed_since says one by one."""
    dice = random.Random(seed)
    ids: list[str] = []
    for _ in range(80):
        for outcome in opened.write(change(dice, ids)):
            ids += [receipt.event_id for receipt in getattr(outcome, "receipts", ())]
        after = dice.randrange(len(ids) + 1)
        users = tuple(dice.sample(USERS, dice.randrange(1, len(USERS) + 1)))
        feeds = {user: opened.run(opened.store.feed_since(user, after, 1_000)) for user in users}
        expected = {
            (one.position, user) for user, page in feeds.items() for one in (*page.items, *page.changes)
        }
        assert opened.audience(after, users, limit=dice.choice((1, 3, 100))) == expected


def test_nobody_hears_who_was_not_asked_for(opened: Opened) -> None:
    """Reasons are told apart, and an event that none of the users hears is left out."""
    opened.write(Follow("u1", "market:1"), Follow("u2", "market:1"), Follow("u3", "market:2"))
    opened.publish(event("ann", obj="market:1", targets=("u4", "u1")), event("ann", obj="market:9"))
    ((one,), last) = opened.run(
        opened.store.audience_since(0, {"u1": None, "u2": None, "u9": None}.keys(), 10)
    )
    assert (one.position, last) == (1, 2)
    assert one.listeners == [("target", "", ["u1"]), ("follow", "market:1", ["u2"])]
    assert b'"actor_id":"ann"' in one.body
    assert opened.run(opened.store.audience_since(2, USERS, 10)) == ([], 2)
    assert opened.run(opened.store.audience_since(0, (), 1)) == ([], 1)


def test_many_listeners_are_looked_up_in_a_few_statements(opened: Opened) -> None:
    """Thousands of listeners whose names were never looked up cost what one does."""
    crowd = [f"c{n}" for n in range(2_000)]
    opened.run(opened.store.write([Follow(user, "market:1", 0) for user in crowd]))
    opened.run(opened.store.write([SetMute("c0", "market:1")]))
    opened.run(opened.store.write([Publish(tuple(event("ann", obj="market:1") for _ in range(10)))]))
    for listeners, asked in ((crowd[:1_000], "followers_of_topics_among"), (crowd, "followers_of_topics")):
        opened.store._near.names.forget()
        seen = opened.statements(opened.store.audience_since(0, frozenset(listeners), 10))
        assert len(seen) <= HEARING_STATEMENTS + len(opened.writer.events.spans) - 1
        assert sql(asked) in seen
    audiences, _ = opened.run(opened.store.audience_since(0, frozenset(crowd), 10))
    assert [len(one.listeners[0][2]) for one in audiences] == [1_999] * 10


def test_many_followers_are_looked_up_once_until_a_follow_changes_them(opened: Opened) -> None:
    """Events of one topic come in bursts. Who began to follow within one is asked about until all of it is read."""
    crowd = [f"c{n}" for n in range(WIDE)]
    names = frozenset((*crowd, "new"))

    def asked(after: int) -> bool:
        return sql("followers_of_topics") in opened.statements(opened.store.audience_since(after, names, 1))

    topics = ("market:1", "user:ann")
    opened.run(opened.store.write([Follow(user, topic, 0) for user in crowd for topic in topics]))
    opened.publish(*[event("ann", obj="market:1")] * 2)
    assert [asked(0), asked(1), asked(0)] == [True, False, False]
    opened.publish(event("ann", obj="market:1"))
    opened.write(Follow("new", "market:1", 0))
    opened.publish(*[event("ann", obj="market:1")] * 2)
    assert [asked(2), asked(3), asked(4)] == [True, True, False]
    opened.write(Unfollow("c0", "market:1"))
    assert asked(4)
    audiences, _ = opened.run(opened.store.audience_since(0, names, 9))
    told = [sorted(name for _, _, some in one.listeners for name in some) for one in audiences]
    assert told == [sorted(crowd)] * 3 + [sorted(names)] * 2


def test_the_heads_of_many_inboxes_cost_a_few_statements(opened: Opened) -> None:
    """Names that were never looked up included, in the order asked, unknown ones as zeros."""
    crowd = tuple(f"c{n}" for n in range(2_000))
    opened.run(opened.store.write([Publish((event("ann", targets=crowd[1::2]),))]))
    opened.store._near.names.forget()
    assert len(opened.statements(opened.store.counts(crowd))) <= MOST_STATEMENTS
    counts = opened.run(opened.store.counts(crowd))
    assert [count.unread_count for count in counts] == [0, 1] * 1_000


def test_one_call_looks_at_a_bounded_number_of_follows(opened: Opened) -> None:
    """What is too much for one call is left to the next, and nothing is lost between them."""
    crowd = tuple(f"c{n}" for n in range(WIDE))
    opened.run(opened.store.write([Follow(user, "user:ann", 0) for user in crowd]))
    many = MOST_ROWS // WIDE + 50  # each has a topic of its own
    opened.run(opened.store.write([Publish(tuple(event("ann", obj=f"item:{n}") for n in range(many)))]))
    audiences, last = opened.run(opened.store.audience_since(0, crowd, many))
    assert 0 < last < many
    assert len(audiences) == last
    assert len(opened.audience(0, crowd, many)) == many * len(crowd)


PLANS = {
    "followers_of_topics": ("follow_topic (topic=?)", {"topics", "after"}),
    "followers_of_topics_among": ("follow_topic (topic=? AND follower=?)", {"topics", "users", "after"}),
    "relations_of_topics": ("SEARCH m USING COVERING INDEX relation_topic (topic=?)", {"topics", "limit"}),
    "relations_of_topics_and_users": (
        "SEARCH m USING PRIMARY KEY (viewer=? AND topic=?)",
        {"topics", "users"},
    ),
    "inbox_counters": ("SEARCH read_watermark USING COVERING INDEX read_watermark_reach", {"users"}),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_indexes_that_were_meant_are_used(opened: Opened, name: str) -> None:
    step, names = PLANS[name]
    values = {each: 1 if each in ("after", "limit") else WriteSession.carray([1]) for each in names}
    plan = [row[3] for row in opened.store._near.db.all(f"EXPLAIN QUERY PLAN {sql(name)}", values)]
    assert any(step in each for each in plan), plan
    assert not any(each.startswith(("SCAN f", "SCAN m", "SCAN h", "SCAN inbox")) for each in plan), plan


def test_retractions_among_thousands_of_listeners_cost_a_few_statements(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred at once as one: they are looked up together, for all listeners, and in no more rows than events are."""
    monkeypatch.setattr("tests.harness.WORK", LISTENERS)  # else the fan-out takes tens of thousands of steps
    crowd = [f"c{n}" for n in range(LISTENERS)]
    opened.run(opened.store.write([Follow(user, "market:1", 0) for user in crowd]))
    ids = opened.publish(*(event("ann", obj="market:1") for _ in range(101)))
    head = opened.run(opened.store.head()).position
    asked = []
    for some in (ids[:1], ids[1:]):
        opened.run(opened.store.write([Retract(id) for id in some]))
        opened.store._near.names.forget()
        asked.append(len(opened.statements(opened.store.audience_since(head, frozenset(crowd), 200))))
        audiences, last = opened.run(opened.store.audience_since(head, frozenset(crowd), 200))
        assert last == head + len(some)
        assert [len(one.listeners[0][2]) for one in audiences] == [LISTENERS] * len(some)
        head = last
    assert max(asked) <= RETRACTION_STATEMENTS + 2 * (len(opened.writer.events.spans) - 1)


def test_retractions_of_large_topics_are_looked_up_in_parts(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call looks at so many follows and no more; the rest is left to the next, and nothing is passed over."""
    crowd = [f"c{n}" for n in range(WIDE)]
    opened.run(opened.store.write([Follow(user, f"market:{n}", 0) for user in crowd for n in range(4)]))
    ids = opened.publish(*(event("ann", obj=f"market:{n}") for n in range(4)))
    opened.run(opened.store.write([Retract(id) for id in ids]))
    monkeypatch.setattr("tidings.storage.sqlite.live_audience.MOST_ROWS", 2 * WIDE)
    after, parts = 4, []
    while after < 8:
        audiences, after = opened.run(opened.store.audience_since(after, frozenset(crowd), 100))
        parts.append([one.position for one in audiences])
    assert [position for part in parts for position in part] == [5, 6, 7, 8]
    assert len(parts) > 1
