"""Reads of inboxes that first materialise the pending broadcasts of their users."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tidings.errors import Unavailable
from tidings.model import InboxCounters
from tidings.ports import Store

HEADS = 1_000
"""Inboxes whose counters one statement reads: two milliseconds, then other tasks have the loop."""
Materialize = Callable[[Sequence[str], int], Awaitable[None]]
"""Materialises the pending broadcasts of these users, except for a user whose erasure began after so many erasures
(``Erasures.begun``). Raises Unavailable."""
T = TypeVar("T")


async def read_with_materialization(
    read: Callable[[], Awaitable[T]],
    lacking: Callable[[T], Sequence[str]],
    materialize: Materialize,
    erasures: int,
) -> T:
    """What ``read`` returns of inboxes, after a second read if ``lacking`` names users with pending broadcasts.
    ``erasures``: the number of erasures when the request, or another task that reads, began."""
    found = await read()
    users = lacking(found)
    if not users:
        return found
    try:
        await materialize(users, erasures)
    except Unavailable:  # nothing can be written now, but the rows can be read
        return found
    return await read()


async def inbox_heads(
    store: Store, users: Sequence[str], materialize: Materialize, erasures: int | None = None
) -> dict[str, InboxCounters]:
    """The counters of these users' inboxes, at most HEADS. ``erasures``: their number when the request began; None: now."""

    async def read() -> dict[str, InboxCounters]:
        return dict(zip(users, await store.counts(users), strict=True))

    return await read_with_materialization(
        read,
        lambda found: [user for user, counts in found.items() if counts.lacking],
        materialize,
        store.erasures.begun if erasures is None else erasures,
    )
