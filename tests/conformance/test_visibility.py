"""Who sees an event of each visibility: the rules of ``tidings.visibility`` on every read, with every way of fan-out."""

import pytest
from msgspec.structs import replace

from tests.harness import Harness
from tidings.event_counts import EventSelection
from tidings.feed_changes import Retraction
from tidings.filters import FeedFilter, FeedOf
from tidings.model import (
    EVERYONE,
    EraseUser,
    Follow,
    MarkFeedRead,
    MaterializeBroadcasts,
    NewEvent,
    RebuildFeeds,
    Retract,
    SetBlock,
    SetNotificationType,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.rules import Rule
from tidings.testing import START_MS, event
from tidings.visibility import VISITOR, Visibility

MANY = ("v1", "v2", "v3", "v4", "v5", "v6", "v7")
"""Followers enough for a chunked fan-out and a hot topic under tiny settings."""
PUBLIC, FOLLOWERS, RECIPIENTS = Visibility
TOPICS = ("user:alice", "market:42", "category:x")


def about(visibility: Visibility, *targets: str) -> NewEvent:
    """An event of alice on market 42 in category x."""
    return event("alice", obj="market:42", topics=("category:x",), targets=targets, visibility=visibility)


@pytest.fixture
def ids(store: Harness) -> dict[Visibility, str]:
    """One event of each visibility, to bob; seven users follow each of its topics, and carol none."""
    store.write(*(Follow(user, TOPICS[n % 3]) for n, user in enumerate(MANY)))
    return dict(zip(Visibility, store.publish(*(about(each, "bob") for each in Visibility)), strict=True))


def test_everybody_sees_what_is_public_alone(store: Harness, ids: dict[Visibility, str]) -> None:
    """On the page of everyone's activity, and on those of topics without a viewer, or for one who follows nothing."""
    for viewer in (None, VISITOR, "carol", "nobody", "v1"):
        assert store.activity(None, viewer=viewer) == [ids[PUBLIC]]
    for topic in TOPICS:
        for viewer in (None, VISITOR, "carol", "bob"):
            assert store.activity(topic, viewer=viewer) == [ids[PUBLIC]]


def test_followers_see_it_on_the_pages_of_the_topics_that_they_follow(
    store: Harness, ids: dict[Visibility, str]
) -> None:
    """Also what came before the follow; not on other pages, and no more after an unfollow, history kept or not."""
    for n, user in enumerate(MANY):
        for topic in TOPICS:
            shown = [ids[FOLLOWERS], ids[PUBLIC]] if topic == TOPICS[n % 3] else [ids[PUBLIC]]
            assert store.activity(topic, viewer=user) == shown
    store.write(Follow("carol", "market:42", 0))
    assert store.activity("market:42", viewer="carol") == [ids[FOLLOWERS], ids[PUBLIC]]
    for keep in (True, False):
        store.write(Follow("carol", "market:42", 0), Unfollow("carol", "market:42", keep=keep))
        assert store.activity("market:42", viewer="carol") == [ids[PUBLIC]]


def test_actors_see_their_own(store: Harness, ids: dict[Visibility, str]) -> None:
    """All in their feed with include_own; what is for followers on pages of topics."""
    assert store.feed("alice", FeedFilter(include_own=True)) == [ids[each] for each in reversed(Visibility)]
    for topic in TOPICS:
        assert store.activity(topic, viewer="alice") == [ids[FOLLOWERS], ids[PUBLIC]]


def test_a_follow_does_not_bring_what_is_for_recipients(store: Harness, ids: dict[Visibility, str]) -> None:
    """Neither by fan-out on write nor on read; targets have all three."""
    for user in MANY:
        assert store.feed(user) == [ids[FOLLOWERS], ids[PUBLIC]]
        assert [item.key for item in store.run(store.store.feed_since(user, 0, 9)).items] == [
            item.key for item in reversed(store.page(user).items)
        ]
        assert store.run(store.store.new_count(FeedOf(user), 0, 9)).new == 2
        assert store.run(store.store.summary(user)).total == 2
    assert store.feed("bob") == [ids[each] for each in reversed(Visibility)]


def test_streams_have_the_same_audience(store: Harness, ids: dict[Visibility, str]) -> None:
    """The audience of each event is those in whose feeds it is."""
    found, _ = store.run(store.store.audience_since(0, {"bob", "carol", "alice", *MANY}, 100))
    audiences = [{user for *_, some in one.listeners for user in some} for one in found]
    assert audiences == [{"bob", *MANY}, {"bob", *MANY}, {"bob"}]


def test_a_backfill_counts_what_it_may_bring(store: Harness) -> None:
    """Events for recipients take no place of the newest ones that a follow adds."""
    first, second = store.publish(about(PUBLIC), about(FOLLOWERS))
    store.publish(*(about(RECIPIENTS, "bob") for _ in range(5)))
    store.write(Follow("carol", "market:42", 2))
    assert store.feed("carol") == [second, first]


def test_a_rebuild_brings_nothing_more(store: Harness, ids: dict[Visibility, str]) -> None:
    """Feeds that are written again from the log have what they had."""
    before = {user: store.feed(user) for user in ("bob", "carol", "alice", *MANY)}
    store.write(RebuildFeeds())
    assert {user: store.feed(user) for user in before} == before
    assert store.activity("market:42") == [ids[PUBLIC]]


def test_ids_open_only_what_the_viewer_may_see(store: Harness, ids: dict[Visibility, str]) -> None:
    """A look-up by id: servers see all, users what is public, theirs, to them, or followed."""
    may = {
        None: set(Visibility),
        "alice": set(Visibility),
        "bob": set(Visibility),
        "v1": {PUBLIC, FOLLOWERS},
        "carol": {PUBLIC},
        "nobody": {PUBLIC},
        VISITOR: {PUBLIC},
    }
    for viewer, seen in may.items():
        found = {each for each, id in ids.items() if store.run(store.store.event(id, viewer))}
        assert found == seen, viewer


def test_an_unfollow_keeps_what_the_user_could_look_up(store: Harness, ids: dict[Visibility, str]) -> None:
    """If it keeps the history: the event is still in the feed. What is published later is not."""
    store.write(Unfollow("v1", TOPICS[0], keep=True))
    (later,) = store.publish(about(FOLLOWERS))
    assert store.run(store.store.event(ids[FOLLOWERS], "v1"))
    assert store.run(store.store.event(later, "v1")) is None


def test_a_follow_permits_a_look_up_while_it_lasts_or_covers_the_event(
    store: Harness, ids: dict[Visibility, str]
) -> None:
    """A follow after the event that adds nothing to the feed permits nothing once it ended, history kept or not; one that
    added the event, and was ended with its history kept, still does."""
    for keep in (True, False):
        store.write(Follow("carol", "market:42", 0))
        assert store.run(store.store.event(ids[FOLLOWERS], "carol"))
        store.write(Unfollow("carol", "market:42", keep=keep))
        assert store.run(store.store.event(ids[FOLLOWERS], "carol")) is None
    for keep in (True, False):
        store.write(Follow("carol", "market:42", 1), Unfollow("carol", "market:42", keep=keep))
        assert bool(store.feed("carol")) == keep
        assert bool(store.run(store.store.event(ids[FOLLOWERS], "carol"))) == keep


@pytest.mark.parametrize("pair", [("alice", "user:{}"), ("{}", "user:alice")])
def test_a_block_takes_the_look_up_that_a_follow_permits(
    store: Harness, ids: dict[Visibility, str], pair: tuple[str, str]
) -> None:
    """The fault: a blocked user who computed the id of an event for followers, and followed a topic of it, could read it.
    In both directions, until the block ends; recipients keep the right, and so does everybody to what is public."""
    may = {"v1": {PUBLIC, FOLLOWERS}, "bob": set(Visibility), "alice": set(Visibility)}
    store.write(Follow("bob", "market:42"))

    def seen(user: str) -> set[Visibility]:
        return {each for each, id in ids.items() if store.run(store.store.event(id, user))}

    for user in ("v1", "bob"):
        blocker, blocked = (part.format(user) for part in pair)
        store.write(SetBlock(blocker, blocked, on=True))
        assert seen(user) == may[user] - ({FOLLOWERS} if user == "v1" else set())
        assert seen("alice") == may["alice"]
        store.write(SetBlock(blocker, blocked, on=False))
        assert seen(user) == may[user]


def test_followers_are_not_notified_of_what_is_for_recipients(store: Harness) -> None:
    """Even if the rule of the type notifies them."""
    store.write(SetNotificationType("news", Rule(notify="both")), *(Follow(u, "market:42") for u in MANY))
    for visibility in Visibility:
        store.publish(event("alice", "news", "market:42", targets=("bob",), visibility=visibility))
    assert store.counts("bob").unread_items == 3
    assert [store.counts(user).unread_items for user in MANY] == [2] * len(MANY)


@pytest.mark.parametrize("audience", [EVERYONE, "category:x"])
def test_the_audience_of_a_broadcast_are_its_recipients(store: Harness, audience: str) -> None:
    """They may look it up, before and after it is in their inbox; others may not. Visitors are in none."""
    store.write(Follow("v1", "category:x"))
    made = event("alice", "news", "market:42", visibility=RECIPIENTS)
    (id,) = store.publish(replace(made, audience=audience, expires_at=made.created_at + 10**9))
    assert store.run(store.store.event(id, "v1"))
    assert bool(store.run(store.store.event(id, "carol"))) == (audience == EVERYONE)
    assert store.run(store.store.event(id, VISITOR)) is None
    store.write(MaterializeBroadcasts(("v1",)), Unfollow("v1", "category:x"))
    assert store.run(store.store.event(id, "v1"))
    assert store.activity("market:42", viewer="v1") == store.feed("v1") == []


def test_marks_of_ids_reach_only_what_is_in_the_feed(store: Harness, ids: dict[Visibility, str]) -> None:
    """To mark an id is no way to learn that it exists."""
    for user, marked in (("v1", 2), ("carol", 0), ("bob", 3)):
        assert store.changed(MarkFeedRead(user, tuple(ids.values()))) == marked


def test_read_alls_count_the_own_events(store: Harness, ids: dict[Visibility, str]) -> None:
    """A read-all covers them as it covers all others, and so does its undoing."""
    assert store.changed(MarkFeedRead("alice")) == 3
    position = store.run(store.store.head()).position
    assert store.changed(UndoMarkFeedRead("alice", position)) == 3


def test_a_retraction_reaches_those_who_had_it(store: Harness, ids: dict[Visibility, str]) -> None:
    """It leaves every page, and streams of those in whose feeds it was are told."""
    start = store.run(store.store.head()).position
    store.write(Retract(ids[RECIPIENTS]))
    assert store.feed("bob") == [ids[FOLLOWERS], ids[PUBLIC]]
    assert store.feed("alice", FeedFilter(include_own=True)) == [ids[FOLLOWERS], ids[PUBLIC]]
    changed = {
        u: store.run(store.store.feed_since(u, start, 9)).changes for u in ("bob", "alice", "v1", "carol")
    }
    gone = (Retraction(start + 1, ids[RECIPIENTS]),)
    assert changed == {"bob": gone, "alice": gone, "v1": (), "carol": ()}


def test_an_erasure_finds_what_is_for_recipients(store: Harness, ids: dict[Visibility, str]) -> None:
    """The actor of such an event leaves no name in it."""
    store.write(EraseUser("alice"))
    for id in ids.values():
        entry = store.run(store.store.event(id))
        assert entry is not None
        assert "alice" not in (entry.actor_id, *entry.topics)
        assert b"alice" not in entry.body


def test_an_export_has_the_own_events(store: Harness, ids: dict[Visibility, str]) -> None:
    """Of every visibility."""
    acts = [line["event"]["event_id"] for line in store.export("alice") if line["kind"] == "event"]
    assert sorted(acts) == sorted(ids.values())


def test_pages_go_on_past_what_they_do_not_list(store: Harness) -> None:
    """A page is full, the last, or partial: never empty because others may see more."""
    (oldest,) = store.publish(about(PUBLIC))
    store.publish(*(about(FOLLOWERS) for _ in range(40)), *(about(RECIPIENTS, "bob") for _ in range(40)))
    (newest,) = store.publish(about(PUBLIC))
    for topic in (None, *TOPICS):
        assert store.activity(topic) == [newest, oldest]


def test_counts_of_a_topic_do_not_examine_what_is_for_recipients(
    store: Harness, ids: dict[Visibility, str]
) -> None:
    """Counts of all events do: they read the whole period."""
    for topic, examined in ((None, 3), ("market:42", 2)):
        selected = EventSelection(START_MS - 1_000, START_MS + 1_000, topic=topic)
        found = store.run(store.store.ranked_keys(selected, "verb", 9, examined))
        assert found is not None
        assert (found.total, found.examined) == (1, examined)
        assert store.run(store.store.ranked_keys(selected, "verb", 9, examined - 1)) is None
