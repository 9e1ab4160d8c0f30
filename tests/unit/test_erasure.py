"""How an event reads after somebody in it was erased."""

import msgspec
import pytest

from tidings.model import LogEntry
from tidings.storage import anonymize
from tidings.testing import event


def entry(
    actor: str, obj: str = "item:1", targets: tuple[str, ...] = (), topics: tuple[str, ...] = ()
) -> LogEntry:
    made = event(actor, obj=obj, targets=targets, topics=topics, name="A Name")
    kind, _, name = obj.partition(":")
    body = b'{"event_id":"e","position":1,' + made.body
    return LogEntry(1, 1, actor, made.verb, kind, name, body, targets, made.all_topics())


@pytest.mark.parametrize(
    "named",
    [
        entry("bob"),
        entry("alice", obj="user:bob"),
        entry("alice", targets=("bob",)),
        entry("alice", topics=("user:bob",)),
    ],
    ids=["actor", "object", "target", "topic"],
)
def test_an_event_names_a_person_in_four_places(named: LogEntry) -> None:
    """In each of them it is found, and afterwards no more."""
    assert anonymize.mentions(named, "bob")
    assert not anonymize.mentions(named, "ob")
    rewritten = anonymize.anonymize_event(named, "bob", "erased-1")
    assert not anonymize.mentions(rewritten, "bob")
    assert b"bob" not in rewritten.body


def test_the_name_of_an_erased_actor_goes() -> None:
    """The alias stands in its place, in the entry and in the body."""
    rewritten = anonymize.anonymize_event(entry("bob"), "bob", "erased-1")
    shown = msgspec.json.decode(rewritten.body)
    assert (rewritten.actor_id, shown["actor_id"], shown["actor_name"]) == ("erased-1", "erased-1", None)
    assert "user:erased-1" in rewritten.topics


def test_the_name_of_another_actor_stays() -> None:
    """Only what is the person's is emptied."""
    rewritten = anonymize.anonymize_event(entry("alice", obj="user:bob"), "bob", "erased-1")
    shown = msgspec.json.decode(rewritten.body)
    assert (shown["actor_name"], shown["object_id"], shown["object_title"]) == ("A Name", "erased-1", None)


@pytest.mark.parametrize(("named", "gone"), [("bob", "actor_image"), ("alice", "object_image")])
def test_the_image_of_an_erased_person_goes(named: str, gone: str) -> None:
    """With the name: that of the actor, or that of the object which is the person. The other one stays."""
    images = b'"actor_image":"https://i.test/a","object_image":"https://i.test/o","metadata"'
    before = entry(named, obj="item:1" if named == "bob" else "user:bob")
    before = before._replace(body=before.body.replace(b'"metadata"', images))
    shown = msgspec.json.decode(anonymize.anonymize_event(before, "bob", "erased-1").body)
    assert {"actor_image", "object_image"} - shown.keys() == {gone}


def test_what_is_not_about_the_person_keeps_its_bytes() -> None:
    """Numbers are not rounded on the way: metadata is the publisher's own."""
    odd = b'{"a":1e400,"b":0.10000000000000000000001,"c":[]}'
    before = entry("bob")
    before = before._replace(body=before.body.replace(b'"metadata":{}', b'"metadata":' + odd))
    assert odd in anonymize.anonymize_event(before, "bob", "erased-1").body
