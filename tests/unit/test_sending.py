"""A replay in batches is worth the same as one event after the other."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tidings.cli.importer import Step, Tally, steps
from tidings.contrib.gharchive import Publication

USERS = ("ann", "bob", "cy")
REPOSITORIES = ("ann/a", "bob/b")


def published(actor: str, repository: str, star: bool) -> Publication:
    """An act on a repository, perhaps a star."""
    body: dict[str, Any] = {"actor_id": actor, "object_type": "repository", "object_id": repository}
    return Publication(body, (actor, f"repository:{repository}") if star else None)


publications = st.lists(
    st.builds(published, st.sampled_from(USERS), st.sampled_from(REPOSITORIES), st.booleans()), max_size=30
)


def reached(planned: Iterable[Step]) -> list[set[str]]:
    """Whom each event reached, when the events of a step are stored and then its follows are made."""
    followers: dict[str, set[str]] = defaultdict(set)
    audiences = []
    for step in planned:
        for body in step.events:
            topic = f"{body['object_type']}:{body['object_id']}"
            audiences.append(followers[topic] - {body["actor_id"]})
        for user, topic in step.follows:
            followers[topic].add(user)
    return audiences


@given(publications, st.integers(1, 10))
def test_batches_reach_whom_single_events_reach(several: list[Publication], batch: int) -> None:
    """Whatever the size of a batch, each event reaches exactly those who followed before it in the file."""
    assert reached(steps(several, batch)) == reached(steps(several, 1))


@given(publications, st.integers(1, 10))
def test_steps_keep_every_event_in_order_and_within_the_batch(several: list[Publication], batch: int) -> None:
    """No step is empty or larger than asked for, and together they are the file."""
    planned = list(steps(several, batch))
    assert [body for step in planned for body in step.events] == [one.body for one in several]
    assert [pair for step in planned for pair in step.follows] == [
        one.follow for one in several if one.follow
    ]
    assert all(1 <= len(step.events) <= batch for step in planned)


def test_a_batch_is_cut_only_where_a_new_follow_matters() -> None:
    """Stars of different repositories share a step; the next event of a starred one begins another."""
    several = [
        published("ann", "bob/b", True),
        published("cy", "ann/a", True),
        published("ann", "ann/a", False),
    ]
    assert [len(step.events) for step in steps(several, 100)] == [2, 1]


def test_a_pause_sends_what_was_gathered() -> None:
    """None ends a step, and pauses in a row make no empty ones."""
    one = published("ann", "bob/b", False)
    assert [len(step.events) for step in steps([None, one, None, None, one, one], 100)] == [1, 2]


def test_a_tally_keeps_few_reasons_and_counts_all() -> None:
    """However many different reasons a file gives, the summary stays short and the count exact."""
    tally = Tally()
    for i in range(100):
        tally.refuse(f"reason {i}", f"a.ndjson:{i}")
    tally.refuse("reason 0", "a.ndjson:500")
    assert tally.refused == 101
    lines = tally.lines(1.0)
    assert lines[1] == "  refused 2 x: reason 0 (a.ndjson:0, a.ndjson:500)"
    assert lines[-1].startswith("  refused 95 x: other reasons (a.ndjson:5, ")
    assert lines[-1].endswith(" and 90 more)")
    assert len(lines) == 7
