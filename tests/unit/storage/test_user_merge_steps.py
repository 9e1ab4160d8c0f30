"""The steps of a large merge of users: bounded, resumed after a crash, with other work between them."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.backends import SMALL
from tests.unit.storage.inside import Inside
from tidings.endpoint_commands import AddEndpoint
from tidings.inbox_commands import MarkAllNotificationsRead
from tidings.model import (
    EraseUser,
    Follow,
    MarkFeedRead,
    NewEvent,
    Publish,
    Retract,
    RetryDeadLetters,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    SetReminder,
    Unfollow,
)
from tidings.personal_data import Endpoint, Preferences, Reminder
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore, user_merges
from tidings.testing import START_MS, FakeClock, event
from tidings.user_merges import MergeCounts, MergeUsers, UserMerge

SETTINGS = msgspec.structs.replace(SMALL, fanout_sync_max_followers=1)
BUDGET = 25
"""Rows of a step: two notifications."""
OF_USERS = {"user", "viewer", "follower", "recipient", "source", "target", "timeline"}
"""Columns that have the number of a user, or of a user feed."""
KEPT = {
    "inbox": "the last seq, at which clients start again",
    "feed_state": "the version of the feed",
    "feed_change": "the resets for clients that resume",
    "read_watermark": "what closed the notifications, at which clients start again",
    "open_group": "groups that are gone: an item replaces them",
    "dedup_window": "ends by itself",
    "user_merge": "the merge",
    "hidden_range": "none of a user",
    "display_name": "the name that the events of the source show",
    "event_recipient_chunk": "packed: who was notified, for retractions",
    "follow": "of the topic of the source",
    "relation": "that others block the source",
}
"""Tables that may have rows of the source after a merge, and why."""


def begin(inside: Inside, user: str = "anon", into: str = "bob") -> int:
    (began,) = inside.run(inside.store.write([MergeUsers(user, into)]))
    return began.updated  # type: ignore[union-attr]


def progress(inside: Inside, id: int) -> UserMerge:
    merge = inside.run(inside.store.user_merge(id))
    assert merge is not None
    return merge


def ping(n: int, *targets: str, actor: str = "alice") -> NewEvent:
    return event(actor, "ping", f"thing:{n}", targets=targets, at=START_MS + n)


def prepare(inside: Inside) -> None:
    """A visitor with some of everything, a group of several events among it."""
    inside.write(
        SetNotificationType("news", Rule(notify="actor_followers")),
        *(Follow("anon", f"user:author-{n}", 0) for n in range(4)),
        *(Follow(f"fan-{n}", "user:anon", 0) for n in range(3)),
        *(SetMute("anon", f"item:{n}") for n in range(3)),
        SetBlock("anon", "user:mallory"),
        SetPreferences("anon", Preferences(locale="de")),
        AddEndpoint(Endpoint("e1", "anon", "webhook", "https://a.test/", created_at=START_MS)),
        *(SetReminder(Reminder(f"r{n}", START_MS * 2, b"{}", ("anon", "cy"))) for n in range(3)),
    )
    inside.publish(*(event(f"author-{n % 4}", "news", "post:1", at=START_MS + n) for n in range(6)))
    inside.publish(*(ping(n, "anon") for n in range(6)))
    inside.write(MarkAllNotificationsRead("anon"), MarkFeedRead("anon", up_to=8))
    inside.publish(*(ping(10 + n, "anon", "bob") for n in range(3)))
    inside.publish(event("anon", name="A visitor"))


def events_of(inside: Inside, user: str) -> list[str]:
    """The events of all notifications of an inbox, each as often as it is there."""
    rows = inside.run(inside.store.inbox(user, 1_000, None, state="all")).rows
    return [one for row in rows for one in row.event_ids]


@contextmanager
def reopened(path: Path) -> Iterator[Inside]:
    """A store that is opened again by ``again``, as after a kill."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        yield Inside(runner.run(SqliteStore.open(path, clock, SETTINGS, salt=0)), clock, runner)


def again(inside: Inside, path: Path) -> None:
    inside.run(inside.store.close())
    inside.store = inside.run(SqliteStore.open(path, inside.clock, SETTINGS, salt=0))


def test_a_crash_between_two_steps_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """After each step the file is opened again: each notification is in exactly one of the two inboxes, whose counts are
    exact, and in the end all are where they belong."""
    path = tmp_path / "store.db"
    with reopened(path) as inside:
        prepare(inside)
        expected = {*events_of(inside, "anon"), *events_of(inside, "bob")}
        feed = inside.feed("anon")
        id, steps = begin(inside), 0
        while progress(inside, id).state == "running":
            inside.run(inside.store.work(BUDGET))
            again(inside, path)
            steps += 1
            anon, bob = events_of(inside, "anon"), events_of(inside, "bob")
            assert {*anon, *bob} == expected
            assert max(Counter(bob).values()) == 1
            assert set(feed) <= {*inside.feed("anon"), *inside.feed("bob")}
            for user in ("anon", "bob"):
                inside.check_inbox(user)
        assert steps > 15
        moved = MergeCounts(4, 3, 3, 1, targeted=9, notifications=7, duplicates=3, endpoints=1, reminders=3)
        assert progress(inside, id).counts == moved
        assert (events_of(inside, "anon"), inside.feed("anon")) == ([], [])
        assert inside.feed("bob") == feed
        inside.run(inside.store.close())


def test_a_step_is_bounded_and_other_jobs_run_between(tmp_path: Path) -> None:
    """The fan-out of an author waits for a step, not for the merge."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        inside.publish(*(ping(n, "anon") for n in range(60)))
        inside.write(Follow("cy", "user:eve", 0), Follow("dora", "user:eve", 0))
        id = begin(inside)
        inside.run(inside.store.write([Publish((event("eve"),))]))
        for _ in range(4):
            assert inside.run(inside.store.work(BUDGET)) <= 2 * BUDGET
        assert len(inside.page("cy").items) == 1
        assert progress(inside, id).state == "running"


@pytest.mark.parametrize("seed", range(12))
def test_what_happens_meanwhile_is_neither_lost_nor_doubled(tmp_path: Path, seed: int) -> None:
    """Events to either, to the followers of topics that one or both follow, retractions and follows come between any two
    steps. Whatever one of the two was notified of and was not retracted is in one of the inboxes, and none has it twice."""
    chance = random.Random(seed)
    with Inside.opened(tmp_path, SETTINGS) as inside:
        prepare(inside)
        inside.write(
            Follow("bob", "user:author-1", 0), *(Follow(f"x{n}", "user:author-1", 0) for n in range(5))
        )
        told = {*events_of(inside, "anon"), *events_of(inside, "bob")}
        id, n = begin(inside), 100
        while progress(inside, id).state == "running":
            n += 1
            if chance.random() < 0.6:
                author = f"author-{chance.randrange(4)}"
                some = chance.choice(
                    (
                        ping(n, "anon"),
                        ping(n, "bob"),
                        ping(n, "anon", "bob"),
                        event(author, "news", f"post:{n}"),
                    )
                )
                (out,) = inside.run(inside.store.write([Publish((some,))]))
                told.add(out.receipts[0].event_id)  # type: ignore[union-attr]
            elif chance.random() < 0.2:
                gone = chance.choice(sorted(told))
                told.discard(gone)
                inside.run(inside.store.write([Retract(gone)]))
            inside.run(inside.store.work(chance.randrange(1, 2 * BUDGET)))
        inside.settle()
        anon, bob = events_of(inside, "anon"), events_of(inside, "bob")
        assert {*anon, *bob} == told
        assert not Counter(anon) - Counter(set(anon))
        assert not Counter(bob) - Counter(set(bob))
        for user in ("anon", "bob"):
            inside.check_inbox(user)
        assert inside.run(inside.store.follows("anon", 9, None)) == []


def test_every_table_of_a_user_is_empty_or_kept_on_purpose(tmp_path: Path) -> None:
    """A new table with rows of users must be merged, or stand in the list with its reason."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        prepare(inside)
        number = inside.writer.names.user("anon")
        begin(inside)
        inside.settle()
        db, found = inside.writer.db, set()
        named = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        for (table,) in db.all(named):
            columns = {row[1] for row in db.all(f"PRAGMA table_info({table})")}
            for column in columns & OF_USERS:
                values = {"timeline": 2 * number + 1} if number is not None else {}
                wanted = "anon" if table == "reminder_user" else values.get(column, number)
                if db.one(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {column} = ?)", (wanted,))[0]:
                    found.add(table)
        assert found <= KEPT.keys()


def test_a_merge_waits_for_no_other_but_is_refused_beside_one_of_the_same_users(tmp_path: Path) -> None:
    """Two visitors may become one user at the same time; nobody may move on while others move in."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        for user in ("anon", "other", "bob"):
            inside.publish(*(ping(n, user) for n in range(9)))
        first, second = begin(inside), begin(inside, "other", "bob")
        assert begin(inside) == first != second > 0
        for user, into in (("anon", "cy"), ("bob", "cy"), ("bob", "anon")):
            (refused,) = inside.run(inside.store.write([MergeUsers(user, into)]))
            assert (refused.updated, refused.limit) == (0, 1)  # type: ignore[union-attr]
        inside.settle()
        assert len(events_of(inside, "bob")) == 27
        assert begin(inside, "bob", "cy") > second


@pytest.mark.parametrize("user", ["anon", "bob"])
def test_an_erasure_ends_a_merge(tmp_path: Path, user: str) -> None:
    """Of the source nothing is left; of the destination what had moved is erased, and the rest stays the source's."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        inside.publish(*(ping(n, "anon") for n in range(20)))
        id = begin(inside)
        while not events_of(inside, "bob"):
            inside.run(inside.store.work(BUDGET))
        assert events_of(inside, "anon")
        inside.write(EraseUser(user))
        assert inside.run(inside.store.user_merge(id)) is None
        assert events_of(inside, user) == []
        other = "bob" if user == "anon" else "anon"
        assert events_of(inside, other)
        for one in ("anon", "bob"):
            inside.check_inbox(one)


def test_a_failed_merge_is_a_dead_letter_that_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It states that it failed, and a replay of dead letters ends it."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        inside.publish(*(ping(n, "anon") for n in range(6)))
        id = begin(inside)
        with monkeypatch.context() as broken:
            broken.setattr(user_merges, "_PHASES", (None,) * len(user_merges._PHASES))
            inside.fail_job(TypeError, BUDGET)
        assert progress(inside, id).state == "failed"
        (letter,) = inside.run(inside.store.dead_letters(9))
        assert (letter.kind, letter.subject) == ("merge_users", f"merge {id}")
        inside.write(RetryDeadLetters())
        assert (progress(inside, id).state, len(events_of(inside, "bob"))) == ("done", 6)


def test_a_dormant_destination_gets_the_feed(tmp_path: Path) -> None:
    """And so does the destination of a dormant source."""
    for n, dormant in enumerate(("anon", "bob")):
        folder = tmp_path / str(n)
        folder.mkdir()
        with Inside.opened(folder, SETTINGS) as inside:
            inside.write(Follow("anon", "user:alice", 0), Follow("bob", "user:eve", 0))
            ids = inside.publish(event("alice"), event("eve"))
            inside.clock.advance(3 * 86_400_000)
            inside.page("bob" if dormant == "anon" else "anon")
            inside.settle()
            ids += inside.publish(event("alice"), event("eve"))
            begin(inside)
            inside.settle()
            assert inside.feed("bob") == ids[::-1]
            inside.write(Unfollow("bob", "user:alice"))
            assert inside.feed("bob") == [ids[3], ids[1]]
