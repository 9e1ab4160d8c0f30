"""An item that cannot be read takes nothing else with it: it is reported as such, once, and what follows is read on."""

import json
from typing import Any

import msgspec
import pytest

from tests.client.fake_server import Stage, activity, happening, hello, inbox, note, notification
from tidings.client import Activity, Changed, Read, Reset
from tidings.client.request import call
from tidings.client.requests import Disconnected, decode
from tidings.client.shapes import Event, FeedPage, InboxPage

NUMBERS = ("1e999", "-1e400", "9" * 5_000, "1" * 400 + ".5")
TEXTS = (r'"\ud800"', r'"\\\udfff\ud800\ud801"', '"\x9b\xff"')


def spoilt(raw: bytes, bad: str) -> bytes:
    """JSON or a frame in which the text BAD is this instead, as it would be written."""
    return raw.replace(b'"BAD"', bad.encode("latin-1"))


@pytest.mark.parametrize("bad", [*NUMBERS, *TEXTS], ids=[bad[:8] for bad in (*NUMBERS, *TEXTS)])
def test_a_page_is_read_around_it(bad: str) -> None:
    """Its other members are there, and ``unreadable`` names what is not."""
    items = [note(3), note(2, metadata={"a": "BAD"}, message="m"), note(1, metadata={"a": 1})]
    body = spoilt(json.dumps({"items": items, "seq": 3, "unread_count": 2}).encode(), bad)
    page: InboxPage = call("GET", "/", InboxPage).decode(body)
    assert [item.id for item in page.items] == ["n3", "n2", "n1"]
    assert (page.seq, page.unread_count, page.items[1].message, page.items[2].metadata) == (
        3,
        2,
        "m",
        {"a": 1},
    )
    if bad in NUMBERS:
        assert page.items[1].unreadable.startswith("metadata: ")
        assert page.items[1].metadata == {}
    else:
        assert page.items[1].metadata["a"].strip("\\\ufffd") == ""
    assert (page.items[0].unreadable, page.items[2].unreadable) == ("", "")


@pytest.mark.parametrize("bad", NUMBERS, ids=[bad[:8] for bad in NUMBERS])
def test_a_subscription_goes_on(bad: str) -> None:
    """The fault: it connected again and again, and was brought the same item, for ever."""
    stage = Stage(
        [
            hello(0),
            spoilt(notification(1, metadata={"a": "BAD"}, message="m"), bad),
            notification(2),
        ],
        cursor="e.0.",
    )
    _, one, two = stage.play(3)
    assert isinstance(one, Changed)
    assert isinstance(two, Changed)
    assert (one.item.id, one.item.message, one.seq, two.seq) == ("n1", "m", 1, 2)
    assert one.item.unreadable.startswith("metadata: ")
    assert two.item.unreadable == ""
    assert len(stage.cursors) == 1


def test_so_do_activity_and_reads() -> None:
    """Items within a frame too."""
    items = [note(1, metadata={"a": "BAD"})]
    data = {"read_at": "2026-01-01T00:00:00Z", "items": items, "unread_count": 0, "seq": 2, "unread_items": 0}
    read = b"event: read\nid: e.2.\ndata: " + json.dumps(data).encode() + b"\n\n"
    event = activity(5).replace(b'"verb"', b'"metadata": {"a": 1e999}, "verb"')
    stage = Stage(
        [hello(0), spoilt(read, "1e999"), event], include=("notifications", "activity"), cursor="e.0.0"
    )
    _, one, two = stage.play(3)
    assert isinstance(one, Read)
    assert isinstance(two, Activity)
    assert one.items[0].unreadable
    assert (two.position, two.item.verb) == (5, "like")
    assert two.item.unreadable


@pytest.mark.parametrize("bad", [b'{"id": 7}', b"[", b'{"id": "n1", "seq": 1e999}'])
def test_a_frame_without_a_place_is_passed_over_by_a_fresh_state(bad: bytes) -> None:
    """Nothing is left out but by a reset; and the same frame is not asked for again."""
    frame = b"event: notification\nid: e.1.\ndata: " + bad + b"\n\n"
    stage = Stage([hello(0), frame, notification(2)], answer=lambda _: inbox(1, seq=1), cursor="e.0.")
    _, reset, changed = stage.play(3)
    assert isinstance(reset, Reset)
    assert isinstance(changed, Changed)
    assert (reset.seq, changed.seq, len(stage.cursors)) == (1, 2, 1)
    assert "cannot read a frame" in reset.reason


def test_what_a_client_relies_on_is_never_left_out() -> None:
    """Only items may be read in part: a page without its counts would be a wrong one."""
    for text in ('{"items": [], "seq": 1e999}', '{"items": [{"id": "n1"}]}', '{"items": 7}', "[]", "{"):
        with pytest.raises(Disconnected):
            decode(text, InboxPage)
        with pytest.raises(msgspec.DecodeError):
            call("GET", "/", InboxPage).decode(text.encode())


def test_an_optional_part_may_be_missing() -> None:
    """A member that is null or a struct of its own is read like any other."""
    whole: dict[str, Any] = happening(1) | {
        "reason": {"kind": "follow", "topic": 7},
        "read_at": None,
        "title": "t",
    }
    page: FeedPage = call("GET", "/", FeedPage).decode(json.dumps({"items": [whole]}).encode())
    assert (page.items[0].reason.kind, page.items[0].title, page.items[0].read_at) == ("", "t", None)
    assert page.items[0].unreadable.startswith("reason: ")
    event: Event = decode(json.dumps(happening(1) | {"actor_name": 7}), Event)
    assert (event.actor_name, event.unreadable[:12]) == (None, "actor_name: ")
