"""Display names of users: ``tidings.display_names.DisplayNames``."""

import msgspec
import pytest

from tests.harness import Harness
from tidings.display_names import SetDisplayName
from tidings.model import EraseUser, InboxRow, NewEvent, Retract
from tidings.testing import START_MS, event
from tidings.timeutil import DAY_MS, HOUR_MS


def named(
    name: str | None, *, at: int = 0, actor: str = "alice", obj: str = "market:1", verb: str = "like"
) -> NewEvent:
    """An event of an actor with a name, some milliseconds after the beginning; bob gets it."""
    return event(actor, verb, obj, targets=("bob",), at=START_MS + at, name=name)


def name_of(store: Harness, user: str = "alice") -> str | None:
    """The newest known name of a user."""
    return store.run(store.store.display_name(user))


def published_name(row: InboxRow) -> str | None:
    """The name that the body of a row has."""
    found: str | None = msgspec.json.decode(row.body)["actor_name"]
    return found


@pytest.mark.need("IN2")
def test_stored_notifications_have_the_newest_name_of_each_actor(store: Harness) -> None:
    """Of the newest event and of the others; the bodies keep what was published, and no inbox takes a seq."""
    store.publish(named("Alice"), named("Carl", actor="carl", at=1), named(None, actor="dan", at=2))
    (row,) = store.rows("bob")
    assert (row.actor_names, published_name(row)) == ((None, "Carl", "Alice"), None)
    seq = store.counts("bob").seq
    store.publish(event("alice", "like", "market:2", at=START_MS + 3, name="Alicia"))
    store.write(SetDisplayName("dan", "Dan"))
    (row,) = store.rows("bob")
    assert row.actor_names == ("Dan", "Carl", "Alicia")
    assert [msgspec.json.decode(body)["actor_name"] for body in row.others] == ["Carl", "Alice"]
    assert store.counts("bob").seq == seq
    assert [change.actor_names for change in store.changes("bob", 0).rows] == [row.actor_names]


def test_an_older_event_brings_no_old_name_back(store: Harness) -> None:
    """By ``created_at``, not by position: of a later import, in one request too, and though the newest event with the name
    is not the one that brought it."""
    store.publish(named("Alicia", at=5_000), named("Alice", at=1_000))
    assert name_of(store) == "Alicia"
    store.publish(named("Alicia", at=9_000))
    store.publish(named("Al", at=7_000), named("Ally", at=8_999))
    assert name_of(store) == "Alicia"
    store.publish(named(None, at=10_000), named("", at=10_001))
    assert name_of(store) == "Alicia"
    store.publish(named("Alex", at=9_001))
    assert name_of(store) == "Alex"


def test_of_one_millisecond_the_last_event_in_the_log_gives_the_name(store: Harness) -> None:
    """In one request and in two."""
    store.publish(named("A"), named("B"))
    assert name_of(store) == "B"
    store.publish(named("C"))
    assert name_of(store) == "C"


def test_a_retracted_event_keeps_its_time(store: Harness) -> None:
    """The name was known, and an older one stays old."""
    store.publish(named("Alicia"))
    (last,) = store.publish(named("Alicia", at=2_000))
    store.write(Retract(last))
    store.publish(named("Alice", at=1_000))
    assert name_of(store) == "Alicia"


def test_a_name_can_be_set_without_an_event(store: Harness) -> None:
    """Events of before do not change it, later ones do; the same again changes nothing."""
    assert (name_of(store), store.changed(SetDisplayName("alice", "Alicia"))) == (None, 1)
    assert store.changed(SetDisplayName("alice", "Alicia")) == 0
    store.publish(named("Alice", at=store.clock.now() - START_MS - 1))
    assert name_of(store) == "Alicia"
    store.publish(named("Alice", at=store.clock.now() - START_MS))
    assert name_of(store) == "Alice"
    store.publish(named("Ahead", at=HOUR_MS))
    store.write(SetDisplayName("alice", "Alicia"))
    store.publish(named("Alice", at=HOUR_MS - 1))
    assert name_of(store) == "Alicia"


def test_changes_that_stored_rows_may_show_are_counted(store: Harness) -> None:
    """A name of a user without events is in no row, and the same name is no change."""

    def renames(*events: NewEvent) -> int:
        before = store.store.renames
        store.publish(*events)
        return store.store.renames - before

    assert renames(named("Alicia"), named("Carl", actor="carl")) in (0, 2)
    assert renames(named("Alicia", at=1), named("Old", at=-1)) == 0
    assert renames(named("Alice", at=2)) == 1
    assert renames(named(None, actor="dan", at=2)) == 0
    assert renames(named("Dan", actor="dan", at=3)) == 1
    before = store.store.renames
    assert store.changed(SetDisplayName("alice", "Alice")) == 0
    assert store.store.renames == before
    store.write(SetDisplayName("alice", "Alicia"))
    assert store.store.renames == before + 1


def test_a_refused_write_changes_no_name(store: Harness) -> None:
    """All of a transaction or none of it: a time that no key can hold, after a new name."""
    store.publish(named("Alice"))
    with pytest.raises((ValueError, OverflowError)):
        store.publish(named("Alicia", at=1), named("Alicia", at=1 << 44))
    assert (name_of(store), store.rows("bob")[0].actor_names) == ("Alice", ("Alice",))


def test_an_erasure_deletes_the_name(store: Harness) -> None:
    """Also one that was only set; a new user of the id has none."""
    store.publish(named("Alice"), event("carl", "like", "user:alice", targets=("bob",), name="Carl"))
    store.write(
        SetDisplayName("alice", "Alicia"), SetDisplayName("quiet", "Quiet"), SetDisplayName("carl", "Karl")
    )
    store.write(EraseUser("alice"), EraseUser("quiet"))
    assert (name_of(store), name_of(store, "quiet"), name_of(store, "carl")) == (None, None, "Karl")
    assert sorted(map(str, (name for row in store.rows("bob") for name in row.actor_names))) == [
        "Karl",
        "None",
    ]
    store.publish(named("Another", at=-DAY_MS, obj="market:9"))
    assert name_of(store) == "Another"
    assert store.changed(EraseUser("quiet")) == 0


def test_an_export_has_the_name(store: Harness) -> None:
    """Once, and none for a user without one."""
    store.write(SetDisplayName("alice", "Alicia"))
    store.publish(named("Alice", at=-1))

    async def exported(user: str) -> list[dict[str, object]]:
        return [msgspec.json.decode(line) async for line in store.store.export(user)]

    records = [one for one in store.run(exported("alice")) if one["kind"] == "display_name"]
    assert records == [{"kind": "display_name", "name": "Alicia"}]
    assert all(one["kind"] != "display_name" for one in store.run(exported("bob")))
