"""Arguments of the wrong kind are refused before anything is sent, with an error that names the argument."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, get_origin, get_type_hints

import pytest

from tests.client.test_api import ARGUMENTS, OPERATIONS
from tests.wire.people import event
from tidings.client import AsyncClient, Client, NewEvent
from tidings.client.descriptors import listing
from tidings.client.effects import ClientRequest


class Sent(AssertionError):
    """A request was sent."""


class Recorder(Client):
    """A client that may send nothing."""

    def send(self, request: ClientRequest, timeout_s: float) -> Any:
        """Fail: the arguments should have been refused."""
        raise Sent(request)


class AsyncRecorder(AsyncClient):
    """The same for asyncio."""

    async def send(self, request: ClientRequest, timeout_s: float) -> Any:
        """Fail: the arguments should have been refused."""
        raise Sent(request)


SYNC = Recorder("http://127.0.0.1:1", user_id="bob")
ASYNC = AsyncRecorder("http://127.0.0.1:1", user_id="bob")


def called(name: str, /, *args: Any, **named: Any) -> None:
    """Call a method, and take the first of an iterator."""
    result = getattr(SYNC, name)(*args, **named)
    if isinstance(OPERATIONS[name], listing):
        next(result)


def called_soon(name: str, /, *args: Any, **named: Any) -> None:
    """The same with the asynchronous client."""

    async def call() -> None:
        result = getattr(ASYNC, name)(*args, **named)
        await (anext(result) if isinstance(result, AsyncIterator) else result)

    asyncio.run(call())


Call = Callable[..., None]
BOTH = pytest.mark.parametrize("call", [called, called_soon], ids=["sync", "async"])
WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("publish", ([event(), event()],), {}, "event"),
    ("publish", ('{"actor_id": "a"}',), {}, "event"),
    ("broadcast", ([event()],), {}, "event"),
    ("publish_many", (event(),), {}, "events"),
    ("publish_many", ([event(), "x"],), {}, r"events\[1\]"),
    ("import_lines", ("text",), {}, "events"),
    ("import_lines", (['{"actor_id": "a"}'],), {}, r"events\[0\]"),
    ("mark_many", ("n2-4", "read"), {}, "ids"),
    ("mark_many", ([4], "read"), {}, r"ids\[0\]"),
    ("mark", (["n2-4"], "read"), {}, "id"),
    ("mark_feed_read", ("id",), {}, "event_ids"),
    ("mark_feed_unread", (b"id",), {}, "event_ids"),
    ("feed", (), {"verb": 7}, "verb"),
    ("feed", (), {"object_id": ["offer", "list"]}, "object_id"),
    ("feed_page", (), {"topic": ("a", 7)}, r"topic\[1\]"),
    ("activity", (["market:1"],), {}, "of_topic"),
    ("activity", ("market:1",), {"topic": 7}, "topic"),
    ("notifications", (), {"type": 7}, "type"),
    ("read_all", (), {"type": ["reply"]}, "type"),
    ("preferences", (), {"user": ["bob"]}, "user"),
    ("set_reminder", ("key", "reminder"), {}, "reminder"),
    ("declare_type", ("reply", ["verbs"]), {}, "rule"),
    ("set_preferences", ([],), {}, "wanted"),
    ("add_endpoint", ("webhook", "https://hooks.example"), {"keys": "key"}, "keys"),
]


@BOTH
@pytest.mark.parametrize(("name", "args", "named", "argument"), WRONG)
def test_a_text_is_no_sequence_and_a_sequence_no_text(
    call: Call, name: str, args: tuple[Any, ...], named: dict[str, Any], argument: str
) -> None:
    """A list was stored before publish() failed, and a text was marked letter by letter."""
    with pytest.raises(TypeError, match=f"^{argument}: expected "):
        call(name, *args, **named)


def texts(name: str) -> list[str]:
    """The parameters of a method that are texts."""
    hints = get_type_hints(OPERATIONS[name]._describe)
    return [
        parameter
        for parameter, hint in hints.items()
        if hint in (str, str | None) or get_origin(hint) is Literal
    ]


@BOTH
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_text_may_be_a_list(call: Call, name: str) -> None:
    """In any call."""
    positional = list(get_type_hints(OPERATIONS[name]._describe))
    good = dict(zip(positional, ARGUMENTS.get(name, ()), strict=False))
    for parameter in texts(name):
        with pytest.raises(TypeError, match=f"^{parameter}: expected a string"):
            call(name, **good | {parameter: ["x"]})


@BOTH
def test_an_unknown_state_is_named(call: Call) -> None:
    """It got a 404 that asked about the prefix of the server."""
    accepted = (
        "^state: expected read, unread, seen, unseen, archive, unarchive, unsnooze, pin or unpin, got 'red'$"
    )
    with pytest.raises(ValueError, match=accepted):
        call("mark", "n2-4", "red")
    with pytest.raises(ValueError, match=accepted):
        call("mark_many", ["n2-4"], "red")
    with pytest.raises(ValueError, match=r"got 'snooze'; snooze and snooze_many take the time of its end$"):
        call("mark", "n2-4", "snooze")


@BOTH
def test_the_only_word_is_named(call: Call) -> None:
    """The text was "expected  or previous"."""
    with pytest.raises(ValueError, match=r"^compare: expected previous, got 'yes'$"):
        call("top", compare="yes")


@BOTH
@pytest.mark.parametrize("values", [[], ()])
def test_a_filter_without_values_is_named(call: Call, values: Any) -> None:
    """It got a 400 about an empty text, which named no argument of the call."""
    for name in ("feed", "feed_page", "activity"):
        with pytest.raises(ValueError, match="verb: expected at least one value, got none"):
            call(name, verb=values)


@BOTH
def test_lines_are_no_events(call: Call) -> None:
    """Lines of text failed with an AttributeError; those of an iterator are refused as they come."""
    with pytest.raises(TypeError, match=r"^events\[1\]: expected NewEvent or a mapping, got str$"):
        call("import_lines", iter([event(), "text"]))


@BOTH
def test_every_kind_of_collection_will_do(call: Call) -> None:
    """Also a set, and an iterator."""
    for ids in (["n2-4"], {"n2-4"}, iter(["n2-4"]), {"n2-4": 1}.keys()):
        with pytest.raises(Sent):
            call("mark_many", ids, "read")
    new = NewEvent(actor_id="a", verb="v", object_type="o", object_id="1")
    for events in ([new, event()], (event() for _ in range(2))):
        with pytest.raises(Sent):
            call("publish_many", events)


@pytest.mark.parametrize("client", [SYNC, ASYNC])
@pytest.mark.parametrize(
    ("argument", "value"),
    [("include", "activity"), ("user", ["bob"]), ("cursor", ["e.1.1"]), ("on_connection", "print")],
)
def test_a_subscription_refuses_them_too(client: Any, argument: str, value: Any) -> None:
    """At once, and not when it is iterated over."""
    with pytest.raises(TypeError, match=f"^{argument}: expected "):
        client.subscribe(**{argument: value})


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("argument", ["api_key", "token", "user_id"])
def test_a_client_refuses_them_too(client: Any, argument: str) -> None:
    """A list of keys failed in the first call; the message does not contain them."""
    with pytest.raises(TypeError, match=f"^{argument}: expected a string.*, got list$"):
        client("http://127.0.0.1:1", **{argument: ["secret"]})


def test_an_argument_by_place_is_led_to_its_name() -> None:
    """The fault: ``unread_count("1")`` got "too many positional arguments", which names no way out."""
    with pytest.raises(TypeError, match=r"^too many positional arguments; these are given by name: user=, "):
        called("unread_count", "1")
    with pytest.raises(TypeError, match=r"^got an unexpected keyword argument 'usr'$"):
        called("unread_count", usr="1")
