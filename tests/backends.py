"""The back-ends that every law is tried on."""

from pathlib import Path

from tidings.config import Settings
from tidings.ports import Clock, Store
from tidings.testing import MemoryStore

TINY = Settings(
    fan_out="worker", fan_out_inline_rows=2, hot_followers=3, partition_rows=50, feed_scan_budget=100_000
)
"""Settings under which a few rows take every large path: chunked fan-out, hot topics, many partitions."""
BACKENDS = ("memory", "sqlite", "sqlite-tiny")


async def opened(name: str, folder: Path, clock: Clock) -> Store:
    """An empty store of this back-end. All have the same salt, so the same events get the same ids."""
    if name == "memory":
        return MemoryStore(clock)
    from tidings.storage.sqlite import SqliteStore

    settings = TINY if name == "sqlite-tiny" else Settings()
    return await SqliteStore.open(folder / f"{name}.db", clock, settings, salt=0)
