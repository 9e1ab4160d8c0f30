"""The steps of a large backfill: bounded, resumed after a crash, with other work between them."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.backends import SMALL
from tests.unit.storage.inside import Inside
from tidings.backfills import Backfill, BackfillJob
from tidings.model import Follow, Publish, RetryDeadLetters, SetNotificationType, Unfollow
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore, backfills
from tidings.testing import START_MS, FakeClock, event

SETTINGS = msgspec.structs.replace(SMALL, fanout_sync_max_followers=1)
BUDGET = 25
"""Rows of a step: a few events."""
FOLLOWERS = ("bob", "cy", "dora")


def prepare(inside: Inside, events: int) -> list[str]:
    """Events of a topic whose followers have none of them; newest first."""
    inside.write(SetNotificationType("nod", Rule(notify="actor_followers")))
    ids = [inside.publish(event("alice", "nod", at=START_MS + n))[0] for n in range(events)]
    inside.write(*(Follow(user, "user:alice", 0) for user in FOLLOWERS))
    return ids[::-1]


def progress(inside: Inside, id: int) -> BackfillJob:
    job = inside.run(inside.store.backfill(id))
    assert job is not None
    return job


def test_a_crash_between_two_steps_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """After each step the file is opened again, as after a kill: the counts are exact at the end, and so are the inboxes."""
    clock = FakeClock()
    with asyncio.Runner() as runner:

        def opened() -> Inside:
            return Inside(
                runner.run(SqliteStore.open(tmp_path / "store.db", clock, SETTINGS, salt=0)), clock, runner
            )

        inside = opened()
        ids = prepare(inside, 8)
        (began,) = inside.run(inside.store.write([Backfill(None, START_MS + 2, notify=True)]))
        id, steps = began.updated, 0  # type: ignore[union-attr]
        while progress(inside, id).state == "running":
            runner.run(inside.store.work(BUDGET))
            runner.run(inside.store.close())
            inside, steps = opened(), steps + 1
        assert steps > 6
        assert progress(inside, id)[7:] == (18, 18, 3)
        for user in FOLLOWERS:
            assert inside.feed(user) == ids[:6]
            assert [row.event_ids for row in inside.rows(user)] == [(one,) for one in ids[:6]]
            inside.check_inbox(user)
        runner.run(inside.store.close())


def test_a_step_is_bounded_and_other_jobs_run_between(tmp_path: Path) -> None:
    """The fan-out of another author waits for a step, not for the backfill."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        prepare(inside, 40)
        inside.write(Follow("bob", "user:eve", 0), Follow("cy", "user:eve", 0))
        (began,) = inside.run(inside.store.write([Backfill(None, 0)]))
        id = began.updated  # type: ignore[union-attr]
        inside.run(inside.store.write([Publish((event("eve"),))]))
        before = progress(inside, id).created
        for _ in range(4):
            assert inside.run(inside.store.work(BUDGET)) <= 2 * BUDGET
        assert len(inside.page("cy").items) == 1
        assert before < progress(inside, id).created < 40 * 3
        assert progress(inside, id).state == "running"


def test_a_failed_backfill_is_a_dead_letter_that_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It states that it failed, and a replay of dead letters ends it."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        ids = prepare(inside, 8)
        (began,) = inside.run(inside.store.write([Backfill("bob", 0)]))
        id = began.updated  # type: ignore[union-attr]
        with monkeypatch.context() as broken:
            broken.setattr(backfills, "_extend", None)
            inside.fail_job(TypeError, BUDGET)
        assert progress(inside, id).state == "failed"
        (letter,) = inside.run(inside.store.dead_letters(9))
        assert (letter.kind, letter.subject) == ("backfill", f"backfill {id}")
        inside.write(RetryDeadLetters())
        assert (progress(inside, id).state, inside.feed("bob")) == ("done", ids)


def test_a_follow_that_ends_meanwhile_is_not_extended(tmp_path: Path) -> None:
    """What was added before is hidden with it."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        prepare(inside, 8)
        inside.run(inside.store.write([Backfill("bob", 0)]))
        inside.write(Unfollow("bob", "user:alice"))
        assert inside.feed("bob") == []


def test_the_caches_of_a_large_topic_notice_that_a_follow_covers_more(tmp_path: Path) -> None:
    """The fault: they were told under a name that nothing reads."""
    with Inside.opened(tmp_path, SETTINGS) as inside:
        prepare(inside, 3)
        before = inside.writer.follower_version
        inside.write(Follow("bob", "user:alice", 2, extend=True))
        assert inside.writer.follower_version > before
