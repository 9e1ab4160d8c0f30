"""What only the SQLite store has of broadcasts: the cost of asking who lacks one, and what becomes of expired ones."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.unit.storage.inside import Inside, traced
from tidings.model import (
    EVERYONE,
    Follow,
    MaterializeBroadcasts,
    NewEvent,
    Publish,
    Retract,
    SetMute,
    SetNotificationType,
    SetPreferences,
)
from tidings.personal_data import Preferences
from tidings.rules import Rule
from tidings.storage.sqlite.broadcast_delivery import AT_ONCE
from tidings.storage.sqlite.maintenance import HOUSEKEEPING_MS
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession
from tidings.testing import START_MS, event

HOUR_MS = 3_600_000


class Opened(Inside):
    """A harness that says who lacks a broadcast."""

    def lacking(self, *users: str) -> list[bool]:
        return [counts.lacking for counts in self.run(self.store.counts(users))]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with Opened.opened(tmp_path) as inside:
        yield inside


def broadcast(audience: str = EVERYONE, verb: str = "announce", until: int = START_MS + HOUR_MS) -> NewEvent:
    return msgspec.structs.replace(event("ann", verb), audience=audience, expires_at=until)


def test_who_lacks_a_broadcast_is_asked_of_many_in_one_statement(opened: Opened) -> None:
    """Of 2,000 users, some known, some not, by what each follows, masked and wants."""
    crowd = tuple(f"c{n}" for n in range(2_000))
    opened.write(*(Follow(user, "market:1") for user in crowd[:100]))
    opened.write(*(SetMute(user, "user:ann") for user in crowd[:10]))
    opened.write(*(SetPreferences(user, Preferences({"*": {"in_app": False}})) for user in crowd[10:20]))
    opened.publish(broadcast("market:1"))
    opened.store._near.names.forget()
    with traced(opened.store._near.db) as seen:
        counts = opened.run(opened.store.counts(crowd))
    assert [each.lacking for each in counts] == [False] * 20 + [True] * 80 + [False] * 1_900
    assert sum(text not in ("BEGIN", "COMMIT") for text in seen) <= 4


@pytest.mark.parametrize("name", ["users_with_pending_broadcasts", "pending_broadcasts"])
def test_only_what_came_after_the_last_taken_is_looked_at(opened: Opened, name: str) -> None:
    query = sql(name, pending=sql("broadcast_is_pending"))
    packed = WriteSession.carray([0])
    plan = opened.store._near.db.all(
        f"EXPLAIN QUERY PLAN {query}", {"users": packed, "packed": packed, "now": 0}
    )
    steps = [row[3] for row in plan]
    assert any("broadcast_active (position>?)" in step for step in steps), steps
    assert not any(step.startswith("SCAN") and "VIRTUAL TABLE" not in step for step in steps), steps


def test_nobody_is_asked_about_while_nothing_lives(opened: Opened) -> None:
    """From the moment at which the last broadcast expires, that moment included."""
    with traced(opened.store._near.db) as seen:
        opened.lacking("bob")
    assert not any("broadcast" in text for text in seen)
    opened.publish(broadcast(until=START_MS + 1), broadcast("market:1", until=START_MS + 2))
    opened.clock.advance(1)
    assert opened.lacking("bob") == [False]
    opened.write(MaterializeBroadcasts(("bob",)))
    assert opened.rows("bob") == []


@pytest.mark.parametrize(
    ("types", "lacks"),
    [
        ({"applause": {"in_app": False}}, False),
        ({"*": {"in_app": False}, "applause": {"in_app": True}}, True),
        ({"clap": {"in_app": False}}, True),
        ({"*": {"email": False}, "other": {"in_app": False}}, True),
        ({"*": {"in_app": False}}, False),
    ],
)
def test_a_wish_is_about_the_type_of_the_verb(
    opened: Opened, types: dict[str, dict[str, bool]], lacks: bool
) -> None:
    """As it is declared when it is taken up, not when it was published."""
    opened.publish(broadcast(verb="clap"))
    opened.write(
        SetNotificationType("applause", Rule(verbs=("clap",))), SetPreferences("bob", Preferences(types))
    )
    assert opened.lacking("bob") == [lacks]
    opened.write(MaterializeBroadcasts(("bob",)))
    assert [row.type for row in opened.rows("bob")] == ["applause"] * lacks


def test_broadcasts_are_no_duplicates_of_one_another(opened: Opened) -> None:
    """Nor of what was told before, whatever the window of their type."""
    opened.write(SetNotificationType("announce", Rule(duplicate_window_s=60)))
    opened.publish(event("ann", "announce", targets=("bob",)), broadcast(), broadcast())
    opened.write(MaterializeBroadcasts(("bob",)))
    assert len(opened.rows("bob")) == 3


def test_expired_broadcasts_are_set_aside(opened: Opened) -> None:
    """So that a newcomer is not held against all there ever were; those who took one still lose it when it is taken
    back."""
    (first,) = opened.publish(broadcast())
    opened.publish(broadcast(until=START_MS + 2 * HOUR_MS))
    opened.write(MaterializeBroadcasts(("bob",)))
    opened.clock.advance(HOUR_MS + HOUSEKEEPING_MS)
    opened.settle()
    assert opened.writer.db.all("SELECT position FROM broadcast WHERE active") == [(2,)]
    assert opened.lacking("bob", "cy") == [False, True]
    opened.write(MaterializeBroadcasts(("cy",)))
    assert [len(opened.rows(user)) for user in ("bob", "cy")] == [2, 1]
    opened.write(Retract(first))
    assert opened.writer.db.all("SELECT DISTINCT position FROM broadcast_topic") == [(2,)]
    assert [len(opened.rows(user)) for user in ("bob", "cy")] == [1, 1]


def test_more_broadcasts_than_one_round_holds_are_taken_up_at_once(opened: Opened) -> None:
    many = AT_ONCE + 10
    opened.run(opened.store.write([Publish(tuple(broadcast() for _ in range(many)))]))
    (outcome,) = opened.run(opened.store.write([MaterializeBroadcasts(("bob", "cy"))]))
    assert outcome.updated == 2 * many  # type: ignore[union-attr]
    assert opened.counts("bob").unread_count == opened.counts("bob").seq == many
    ids = [row.event_ids for row in opened.run(opened.store.inbox_since("bob", 0, many)).rows]
    assert ids == sorted(ids), "oldest first"
    assert opened.lacking("bob", "cy", "dan") == [False, False, True]


def test_a_broadcast_that_was_rolled_back_is_lacked_by_nobody(opened: Opened) -> None:
    never = Publish((msgspec.structs.replace(event("ann"), created_at=1 << 60),))  # no key holds this time
    with pytest.raises(OverflowError):
        opened.run(opened.store.write([Publish((broadcast(),)), never]))
    assert opened.writer.broadcasting == 0
    assert opened.lacking("bob") == [False]
