"""The recipients of an event: ``tidings.ports.InboxViews``, its first paragraph."""

from typing import Any, get_args

import pytest

from tests.checkers.adapters import ALL
from tests.checkers.audience import Followed, notified
from tests.checkers.inboxes import addressed
from tests.harness import Harness, singles
from tidings.model import Follow, Retract, SetBlock, SetMute, SetNotificationType, SetPreferences, Unfollow
from tidings.notify_mode import NotifyMode
from tidings.personal_data import Preferences
from tidings.rules import DEFAULT, Rule, Source
from tidings.testing import START_MS, event
from tidings.visibility import Visibility

OFF = {"in_app": False}
ON = {"in_app": True}


def notifies(store: Harness, user: str, verb: str) -> bool:
    """Whether an event of this verb, addressed to the user, comes to their inbox."""
    before = store.counts(user).seq
    store.publish(event("alice", verb, targets=(user,)))
    return store.counts(user).seq > before


def test_each_target_gets_one_notification(store: Harness) -> None:
    """Once, though named twice; followers get none; the row holds the event."""
    store.publish(event("alice", targets=("bob", "cy", "bob")))
    (entry,) = store.run(store.store.tail(0, 1))
    for user in ("bob", "cy"):
        (found,) = store.rows(user)
        assert (found.order, found.seq, found.body) == (1, 1, entry.body)
        assert (found.seen_at, found.read_at, found.archived_at, found.deleted) == (None, None, None, False)
        assert store.counts(user) == singles(1, 1)


def test_nobody_is_notified_of_their_own_act(store: Harness) -> None:
    """The actor among the targets gets nothing."""
    store.publish(event("alice", targets=("alice", "bob")))
    assert store.counts("alice") == singles(0, 0)
    assert store.counts("bob") == singles(1, 1)


@pytest.mark.parametrize("topic", ["user:alice", "market:42", "category:x"])
def test_a_muted_topic_notifies_nobody(store: Harness, topic: str) -> None:
    """While it is muted; what came before stays, what came meanwhile does not come later."""
    sent = event("alice", "alone", "market:42", topics=("category:x",), targets=("bob",))
    store.publish(sent)
    store.write(SetMute("bob", topic))
    store.publish(sent, event("dora", targets=("bob",)))
    assert store.counts("bob") == singles(2, 2)
    store.write(SetMute("bob", topic, on=False))
    assert store.counts("bob") == singles(2, 2)
    store.publish(sent)
    assert store.counts("bob") == singles(3, 3)


@pytest.mark.parametrize(("who", "whom"), [("bob", "alice"), ("alice", "bob")])
def test_a_block_notifies_neither(store: Harness, who: str, whom: str) -> None:
    """Whoever of the two blocked the other."""
    store.write(SetBlock(who, f"user:{whom}"))
    store.publish(event("alice", targets=("bob", "cy")), event("bob", targets=("alice",)))
    assert store.run(store.store.counts(["alice", "bob", "cy"])) == [
        singles(0, 0),
        singles(0, 0),
        singles(1, 1),
    ]


def test_notifications_are_those_of_the_events_that_name_the_user(store: Harness) -> None:
    """I3: the inbox equals the recomputed audience, in the order of the log, over many events and writes."""
    named: list[str] = []
    for n in range(30):
        targets = tuple(f"u{k}" for k in range(n % 5))
        (event_id,) = store.publish(event("u1", targets=targets, at=START_MS - n))
        named += [event_id] if "u2" in targets else []
    addressed(store.inbox("u2"), named)
    assert store.counts("u1").seq == 0
    store.check_inbox("u2")


def test_ids_name_one_notification_of_one_user(store: Harness) -> None:
    """No two notifications of anybody have the same id."""
    store.publish(*(event("alice", "alone", targets=("bob", "cy")) for _ in range(3)))
    ids = [row.id for user in ("bob", "cy") for row in store.rows(user)]
    assert len(set(ids)) == 6


# --- types --------------------------------------------------------------------------------------------------


def test_a_verb_is_told_as_its_type(store: Harness) -> None:
    """The type that claims it; without one, a type of its own name."""
    store.publish(*(event("alice", verb, targets=("bob",)) for verb in ("clap", "cheer", "comment")))
    assert [(row.type, row.size) for row in store.rows("bob")] == [("comment", 1), ("applause", 2)]
    assert store.store.rules.type_of("cheer") == "applause"
    assert store.store.rules.rule("comment") == DEFAULT


def test_a_type_can_be_declared_and_taken_back(store: Harness) -> None:
    """Over that of the settings, which holds again afterwards; what was told keeps its type."""
    assert store.changed(SetNotificationType("applause", Rule(verbs=("clap",), group="none"))) == 1
    assert store.changed(SetNotificationType("mention", Rule(verbs=("at",)))) == 1
    store.publish(*(event("alice", verb, targets=("bob",)) for verb in ("clap", "clap", "cheer", "at")))
    assert [row.type for row in store.rows("bob")] == ["mention", "cheer", "applause", "applause"]
    assert store.store.rules.rule("applause").group == "none"
    assert store.changed(SetNotificationType("applause", None)) == 1
    assert store.changed(SetNotificationType("mention", None)) == 1
    assert store.changed(SetNotificationType("mention", None)) == 0
    store.publish(*(event("alice", verb, targets=("bob",)) for verb in ("cheer", "at")))
    assert [row.type for row in store.rows("bob")][:3] == ["at", "applause", "mention"]


def test_types_that_claim_one_verb_are_refused_whole(store: Harness) -> None:
    """If a write raises, nothing of it was applied."""
    with pytest.raises(ValueError, match="clap"):
        store.write(Follow("bob", "user:alice"), SetNotificationType("other", Rule(verbs=("clap",))))
    assert store.run(store.store.follows("bob", ALL, None)) == []
    assert "other" not in store.store.rules.declared


# --- followers ----------------------------------------------------------------------------------------------


def test_followers_of_the_object_are_notified_if_the_type_says_so(store: Harness) -> None:
    """Instead of the targets or, told once, besides them; never for a type that does not."""
    store.write(*(Follow(user, "bridge:1") for user in ("bob", "cy")))
    store.write(SetNotificationType("both", Rule(notify="both")))
    for verb in ("bridge", "both", "plain"):
        store.publish(event("alice", verb, "bridge:1", targets=("cy", "dora")))
    told = {user: [row.type for row in store.rows(user)] for user in ("bob", "cy", "dora")}
    assert told == {"bob": ["both", "bridge"], "cy": ["plain", "both", "bridge"], "dora": ["plain", "both"]}


def test_only_a_follow_of_the_object_tells(store: Harness) -> None:
    """Neither one of another topic of the event, nor one that has ended or is yet to come."""
    store.write(*(Follow("bob", topic) for topic in ("user:alice", "category:x", "bridge:1")))
    store.write(Unfollow("bob", "bridge:1", keep=True))
    store.publish(event("alice", "bridge", "bridge:1", topics=("category:x",)))
    store.write(Follow("bob", "bridge:1"))
    assert store.counts("bob").seq == 0
    store.publish(event("alice", "bridge", "bridge:1"))
    assert store.counts("bob") == singles(1, 1)


def test_followers_are_notified_as_targets_are(store: Harness) -> None:
    """Not the actor, not who has masked it, not who does not want the type."""
    store.write(*(Follow(user, "bridge:1") for user in ("alice", "bob", "cy", "dora", "eve")))
    store.write(SetMute("bob", "category:x"), SetBlock("alice", "user:cy"))
    store.write(SetPreferences("dora", Preferences(types={"bridge": OFF})))
    store.publish(event("alice", "bridge", "bridge:1", topics=("category:x",)))
    told = [user for user in ("alice", "bob", "cy", "dora", "eve") if store.counts(user).seq]
    assert told == ["eve"]


def test_many_followers_are_notified(store: Harness) -> None:
    """Each of them once, be it by later work, and everybody in the order of the log."""
    crowd = [f"f{n}" for n in range(130)]
    store.write(*(Follow(user, "bridge:1") for user in crowd))
    event_ids = [store.publish(event("alice", "bridge", "bridge:1"))[0] for _ in range(3)]
    for user in crowd:
        addressed(store.inbox(user), event_ids)
        store.check_inbox(user)


def test_the_inbox_is_the_audience_recomputed(store: Harness) -> None:
    """I3: targets and followers under the rules of their types, over many events and writes."""
    store.write(Follow("u2", "bridge:1"))
    for n in range(40):
        verb = ("bridge", "comment", "alone", "clap")[n % 4]
        targets = tuple(f"u{k}" for k in range(n % 5))
        store.publish(event(f"u{n % 3}", verb, f"bridge:{n % 2}", targets=targets))
    log = store.run(store.store.tail(0, ALL))
    ids = {entry.position: store.store.ids.text(entry.key) for entry in log}
    told = notified("u2", log, store.store.rules, [Followed("bridge:1", 0)])
    addressed(store.inbox("u2"), (ids[position] for position in told))
    store.check_inbox("u2")


# --- preferences --------------------------------------------------------------------------------------------


def test_what_is_not_wanted_is_not_notified(store: Harness) -> None:
    """By type, by "*" for all others; the preference of a type goes before. What came meanwhile does not come later."""
    store.write(SetPreferences("bob", Preferences(types={"comment": OFF})))
    assert [notifies(store, "bob", verb) for verb in ("comment", "post")] == [False, True]
    store.write(SetPreferences("bob", Preferences(types={"*": OFF, "applause": ON})))
    assert [notifies(store, "bob", verb) for verb in ("comment", "post", "cheer")] == [False, False, True]
    store.write(SetPreferences("bob", Preferences()))
    assert store.counts("bob").seq == 2
    assert notifies(store, "bob", "comment")
    assert notifies(store, "cy", "comment")


def test_other_channels_do_not_silence_the_inbox(store: Harness) -> None:
    """What leaves the application is another matter."""
    store.write(SetPreferences("bob", Preferences(types={"*": {"email": False}})))
    assert notifies(store, "bob", "comment")


def test_critical_types_are_notified_whatever_is_wanted(store: Harness) -> None:
    """But not to the actor, nor past a mask."""
    store.write(
        SetNotificationType("alarm", Rule(critical=True)),
        SetPreferences("bob", Preferences(types={"*": OFF, "alarm": OFF})),
    )
    assert notifies(store, "bob", "alarm")
    store.write(SetMute("bob", "user:alice"))
    assert not notifies(store, "bob", "alarm")


# --- duplicates ---------------------------------------------------------------------------------------------


@pytest.mark.need("NO6")
def test_a_duplicate_within_the_window_is_not_notified(store: Harness) -> None:
    """Of the same type and actor on the same object; what was suppressed does not prolong the window."""
    store.write(SetNotificationType("like", Rule(duplicate_window_s=60, group="none")))
    for wait_ms, told in ((0, 1), (40_000, 1), (19_999, 1), (1, 2), (59_999, 2), (1, 3)):
        store.clock.advance(wait_ms)
        store.publish(event("alice", "like", targets=("bob",)))
        assert store.counts("bob").seq == told


def test_one_command_can_hold_duplicates(store: Harness) -> None:
    """The second of two is not told."""
    store.write(SetNotificationType("like", Rule(duplicate_window_s=60, group="none")))
    first, _ = store.publish(*(event("alice", "like", targets=("bob",)) for _ in range(2)))
    addressed(store.inbox("bob"), [first])


def test_what_differs_is_no_duplicate(store: Harness) -> None:
    """Another actor, object, type, user; nor is anything where the type has no window."""
    window = Rule(duplicate_window_s=60, group="none")
    store.write(SetNotificationType("like", window), SetNotificationType("love", window))
    store.publish(event("alice", "like", targets=("bob",)))
    store.publish(
        event("cy", "like", targets=("bob",)),
        event("alice", "like", "item:2", targets=("bob",)),
        event("alice", "love", targets=("bob",)),
        event("alice", "like", targets=("bob", "dora")),
        *(event("alice", "alone", targets=("bob",)) for _ in range(2)),
    )
    assert store.counts("bob") == singles(6, 6)
    assert store.counts("dora") == singles(1, 1)


def test_an_event_without_a_notification_opens_no_window(store: Harness) -> None:
    """Masked or unwanted, the first one did not come; the next one does."""
    store.write(SetNotificationType("like", Rule(duplicate_window_s=60)), SetMute("bob", "user:alice"))
    assert not notifies(store, "bob", "like")
    store.write(
        SetMute("bob", "user:alice", on=False), SetPreferences("bob", Preferences(types={"like": OFF}))
    )
    assert not notifies(store, "bob", "like")
    store.write(SetPreferences("bob", Preferences()))
    assert notifies(store, "bob", "like")


def test_a_window_is_one_users_own(store: Harness) -> None:
    """Followers too hear of the first only."""
    store.write(
        SetNotificationType("like", Rule(notify="followers", duplicate_window_s=60)), Follow("bob", "item:1")
    )
    store.publish(event("alice", "like"))
    store.write(Follow("cy", "item:1"))
    store.publish(event("alice", "like"))
    assert [store.counts(user).seq for user in ("bob", "cy")] == [1, 1]


def test_the_retraction_of_what_notified_ends_its_window(store: Harness) -> None:
    """The next duplicate notifies; one that was published before the retraction does not come later. The retraction of a
    duplicate ends no window."""
    store.write(SetNotificationType("like", Rule(duplicate_window_s=60, group="none")))
    like = event("alice", "like", targets=("bob",))
    (first,), (second,) = store.publish(like), store.publish(like)
    store.write(Retract(second))
    store.publish(like)
    assert [row.event_ids for row in store.rows("bob")] == [(first,)]
    store.write(Retract(first))
    assert store.rows("bob") == []
    (fourth,) = store.publish(like)
    store.publish(like)
    assert [row.event_ids for row in store.rows("bob")] == [(fourth,)]
    store.check_inbox("bob")


def test_a_window_of_a_type_covers_its_verbs(store: Harness) -> None:
    """A window that the type declares: a love after a like. Items that arrive read neither open a window nor meet one."""
    store.write(SetNotificationType("reaction", Rule(verbs=("like", "love"), duplicate_window_s=60)))
    for verb, mode in (("like", NotifyMode.READ), ("love", NotifyMode.UNREAD), ("like", NotifyMode.READ)):
        store.publish(event("alice", verb, targets=("bob",), notify=mode))
    assert store.counts("bob").seq == 3
    for mode in (NotifyMode.UNREAD, NotifyMode.EACH):
        store.publish(event("alice", "like", targets=("bob",), notify=mode))
    assert store.counts("bob").seq == 3


@pytest.mark.need("NO14")
@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ("none", set[str]()),
        ("targets", {"tom"}),
        ("followers", {"olga"}),
        ("both", {"olga", "tom"}),
        ("actor_followers", {"abe"}),
        ("topic_followers", {"cat"}),
        (("targets", "topic_followers"), {"tom", "cat"}),
        (("targets", "followers", "actor_followers", "topic_followers"), {"abe", "cat", "olga", "tom"}),
    ],
)
def test_a_rule_names_the_sources_of_recipients(store: Harness, notify: Any, told: set[str]) -> None:
    """Targets, and followers of the object, of the actor, and of the topics that the event names besides; or several."""
    store.write(SetNotificationType("post", Rule(notify=notify)))
    store.write(Follow("abe", "user:zoe"), Follow("olga", "market:1"), Follow("cat", "category:x"))
    store.publish(event("zoe", obj="market:1", topics=("category:x", "user:zoe"), targets=("tom",)))
    assert {user for user in ("abe", "cat", "olga", "tom") if store.rows(user)} == told


def test_a_follower_of_several_topics_is_notified_once(store: Harness) -> None:
    """Also a target, and also when many followers are notified later, topic by topic."""
    topics = ("user:zoe", "market:1", "category:x")
    users = [f"u{n}" for n in range(5)]
    store.write(SetNotificationType("post", Rule(notify=(*get_args(Source),))))
    store.write(*(Follow(user, topic) for user in users for topic in topics), Follow("zoe", "market:1"))
    (event_id,) = store.publish(event("zoe", obj="market:1", topics=("category:x",), targets=("u0",)))
    assert {user: store.counts(user) for user in users} == dict.fromkeys(users, singles(1, 1))
    assert store.counts("zoe").seq == 0
    store.write(Retract(event_id))
    assert {user: store.counts(user) for user in users} == dict.fromkeys(users, singles(0, 2))


def test_no_follower_is_notified_of_an_event_for_recipients(store: Harness) -> None:
    """Whatever topics the rule names."""
    store.write(SetNotificationType("post", Rule(notify=("actor_followers", "topic_followers"))))
    store.write(Follow("abe", "user:zoe"), Follow("cat", "category:x"))
    store.publish(event("zoe", topics=("category:x",), visibility=Visibility.RECIPIENTS))
    assert store.counts("abe").seq == store.counts("cat").seq == 0


@pytest.mark.parametrize(("user", "follows"), [("abe", True), ("olga", False)])
def test_the_facts_know_the_topics_of_the_rule(store: Harness, user: str, follows: bool) -> None:
    """A follower is who follows a topic whose followers are notified."""
    store.write(SetNotificationType("post", Rule(notify="actor_followers")))
    store.write(Follow("abe", "user:zoe"), Follow("olga", "market:1"))
    (event_id,) = store.publish(event("zoe", obj="market:1"))
    facts = store.run(store.store.explain_facts(user, event_id))
    assert facts is not None
    assert facts.follower == follows
