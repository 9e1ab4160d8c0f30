"""The fan-out job that delivers a broadcast: its steps, and what happens between them."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tests.unit.storage.inside import Inside, traced
from tidings.endpoint_commands import AddEndpoint, RemoveEndpoint
from tidings.model import (
    EVERYONE,
    EraseUser,
    Follow,
    MaterializeBroadcasts,
    NewEvent,
    Publish,
    Published,
    Retract,
    SetNotificationType,
)
from tidings.personal_data import Endpoint
from tidings.rules import Rule
from tidings.storage.sqlite import broadcast_delivery
from tidings.storage.sqlite.fanout_queue import MAX_ATTEMPTS
from tidings.testing import START_MS, event

LATER = START_MS + 3_600_000
NEVER = START_MS * 2
CROWD = [f"u{n:02}" for n in range(30)]
BUDGET = 4


def broadcast(audience: str = EVERYONE) -> NewEvent:
    return msgspec.structs.replace(event("ann", "news"), audience=audience, expires_at=LATER)


def mail(user: str) -> Endpoint:
    return Endpoint(f"{user}-mail", user, "email", f"{user}@mail.test", created_at=START_MS)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    with Inside.opened(tmp_path) as inside:
        populate(inside)
        yield inside


def populate(inside: Inside) -> None:
    """Let all of CROWD have a mailbox and follow a topic."""
    inside.write(SetNotificationType("news", Rule(channels=("email",))))
    inside.write(*(AddEndpoint(mail(user)) for user in CROWD))
    inside.write(*(Follow(user, "city:1") for user in CROWD))


def begin(opened: Inside, sent: NewEvent) -> str:
    """Publish, and run no step of its job; returns the event's id."""
    (outcome,) = opened.run(opened.store.write([Publish((sent,))]))
    assert isinstance(outcome, Published)
    return outcome.receipts[0].event_id


def users(opened: Inside) -> list[str]:
    """The users of the queued deliveries that have something to show."""
    found = opened.run(opened.store.deliveries(NEVER, 999))
    return sorted(one.endpoint.user for one in found if one.row is not None)


@pytest.mark.parametrize("audience", [EVERYONE, "city:1"])
def test_a_job_has_bounded_steps_and_survives_a_restart_at_each(tmp_path: Path, audience: str) -> None:
    """Each step delivers to a few users more; after each the store is opened anew, and nobody gets it twice."""
    with Inside.opened(tmp_path) as inside:
        populate(inside)
        begin(inside, broadcast(audience))
    reached, pending = [0], 1
    while pending:
        with Inside.opened(tmp_path) as inside:
            inside.run(inside.store.work(BUDGET))
            reached.append(len(users(inside)))
            pending = inside.run(inside.store.backlog()).pending_fanout_jobs
    with Inside.opened(tmp_path) as inside:
        assert users(inside) == CROWD
    assert max(after - before for before, after in pairwise(reached)) == BUDGET


def test_a_step_that_fails_leaves_nothing(opened: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows and its progress are one transaction; a job that keeps failing is a dead letter that names its audience."""
    begin(opened, broadcast())
    fitting = broadcast_delivery._materialize

    def failing(*given: object) -> int:
        fitting(*given)  # type: ignore[arg-type]
        raise ValueError("no such luck")

    monkeypatch.setattr(broadcast_delivery, "_materialize", failing)
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(ValueError, match="luck"):
            opened.run(opened.store.work(BUDGET))
        assert users(opened) == []
    (letter,) = opened.run(opened.store.dead_letters(9))
    assert (letter.kind, letter.subject) == ("deliver_broadcast", "all users")


def test_what_is_read_between_two_steps_is_not_delivered_twice(opened: Inside) -> None:
    """Whoever makes a request before the job comes to them has it, and its delivery, from then on."""
    begin(opened, broadcast())
    opened.run(opened.store.work(BUDGET))
    opened.run(opened.store.write([MaterializeBroadcasts((CROWD[0], CROWD[-1]))]))
    opened.settle()
    assert users(opened) == CROWD
    assert [opened.counts(user).seq for user in CROWD] == [1] * len(CROWD)


@pytest.mark.parametrize("how", ["retracted", "expired"])
def test_what_becomes_of_it_between_two_steps_holds(opened: Inside, how: str) -> None:
    """Retracted, it is a tombstone for those who had it, and reaches nobody else; expired, it reaches nobody else."""
    event_id = begin(opened, broadcast())
    opened.run(opened.store.work(BUDGET))
    if how == "retracted":
        opened.run(opened.store.write([Retract(event_id)]))
    else:
        opened.clock.ms = LATER
    opened.settle()
    assert users(opened) == ([] if how == "retracted" else CROWD[:BUDGET])
    assert opened.counts(CROWD[-1]).seq == 0


def test_endpoints_and_users_that_go_meanwhile_are_left_out(opened: Inside) -> None:
    """And one that is registered behind the job's progress counts as one that came later."""
    begin(opened, broadcast())
    opened.run(opened.store.work(BUDGET))
    second = msgspec.structs.replace(mail(CROWD[0]), id="late", address="late@mail.test")
    opened.run(
        opened.store.write(
            [RemoveEndpoint(CROWD[-1], f"{CROWD[-1]}-mail"), EraseUser(CROWD[-2]), AddEndpoint(second)]
        )
    )
    opened.settle()
    assert users(opened) == CROWD[:-2]


def test_a_user_with_many_pending_broadcasts_fills_a_step(opened: Inside) -> None:
    """A step writes about its budget of items, not that of each of its users."""
    silent = (msgspec.structs.replace(broadcast(), verb="hush"),) * 3
    opened.run(opened.store.write([Publish(silent)]))
    begin(opened, broadcast())
    opened.run(opened.store.work(2 * 4))
    assert users(opened) == CROWD[:2]


@pytest.mark.parametrize("query", ["users_with_endpoints", "followers_with_endpoints"])
def test_a_step_reads_its_chunk_alone(opened: Inside, query: str) -> None:
    """By an index, from its progress on."""
    opened.write(Follow(CROWD[0], "city:2"))
    with traced(opened.writer.db) as seen:
        begin(opened, broadcast("city:2" if query.startswith("followers") else EVERYONE))
        opened.run(opened.store.work(BUDGET))
    (asked,) = (text for text in seen if "b.position = :position" in text)
    packed = opened.writer.carray([0])
    values = {
        "after": 0,
        "upto": 9,
        "audience": 1,
        "position": 1,
        "channels": packed,
        "packed": packed,
        "now": 0,
    }
    plan = [row[3] for row in opened.writer.db.all(f"EXPLAIN QUERY PLAN {asked}", values)]
    table = "f USING COVERING INDEX follow_topic" if query.startswith("followers") else "endpoint USING INDEX"
    assert any(step.startswith(f"SEARCH {table}") and ">?" in step for step in plan), plan
