"""``tidings.ports.Graph``, sentence by sentence."""

from tests.harness import Harness
from tidings.model import EraseUser, Follow, Unfollow
from tidings.testing import START_MS, event


def followed(store: Harness, user: str, limit: int = 100, after: str | None = None) -> list[str]:
    return [row.topic for row in store.run(store.store.follows(user, limit, after))]


def test_follows_are_listed_by_name(store: Harness) -> None:
    """At most the limit, beginning after a name; a name that is not among them will do."""
    store.write(*(Follow("bob", topic) for topic in ("user:cy", "a:1", "market:42", "user:al")))
    assert followed(store, "bob") == ["a:1", "market:42", "user:al", "user:cy"]
    assert followed(store, "bob", 2) == ["a:1", "market:42"]
    assert followed(store, "bob", 2, "market:42") == ["user:al", "user:cy"]
    assert followed(store, "bob", 2, "b:0") == ["market:42", "user:al"]
    assert followed(store, "bob", 2, "user:cy") == []
    assert followed(store, "nobody") == []


def test_a_follow_says_since_when(store: Harness) -> None:
    """The time at which it was made, in milliseconds; following twice does not change it."""
    store.write(Follow("bob", "a:1"))
    store.clock.advance(5)
    store.write(Follow("bob", "a:1"))
    assert store.run(store.store.follows("bob", 1, None)) == [("a:1", START_MS)]


def test_only_follows_that_last_are_listed(store: Harness) -> None:
    """Ended ones are not, kept or hidden; one made anew is listed once."""
    store.write(*(Follow("bob", topic) for topic in ("a:1", "a:2", "a:3")))
    store.write(Unfollow("bob", "a:1"), Unfollow("bob", "a:2", keep=True))
    assert followed(store, "bob") == ["a:3"]
    store.write(Follow("bob", "a:2"))
    assert followed(store, "bob") == ["a:2", "a:3"]


def test_a_topic_knows_how_many_follow_it(store: Harness) -> None:
    """Exactly, as follows come, end, and people are erased."""
    users = [f"u{n}" for n in range(6)]
    store.write(*(Follow(user, "user:alice") for user in users), Follow("u0", "user:alice"))
    assert store.run(store.store.topic("user:alice")).followers == 6
    store.write(Unfollow("u0", "user:alice"), Unfollow("u1", "user:alice", keep=True), EraseUser("u2"))
    assert store.run(store.store.topic("user:alice")).followers == 3


def test_an_unknown_topic_has_no_followers_and_is_pushed(store: Harness) -> None:
    """Also one that has events but no followers."""
    store.publish(event("alice"))
    for topic in ("never:seen", "user:alice"):
        info = store.run(store.store.topic(topic))
        assert (info.topic, info.followers, info.fan_out, info.viewer) == (topic, 0, "write", "")
        assert info.reason


def test_a_topic_says_how_it_reaches_a_viewer(store: Harness) -> None:
    """``write`` or ``read`` for one who follows it, nothing for one who does not, and why."""
    store.write(*(Follow(f"u{n}", "user:alice") for n in range(6)))
    info = store.run(store.store.topic("user:alice", "u3"))
    assert info.fan_out in {"write", "read"}
    assert info.viewer in {"write", "read"}
    assert info.reason
    assert store.run(store.store.topic("user:alice", "nobody")).viewer == ""
    store.write(Unfollow("u3", "user:alice"))
    assert store.run(store.store.topic("user:alice", "u3")).viewer == ""
