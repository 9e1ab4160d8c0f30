"""The duplicates of stores with a default window: the same actor, verb and object notify a user once within it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import BACKENDS, opened
from tests.harness import Harness
from tidings.model import Follow, Retract, SetMute, SetNotificationType
from tidings.notify_mode import NotifyMode
from tidings.rules import Rule
from tidings.testing import FakeClock, event

WINDOW_S = 3_600


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """An empty store with a default window."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        made = runner.run(opened(request.param, tmp_path, clock, duplicate_window_s=WINDOW_S))
        yield Harness(made, clock, runner)
        runner.run(made.close())


def test_the_same_again_within_the_window_counts_once(store: Harness) -> None:
    """In the inbox: feeds have each event. After the window the next one notifies."""
    like = event("alice", "like", targets=("bob",))
    store.publish(like)
    store.clock.advance(WINDOW_S * 1_000 - 1)
    store.publish(like, like)
    assert (store.counts("bob").seq, len(store.feed("bob"))) == (1, 3)
    store.clock.advance(1)
    store.publish(like)
    assert store.counts("bob").unread_items == 2


@pytest.mark.parametrize("rule", [Rule(group="none"), Rule(group="until_read"), Rule(group="sliding")])
def test_a_clock_that_was_ahead_leaves_no_duplicates_and_groups(store: Harness, rule: Rule) -> None:
    """What was notified while the clock was a day ahead neither suppresses nor takes up events after its correction, which a
    correction by some minutes leaves as they were."""
    like, day = event("alice", "like", targets=("bob",)), 24 * 3_600_000
    store.write(SetNotificationType("like", rule))
    store.clock.advance(day)
    store.publish(like)
    store.clock.advance(-60_000)
    store.publish(like)
    assert store.counts("bob").unread_items == 1
    store.clock.advance(60_000 - day)
    store.publish(like)
    assert (store.counts("bob").unread_count, store.counts("bob").unread_items) == (2, 2)


def test_another_actor_verb_object_or_user_counts(store: Harness) -> None:
    """Also two verbs of one type, unless the type has a window of its own."""
    store.write(SetNotificationType("reaction", Rule(verbs=("like", "love"))))
    store.publish(
        event("alice", "like", targets=("bob",)),
        event("alice", "love", targets=("bob",)),
        event("alice", "like", "item:2", targets=("bob",)),
        event("cy", "like", targets=("bob",)),
        event("alice", "like", targets=("bob", "dora")),
    )
    assert [store.counts(user).seq for user in ("bob", "dora")] == [4, 1]


def test_a_type_turns_it_off(store: Harness) -> None:
    """With a window of 0 each event notifies; with another window that holds."""
    store.write(SetNotificationType("like", Rule(duplicate_window_s=0)))
    store.write(SetNotificationType("poke", Rule(duplicate_window_s=1)))
    for verb in ("like", "poke"):
        for _ in range(2):
            store.publish(event("alice", verb, targets=("bob",)))
            store.clock.advance(1_000)
    assert store.counts("bob").unread_items == 4


def test_what_arrives_read_and_what_rings_again_is_no_duplicate(store: Harness) -> None:
    """A history that is imported keeps each of its notifications, and a reminder rings each time."""
    for mode in (NotifyMode.READ, NotifyMode.EACH):
        store.publish(*(event("alice", "like", targets=("bob",), notify=mode) for _ in range(2)))
    assert (store.counts("bob").seq, store.counts("bob").unread_items) == (4, 2)


def test_followers_are_notified_once_too(store: Harness) -> None:
    """At once, and by fan-out jobs."""
    store.write(SetNotificationType("post", Rule(notify="followers")))
    store.write(*(Follow(f"u{n}", "item:1") for n in range(4)))
    for _ in range(2):
        store.publish(event("alice"))
    assert [store.counts(f"u{n}").seq for n in range(4)] == [1, 1, 1, 1]


def test_the_facts_name_the_event_of_which_one_is_a_duplicate(store: Harness) -> None:
    """Also if a mute hides the duplicate; not for the event that notified, another user, or what came after the window, and
    not after the retraction of the event that notified."""

    def repeats(event_id: str, user: str = "bob") -> str:
        facts = store.run(store.store.explain_facts(user, event_id))
        assert facts is not None
        return facts.repeats

    def like() -> str:
        (event_id,) = store.publish(event("alice", "like", targets=("bob",), at=store.clock.now()))
        return event_id

    first = like()
    store.clock.advance(WINDOW_S * 1_000 - 1)
    second = like()
    store.write(SetMute("bob", "user:alice"))
    third = like()
    store.clock.advance(1)
    late = like()
    assert [repeats(id) for id in (first, second, third, late)] == ["", first, first, ""]
    assert repeats(second, "cy") == ""
    store.write(Retract(first))
    assert repeats(second) == ""
