"""Request bodies before they are decoded."""

import pytest

from tidings.http.body import trimmed

MANY = b" \t\r\n" * 1_000


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (MANY + b'{"a": 1 }' + MANY, b'{"a": 1 }'),
        (MANY + b"7", b"7"),
        (b"7" + MANY, b"7"),
        (b"7", b"7"),
        (MANY, b""),
        (b"", b""),
    ],
)
def test_blanks_around_a_body_are_read_once(raw: bytes, text: bytes) -> None:
    """The fault: each check of a body read them again, 4 MiB of them in 26 to 52 ms of the event loop."""
    assert trimmed(raw) == text


@pytest.mark.parametrize("other", [b"\v", b"\f", b"\x00", b"\xa0", b"\xef\xbb\xbf"])
def test_what_is_no_blank_of_json_stays(other: bytes) -> None:
    """A body that begins or ends with it is refused, or has a byte order mark."""
    for raw in (MANY + other + b"7", b"7" + other + MANY, other + MANY, MANY + other):
        assert trimmed(raw).count(other) == 1
