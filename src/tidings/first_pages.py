"""The cache of first feed pages, encoded."""

from typing import NamedTuple

from tidings.config import KIB, MIB

MAX_PAGES = 2_000
"""Pages in the cache: those of the users who make frequent requests."""
MAX_PAGE_BYTES = 64 * KIB
"""Bytes of the largest cached page: a page of ordinary events has about 8 KiB."""
MAX_BYTES = 32 * MIB
"""Bytes of all cached pages: large events, or requests of one user with many limits, must not fill the memory."""


class CachedPage(NamedTuple):
    """A first page as it was made: without its position, which changes with every event. It has all events up to
    ``position``."""

    version: object
    body: bytes
    next_cursor: str | None
    position: int


SEEN_ONCE = CachedPage(None, b"", None, 0)
"""Stored at the first request: a page that is not requested again does not justify its version."""


class FirstPages:
    """First pages by user and limit. When they exceed a bound, in number or in bytes, all of them are dropped."""

    def __init__(self) -> None:
        self._pages: dict[tuple[str, int], CachedPage] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._pages)

    def get(self, user: str, limit: int) -> CachedPage | None:
        """The cached page for this user and this number of items."""
        return self._pages.get((user, limit))

    def keep(self, user: str, limit: int, page: CachedPage, partial: bool) -> None:
        """Cache a page that is whole and was requested before (then its version is known); of another one only that it was
        requested."""
        self.put(user, limit, SEEN_ONCE if page.version is None or partial else page)

    def put(self, user: str, limit: int, page: CachedPage) -> None:
        """Cache a page, in place of the one before; of one that is too large only that it was requested."""
        kept = page if len(page.body) <= MAX_PAGE_BYTES else SEEN_ONCE
        before = self._pages.get((user, limit))
        self.size += len(kept.body) - (0 if before is None else len(before.body))
        self._pages[user, limit] = kept
        if len(self._pages) > MAX_PAGES or self.size > MAX_BYTES:
            self._pages, self.size = {(user, limit): kept}, len(kept.body)
