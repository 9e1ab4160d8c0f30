"""The state machine of one stream, without a hub, a store or a clock."""

import pytest

from tests.live.tape import Tape
from tidings.live.frames import INCLUDE, Cursor, Frame
from tidings.live.stream import State, Stream
from tidings.model import InboxCounters

NOW = 100.0
HEAD = InboxCounters(unread_count=2, seq=5, unread_items=3, unseen_count=2)
NOTIFICATIONS = frozenset({"notifications"})
ACTIVITY = frozenset({"activity"})


def begun(
    last: str | None = None, include: frozenset[str] = INCLUDE, room: int | None = None
) -> tuple[Stream, Tape]:
    """A stream of bob that was greeted at seq 5, position 9 of the epoch "e"."""
    tape = Tape(room)
    stream = Stream("bob", include, last, tape, "e")
    stream.start(HEAD, 9, NOW)
    return stream, tape


def news(*seqs: int) -> list[Frame]:
    """Notifications with these seqs."""
    return [Frame("notification", b'{"seq":%d}' % seq, seq=seq) for seq in seqs]


def test_hello_tells_where_the_server_is() -> None:
    stream, tape = begun()
    (hello,) = tape.said
    assert hello.data == {
        "user_id": "bob",
        "unread_count": 2,
        "unread_items": 3,
        "unseen_count": 2,
        "seq": 5,
        "position": 9,
        "resumed": False,
    }
    assert hello.id == "e.5.9"
    assert stream.state is State.CATCHING_UP


@pytest.mark.parametrize(
    ("last", "include", "cursor"),
    [
        ("e.3.7", INCLUDE, Cursor(3, 7)),
        ("e.3.", NOTIFICATIONS, Cursor(3, None)),
        ("e..7", ACTIVITY, Cursor(None, 7)),
        ("e.3.", INCLUDE, Cursor(3, 9)),
        ("e..7", INCLUDE, Cursor(5, 7)),
        ("3", NOTIFICATIONS, Cursor(3, None)),
        ("3", INCLUDE, Cursor(3, 9)),
        ("3.7", INCLUDE, Cursor(3, 7)),
        ("7", ACTIVITY, Cursor(None, 7)),
    ],
)
def test_cursor_is_where_it_goes_on(last: str, include: frozenset[str], cursor: Cursor) -> None:
    """Ids of frames, and the seq and position of pages, in what the stream carries."""
    stream, tape = begun(last, include)
    assert stream.cursor == cursor
    assert tape.names() == ["hello"]
    assert tape.said[0].data["resumed"] is True


@pytest.mark.parametrize(
    "last",
    ["x", "", ".", "..", "f.3.7", "e.6.7", "e.3.10", "e.-1.7", "e.3.7.1", "e.³.7", "9" * 19, "e.1e1.7"],
)
def test_cursor_that_cannot_be_continued_is_reset(last: str) -> None:
    """Nonsense, another epoch, beyond the head: never guessed at. The hello has no id, so that a client that loses the
    connection before the reset comes back with its old cursor, and is reset then."""
    stream, tape = begun(last)
    assert tape.names() == ["hello", "reset"]
    assert (tape.said[0].data["resumed"], tape.said[0].id) == (False, None)
    assert tape.said[1].data["reason"]
    assert (stream.cursor, tape.said[1].id) == (Cursor(5, 9), "e.5.9")


def test_nothing_is_said_twice() -> None:
    """What lies at or before the cursor is passed over; the id goes up in one coordinate at a time."""
    stream, tape = begun("e.3.7")
    stream.send([*news(2, 3, 4, 5), *news(4)], NOW)
    stream.send([Frame("activity", b"{}", position=p) for p in (7, 8)], NOW)
    assert [said.id for said in tape.said[1:]] == ["e.4.7", "e.5.7", "e.5.8"]


def test_stream_is_told_only_what_it_carries() -> None:
    stream, tape = begun(include=ACTIVITY)
    stream.send([*news(6), Frame("activity", b"{}", position=10)], NOW)
    assert tape.names() == ["hello", "activity"]
    assert tape.said[-1].id == "e..10"


def test_full_wire_keeps_the_cursor_and_nothing_else() -> None:
    """What was written when the wire became full is the last: the rest is read again when it has room."""
    stream, tape = begun("e.0.0", room=3)
    stream.send(news(1, 2, 3, 4), NOW)
    assert stream.state is State.BACKPRESSURED
    assert [said.id for said in tape.said[1:]] == ["e.1.0", "e.2.0"]
    stream.send(news(3), NOW)
    stream.heartbeat(9, NOW)
    assert len(tape.said) == 3
    tape.room = None
    assert stream.writable()
    stream.send(news(1, 2, 3, 4), NOW)
    assert [said.id for said in tape.said[3:]] == ["e.3.0", "e.4.0"]


def test_a_stream_whose_client_left_is_not_reset() -> None:
    """It may leave while the store is read for it, and its transport takes no bytes then."""
    stream, tape = begun()
    stream.lost()
    stream.reset_feed(20, NOW)
    stream.reset_inbox(20, NOW)
    assert tape.names() == ["hello"]


def test_wire_that_was_not_full_has_nothing_to_catch_up() -> None:
    stream, _ = begun()
    stream.go_live()
    assert not stream.writable()
    assert stream.state is State.FOLLOWING


def test_heartbeat_has_no_id() -> None:
    """It tells where the client should be, but moves it nowhere."""
    stream, tape = begun()
    stream.heartbeat(9, NOW)
    assert tape.said[-1] == ("heartbeat", None, {"seq": 5, "position": 9})


def test_heartbeat_does_not_run_ahead_of_who_catches_up() -> None:
    """From the very beginning of the log as from anywhere else: what was not told yet must not be taken for known."""
    stream, tape = begun(last="e.0.0")
    stream.heartbeat(9, NOW)
    assert tape.said[-1] == ("heartbeat", None, {"seq": 0, "position": 0})


def test_leaving_asks_to_return() -> None:
    stream, tape = begun()
    stream.drain(1_234, NOW)
    assert b"retry: 1234\n\n" in b"".join(tape.written)
    assert tape.said[-1] == ("drain", None, {"retry_ms": 1_234})
    assert (tape.ended, stream.state) == ("closed", State.ENDED)
    stream.send(news(6), NOW)
    assert tape.names() == ["hello", "drain"]


def test_full_wire_is_cut_when_the_stream_ends() -> None:
    """What waits in it would hold the connection open for as long as the client sleeps."""
    stream, tape = begun(room=1)
    stream.drain(1_000, NOW)
    assert (tape.names(), tape.ended) == (["hello"], "aborted")


def test_credential_that_ends_is_announced() -> None:
    stream, tape = begun()
    stream.warn_expiry(30, NOW)
    stream.warn_expiry(29, NOW)
    assert [said for said in tape.said if said.event == "reauth"] == [("reauth", None, {"in_s": 30})]


def test_reset_may_go_back() -> None:
    """After an erasure the head is lower than what the client had."""
    stream, tape = begun()
    stream.reset("erased", Cursor(0, 9), NOW)
    stream.send(news(1), NOW)
    assert [said.id for said in tape.said[1:]] == ["e.0.9", "e.1.9"]
