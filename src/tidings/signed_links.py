"""Links in mails: what a link permits is in its token, which nobody without the key of the store can make."""

import base64
import hashlib
import hmac

from tidings.errors import NotFound

_MAC_BYTES = 16


class SignedLinks:
    """The links to one page.

    ``page`` is its URL. ``purpose``, at most 16 bytes, keeps the token of one page from being used at another.
    """

    def __init__(self, key: bytes, page: str, purpose: bytes) -> None:
        self._key = key
        self._page = page
        self._purpose = purpose

    def link(self, content: bytes) -> str:
        """The URL of the page with a token for this content."""
        token = base64.urlsafe_b64encode(content + self._mac(content)).rstrip(b"=").decode()
        return f"{self._page}?token={token}"

    def content(self, token: str) -> bytes:
        """The content of a link's token. Raises NotFound for one that was not made here."""
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise NotFound("no such link") from None
        content, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(content)):
            raise NotFound("no such link")
        return content

    def _mac(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, key=self._key, person=self._purpose, digest_size=_MAC_BYTES).digest()
