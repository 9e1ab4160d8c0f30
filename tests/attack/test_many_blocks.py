"""A user blocks others, one after the other, while their inbox is cleaned: it is read once for all of them.

Nothing is timed: jobs, steps and what is left are counted.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.model import Publish, SetBlock
from tidings.storage.sqlite import fanout_queue
from tidings.testing import event

ITEMS = 400
STEP = 20
"""Rows of a step, and of what a block does at once: a pass takes so many steps less than ITEMS."""
BLOCKS = 60
PASS = ITEMS // STEP


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    """A store in which bob has a large inbox; the oldest items are by one actor, the newest by another."""
    with Inside.opened(tmp_path, Settings(fanout_sync_max_followers=STEP)) as inside:
        actors = ("old", *["ann"] * (ITEMS - 2), "new")
        inside.write(
            Publish(
                tuple(event(actor, "alone", f"item:{n}", targets=("bob",)) for n, actor in enumerate(actors))
            )
        )
        yield inside


def block(inside: Inside, other: str, user: str = "bob", on: bool = True) -> None:
    inside.run(inside.store.write([SetBlock(user, f"user:{other}", on=on)]))


def jobs(inside: Inside) -> int:
    return inside.run(inside.store.backlog()).pending_fanout_jobs


def steps_left(inside: Inside) -> int:
    steps = 0
    while inside.run(inside.store.work(STEP)):
        steps += 1
    return steps


def by(inside: Inside, actor: str) -> int:
    return sum(actor.encode() in row.body for row in inside.rows("bob"))


def test_many_blocks_clean_an_inbox_together(opened: Inside) -> None:
    """The fault: each block queued a job of its own, which read the whole inbox: 10,000 for one user."""
    for n in range(BLOCKS):
        block(opened, f"nobody{n}")
    assert jobs(opened) == 1
    assert steps_left(opened) <= PASS + 2


def test_blocks_by_others_clean_an_inbox_together(opened: Inside) -> None:
    """A block cleans the inbox of the blocked user too."""
    for n in range(BLOCKS):
        block(opened, "bob", user=f"somebody{n}")
    assert jobs(opened) == 1
    assert steps_left(opened) <= PASS + 2


def test_a_cleaning_ends_while_others_are_blocked(opened: Inside) -> None:
    """With a block before each step, the oldest item of a blocked user is gone after one pass: none begins it again."""
    block(opened, "old")
    for n in range(PASS + 2):
        block(opened, f"nobody{n}")
        opened.run(opened.store.work(STEP))
    assert (by(opened, "old"), by(opened, "new"), jobs(opened)) == (0, 1, 1)


def test_a_block_in_the_middle_of_a_pass_covers_what_was_passed(opened: Inside) -> None:
    """The pass had the newest rows behind it when their actor was blocked; the counts are exact at the end."""
    block(opened, "nobody")
    for _ in range(PASS // 2):
        opened.run(opened.store.work(STEP))
    block(opened, "old")
    more = tuple(event("ann", "alone", f"more:{n}", targets=("bob",)) for n in range(2 * STEP))
    opened.run(opened.store.write([Publish(more)]))
    block(opened, "new")
    opened.settle()
    assert (by(opened, "old"), by(opened, "new")) == (0, 0)
    assert opened.counts("bob").unread_count == ITEMS - 2 + 2 * STEP
    opened.check_inbox("bob")


def test_a_block_that_was_removed_leaves_what_was_not_read_yet(opened: Inside) -> None:
    """Nobody is blocked any more when the pass gets there."""
    block(opened, "old")
    block(opened, "old", on=False)
    assert steps_left(opened) == 1
    assert by(opened, "old") == 1


def test_a_cleaning_that_was_set_aside_begins_again_with_a_block(
    opened: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one job for an inbox, also if it was a dead letter."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError

    block(opened, "old")
    with monkeypatch.context() as broken:
        broken.setitem(fanout_queue._KINDS, "block", fail)
        for _ in range(fanout_queue.MAX_ATTEMPTS):
            with pytest.raises(ZeroDivisionError):
                opened.run(opened.store.work(STEP))
    assert opened.run(opened.store.backlog()) == (0, 1)
    block(opened, "new")
    assert opened.run(opened.store.backlog()) == (1, 0)
    opened.settle()
    assert (by(opened, "old"), by(opened, "new")) == (0, 0)


def test_a_large_group_is_looked_up_by_the_fewer(opened: Inside) -> None:
    """A group of many actors costs as many look-ups as the user has blocks, and one of few as many as it has actors: both
    find the same."""
    actors = ("eve", *(f"a{n}" for n in range(30)), "eve", "mal")
    opened.write(
        Publish(tuple(event(actor, "like", "thing:1", targets=("bob",), name=actor) for actor in actors))
    )
    (group,) = (row for row in opened.rows("bob") if row.size > 1)
    block(opened, "eve")
    (one,) = (row for row in opened.rows("bob") if row.id == group.id)
    assert (one.size, one.actor_count) == (31, 31)
    for n in range(40):
        block(opened, f"nobody{n}")
    block(opened, "mal")
    opened.settle()
    (one,) = (row for row in opened.rows("bob") if row.id == group.id)
    assert (one.size, one.actor_count) == (30, 30)
    opened.check_inbox("bob")
