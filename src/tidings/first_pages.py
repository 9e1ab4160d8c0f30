"""The cache of first feed pages, encoded."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from tidings.config import KIB, MIB

MAX_PAGES = 2_000
"""Pages in the cache: those of the users who make frequent requests."""
MAX_PAGE_BYTES = 64 * KIB
"""Bytes of the largest cached page: a page of ordinary events has about 8 KiB."""
MAX_BYTES = 32 * MIB
"""Bytes of all cached pages: large events, or requests of one user with many limits, must not fill the memory."""


class MadePage(NamedTuple):
    """The JSON of a page up to its position, and the cursor of the next one. It has all events up to ``position``.
    ``partial``: so few events match its filter that it is short."""

    body: bytes
    next_cursor: str | None
    position: int
    partial: bool = False


class CachedPage(NamedTuple):
    """A first page as it was made: without its position, which changes with every event. It has all events up to
    ``position``."""

    version: object
    body: bytes
    next_cursor: str | None
    position: int


SEEN_ONCE = CachedPage(None, b"", None, 0)
"""Stored at the first request: a page that is not requested again does not justify its version."""


class HasPosition(Protocol):
    """The end of the log."""

    @property
    def position(self) -> int:
        """Its last position."""
        ...


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

    async def current(
        self,
        user: str,
        limit: int,
        head: Callable[[], Awaitable[HasPosition]],
        version_of: Callable[[str], Awaitable[object]],
        make: Callable[[], Awaitable[MadePage]],
    ) -> MadePage:
        """The page of this moment: a cached one as long as the version of its feed, read before it was made, is the same,
        so a write is seen by the next read. ``version_of``: the version of a user's feed, None if the page may not be
        cached. A page is cached at its second request, unless it is partial."""
        known = self.get(user, limit)
        # Before the version: a change between the two is then sent again, not left out.
        position = (await head()).position
        version = None if known is None else await version_of(user)
        if known is not None and known.version is not None and known.version == version:
            # The head may be behind the page: it is known here some time after the commit.
            return MadePage(known.body, known.next_cursor, max(position, known.position))
        made = await make()
        whole = CachedPage(version, made.body, made.next_cursor, made.position)
        self.put(user, limit, SEEN_ONCE if version is None or made.partial else whole)
        return made

    def put(self, user: str, limit: int, page: CachedPage) -> None:
        """Cache a page, in place of the one before; of one that is too large only that it was requested."""
        kept = page if len(page.body) <= MAX_PAGE_BYTES else SEEN_ONCE
        before = self._pages.get((user, limit))
        self.size += len(kept.body) - (0 if before is None else len(before.body))
        self._pages[user, limit] = kept
        if len(self._pages) > MAX_PAGES or self.size > MAX_BYTES:
            self._pages, self.size = {(user, limit): kept}, len(kept.body)
