"""The machine of a subscription, against servers that do all that servers and networks do."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.client.fake_server import (
    AT,
    AT_TEXT,
    SILENT,
    Stage,
    activity,
    frame,
    happening,
    hello,
    inbox,
    note,
    notification,
    polled,
    said,
)
from tidings.client.effects import Answer, ClientRequest, TransportError
from tidings.client.errors import ProblemError
from tidings.client.items import Activity, Changed, Counts, Item, Read, Reset
from tidings.client.sse import MAX_EVENT_BYTES
from tidings.client.subscription import LONGEST_SPREAD_S, REAUTH_S, SubscriptionMachine
from tidings.client.timeouts import POLL_AFTER, SubscriptionTimeouts

PACE = SubscriptionTimeouts()
BOTH = ("notifications", "activity")


def seqs(items: list[Item]) -> list[int]:
    """The seqs of what was told of the inbox."""
    return [item.seq for item in items if isinstance(item, Changed | Read | Reset)]


def positions(items: list[Item]) -> list[int]:
    """The positions of what was told of the feed."""
    return [item.position for item in items if isinstance(item, Activity)]


# --- what is told ----------------------------------------------------------------------------------------------


def test_frames_become_items() -> None:
    """Each kind with its fields, and where a later session goes on behind it."""
    read = {"ids": ["n1"], "items": [note(3, id="n1", read_at=AT_TEXT)], "read_at": AT_TEXT}
    all_read = {
        "up_to": 3,
        "type": "like",
        "read_at": AT_TEXT,
        "unread_count": 0,
        "unread_items": 0,
        "seq": 4,
    }
    stage = Stage(
        [
            hello(1, 7),
            notification(2),
            frame("read", "e.3.7", **read, unread_count=1, unread_items=2, seq=3),
            frame("read", "e.4.7", **all_read),
            activity(8),
        ],
        include=BOTH,
    )
    counts, changed, one, every, happened = stage.play()
    assert isinstance(counts, Counts)
    assert isinstance(changed, Changed)
    assert isinstance(one, Read)
    assert isinstance(every, Read)
    assert isinstance(happened, Activity)
    assert (changed.item.id, changed.unread_count, changed.seq, changed.cursor) == ("n2", 2, 2, "e.2.7")
    assert ([item.id for item in one.items], one.unread_items, one.read_at) == (["n1"], 2, AT)
    assert (every.up_to, every.type, every.items, every.seq) == (3, "like", (), 4)
    assert (happened.item.event_id, happened.position, happened.cursor) == ("id-8", 8, "e.4.8")


def test_counts_come_once() -> None:
    """When a connection begins, unless they are known."""
    stage = Stage([hello(0, unread=3)], [hello(0, unread=3)], [hello(0, unread=2)])
    assert [item.unread_count for item in stage.play() if isinstance(item, Counts)] == [3, 2]


def test_what_a_newer_server_says_is_passed_over() -> None:
    """Frames, fields and forms of cursors of which nothing is known here."""
    stage = Stage([hello(1), frame("hologram", "x", a=1), notification(2, shape="round"), notification(3)])
    assert seqs(stage.play()) == [2, 3]
    assert stage.states == ["connecting", "live", "waiting", "connecting"]


def test_nothing_is_told_twice() -> None:
    """Whatever lies at or before the cursor is dropped, in the inbox and in the feed, each by its own measure."""
    again = [
        hello(5, 5),
        notification(2),
        notification(6),
        notification(6),
        activity(4),
        activity(6),
        activity(6),
    ]
    stage = Stage(again, cursor="e.5.5", include=BOTH)
    assert (seqs(stage.play()), positions(stage.items)) == ([6], [6])


def test_what_was_not_asked_for_is_not_told() -> None:
    """A session of the inbox alone has no place in the feed."""
    assert positions(Stage([hello(1, 1), activity(2)]).play()) == []
    assert seqs(Stage([hello(1, 1), notification(2)], include=("activity",)).play()) == []


# --- places ----------------------------------------------------------------------------------------------------


def test_a_connection_resumes_where_the_last_one_broke() -> None:
    """From the first hello on, also when nothing came after it."""
    stage = Stage([hello(4)], [hello(4), notification(5)], [hello(5)])
    stage.play()
    assert stage.cursors == ["", "e.4.", "e.5."]


def test_a_hello_does_not_move_a_place() -> None:
    """What lies between the place and the head is still to come; a connection that breaks before must not skip it."""
    stage = Stage([hello(9)], [hello(9), notification(8)], [hello()], cursor="e.7.")
    stage.play()
    assert stage.cursors == ["e.7.", "e.7.", "e.8."]


def test_a_lost_place_is_kept_until_the_reset() -> None:
    """A server that does not know it says so in two frames; a connection that breaks between them must not skip."""
    stage = Stage([hello(3, epoch="f", resumed=False)], [hello(3, epoch="f", resumed=False)], cursor="e.7.")
    assert stage.play() == []
    assert stage.cursors == ["e.7.", "e.7."]


def test_a_heartbeat_moves_the_place_in_the_feed() -> None:
    """Up to there nothing is to come, so nothing has to be looked through again."""
    stage = Stage([hello(1, 1), frame("heartbeat", seq=1, position=90)], [], include=BOTH)
    stage.play()
    assert stage.cursors[1] == "e.1.90"


def test_a_heartbeat_reveals_a_gap() -> None:
    """The server believes to have told more than arrived: connect again, from the place."""
    stage = Stage([hello(1), notification(2), frame("heartbeat", seq=3, position=0), notification(4)], [])
    assert seqs(stage.play()) == [2]
    assert stage.cursors[1] == "e.2."


@pytest.mark.parametrize("cursor", ["7", "a.b.c", "e.1", "e.-1.", "e.1.2.3"])
def test_a_cursor_of_elsewhere_is_refused(cursor: str) -> None:
    """At once, not when it has to be used."""
    with pytest.raises(ValueError, match=r"."):
        SubscriptionMachine("bob", cursor=cursor)


def test_include_is_checked() -> None:
    """There are two things to be told of."""
    with pytest.raises(ValueError, match="include"):
        SubscriptionMachine("bob", ("news",))


# --- resets ----------------------------------------------------------------------------------------------------


def pages(request: ClientRequest) -> Answer:
    """An inbox of two pages, whose second is fetched when a third notification has come, and a feed."""
    query = dict(request.query)
    if request.path == "/v1/feed":
        return said(items=[happening(6)], next_cursor=None, position=9)
    return inbox(2, 1, seq=3) if "cursor" in query else inbox(5, 4, seq=5, cursor="c")


def test_a_reset_brings_a_fresh_state() -> None:
    """All pages, at the place of the first; then the stream goes on behind that, without what the state holds."""
    told = [
        hello(3, epoch="f", resumed=False),
        frame("reset", "f.4.", reason="why"),
        notification(5),
        notification(6),
    ]
    stage = Stage(told, answer=pages, cursor="e.7.7", include=BOTH)
    reset, changed = stage.play()
    assert isinstance(reset, Reset)
    assert isinstance(changed, Changed)
    assert (reset.reason, reset.seq, reset.complete, reset.cursor) == ("why", 5, True, "e.5.9")
    assert [item.id for item in reset.notifications] == ["n5", "n4", "n2", "n1"]
    assert [item.event_id for item in reset.feed] == ["id-6"]
    assert changed.seq == 6


def test_a_long_inbox_is_fetched_in_part() -> None:
    """And the reset says so."""
    stage = Stage([hello(0), frame("reset", reason="")], answer=lambda _: inbox(9, seq=9, cursor="more"))
    (_, reset) = stage.play()
    assert isinstance(reset, Reset)
    assert not reset.complete
    assert len(stage.asked) == 5


@pytest.mark.parametrize(("after_ms", "waited"), [(0, []), (1_500, [1.5]), (10**9, [LONGEST_SPREAD_S])])
def test_a_reset_of_many_clients_is_fetched_at_its_own_time(after_ms: int, waited: list[float]) -> None:
    """An erasure resets the clients of all streams: each fetches its state when the server says."""
    stage = Stage([hello(0), frame("reset", reason="", after_ms=after_ms)], answer=pages)
    (_, reset) = stage.play()
    assert isinstance(reset, Reset)
    assert stage.slept[: len(waited)] == waited


def test_a_reset_that_fails_is_asked_for_again() -> None:
    """The place stays, so that the server says it again."""
    stage = Stage([hello(3, epoch="f", resumed=False), frame("reset", "f.3.", reason="")], [], cursor="e.7.")
    assert stage.play() == []
    assert stage.cursors == ["e.7.", "e.7."]


def test_a_fresh_start() -> None:
    """A reset first, however often it takes; then the stream behind it."""
    answers: Iterator[Answer | TransportError] = iter(
        [TransportError("no"), Answer(503, retry_after="7"), inbox(2, 1)]
    )
    stage = Stage([hello(2)], answer=lambda _: next(answers), fresh=True)
    (reset,) = stage.play()
    assert isinstance(reset, Reset)
    assert stage.cursors == ["e.2."]
    assert stage.slept[1] >= 7


# --- failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [b"", TransportError("cut"), SILENT, b"data: " + b"x" * MAX_EVENT_BYTES, b"event: hello\ndata: {\n\n"],
)
def test_a_stream_that_ends_is_opened_again(end: Any) -> None:
    """Closed, cut, silent, without bounds or without sense."""
    stage = Stage([hello(1), notification(2), end], [hello(2), notification(3)])
    assert seqs(stage.play()) == [2, 3]
    assert stage.cursors == ["", "e.2."]


def test_silence_has_a_limit() -> None:
    """Two and a half heartbeats, counted from the last byte, whatever it belongs to."""
    stage = Stage([hello(1), b": alive\n", SILENT])
    began = stage.now
    stage.play()
    assert PACE.silence_s < stage.now - began < PACE.silence_s + 3


def test_a_server_that_does_not_greet_is_left() -> None:
    """Also when it goes on sending something."""
    stage = Stage([b":\n"] * 5_000)
    began = stage.now
    stage.play()
    assert PACE.open_s < stage.now - began < PACE.open_s + 3


def test_waits_are_jittered_and_bounded() -> None:
    """Full jitter under a bound that doubles up to its cap: never a rhythm, never a storm."""
    stage = Stage(*([hello(0)],) * 40)
    stage.play()
    bounds = [min(PACE.longest_s, PACE.first_s * 2**n) for n in range(40)]
    assert all(0 <= wait <= bound for wait, bound in zip(stage.slept, bounds, strict=True))
    assert len(set(stage.slept)) == 40
    assert max(stage.slept) > PACE.longest_s * 0.8
    assert min(stage.slept[10:]) < PACE.longest_s * 0.2


def test_retry_names_the_first_bound() -> None:
    """The server knows best how many are coming back."""
    stage = Stage(*([b"retry: 20000\n\n", hello(0)],) * 12)
    stage.play()
    assert max(stage.slept[:1]) <= 20
    assert max(stage.slept) > 15


def test_only_a_good_connection_begins_anew() -> None:
    """A server that greets everybody and falls is not stormed at the first bound; after a minute it is a good one."""
    lasting = [hello(0), *[b": alive\n"] * 7_000]
    stage = Stage(*([hello(0)],) * 9, lasting)
    stage.play()
    assert stage.slept[-1] <= PACE.first_s
    assert max(stage.slept[4:9]) > PACE.first_s


def test_a_drain_is_no_failure() -> None:
    """The server says when to come back, and is taken at its word, however often."""
    drained = [hello(0), frame("drain", retry_ms=2_500)]
    stage = Stage(*(drained,) * 20)
    stage.play()
    assert stage.slept == [2.5] * 20


def test_a_farewell_is_no_failure_either() -> None:
    """A stream that only says to come back does not send a client polling: there would be as many requests."""
    stage = Stage(*([b"retry: 9000\n\n", frame("drain", retry_ms=9_000)],) * 5)
    stage.play()
    assert stage.slept == [9.0] * 5
    assert stage.asked == []


@pytest.mark.parametrize("status", [400, 403, 404, 410, 422])
def test_a_refusal_is_the_end(status: int) -> None:
    """Trying again cannot help."""
    body = (
        b'{"type":"urn:x","title":"No","status":1,"detail":"not you","errors":[{"pointer":"a","detail":"b"}]}'
    )
    with pytest.raises(ProblemError) as raised:
        Stage(Answer(status, body)).play()
    error = raised.value
    assert (error.status, error.type, error.title, error.detail) == (status, "urn:x", "No", "not you")
    assert [(field.pointer, field.detail) for field in error.errors] == [("a", "b")]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_server_is_given_the_time_it_wants(status: int) -> None:
    """At least; not all come back at once."""
    stage = Stage(Answer(status, retry_after="11"), [hello(0)])
    stage.play()
    assert 11 < stage.slept[0] <= 11 + PACE.first_s


@pytest.mark.parametrize("status", [400, 404])
def test_a_refusal_that_nobody_understands(status: int) -> None:
    """What a proxy says is no problem document."""
    with pytest.raises(ProblemError, match=str(status)):
        Stage(Answer(status, b"<html>", media="text/html")).play()


# --- credentials -----------------------------------------------------------------------------------------------


def test_a_token_that_ended_is_renewed_once() -> None:
    """Then the connection goes on; each time it ended."""
    stage = Stage(Answer(401), [hello(0)], Answer(401), [hello(0), notification(1)], tokens=9)
    assert seqs(stage.play()) == [1]
    assert stage.renewals == 2


@pytest.mark.parametrize("tokens", [0, 9])
def test_a_credential_that_does_not_hold_is_the_end(tokens: int) -> None:
    """When there is no other, or the new one does not hold either."""
    stage = Stage(Answer(401), Answer(401), [hello(0)], tokens=tokens)
    with pytest.raises(ProblemError) as raised:
        stage.play()
    assert raised.value.status == 401
    assert stage.renewals == 1


def test_a_warning_renews_in_time() -> None:
    """The stream is opened anew with the new token, at once and from its place."""
    stage = Stage(
        [hello(0), notification(1), frame("reauth", in_s=30)], [hello(1), notification(2)], tokens=1
    )
    assert seqs(stage.play()) == [1, 2]
    assert stage.slept[0] < 1


def test_a_token_that_cannot_be_renewed_is_used_up() -> None:
    """Without another one, or with one that is no better, the stream is listened to until it ends."""
    warned = [hello(0), frame("reauth", in_s=30)]
    stage = Stage([*warned, notification(1)])
    assert seqs(stage.play()) == [1]
    stage = Stage(warned, [*warned, notification(1)], tokens=9)
    assert seqs(stage.play()) == [1]
    assert stage.renewals == 1
    assert stage.now < 1_000 + REAUTH_S


# --- polling ---------------------------------------------------------------------------------------------------


NO_STREAM = (TransportError("a proxy"), Answer(502), Answer(200, media="text/html"))


def answering(*answers: Answer) -> Callable[[ClientRequest], Answer | TransportError]:
    """Gives these answers, one after the other; then the server is gone."""
    left = iter(answers)
    return lambda _: next(left, TransportError("down"))


@pytest.mark.need("LI6")
def test_polling_takes_over() -> None:
    """After three streams that could not be opened; what is told is the same."""
    read = {"ids": ["n2"], "items": [note(9, id="n2", read_at=AT_TEXT)], "read_at": AT_TEXT}
    told = polled(
        hello(9, 7),
        notification(8),
        frame("read", "e.9.7", **read, unread_count=1, unread_items=2, seq=9),
        activity(8),
        frame("hologram", "x", a=1),
        last="e.9.8",
    )
    stage = Stage(*NO_STREAM, answer=lambda _: told, cursor="e.7.7", include=BOTH)
    counts, changed, one, happened = stage.play(4)
    assert isinstance(counts, Counts)
    assert isinstance(changed, Changed)
    assert isinstance(one, Read)
    assert isinstance(happened, Activity)
    assert [item.cursor for item in (changed, one, happened)] == ["e.8.7", "e.9.7", "e.9.8"]
    asked = {"include": "notifications,activity", "last_event_id": "e.7.7", "wait": "25"}
    assert dict(stage.asked[0].query) == {"user_id": "bob"} | asked
    assert stage.states[-1] == "polling"


def test_a_server_that_restarts_does_not_send_a_client_polling() -> None:
    """Three refused connections of a restart did, which is meant for proxies; the streams of one count as before."""
    refused = TransportError("refused", connected=False)
    stage = Stage(
        *[refused] * (2 * POLL_AFTER), [hello(7), notification(8)], answer=lambda _: refused, cursor="e.7."
    )
    assert seqs(stage.play()) == [8]
    assert stage.asked == []
    assert "polling" not in stage.states
    behind_a_proxy = Stage(NO_STREAM[0], refused, *NO_STREAM[1:], answer=lambda _: polled(hello(7)))
    behind_a_proxy.play()
    assert "polling" in behind_a_proxy.states


def test_polling_goes_on_where_it_was() -> None:
    """Behind what was told, and behind what was for somebody else: a server need not look through that again."""
    told = answering(polled(hello(9), notification(8), last="e.8."), polled(hello(9), last="e.9."))
    stage = Stage(*NO_STREAM, TransportError("still"), answer=told, cursor="e.7.")
    stage.play()
    assert [dict(request.query)["last_event_id"] for request in stage.asked][:3] == ["e.7.", "e.8.", "e.9."]


def test_a_place_in_another_life_is_no_place() -> None:
    """A reset was fetched, and the store was replaced meanwhile: how far the answer went says nothing of the new one."""
    told = polled(hello(9, epoch="f", resumed=False), frame("reset", "f.9.", reason=""), last="f.9.")
    stage = Stage(*NO_STREAM, answer=answering(told, inbox(2, epoch="g")), cursor="e.7.")
    stage.play()
    assert stage.session.cursor == "g.2."


def test_nothing_is_told_twice_by_polls() -> None:
    """Whatever a server repeats."""
    told = answering(polled(hello(8), notification(8)), polled(hello(9), notification(8), notification(9)))
    stage = Stage(*NO_STREAM, TransportError("still"), answer=told, cursor="e.7.")
    stage.play()
    assert seqs(stage.items) == [8, 9]


def test_a_stream_is_tried_as_soon_as_there_is_a_server_again() -> None:
    """When everything failed, the first poll that succeeds says that streams may be possible too."""
    answers: Iterator[Answer | TransportError] = iter(
        [TransportError("down"), TransportError("down"), polled(hello(7))]
    )
    stage = Stage(*NO_STREAM, [hello(7), notification(8)], answer=lambda _: next(answers), cursor="e.7.")
    assert seqs(stage.play()) == [8]
    assert stage.states[-3:] == ["live", "waiting", "connecting"]


def test_a_stream_is_tried_every_minute_while_polling() -> None:
    """And what fails then delays no poll."""
    stage = Stage(
        *NO_STREAM,
        TransportError("still"),
        TransportError("still"),
        [hello(7)],
        answer=lambda _: polled(hello(7)),
        cursor="e.7.",
    )
    stage.play()
    assert 2 * PACE.climb_s < stage.now - 1_000 < 2.2 * PACE.climb_s + 30
    assert max(stage.slept[POLL_AFTER:-1]) <= PACE.idle_s
    assert stage.states[-3:] == ["polling", "live", "waiting"] or stage.states[-3:] == [
        "live",
        "waiting",
        "connecting",
    ]


def test_a_stream_is_tried_also_where_polls_fail() -> None:
    """A reply of many changes may be too much for a network that lets small frames through."""
    stage = Stage(
        *NO_STREAM, [hello(7), notification(8)], answer=lambda _: TransportError("cut"), cursor="e.7."
    )
    assert seqs(stage.play()) == [8]
    assert PACE.climb_s < stage.now - 1_000 < 2 * PACE.climb_s + PACE.ask_s + PACE.longest_s


def test_polling_begins_from_now_on() -> None:
    """When no stream ever said where that is: the hello of the first poll does."""
    told = answering(polled(hello(3, 6, unread=2)), polled(hello(4, 6, unread=4), notification(4)))
    stage = Stage(*NO_STREAM, TransportError("still"), answer=told, include=BOTH)
    counts, _, changed = stage.play(3)
    assert isinstance(counts, Counts)
    assert counts.unread_count == 2
    assert isinstance(changed, Changed)
    assert [dict(request.query).get("last_event_id") for request in stage.asked] == [None, "e.3.6"]
    assert stage.slept[POLL_AFTER:] == []


def test_polling_resets_too() -> None:
    """As a stream does, with the lists; what the answer holds besides is not told again."""
    told = polled(
        hello(3, epoch="f", resumed=False), frame("reset", "f.3.", reason="why"), notification(4), last="f.4."
    )
    stage = Stage(*NO_STREAM, answer=answering(told, inbox(5, 4, epoch="f")), cursor="e.7.")
    (reset,) = stage.play(1)
    assert isinstance(reset, Reset)
    assert (reset.reason, reset.cursor) == ("why", "f.5.")


def test_a_server_that_leaves_is_given_its_time_by_polls_too() -> None:
    """The last frame of an answer says when to come back; what stands before it is told."""
    left = polled(hello(8), notification(8), frame("drain", retry_ms=2_500), last="e.8.")
    told = answering(left, polled(hello(9), notification(9)))
    stage = Stage(*NO_STREAM, answer=told, cursor="e.7.")
    assert seqs(stage.play(4)) == [8, 9]
    assert stage.slept[POLL_AFTER:] == [2.5]


def test_a_warning_renews_a_token_that_polls() -> None:
    """At once; the next poll goes on from what was told."""
    warned = polled(hello(8), frame("reauth", in_s=30), notification(8))
    told = answering(warned, polled(hello(8), notification(8)))
    stage = Stage(*NO_STREAM, answer=told, cursor="e.7.", tokens=1)
    stage.play()
    assert seqs(stage.items) == [8]
    assert stage.renewals == 1
    assert stage.slept[POLL_AFTER] < 1


def test_a_refusal_ends_polling() -> None:
    """As it ends listening."""
    with pytest.raises(ProblemError):
        Stage(*NO_STREAM, answer=lambda _: Answer(403), cursor="e.7.").play()


def test_an_answer_at_once_is_not_asked_for_at_once_again() -> None:
    """A server that does not hold polls is asked about once a second."""
    stage = Stage(*NO_STREAM, TransportError("still"), answer=lambda _: polled(hello(7)), cursor="e.7.")
    stage.play()
    rests = stage.slept[POLL_AFTER:]
    assert all(PACE.idle_s / 2 <= rest <= PACE.idle_s for rest in rests)
    assert len(rests) >= 59


# --- all of it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(100))
def test_whatever_happens_to_connections_every_item_comes_once(seed: int) -> None:
    """I5 for a client: 30 changes over connections that break anywhere, repeat themselves, or do not come about."""
    chance = random.Random(seed)

    def connection(since: int) -> list[bytes | TransportError]:
        begin = chance.randint(max(0, since - 3), since)
        told = b"".join([hello(30), *(notification(n) for n in range(begin + 1, 31))])
        told = told[: chance.randint(0, len(told) * 2)]
        cuts = sorted(chance.randint(0, len(told)) for _ in range(3))
        chunks = [told[a:b] for a, b in zip([0, *cuts], [*cuts, len(told)], strict=True) if b > a]
        return [*chunks, chance.choice([SILENT, TransportError("cut")])]

    def poll(request: ClientRequest) -> Answer | TransportError:
        since = int(dict(request.query)["last_event_id"].split(".")[1])
        begin, until = chance.randint(max(0, since - 3), since), min(30, since + chance.randint(0, 2))
        fresh = [notification(n) for n in range(begin + 1, until + 1)]
        answer = polled(hello(30), *fresh, last=f"e.{until}.")
        return answer if chance.random() < 0.7 else TransportError("cut")

    stage = Stage(cursor="e.0.", answer=poll)
    while len(seqs(stage.play())) < 30:
        since = int(stage.session.cursor.split(".")[1])
        stage.then(connection(since) if chance.random() < 0.7 else chance.choice(NO_STREAM))
    assert seqs(stage.items) == list(range(1, 31))
