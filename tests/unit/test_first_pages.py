"""The cache of first feed pages."""

import asyncio
from typing import Any

import msgspec

from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.feeds import FeedReader
from tidings.filters import EVERYTHING
from tidings.first_pages import MAX_BYTES, MAX_PAGE_BYTES, MAX_PAGES, SEEN_ONCE, CachedPage, FirstPages
from tidings.model import LogPosition, Publish
from tidings.public_head import PublicHead
from tidings.testing import FakeClock, MemoryStore, event


def page(size: int) -> CachedPage:
    return CachedPage(1, b"x" * size, None, 1)


def test_pages_are_bounded_in_bytes() -> None:
    """The fault: pages were bounded in number only, so one user with large events filled 400 MB."""
    pages = FirstPages()
    for user in range(3 * MAX_BYTES // MAX_PAGE_BYTES):
        pages.put(str(user), 20, page(MAX_PAGE_BYTES))
        assert pages.get(str(user), 20) == page(MAX_PAGE_BYTES)
        assert pages.size == MAX_PAGE_BYTES * len(pages) <= MAX_BYTES


def test_pages_are_bounded_in_number() -> None:
    """One more than the bound drops all but itself."""
    pages = FirstPages()
    for limit in range(MAX_PAGES + 1):
        pages.put("ann", limit, page(1))
    assert (len(pages), pages.size) == (1, 1)


def test_a_large_page_is_not_kept() -> None:
    """It takes the place of what was kept, which is no longer the page."""
    pages = FirstPages()
    pages.put("ann", 20, page(10))
    pages.put("ann", 20, page(MAX_PAGE_BYTES + 1))
    assert (pages.get("ann", 20), pages.size) == (SEEN_ONCE, 0)


class Lagging(MemoryStore):
    """A store whose head is known some time after the commit."""

    known: int | None = None

    async def head(self, at: int | None = None) -> LogPosition:
        """The head, or the last that is known."""
        head = await super().head(at)
        return head if self.known is None else head._replace(position=self.known)


def test_a_cached_page_is_not_of_an_earlier_position_than_its_items() -> None:
    """The fault: with a head that was behind, the number of new items left out some of those on the page."""

    async def pages() -> list[dict[str, Any]]:
        store = Lagging(FakeClock())
        reader = FeedReader(store, Cursors(b"k" * 32), Settings(), PublicHead(0))
        await store.write([Publish((event("ann", targets=("bob",)),))])
        found = [msgspec.json.decode((await reader.feed("bob", EVERYTHING, 20, None)).body) for _ in range(2)]
        store.known = 0
        return [*found, msgspec.json.decode((await reader.feed("bob", EVERYTHING, 20, None)).body)]

    assert [page["position"] for page in asyncio.run(pages())] == [1, 1, 1]
