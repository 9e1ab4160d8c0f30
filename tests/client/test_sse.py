"""The parser of server-sent events, by the standard's own words."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.client.sse import EventTooLong, Parser, ServerSentEvent

STREAMS = {
    "one event": (b"event: a\ndata: 1\nid: x\n\n", [ServerSentEvent("a", "1", "x")]),
    "no name is message": (b"data: 1\n\n", [ServerSentEvent("message", "1", "")]),
    "carriage returns": (b"data: 1\rdata: 2\r\r", [ServerSentEvent("message", "1\n2", "")]),
    "both line ends": (b"data: 1\r\ndata: 2\r\n\r\n", [ServerSentEvent("message", "1\n2", "")]),
    "a byte order mark first": (b"\xef\xbb\xbfdata: 1\n\n", [ServerSentEvent("message", "1", "")]),
    "a byte order mark later": (b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [ServerSentEvent("message", "1", "")]),
    "comments": (b": hello\ndata: 1\n:\n\n", [ServerSentEvent("message", "1", "")]),
    "one space is taken off": (
        b"data:  1\n\ndata:1\n\n",
        [ServerSentEvent("message", " 1", ""), ServerSentEvent("message", "1", "")],
    ),
    "a field without a colon": (b"data\n\n", [ServerSentEvent("message", "", "")]),
    "nothing without data": (b"event: a\nid: x\n\ndata: 1\n\n", [ServerSentEvent("message", "1", "x")]),
    "an id stays": (
        b"id: x\ndata: 1\n\ndata: 2\n\n",
        [ServerSentEvent("message", "1", "x"), ServerSentEvent("message", "2", "x")],
    ),
    "an id is taken back": (
        b"id: x\ndata: 1\n\nid\ndata: 2\n\n",
        [ServerSentEvent("message", "1", "x"), ServerSentEvent("message", "2", "")],
    ),
    "an id with NUL is passed over": (b"id: x\nid: y\0\ndata: 1\n\n", [ServerSentEvent("message", "1", "x")]),
    "unknown fields": (b"what: x\ndata: 1\n\n", [ServerSentEvent("message", "1", "")]),
    "an event without end": (b"data: 1\n\ndata: 2\n", [ServerSentEvent("message", "1", "")]),
    "text of the world": (
        "data: läuft\u2028日本\n\n".encode(),
        [ServerSentEvent("message", "läuft\u2028日本", "")],
    ),
    "broken text": (b"data: a\xffb\n\n", [ServerSentEvent("message", "a\ufffdb", "")]),
}


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_is_parsed(case: str) -> None:
    """Whole, and byte by byte; the last line end waits only where it may be half of one."""
    stream, events = STREAMS[case]
    assert parsed([stream, b":"]) == events
    assert parsed([bytes([byte]) for byte in stream + b":"]) == events


@pytest.mark.parametrize(("said", "retry_ms"), [(b"1500", 1500), (b"x", None), (b"-1", None), (b"1.5", None)])
def test_retry_is_a_number(said: bytes, retry_ms: int | None) -> None:
    """Anything else is passed over."""
    parser = Parser()
    parser.feed(b"retry: %b\n\n" % said)
    assert parser.retry_ms == retry_ms


@pytest.mark.parametrize("without_end", [b"data: " + b"x" * 50, b"data: x\n" * 9, b":" * 60])
def test_a_buffer_is_bounded(without_end: bytes) -> None:
    """A line, and all lines of one event together."""
    parser = Parser(limit=48)
    with pytest.raises(EventTooLong):
        parser.feed(without_end)


def test_the_bound_is_of_one_event() -> None:
    """Any number of small events may come in one piece."""
    assert len(Parser(limit=48).feed(b"data: xxxxxxxxxx\n\n" * 50)) == 50


LINES = st.one_of(
    st.sampled_from(
        ["", "data", "data:", "data: ", "data:x", "data: a:b", "event: e", "event", "id: 1", "id", "id: \0"]
    ),
    st.sampled_from([":", ": c", "retry: 5", "retry: x", "what: x", " data: 1", "\ufeffdata: 1"]),
    st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=9),
)
ENDS = st.sampled_from(["\r", "\n", "\r\n"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=30), st.booleans(), st.data())
def test_chunks_may_end_anywhere(lines: list[tuple[str, str]], mark: bool, data: Any) -> None:
    """Whatever the line ends are and wherever the bytes are cut, the events are those of the standard."""
    text = "".join(line + end for line, end in lines)
    stream = (b"\xef\xbb\xbf" if mark else b"") + text.encode() + b":"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert parsed(chunks) == by_the_standard(stream)


def parsed(chunks: list[bytes]) -> list[ServerSentEvent]:
    """What a parser makes of these chunks."""
    parser = Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


def by_the_standard(stream: bytes) -> list[ServerSentEvent]:
    """The events of a whole stream, by section 9.2.6 word by word and without regard for speed or memory."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    *lines, _rest = re.split("\r\n|\r|\n", text)
    events = []
    name = data = id = ""
    for line in lines:
        if line == "":
            if data != "":
                events.append(ServerSentEvent(name or "message", data.removesuffix("\n"), id))
            name = data = ""
        elif not line.startswith(":"):
            field, value = line, ""
            if ":" in line:
                field, value = line.split(":", 1)
                value = value[1:] if value.startswith(" ") else value
            if field == "event":
                name = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                id = value
    return events
