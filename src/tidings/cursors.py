"""Page cursors: opaque to clients, bound to the request that they continue."""

import base64
import hashlib
import struct
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from tidings.errors import BadParameter, FieldError

_TAG_BYTES = 16
_INTEGER_BYTES = 8


class Cursors:
    """Makes and checks cursors. A cursor has the end of a page, encrypted, since that of a partial page may be the key of an
    event that the client may not see. It is bound to the request (route, user, filters), so a damaged one, or one used for
    another request or user, is refused rather than misread."""

    def __init__(self, secret: bytes) -> None:
        # Needs no nonce: equal ends of equal requests have equal cursors, which says nothing about others.
        self._cipher = AESSIV(hashlib.blake2b(secret, digest_size=32).digest())

    def make(self, at: int, question: str) -> str:
        """The cursor that continues ``question`` at ``at`` (a signed 64-bit integer)."""
        return self.make_integers((at,), question)

    def read(self, cursor: str | None, question: str) -> int | None:
        """The start of the page; None for a first page. Raises BadParameter."""
        found = self.read_integers(cursor, question, 1)
        return None if found is None else found[0]

    def make_integers(self, at: Sequence[int], question: str) -> str:
        """The cursor that continues ``question`` at several such integers."""
        return self._seal(struct.pack(f">{len(at)}q", *at), question)

    def read_integers(self, cursor: str | None, question: str, count: int) -> tuple[int, ...] | None:
        """The integers of such a cursor; None for a first page. Raises BadParameter."""
        if cursor is None:
            return None
        raw = self._open(cursor, question)
        if len(raw) != count * _INTEGER_BYTES:
            raise _damaged()
        return struct.unpack(f">{count}q", raw)

    def make_named(self, at: str, question: str) -> str:
        """The cursor of a list by name that continues after ``at``."""
        return self._seal(at.encode(), question)

    def read_named(self, cursor: str | None, question: str) -> str | None:
        """The name after which the list continues; None for its beginning. Raises BadParameter."""
        return None if cursor is None else self._open(cursor, question).decode()

    def _seal(self, raw: bytes, question: str) -> str:
        sealed = self._cipher.encrypt(raw, [question.encode()])
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def _open(self, cursor: str, question: str) -> bytes:
        if not is_cursor(cursor):
            raise _damaged()
        try:
            return self._cipher.decrypt(_sealed(cursor), [question.encode()])
        except InvalidTag:
            raise _damaged() from None


def is_cursor(text: str) -> bool:
    """Whether a text has the form of a cursor. Only the key of its maker can open it."""
    try:
        return len(_sealed(text)) > _TAG_BYTES
    except ValueError:
        return False


def _sealed(cursor: str) -> bytes:
    return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)


def _damaged() -> BadParameter:
    detail = "expected the next_cursor of this list, got a damaged one or that of another list"
    return BadParameter(f"cursor: {detail}", (FieldError("cursor", detail),))
