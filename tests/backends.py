"""The back-ends that every law is tried on."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tidings.config import Settings
from tidings.ports import Store
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore
from tidings.testing import MemoryStore
from tidings.timeutil import Clock

SMALL = Settings(
    duplicate_window_s=0,
    sqlite_partition_rows=4,
    sqlite_event_partition_rows=10,
    dormant_days=1,
    feed_max_scanned_rows=100_000,
)
"""Partitions of a few rows, users who are away after a day, and each event notifies, as in the reference."""
SETTINGS = {
    "sqlite": Settings(duplicate_window_s=0),
    "sqlite-hot": msgspec.structs.replace(SMALL, fanout_read_threshold_followers=3),
    "sqlite-chunks": msgspec.structs.replace(SMALL, fan_out="worker", fanout_sync_max_followers=1),
}
"""Settings under which a few rows take every path: as shipped; merged at read; pushed later, chunk by
chunk."""
BACKENDS = ("memory", *SETTINGS)
DEFERRING = ("sqlite-chunks",)
"""Those that tell followers by later work, and so perhaps in another order than the reference."""


async def opened(
    name: str, folder: Path, clock: Clock, types: Mapping[str, Rule] | None = None, **limits: int
) -> Store:
    """An empty store of this back-end, with these types and limits in its settings. All have the same salt, so the same
    events get the same ids."""
    if name == "memory":
        return MemoryStore(clock, types=types, **limits)  # type: ignore[arg-type]
    settings = msgspec.structs.replace(SETTINGS[name], types=dict(types or {}), **limits)
    return await SqliteStore.open(folder / f"{name}.db", clock, settings, salt=0)
