"""Page cursors: they say nothing to clients, and continue the request alone that they were made for."""

import base64

import pytest

from tidings.cursors import Cursors, is_cursor
from tidings.errors import BadParameter

KEY = 0x0123456789ABCDEF
QUESTION = "activity|eve|None|"


def opened(cursor: str) -> bytes:
    """The bytes of a cursor."""
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def sealed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_cursor_does_not_show_its_key() -> None:
    """The fault: a partial page ended at the key of an event that the client may not see, and its cursor had that key in
    plain base64: the millisecond, and so the id, of a hidden event."""
    cursors = Cursors(b"secret")
    cursor = cursors.make(KEY, QUESTION)
    assert KEY.to_bytes(8) not in opened(cursor)
    assert cursors.read(cursor, QUESTION) == KEY
    named = cursors.make_named("user:zoë", QUESTION)
    assert "zoë".encode() not in opened(named)
    assert cursors.read_named(named, QUESTION) == "user:zoë"


def test_a_cursor_continues_its_own_request_alone() -> None:
    """Neither another one of the same server, nor the same one of another server."""
    cursors = Cursors(b"secret")
    cursor = cursors.make(KEY, QUESTION)
    assert cursors.make(KEY, QUESTION) == cursor
    for other, question in ((cursors, QUESTION + "x"), (Cursors(b"other"), QUESTION)):
        with pytest.raises(BadParameter, match="got a damaged one or that of another list"):
            other.read(cursor, question)


@pytest.mark.parametrize("make", ["make", "make_named"])
def test_a_damaged_cursor_is_refused(make: str) -> None:
    """Whichever bit was changed, wherever it was cut, and if a part was moved to the question."""
    cursors = Cursors(b"secret")
    cursor = cursors.make(KEY, QUESTION) if make == "make" else cursors.make_named("9.0", QUESTION)
    whole = opened(cursor)
    changed = [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in range(len(whole))]
    for raw in (*changed, *(whole[:n] for n in range(len(whole))), whole + QUESTION[:1].encode()):
        for read in (cursors.read, cursors.read_named):
            for question in (QUESTION, QUESTION[1:]):
                with pytest.raises(BadParameter):
                    read(sealed(raw), question)
    assert not is_cursor(sealed(whole[:16]))
