"""Walking pages while others write (I4)."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import pairwise

Fetch = Callable[[int | None], Awaitable[tuple[list[int], int | None]]]
"""Fetches the page that begins after a key (None: the first): its keys, and where the next one begins."""
MAX_PAGES = 10_000
"""More than any test writes; a walk that does not end fails here instead of hanging."""


async def walk(fetch: Fetch, between: Callable[[], Awaitable[None]] | None = None) -> list[int]:
    """The keys of all pages in the order they came; ``between`` runs after each page that has a successor."""
    seen: list[int] = []
    at: int | None = None
    for _ in range(MAX_PAGES):
        keys, at = await fetch(at)
        seen += keys
        if at is None:
            return seen
        if between is not None:
            await between()
    raise AssertionError(f"no end after {MAX_PAGES} pages")


def complete(seen: Sequence[int], throughout: Collection[int], ever: Collection[int]) -> None:
    """I4: in strictly falling order, so nothing twice; all that was there throughout; nothing that never
    was."""
    for earlier, later in pairwise(seen):
        assert earlier > later, f"{earlier} is followed by {later}"
    missing = sorted(set(throughout) - set(seen))
    assert not missing, f"skipped: {missing}"
    foreign = sorted(set(seen) - set(ever))
    assert not foreign, f"never were in it: {foreign}"
