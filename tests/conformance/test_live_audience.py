"""``tidings.ports.FeedViews.audience_since``: the events in the feeds of these users, and whose feeds they are in."""

from tests.checkers.adapters import ALL
from tests.harness import Harness
from tidings.filters import FeedFilter
from tidings.model import EventAudience, Follow, Retract, SetBlock, SetMute, Unfollow
from tidings.testing import START_MS, event

USERS = ("alice", "bob", "cy", "dora", "eve")


def audience_since(
    store: Harness, after: int = 0, users: tuple[str, ...] = USERS, limit: int = ALL
) -> tuple[list[EventAudience], int]:
    return store.run(store.store.audience_since(after, users, limit))


def by_user(found: list[EventAudience], user: str) -> list[int]:
    """The positions of which this user is in the audience."""
    return [one.position for one in found if any(user in users for _, _, users in one.listeners)]


def test_targets_and_followers_hear_an_event(store: Harness) -> None:
    """Each once, by a reason that holds; others do not, and nobody hears their own act."""
    store.write(Follow("cy", "user:alice"), Follow("bob", "category:x"), Follow("alice", "item:1"))
    store.publish(event("alice", topics=("category:x",), targets=("bob", "dora", "alice")))
    (entry,) = store.run(store.store.tail(0, 1))
    ((one,), last) = audience_since(store)
    assert (one.position, one.body, last) == (1, entry.body, 1)
    reasons = {user: (reason, topic) for reason, topic, users in one.listeners for user in users}
    assert sum(len(users) for _, _, users in one.listeners) == len(reasons) == 3
    assert reasons["cy"] == ("follow", "user:alice")
    assert reasons["dora"] == ("target", "")
    assert reasons["bob"] in {("target", ""), ("follow", "category:x")}


def test_only_those_asked_for_are_told_of(store: Harness) -> None:
    """An event that none of them hears is left out; unknown users hear nothing."""
    store.publish(event("alice", targets=("bob",)), event("alice", targets=("cy",)))
    assert [one.position for one in audience_since(store, users=("cy", "nobody"))[0]] == [2]
    assert audience_since(store, users=()) == ([], 2)


def test_masks_hide_events(store: Harness) -> None:
    """As in the feed."""
    store.write(SetMute("bob", "category:x"), SetBlock("alice", "user:cy"))
    store.publish(event("alice", topics=("category:x",), targets=("bob", "cy", "dora")))
    ((one,), _) = audience_since(store)
    assert one.listeners == [("target", "", ["dora"])]


def test_it_goes_on_after_a_position(store: Harness) -> None:
    """Looking at so many positions at a time, whether anybody is in the audience or not."""
    gone, *_ = store.publish(*(event("alice", targets=("bob",) if n % 3 == 0 else ()) for n in range(10)))
    store.write(Retract(gone))
    seen, after = [], 0
    while after < 11:
        found, last = audience_since(store, after, limit=2)
        assert after < last <= after + 2
        seen += [one.position for one in found]
        after = last
    assert (seen, after) == ([4, 7, 10, 11], 11), "the last is the retraction"
    assert audience_since(store, 11) == ([], 11)


def test_the_audience_has_what_came_to_the_feed(store: Harness) -> None:
    """The same law, whatever is pushed or merged, with follows begun, ended and kept on the way."""
    crowd = tuple(f"f{n}" for n in range(130))
    store.write(*(Follow(user, "category:x") for user in crowd))
    for n in range(12):
        store.publish(event(USERS[n % 5], obj=f"item:{n % 2}", topics=("category:x",), at=START_MS - n))
        store.publish(event("alice", obj="item:1", targets=(USERS[n % 4],)))
        user = USERS[n % 3]
        change = Unfollow(user, "item:1", keep=n % 4 == 0) if n % 2 else Follow(user, "item:1", backfill=2)
        store.write(change, SetMute("dora", "item:0", on=n % 2 == 0))
    found, last = audience_since(store, users=(*USERS, *crowd))
    assert last == store.run(store.store.head()).position
    for user in (*USERS, "f0", "f129"):
        feed = store.page(user, want=FeedFilter()).items
        assert by_user(found, user) == sorted(item.position for item in feed)
