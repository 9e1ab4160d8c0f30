"""Frames as server-sent events, read back by the rules of the standard."""

import re
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.http.sse import SERVER_SENT_EVENTS, farewell


class Event(NamedTuple):
    """What a client dispatches."""

    name: str
    id: str
    data: str


def parsed(stream: bytes) -> list[Event]:
    """The events of a stream (WHATWG HTML, section 9.2.6), each with the last id."""
    events, name, id, data = [], "", "", list[str]()
    for line in re.split(r"\r\n|\r|\n", stream.decode()):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                events.append(Event(name or "message", id, "\n".join(data)))
            name, data = "", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            id = value
    return events


def encode(event: str, id: str | None, data: str) -> bytes:
    """A frame as a stream writes it."""
    return SERVER_SENT_EVENTS.seal(SERVER_SENT_EVENTS.frame(event, data.encode()), id)


@given(st.text(), st.text())
def test_no_data_forges_a_frame(first: str, second: str) -> None:
    """Whatever two frames hold, exactly two events arrive, with their data up to the form of line ends."""
    events = parsed(encode("notification", "1.2", first) + encode("read", None, second))
    plain = [re.sub(r"\r\n|\r", "\n", text) for text in (first, second)]
    assert events == [Event("notification", "1.2", plain[0]), Event("read", "1.2", plain[1])]


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_ids_and_names_are_single_lines(bad: str) -> None:
    """An id or a name that could become another field is refused."""
    for event, id in (("hello", bad), (bad, None)):
        with pytest.raises(ValueError, match="single line"):
            encode(event, id, "{}")


def test_farewell_tells_an_event_source_when_to_return() -> None:
    """It is a whole stream: the time comes first, for that is all that a stock client listens to."""
    assert farewell(2_500).startswith(b"retry: 2500\n\n")
    assert parsed(farewell(2_500)) == [Event("drain", "", '{"retry_ms":2500}')]
