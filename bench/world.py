"""A populated store: rooms with twenty followers each, written straight through the store's port.

Everyone follows at least one room; all other follows are given by Zipf's law, so that a few users follow
thousands of rooms and most follow some. What is posted in a room reaches its followers, twenty feed entries an
event. Its events lie hours back, where no window of trends counts them.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from tidings.config import Settings
from tidings.model import Follow, NewEvent, Publish
from tidings.storage.sqlite import SqliteStore
from tidings.testing import event
from tidings.timeutil import HOUR_MS, SystemClock

FOLLOWERS = 20
USERS_PER_ROOM = 2
LEAST_USERS = 200
ZIPF = 0.7
"""Exponent of the follows by rank: of 20,000 users the first follows about 3,000 rooms, the last three."""
BATCH = 1_000
"""Commands, or events, in one transaction."""
WORK_ROWS = 20_000
"""Rows of owed work done at a time when nobody waits."""


class World(NamedTuple):
    """Users by falling activity: ``user0`` follows most."""

    users: int
    rooms: int

    def user(self, rank: int) -> str:
        """The user with this rank of activity, from 0."""
        return f"user{rank}"

    def posts(self, number: int, size: int) -> list[bytes]:
        """Arrays of events in random rooms, to be posted."""
        draw = Random(4)
        return [msgspec.json.encode([self._post(draw) for _ in range(size)]) for _ in range(number)]

    def _post(self, draw: Random) -> dict[str, object]:
        return {
            "actor_id": self.user(draw.randrange(self.users)),
            "verb": "comment",
            "object_type": "thread",
            "object_id": str(draw.randrange(self.users)),
            "topics": [f"room:{draw.randrange(self.rooms)}"],
            "actor_name": "Somebody Somewhere",
            "object_title": "What was said about it",
        }


def build(file: Path, entries: int, per_user: int) -> World:
    """Write about ``entries`` feed entries, ``per_user`` on average, into a new store; says how far it is."""
    users = max(LEAST_USERS, entries // per_user)
    world = World(users, users // USERS_PER_ROOM)
    asyncio.run(_build(file, world, entries // FOLLOWERS))
    os.sync()  # the system would write back hundreds of MiB on the server's core while it is measured
    return world


async def _build(file: Path, world: World, events: int) -> None:
    clock = SystemClock()
    store = await SqliteStore.open(file, clock, Settings())
    follows = [Follow(world.user(rank), f"room:{room}", 0) for room, rank in _follows(world)]
    for at in range(0, len(follows), BATCH):
        await store.write(follows[at : at + BATCH])
    first_ms, draw = clock.now() - 3 * HOUR_MS - events, Random(2)
    for at in range(0, events, BATCH):
        batch = tuple(_event(world, draw, first_ms + i) for i in range(at, min(at + BATCH, events)))
        await store.write([Publish(batch)])
        progress(file.stem, at + len(batch), events)
    for _ in range(2):  # with nothing left to do the store looks again whether it may merge more
        while await store.work(WORK_ROWS):
            pass
    await store.close()


def _follows(world: World) -> Iterator[tuple[int, int]]:
    """(room, rank of its follower) for every follow."""
    draw, ranks = Random(1), range(world.users)
    weights = list(accumulate((rank + 1) ** -ZIPF for rank in ranks))
    for room in range(world.rooms):
        followers = dict.fromkeys(range(room, world.users, world.rooms))
        while len(followers) < FOLLOWERS:
            followers.update(dict.fromkeys(draw.choices(ranks, cum_weights=weights)))
        yield from ((room, rank) for rank in followers)


def _event(world: World, draw: Random, at: int) -> NewEvent:
    actor = world.user(draw.randrange(world.users))
    thing, room = f"thread:{draw.randrange(world.users)}", f"room:{draw.randrange(world.rooms)}"
    return event(actor, "comment", thing, topics=(room,), at=at, name="Somebody Somewhere")


def progress(what: str, done: int, total: int, steps: int = 10) -> None:
    """A line on standard error whenever another tenth is done."""
    if done * steps // total > (done - BATCH) * steps // total:
        print(f"{what}: {done:,} of {total:,} events", file=sys.stderr)


def feeds(users: Sequence[str]) -> list[str]:
    """The paths of these users' first pages."""
    return [f"/v1/feed?user_id={user}&limit=20" for user in users]
