"""Inboxes as they should be read: with the broadcasts that are for their owners and have not come to them yet."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tidings.errors import Unavailable
from tidings.model import InboxCounters
from tidings.ports import Store

Materialize = Callable[[Sequence[str], int], Awaitable[None]]
"""Brings the broadcasts that these users' inboxes lack, but to nobody who was erased after so many erasures
(``Erasures.begun``). Raises Unavailable."""
T = TypeVar("T")


async def read_with_materialization(
    read: Callable[[], Awaitable[T]],
    lacking: Callable[[T], Sequence[str]],
    take_up: Materialize,
    erasures: int,
) -> T:
    """What is read of inboxes, again if ``lacking`` names users for whom there was something to bring. ``erasures``: how
    many there had been when the request began, or what else this is read for."""
    found = await read()
    users = lacking(found)
    if not users:
        return found
    try:
        await take_up(users, erasures)
    except Unavailable:  # nothing can be written now; what is there can still be read
        return found
    return await read()


async def inbox_heads(store: Store, users: Sequence[str], take_up: Materialize) -> dict[str, InboxCounters]:
    """The heads of these users' inboxes."""

    async def read() -> dict[str, InboxCounters]:
        return dict(zip(users, await store.counts(users), strict=True))

    return await read_with_materialization(
        read,
        lambda found: [user for user, counts in found.items() if counts.lacking],
        take_up,
        store.erasures.begun,
    )
