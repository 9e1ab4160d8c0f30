"""Headers are rendered once for many responses, and never with a control character."""

import pytest

from tidings.http.headers import DateHeader, SharedHeaders, checked_lines


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\0", b"a\x7f"])
def test_a_control_character_is_not_sent(value: bytes) -> None:
    """It would begin a header of the client's choice."""
    assert checked_lines([(b"link", value)]) is None
    assert SharedHeaders(((b"vary", b"origin"), (b"link", value))).lines is None


def test_headers_are_lines() -> None:
    """In their order; a tab is no control character here."""
    assert checked_lines([(b"a", b"1\t2"), (b"b", b"")]) == b"a: 1\t2\r\nb: \r\n"
    assert checked_lines([]) == b""


def test_the_date_is_that_of_the_current_list() -> None:
    """uvicorn replaces its list every second, maybe by an equal one."""
    header = DateHeader()
    first, second = [(b"date", b"now")], [(b"date", b"later")]
    assert header.lines(first) == b"date: now\r\n"
    assert header.lines(second) == b"date: later\r\n"
    assert header.lines(first) == b"date: now\r\n"
