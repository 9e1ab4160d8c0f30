"""The cache of first feed pages, as they were encoded."""

from typing import NamedTuple

from tidings.config import KIB, MIB

MAX_PAGES = 2_000
"""Pages kept: those of the users who come again and again."""
MAX_PAGE_BYTES = 64 * KIB
"""Bytes of the largest page that is kept: a page of ordinary events has about 8 KiB."""
MAX_BYTES = 32 * MIB
"""Bytes of all pages kept: large events, or many limits asked for by one user, must not fill the memory."""


class CachedPage(NamedTuple):
    """A first page as it was made: without its position, which moves on with everybody's events."""

    version: object
    body: bytes
    next_cursor: str | None


SEEN_ONCE = CachedPage(None, b"", None)
"""Noted for who asks once: a page that nobody asks for again is not worth its version."""


class FirstPages:
    """First pages by user and limit. When they outgrow a bound, in number or in bytes, all of them are dropped."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, int], CachedPage] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, user: str, limit: int) -> CachedPage | None:
        """What is kept for this user and this number of items."""
        return self._pages.get((user, limit))

    def put(self, user: str, limit: int, page: CachedPage) -> None:
        """Keep a page, in place of the one before; of one that is too large only that it was asked for."""
        kept = page if len(page.body) <= MAX_PAGE_BYTES else SEEN_ONCE
        before = self._pages.get((user, limit))
        self.size += len(kept.body) - (0 if before is None else len(before.body))
        self._pages[user, limit] = kept
        if len(self._pages) > MAX_PAGES or self.size > MAX_BYTES:
            self._pages, self.size = {(user, limit): kept}, len(kept.body)
