"""Page cursors: opaque to clients, bound to the request that they continue."""

import base64
import hashlib
import hmac
import struct

from tidings.errors import BadParameter, FieldError

_MAC_BYTES = 8
_INTEGER = struct.Struct(">q")


class Cursors:
    """Makes and checks cursors. A cursor has the end of a page and a keyed digest of the request (route, user, filters), so
    a damaged one, or one used for another request or user, is refused rather than misread."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, at: int, question: str) -> str:
        """The cursor that continues ``question`` at ``at`` (a signed 64-bit integer)."""
        return self._seal(_INTEGER.pack(at), question)

    def read(self, cursor: str | None, question: str) -> int | None:
        """The start of the page; None for a first page. Raises BadParameter."""
        if cursor is None:
            return None
        raw = self._open(cursor, question)
        if len(raw) != _INTEGER.size:
            raise _damaged()
        (at,) = _INTEGER.unpack(raw)
        return int(at)

    def make_named(self, at: str, question: str) -> str:
        """The cursor of a list by name that continues after ``at``."""
        return self._seal(at.encode(), question)

    def read_named(self, cursor: str | None, question: str) -> str | None:
        """The name after which the list continues; None for its beginning. Raises BadParameter."""
        return None if cursor is None else self._open(cursor, question).decode()

    def _seal(self, raw: bytes, question: str) -> str:
        return base64.urlsafe_b64encode(raw + self._mac(raw, question)).rstrip(b"=").decode()

    def _open(self, cursor: str, question: str) -> bytes:
        try:
            sealed = _sealed(cursor)
        except ValueError:
            raise _damaged() from None
        raw, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(raw, question)):
            raise _damaged()
        return raw

    def _mac(self, raw: bytes, question: str) -> bytes:
        # With the length: a name that ends as another question begins must not be read as a part of it.
        signed = _INTEGER.pack(len(raw)) + raw + question.encode()
        return hashlib.blake2b(signed, key=self._secret, digest_size=_MAC_BYTES).digest()


def is_cursor(text: str) -> bool:
    """Whether a text has the form of a cursor. Only the key of its maker can verify it."""
    try:
        return len(_sealed(text)) > _MAC_BYTES
    except ValueError:
        return False


def _sealed(cursor: str) -> bytes:
    return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)


def _damaged() -> BadParameter:
    detail = "expected the next_cursor of this list, got a damaged one or that of another list"
    return BadParameter(f"cursor: {detail}", (FieldError("cursor", detail),))
