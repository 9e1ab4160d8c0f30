"""When a call is tried again, and when it is not."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tidings.client import Client, NewEvent, ProblemError, Unreachable
from tidings.client.api import Api
from tidings.client.effects import Action, Answer, RefreshToken, SendRequest, Sleep, TransportError
from tidings.client.request import IN_FLIGHT, LONGEST_WAIT_S, Call, carried_out

BOB = Client("http://127.0.0.1:1", user_id="bob")
RECEIPT = Answer(201, b'{"event_id":"1","position":2,"created_at":"2026-01-01T00:00:00Z"}')
MARKED = Answer(200, b'{"updated":1,"unread_count":0,"seq":5,"undo":null}')
PUBLISH = Api.publish._describe(BOB, {"actor_id": "a"})
READ_ALL = Api.read_all._describe(BOB)
READ_UP_TO = Api.read_all._describe(BOB, up_to=5)


class Played:
    """A call against a script of answers."""

    def __init__(
        self, call: Call[Any], *answers: Answer | TransportError, retries: int = 3, tokens: int = 0
    ) -> None:
        self.asked: list[SendRequest] = []
        self.slept: list[float] = []
        self.result: Any = None
        self.failure: Exception | None = None
        self._answers = list(answers)
        self._tokens = tokens
        steps, outcome = carried_out(call, retries, 10.0, random.Random(1)), None
        try:
            while True:
                outcome = self._perform(steps.send(outcome))
        except StopIteration as done:
            self.result = done.value
        except (ProblemError, Unreachable) as failure:
            self.failure = failure

    def _perform(self, action: Action) -> Any:
        match action:
            case SendRequest():
                self.asked.append(action)
                return self._answers.pop(0)
            case Sleep(seconds):
                self.slept.append(seconds)
            case RefreshToken():
                self._tokens -= 1
                return self._tokens >= 0
        return None


BUSY: Sequence[Answer | TransportError] = [
    TransportError("cut"),
    Answer(500),
    Answer(502, b"<html>"),
    Answer(503, retry_after="1"),
    Answer(429, retry_after="1"),
    Answer(409, msgspec.json.encode({"type": IN_FLIGHT})),
]


@pytest.mark.parametrize("busy", BUSY, ids=str)
def test_a_publication_is_tried_again(busy: Answer | TransportError) -> None:
    """With the same key, so that it is stored once."""
    played = Played(PUBLISH, busy, busy, RECEIPT)
    assert played.result.position == 2
    assert len({dict(ask.request.headers)["Idempotency-Key"] for ask in played.asked}) == 1
    assert len(played.asked) == 3


def test_two_publications_have_different_keys() -> None:
    """Unless they are given."""
    keys = {dict(Api.publish._describe(BOB, {}).request.headers)["Idempotency-Key"] for _ in range(100)}
    assert len(keys) == 100
    assert dict(Api.publish._describe(BOB, {}, key="k").request.headers)["Idempotency-Key"] == "k"


def test_an_event_keeps_its_own_key() -> None:
    """A random header beside it was dropped by the server, and is refused now."""
    own = Api.publish._describe(BOB, {"idempotency_key": "own"}).request
    assert ("Idempotency-Key" in dict(own.headers), own.body) == (False, b'{"idempotency_key":"own"}')
    many = Api.publish_many._describe(BOB, [{"idempotency_key": "own"}, {}]).request
    keys = [one["idempotency_key"] for one in msgspec.json.decode(many.body or b"")]
    assert ("Idempotency-Key" in dict(many.headers), keys[0], len(keys[1])) == (False, "own", 32)


@pytest.mark.parametrize("key", ["a\n", "a b", "\u00e9"])
def test_a_key_that_no_header_holds_is_refused_at_once(key: str) -> None:
    """It took all retries to be told."""
    with pytest.raises(ValueError, match="idempotency key"):
        Api.publish._describe(BOB, {}, key=key)


@dataclass
class Price:
    """Metadata of an application."""

    amount: Decimal


@pytest.mark.parametrize(
    ("metadata", "at"),
    [
        ({"a": float("nan")}, "/metadata/a"),
        ({"a": [0, {"b": float("-inf")}]}, "/metadata/a/1/b"),
        ({"a": {1, 2}}, "/metadata/a"),
        ({"a": frozenset()}, "/metadata/a"),
        ({"a": b"xx"}, "/metadata/a"),
        ({"a": {1: 2}}, "/metadata/a"),
        ({"a": Decimal("3.50")}, "/metadata/a"),
        ({"a": timedelta(days=1)}, "/metadata/a"),
        ({"a": Price(Decimal("3.50"))}, "/metadata/a/amount"),
    ],
)
def test_what_json_does_not_have_is_refused(metadata: dict[str, Any], at: str) -> None:
    """It was stored as null, a list, Base64 or a text, without a word."""
    new = NewEvent(actor_id="a", verb="v", object_type="o", object_id="1", metadata=metadata)
    for given in (new, msgspec.structs.asdict(new)):
        with pytest.raises((ValueError, TypeError), match=f"^{at}: "):
            Api.publish._describe(BOB, given)
        with pytest.raises((ValueError, TypeError), match=f"^{at}: "):
            next(Api.import_lines._describe(BOB, [given]))


def test_a_moment_is_sent_as_one() -> None:
    """Whether it is in a mapping or not."""
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert Api.publish._describe(BOB, {"created_at": at}, key="k").request.body == (
        b'{"created_at":"2026-01-31T09:30:00Z"}'
    )


@pytest.mark.parametrize("doubt", [TransportError("cut"), Answer(502)], ids=str)
@pytest.mark.parametrize(
    "deletion",
    [
        Api.retract._describe(BOB, "1"),
        Api.cancel_reminder._describe(BOB, "key"),
        Api.remove_endpoint._describe(BOB, "1"),
    ],
    ids=["event", "reminder", "endpoint"],
)
def test_a_repeated_deletion_finds_nothing_and_is_done(
    deletion: Call[None], doubt: Answer | TransportError
) -> None:
    """It failed with 404 although the first attempt, whose reply was lost, had done it."""
    played = Played(deletion, doubt, Answer(404))
    assert (played.failure, len(played.asked)) == (None, 2)
    assert isinstance(Played(deletion, Answer(404)).failure, ProblemError)
    assert isinstance(Played(deletion, Answer(429), Answer(404)).failure, ProblemError)


def test_a_failure_says_nothing_twice() -> None:
    """The detail of a bad parameter has all that its errors say."""
    document = {"detail": "limit: wrong", "errors": [{"pointer": "limit", "detail": "wrong"}]}
    told = Played(PUBLISH, Answer(400, msgspec.json.encode(document))).failure
    assert str(told) == "400: limit: wrong"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    """It would be refused again."""
    played = Played(PUBLISH, Answer(status))
    assert isinstance(played.failure, ProblemError)
    assert played.failure.status == status


@pytest.mark.parametrize("page", [b"<html>", b"{}", b'{"event_id":1}'])
def test_a_success_of_somebody_else_is_a_failure(page: bytes) -> None:
    """A proxy that asks to log in answers 200 as well."""
    played = Played(PUBLISH, Answer(200, page))
    assert isinstance(played.failure, ProblemError)
    assert "not one of a Tidings server" in str(played.failure)


def test_retries_have_an_end() -> None:
    """What was said last is raised."""
    played = Played(PUBLISH, Answer(503), TransportError("a"), TransportError("b"), retries=2)
    assert isinstance(played.failure, Unreachable)
    assert str(played.failure) == "b"
    assert len(played.slept) == 2


def test_waits_grow_and_follow_the_server() -> None:
    """Full jitter on top of what it asks for."""
    played = Played(PUBLISH, Answer(503, retry_after="7"), TransportError("x"), TransportError("x"), RECEIPT)
    assert 7 <= played.slept[0] <= 8
    assert 0 <= played.slept[1] <= 2
    assert 0 <= played.slept[2] <= 4


def test_a_long_wait_is_the_callers() -> None:
    """Who is told to come back in an hour decides what to do meanwhile."""
    played = Played(PUBLISH, Answer(503, retry_after=str(int(LONGEST_WAIT_S) + 1)))
    assert isinstance(played.failure, ProblemError)
    assert played.failure.retry_after == LONGEST_WAIT_S + 1
    assert played.slept == []


def test_a_read_all_without_a_place_is_not_repeated() -> None:
    """The second time it could swallow what came between; with a place it cannot, and a refusal did nothing."""
    assert isinstance(Played(READ_ALL, TransportError("cut")).failure, Unreachable)
    assert isinstance(Played(READ_ALL, Answer(500)).failure, ProblemError)
    assert Played(READ_ALL, Answer(429), MARKED).result.seq == 5
    assert Played(READ_UP_TO, TransportError("cut"), MARKED).result.seq == 5


def test_a_token_is_renewed_once() -> None:
    """And at no retry's expense."""
    assert Played(PUBLISH, Answer(401), RECEIPT, retries=0, tokens=1).result.position == 2
    again = Played(PUBLISH, Answer(401), Answer(401), tokens=2)
    assert isinstance(again.failure, ProblemError)
    assert again.failure.status == 401


def test_a_poll_is_given_its_time() -> None:
    """The server's wait comes on top of the client's own."""
    changes = b'{"items":[],"seq":1}'
    played = Played(Api.changes._describe(BOB, 1, wait=25), Answer(200, changes))
    assert played.asked[0].timeout_s == 35
