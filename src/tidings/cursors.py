"""Page cursors: opaque to clients, bound to the question they continue."""

import base64
import hashlib
import struct

from tidings.errors import BadParameter

_MAC_BYTES = 8


class Cursors:
    """Makes and checks cursors. One carries where a page ended and a keyed digest of the question (route, user,
    filters), so a damaged one, or one used for another question or user, is refused rather than misread."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, at: int, question: str) -> str:
        """The cursor that continues ``question`` at ``at`` (a signed 64-bit integer)."""
        raw = struct.pack(">q", at)
        return base64.urlsafe_b64encode(raw + self._mac(raw, question)).rstrip(b"=").decode()

    def read(self, cursor: str | None, question: str) -> int | None:
        """Where the page goes on; None for a first page. Raises BadParameter."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        if len(raw) != 8 + _MAC_BYTES or raw[8:] != self._mac(raw[:8], question):
            raise BadParameter("the cursor is damaged or belongs to another question")
        (at,) = struct.unpack(">q", raw[:8])
        return int(at)

    def _mac(self, raw: bytes, question: str) -> bytes:
        return hashlib.blake2b(raw + question.encode(), key=self._secret, digest_size=_MAC_BYTES).digest()
