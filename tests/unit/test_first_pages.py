"""The cache of first feed pages."""

from tidings.first_pages import MAX_BYTES, MAX_PAGE_BYTES, MAX_PAGES, SEEN_ONCE, CachedPage, FirstPages


def page(size: int) -> CachedPage:
    return CachedPage(1, b"x" * size, None)


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
