"""The law of a feed, and how pages show it: ``tidings.ports.FeedViews`` sentence by sentence."""

import pytest

from tests.checkers.adapters import feed_pages
from tests.checkers.paging import complete, walk
from tests.harness import Harness
from tidings.filters import FeedFilter, FeedOf, only
from tidings.model import (
    FeedItem,
    Follow,
    MarkFeedRead,
    Page,
    Publish,
    Retract,
    SetBlock,
    SetMute,
    Unfollow,
)
from tidings.testing import START_MS, event
from tidings.timeutil import DAY_MS

MANY = ("v1", "v2", "v3", "v4", "v5", "v6", "v7")
"""Viewers enough for a chunked fan-out and a hot topic under tiny settings."""


def item(store: Harness, user: str, want: FeedFilter | None = None) -> FeedItem:
    """The only item of a feed."""
    (found,) = store.page(user, want=want).items
    return found


def test_an_unknown_user_has_an_empty_feed(store: Harness) -> None:
    """No items, no next page; the position is the head all the same."""
    store.publish(event("alice"))
    assert store.page("nobody", 5) == Page([], None, 1)


@pytest.mark.need("IN5")
def test_a_target_has_the_event(store: Harness) -> None:
    """With the reason ``target``."""
    store.publish(event("alice", targets=("bob",)))
    assert (item(store, "bob").reason, item(store, "bob").topic) == ("target", "")
    assert store.feed("cy") == []


@pytest.mark.need("IN5")
@pytest.mark.parametrize("topic", ["user:alice", "market:42", "category:x"])
def test_a_follower_of_any_topic_has_the_event(store: Harness, topic: str) -> None:
    """Of the actor, of the object, of an extra topic; with the reason ``follow`` and that topic."""
    store.write(*(Follow(user, topic) for user in MANY))
    store.publish(event("alice", obj="market:42", topics=("category:x",)))
    store.publish(event("dora", obj="market:43", topics=("category:y",)))
    for user in MANY:
        assert (item(store, user).reason, item(store, user).topic) == ("follow", topic)


def test_an_item_is_the_event(store: Harness) -> None:
    """Key, position and body are those of the log; it is unread."""
    store.publish(event("x"), event("alice", targets=("bob",)))
    entry = store.run(store.store.tail(1, 1))[0]
    found = item(store, "bob")
    assert (found.key, found.position, found.body, found.read_at) == (entry.key, 2, entry.body, None)


def test_nobody_has_their_own_acts(store: Harness) -> None:
    """Neither as their own target nor as a follower of the object or of themselves."""
    store.write(Follow("alice", "item:1"), Follow("alice", "user:alice"))
    store.publish(event("alice", targets=("alice",)))
    assert store.feed("alice") == []


def test_own_acts_come_with_include_own(store: Harness) -> None:
    """With the reason ``own``, among the others in their order."""
    store.write(Follow("alice", "user:bob"))
    one, two, three = store.publish(event("alice"), event("bob"), event("alice", targets=("alice",)))
    assert store.feed("alice", FeedFilter(include_own=True)) == [three, two, one]
    reasons = [found.reason for found in store.page("alice", want=FeedFilter(include_own=True)).items]
    assert reasons == ["own", "follow", "own"]
    assert store.feed("alice") == [two]


@pytest.mark.need("FE14")
def test_several_reasons_make_one_item(store: Harness) -> None:
    """The reason given is one of those that hold."""
    store.write(Follow("bob", "user:alice"), Follow("bob", "item:1"), Follow("bob", "category:x"))
    store.publish(event("alice", targets=("bob", "bob"), topics=("category:x", "category:x")))
    found = item(store, "bob")
    follows = {("follow", topic) for topic in ("user:alice", "item:1", "category:x")}
    assert (found.reason, found.topic) in {("target", ""), *follows}
    assert store.run(store.store.summary("bob")).total == 1


def test_many_targets_all_have_it(store: Harness) -> None:
    """However many there are, each has it once."""
    targets = tuple(f"t{n}" for n in range(40))
    (event_id,) = store.publish(event("alice", targets=targets))
    assert [store.feed(user) for user in targets] == [[event_id]] * 40


# --- what a follow covers -----------------------------------------------------------------------------------


def test_a_follow_without_backfill_shows_what_comes_later(store: Harness) -> None:
    """Nothing that came before; everything with a later position, backdated events too."""
    store.publish(event("alice"), event("alice", at=START_MS + 1000))
    store.write(Follow("bob", "user:alice", 0))
    new, old = store.publish(event("alice", at=START_MS + 500), event("alice", at=START_MS - 500))
    assert store.feed("bob") == [new, old]


def test_a_backfill_shows_the_newest_by_time(store: Harness) -> None:
    """The n newest events of the topic by key, whichever came last."""
    ages = (0, 5, 1, 4, 2, 3)
    by_age = dict(zip(ages, store.publish(*(event("alice", at=START_MS - age) for age in ages)), strict=True))
    store.publish(event("dora", at=START_MS + 9))
    store.write(Follow("bob", "user:alice", 4))
    assert store.feed("bob") == [by_age[0], by_age[1], by_age[2], by_age[3]]


def test_a_backfill_larger_than_the_topic_shows_all_of_it(store: Harness) -> None:
    """There is no error in asking for more than there is."""
    one, two = store.publish(event("alice"), event("alice"))
    store.write(Follow("bob", "user:alice", 1000), Follow("bob", "user:nobody", 1000))
    assert store.feed("bob") == [two, one]


def test_a_backfill_does_not_count_retracted_events(store: Harness) -> None:
    """The n newest that are there."""
    one, two, three = store.publish(event("alice"), event("alice"), event("alice"))
    store.write(Retract(three), Follow("bob", "user:alice", 2))
    assert store.feed("bob") == [two, one]


def test_following_twice_is_nothing_new(store: Harness) -> None:
    """The first follow stands with its backfill."""
    store.publish(event("alice"))
    assert store.changed(Follow("bob", "user:alice", 0)) == 1
    assert store.changed(Follow("bob", "user:alice", 100)) == 0
    assert store.feed("bob") == []


def test_unfollowing_hides_what_came_only_by_it(store: Harness) -> None:
    """Targets and other follows keep theirs; later events do not come."""
    store.write(*(Follow(user, "user:alice") for user in MANY), Follow("v1", "item:2"))
    _, told, other = store.publish(
        event("alice"), event("alice", targets=("v1",)), event("alice", obj="item:2")
    )
    assert store.changed(Unfollow("v1", "user:alice")) == 1
    store.publish(event("alice"))
    assert store.feed("v1") == [other, told]
    assert len(store.feed("v2")) == 4


def test_unfollowing_with_keep_leaves_what_came(store: Harness) -> None:
    """Events up to the head stay, later positions do not come, be they backdated."""
    store.write(*(Follow(user, "user:alice") for user in MANY))
    one, two = store.publish(event("alice"), event("alice"))
    assert store.changed(Unfollow("v1", "user:alice", keep=True)) == 1
    store.publish(event("alice"), event("alice", at=START_MS - 1000))
    assert store.feed("v1") == [two, one]
    assert len(store.feed("v2")) == 4


def test_unfollowing_what_is_not_followed_changes_nothing(store: Harness) -> None:
    """Neither when it never was, nor a second time."""
    store.write(Follow("bob", "user:alice"), Unfollow("bob", "user:alice"))
    assert store.changed(Unfollow("bob", "user:alice")) == 0
    assert store.changed(Unfollow("bob", "user:alice", keep=True)) == 0
    assert store.changed(Unfollow("nobody", "user:alice")) == 0


def test_a_new_follow_after_a_kept_one_adds_to_it(store: Harness) -> None:
    """What came between stays away, unless the new backfill shows it."""
    store.write(Follow("bob", "user:alice", 0))
    kept, _ = store.publish(event("alice"))[0], store.write(Unfollow("bob", "user:alice", keep=True))
    store.publish(event("alice"))
    store.write(Follow("bob", "user:alice", 0))
    (new,) = store.publish(event("alice"))
    assert store.feed("bob") == [new, kept]


def test_a_new_follow_with_backfill_brings_back_what_was_hidden(store: Harness) -> None:
    """Hiding is not forgetting the events."""
    store.write(Follow("bob", "user:alice"))
    event_ids = store.publish(event("alice"), event("alice"))
    store.write(Unfollow("bob", "user:alice"))
    assert store.feed("bob") == []
    store.write(Follow("bob", "user:alice", 1))
    assert store.feed("bob") == [event_ids[1]]


def test_hiding_takes_earlier_kept_follows_along(store: Harness) -> None:
    """After an unfollow without keep nothing is left that came by the topic."""
    store.write(Follow("bob", "user:alice"))
    store.publish(event("alice"))
    store.write(Unfollow("bob", "user:alice", keep=True), Follow("bob", "user:alice", 0))
    store.publish(event("alice"))
    store.write(Unfollow("bob", "user:alice"))
    assert store.feed("bob") == []


@pytest.mark.need("FE2")
def test_a_topic_that_grows_and_shrinks_loses_and_doubles_nothing(store: Harness) -> None:
    """Whoever follows has all of it exactly once, while the number of followers rises and falls."""
    event_ids: list[str] = []
    for user in MANY:
        store.write(Follow(user, "user:alice"))
        event_ids += store.publish(event("alice"), event("alice", at=START_MS - len(event_ids)))
    assert [sorted(store.feed(user)) for user in MANY] == [sorted(event_ids)] * len(MANY)
    for user in MANY[1:]:
        store.write(Unfollow(user, "user:alice"))
        event_ids += store.publish(event("alice"))
    assert sorted(store.feed("v1")) == sorted(event_ids)
    assert [store.feed(user) for user in MANY[1:]] == [[]] * (len(MANY) - 1)


@pytest.mark.need("FE13")
def test_who_was_away_for_long_has_a_full_first_page(store: Harness) -> None:
    """What was published meanwhile is in the feed at the first request, before any work; then it goes on."""
    store.write(*(Follow(user, "user:alice", 0) for user in MANY))
    store.feed("v1")
    store.publish(event("alice"))
    for _ in range(3):
        store.clock.advance(40 * DAY_MS)
        store.publish(event("alice", at=store.clock.ms), event("alice", at=START_MS))
    assert [len(store.feed(user)) for user in MANY] == [7] * len(MANY)
    store.publish(event("alice", at=store.clock.ms))
    assert [len(store.feed(user)) for user in MANY] == [8] * len(MANY)
    store.settle()
    assert [len(store.feed(user)) for user in MANY] == [8] * len(MANY)


@pytest.mark.parametrize("topic", ["user:alice", "market:42", "category:x"])
def test_a_muted_topic_is_hidden_backwards_and_forwards(store: Harness, topic: str) -> None:
    """Whatever the reason; what has other topics stays. Unmuted, it is all there again."""
    store.write(*(Follow(user, "user:alice") for user in MANY))
    muted = event("alice", obj="market:42", topics=("category:x",), targets=("v1",))
    first, other = store.publish(muted, event("dora", targets=("v1",)))
    assert store.changed(SetMute("v1", topic)) == 1
    (second,) = store.publish(muted)
    assert store.feed("v1") == [other]
    assert store.feed("v2") == [second, first]
    assert store.changed(SetMute("v1", topic, on=False)) == 1
    assert store.feed("v1") == [second, other, first]


def test_what_was_published_while_masked_is_there_when_the_mask_is_lifted(store: Harness) -> None:
    """For targets and followers alike: a mask hides, it does not keep out."""
    store.write(Follow("cy", "user:alice"), *(SetMute(user, "user:alice") for user in ("bob", "cy")))
    store.write(SetBlock("dora", "user:alice"))
    (event_id,) = store.publish(event("alice", targets=("bob", "dora")))
    assert [store.feed(user) for user in ("bob", "cy", "dora")] == [[], [], []]
    store.write(*(SetMute(user, "user:alice", on=False) for user in ("bob", "cy")))
    store.write(SetBlock("dora", "user:alice", on=False))
    assert [store.feed(user) for user in ("bob", "cy", "dora")] == [[event_id]] * 3


def test_a_block_works_in_both_directions(store: Harness) -> None:
    """Neither has the other's acts, whoever blocked; taken back, both have them."""
    store.write(Follow("alice", "user:bob"), Follow("bob", "user:alice"), Follow("cy", "user:alice"))
    by_alice, by_bob = store.publish(event("alice", targets=("bob",)), event("bob", targets=("alice",)))
    assert store.changed(SetBlock("alice", "user:bob")) == 1
    assert (store.feed("alice"), store.feed("bob"), store.feed("cy")) == ([], [], [by_alice])
    assert store.changed(SetBlock("alice", "user:bob", on=False)) == 1
    assert (store.feed("alice"), store.feed("bob")) == ([by_bob], [by_alice])


def test_a_block_hides_only_their_acts(store: Harness) -> None:
    """What others do to the blocked person's topics stays."""
    store.write(Follow("alice", "user:bob"), SetBlock("alice", "user:bob"))
    (event_id,) = store.publish(event("cy", topics=("user:bob",)))
    assert store.feed("alice") == [event_id]


def test_masks_that_change_nothing_say_so(store: Harness) -> None:
    """A second mute, and the end of one that never was; a mute and a block of one person are two things."""
    assert store.changed(SetMute("bob", "user:x", on=False)) == 0
    assert store.changed(SetMute("bob", "user:x")) == 1
    assert store.changed(SetMute("bob", "user:x")) == 0
    assert store.changed(SetBlock("bob", "user:x", on=False)) == 0
    assert store.changed(SetBlock("bob", "user:x")) == 1


def test_own_acts_are_not_masked(store: Harness) -> None:
    """With include_own they are there, whatever one has muted."""
    store.write(SetMute("alice", "item:1"), SetMute("alice", "user:alice"))
    (event_id,) = store.publish(event("alice"))
    assert store.feed("alice", FeedFilter(include_own=True)) == [event_id]


# --- pages --------------------------------------------------------------------------------------------------


def test_a_feed_is_ordered_by_key(store: Harness) -> None:
    """Newest first by time, whatever the order of publication; a page continues below its last key."""
    store.write(Follow("bob", "user:alice", 0))
    offsets = (5, 1, 9, 3, 3, 0, 7)
    event_ids = store.publish(*(event("alice", at=START_MS + offset) for offset in offsets))
    newest_first = sorted(event_ids, reverse=True)
    assert store.feed("bob") == newest_first
    first = store.page("bob", 3)
    assert first.next_key == first.items[-1].key
    assert store.ids_of(store.page("bob", 2, before=first.next_key)) == newest_first[3:5]


@pytest.mark.need("FE5")
def test_a_page_is_full_or_the_last(store: Harness) -> None:
    """Also when the feed ends exactly at its end, and when many filtered items lie between."""
    store.write(Follow("bob", "user:alice", 0))
    store.publish(*(event("alice", "like" if n % 7 == 0 else "post") for n in range(42)))
    page = store.page("bob", 3, FeedFilter(verb=only("like")))
    assert (len(page.items), page.partial) == (3, False)
    last = store.page("bob", 3, FeedFilter(verb=only("like")), page.next_key)
    assert (len(last.items), last.next_key) == (3, None)
    assert store.page("bob", 42).next_key is None


def test_a_page_says_where_the_log_ends(store: Harness) -> None:
    """The position is the head, not that of the newest item."""
    store.publish(event("alice", targets=("bob",)), event("x"))
    assert store.page("bob").position == 2
    assert store.run(store.store.activity("user:alice", FeedFilter(), 5, None)).position == 2


@pytest.mark.need("FE1")
def test_a_walk_while_others_write_skips_and_doubles_nothing(store: Harness) -> None:
    """I4: what was there throughout is seen once, though events arrive at the front and in the middle."""
    store.write(*(Follow(user, "user:alice", 0) for user in MANY))
    store.publish(*(event("alice", at=START_MS + 10 * n) for n in range(20)))
    throughout = {found.key for found in store.page("v1").items}

    async def between() -> None:
        backdated = event("alice", at=START_MS + 55)
        await store.store.write([Publish((event("alice", at=START_MS + 10_000), backdated))])

    seen = store.run(walk(feed_pages(store.store, "v1", 3), between))
    store.settle()
    complete(seen, throughout, {found.key for found in store.page("v1").items})


def test_a_retracted_event_leaves_every_feed(store: Harness) -> None:
    """Those of targets, followers and the author, and the activity pages."""
    store.write(*(Follow(user, "user:alice") for user in MANY))
    gone, kept = store.publish(event("alice", targets=("bob",)), event("alice"))
    store.write(Retract(gone))
    assert [store.feed(user) for user in MANY] == [[kept]] * len(MANY)
    assert store.feed("bob") == []
    assert store.feed("alice", FeedFilter(include_own=True)) == [kept]
    assert (store.activity(None), store.activity("user:alice")) == ([kept], [kept])


# --- filters ------------------------------------------------------------------------------------------------

WANTED = event("alice", "like", "market:42", topics=("category:x",), at=START_MS)
OTHERS = event("dora", "post", "bill:7", topics=("category:y",), at=START_MS - 1000)


@pytest.mark.parametrize(
    "want",
    [
        FeedFilter(verb=only("like")),
        FeedFilter(object_type=only("market")),
        FeedFilter(object_id="42"),
        FeedFilter(object_type=only("market"), object_id="42"),
        FeedFilter(actor_id=only("alice")),
        FeedFilter(topic=only("category:x")),
        FeedFilter(topic=only("market:42")),
        FeedFilter(topic=only("user:alice")),
        FeedFilter(since=START_MS),
        FeedFilter(since=START_MS - 999),
        FeedFilter(
            verb=only("like"),
            actor_id=only("alice"),
            topic=only("category:x"),
            since=START_MS,
            until=START_MS + 1,
        ),
    ],
    ids=str,
)
def test_a_filter_gives_what_fits(store: Harness, want: FeedFilter) -> None:
    """Each field by itself and together, in feeds and in activity."""
    store.write(Follow("bob", "user:alice"), Follow("bob", "user:dora"))
    wanted: list[str] = []
    for _ in range(4):
        wanted += store.publish(WANTED, OTHERS)[:1]
    assert store.feed("bob", want) == wanted[::-1]
    assert store.activity(None, want) == wanted[::-1]
    assert store.activity("user:alice", want) == wanted[::-1]
    assert store.activity("user:dora", want) == []


def test_fields_of_a_filter_all_hold(store: Harness) -> None:
    """A filter that fits one half of each event fits none."""
    store.publish(event("alice", "like", targets=("bob",)), event("dora", "post", targets=("bob",)))
    assert store.feed("bob", FeedFilter(actor_id=only("alice"), verb=only("post"))) == []
    assert store.feed("bob", FeedFilter(verb=only("never-seen"))) == []
    assert store.feed("bob", FeedFilter(topic=only("never:seen"))) == []


def test_until_is_exclusive(store: Harness) -> None:
    """``since`` belongs to the range, ``until`` does not."""
    at = [START_MS, START_MS + 10, START_MS + 20]
    event_ids = store.publish(*(event("alice", targets=("bob",), at=ms) for ms in at))
    assert store.feed("bob", FeedFilter(since=at[0], until=at[2])) == [event_ids[1], event_ids[0]]
    assert store.feed("bob", FeedFilter(since=at[1], until=at[1])) == []


def test_a_filter_asks_for_read_or_unread(store: Harness) -> None:
    """Both, either, whether marked by id or by a read-all."""
    event_ids = store.publish(*(event("alice", targets=("bob",)) for _ in range(4)))
    store.write(MarkFeedRead("bob", up_to=1), MarkFeedRead("bob", (event_ids[2],)))
    assert store.feed("bob", FeedFilter(read=True)) == [event_ids[2], event_ids[0]]
    assert store.feed("bob", FeedFilter(read=False)) == [event_ids[3], event_ids[1]]


# --- activity -----------------------------------------------------------------------------------------------


def test_activity_of_everyone_is_everything(store: Harness) -> None:
    """By key, newest first, own acts and all."""
    event_ids = store.publish(*(event(f"a{n}", obj=f"item:{n}", at=START_MS - n) for n in range(7)))
    assert store.activity(None) == event_ids


@pytest.mark.parametrize("topic", ["user:alice", "market:42", "category:x"])
def test_activity_of_a_topic_is_all_that_has_it(store: Harness, topic: str) -> None:
    """Of an actor, an object, an extra topic; an unknown topic has none."""
    fits = event("alice", obj="market:42", topics=("category:x",))
    event_ids = store.publish(fits, event("dora"), fits, fits, fits, fits)
    assert store.activity(topic) == [event_ids[n] for n in (5, 4, 3, 2, 0)]
    assert store.activity("category:none") == []


def test_read_state_and_masks_play_no_part_in_activity(store: Harness) -> None:
    """Items of activity have no reader and no reason."""
    (event_id,) = store.publish(event("alice", targets=("bob",)))
    store.write(MarkFeedRead("bob"), SetMute("bob", "user:alice"))
    page = store.run(store.store.activity("user:alice", FeedFilter(read=False), 5, None))
    assert store.ids_of(page) == [event_id]
    assert (page.items[0].read_at, page.items[0].reason, page.items[0].topic) == (None, "", "")


# --- what is new --------------------------------------------------------------------------------------------


def test_feed_since_goes_by_position(store: Harness) -> None:
    """Oldest position first, backdated events included, pages joined by ``next_key``."""
    store.write(Follow("bob", "user:alice", 0))
    event_ids = store.publish(*(event("alice", at=START_MS - n) for n in range(5)))
    first = store.run(store.store.feed_since("bob", 1, 3))
    assert (store.ids_of(first), first.next_key, first.position) == (event_ids[1:4], 4, 5)
    rest = store.run(store.store.feed_since("bob", 4, 3))
    assert (store.ids_of(rest), rest.next_key) == (event_ids[4:], None)
    assert store.run(store.store.feed_since("bob", 5, 3)).items == []
    assert store.run(store.store.feed_since("bob", 2, 3)).next_key is None


def test_feed_since_obeys_the_law(store: Harness) -> None:
    """Masks hide, own acts are left out, reasons are given."""
    store.write(Follow("bob", "item:1", 0), SetMute("bob", "user:cy"))
    alice, *_ = store.publish(event("alice"), event("bob"), event("cy"), event("dora", obj="item:2"))
    page = store.run(store.store.feed_since("bob", 0, 10))
    assert store.ids_of(page) == [alice]
    assert (page.items[0].reason, page.items[0].topic) == ("follow", "item:1")


def test_the_version_of_a_feed_moves_with_it(store: Harness) -> None:
    """Whatever changes the first page changes its version, before the writer is answered; what does not leaves it."""

    def version() -> object:
        return store.run(store.store.feed_version("bob"))

    _, new = store.publish(event("cy", obj="item:7"), event("cy", obj="item:7", at=START_MS + 1))
    seen = [version()]
    for change in (
        Follow("bob", "item:7", 1),
        Publish((event("dan", obj="item:7", at=START_MS + 2),)),
        Publish((event("dan", targets=("bob",), at=START_MS - 5_000),)),
        MarkFeedRead("bob", (new,)),
        Retract(new),
        SetMute("bob", "user:dan"),
        Unfollow("bob", "item:7"),
    ):
        store.write(change)
        seen.append(version())
        assert seen[-1] not in seen[:-1], change
        assert version() == seen[-1]


def test_fan_out_that_is_owed_is_not_overtaken(store: Harness) -> None:
    """An event that has not reached a home yet is in the feed all the same: nobody who reads on skips it, it counts as
    new, and a read-all covers what could be seen."""
    crowd = [f"f{n:03}" for n in range(130)]
    store.write(*(Follow(user, "user:alice", 0) for user in (*crowd, "zoe")), Follow("zoe", "user:ben", 0))
    store.run(store.store.write([Publish((event("alice"),)), Publish((event("ben"),))]))
    first = store.run(store.store.feed_since("zoe", 0, 10))
    assert [item.position for item in first.items] == [1, 2]
    assert store.run(store.store.new_count(FeedOf("zoe"), 0, 10)).new == 2
    assert len(store.page("zoe").items) == 2
    store.settle()
    assert store.run(store.store.feed_since("zoe", 2, 10)).items == []
    assert [item.position for item in store.page("zoe").items] == [2, 1]


def test_feed_since_goes_on_past_what_is_hidden(store: Harness) -> None:
    """Masked items in between, backdated ones too, neither shorten a page nor end it early."""
    store.write(Follow("bob", "item:1", 0), SetMute("bob", "user:cy"))
    store.publish(event("top", at=START_MS + 10_000))
    for n in range(6):
        store.publish(*(event("cy", at=START_MS - n) for _ in range(4)), event("alice", at=START_MS - n))
    positions: list[int] = []
    after: int | None = 0
    while after is not None:
        found = store.run(store.store.feed_since("bob", after, 2))
        positions += [item.position for item in found.items]
        after = found.next_key
    assert positions == [1, 6, 11, 16, 21, 26, 31]


def test_a_summary_counts_the_whole_feed(store: Harness) -> None:
    """Total, unread and verbs are exact; the five newest are shown as in a page."""
    store.write(Follow("bob", "user:alice", 0), SetMute("bob", "item:9"))
    store.publish(*(event("alice", "like" if n < 3 else "post", at=START_MS - n) for n in range(8)))
    store.publish(event("bob"), event("alice", obj="item:9"))
    store.write(MarkFeedRead("bob", up_to=2))
    summary = store.run(store.store.summary("bob"))
    assert (summary.total, summary.unread, dict(summary.verbs)) == (8, 6, {"like": 3, "post": 5})
    assert summary.recent == store.page("bob", 5).items


def test_the_summary_of_nobody_is_empty(store: Harness) -> None:
    """Zeros for an unknown user."""
    summary = store.run(store.store.summary("nobody"))
    assert (summary.total, summary.unread, dict(summary.verbs), summary.recent) == (0, 0, {}, [])


# --- reading ------------------------------------------------------------------------------------------------


def test_items_are_marked_by_id(store: Harness) -> None:
    """With the time; those read already, and ids not in the feed, are passed over."""
    mine, foreign = store.publish(event("alice", targets=("bob",)), event("alice", targets=("cy",)))
    store.clock.advance(7)
    assert store.changed(MarkFeedRead("bob", (mine, foreign, "no-id", mine))) == 1
    assert item(store, "bob").read_at == store.clock.ms
    assert item(store, "cy").read_at is None
    store.clock.advance(7)
    assert store.changed(MarkFeedRead("bob", (mine,))) == 0
    assert item(store, "bob").read_at == store.clock.ms - 7


def test_all_is_marked_up_to_the_head(store: Harness) -> None:
    """Pushed and merged items alike; what comes later is unread, though it be backdated."""
    store.write(*(Follow(user, "user:alice", 0) for user in MANY))
    store.publish(event("alice"), event("dora", targets=("v1",)), event("alice"))
    store.clock.advance(7)
    assert store.changed(MarkFeedRead("v1")) == 3
    assert [found.read_at for found in store.page("v1").items] == [store.clock.ms] * 3
    (late,) = store.publish(event("alice", at=START_MS - 1000))
    assert store.feed("v1", FeedFilter(read=False)) == [late]
    assert len(store.feed("v2", FeedFilter(read=False))) == 3


def test_all_is_marked_up_to_a_position(store: Harness) -> None:
    """By position, not by time; a later mark up to an earlier position takes nothing back."""
    event_ids = store.publish(*(event("alice", targets=("bob",), at=START_MS - n) for n in range(5)))
    assert store.changed(MarkFeedRead("bob", up_to=3)) == 3
    assert store.feed("bob", FeedFilter(read=False)) == event_ids[3:]
    assert store.changed(MarkFeedRead("bob", up_to=1)) == 0
    assert store.feed("bob", FeedFilter(read=False)) == event_ids[3:]


def test_no_mark_reaches_beyond_the_head(store: Harness) -> None:
    """A position that is not there yet marks nothing that comes later."""
    store.publish(event("alice", targets=("bob",)))
    assert store.changed(MarkFeedRead("bob", up_to=1_000_000)) == 1
    (late,) = store.publish(event("alice", targets=("bob",)))
    assert store.feed("bob", FeedFilter(read=False)) == [late]


def test_a_read_all_counts_what_was_unread(store: Harness) -> None:
    """Own acts are; items marked before and hidden ones are not."""
    store.write(SetMute("bob", "user:cy"))
    first, *_ = store.publish(
        event("alice", targets=("bob",)),
        event("alice", targets=("bob",)),
        event("cy", targets=("bob",)),
        event("bob"),
    )
    store.write(MarkFeedRead("bob", (first,)))
    assert store.changed(MarkFeedRead("bob")) == 2
    assert store.changed(MarkFeedRead("bob")) == 0
