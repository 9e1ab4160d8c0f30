"""One run: how much load, and what its scenarios share."""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from bench.ceiling import Shape, empty_server, raw_inserts
from bench.client import Flow, LoadResult, run_load
from bench.report import SHARE, Row
from bench.world import World, build


class Sizes(NamedTuple):
    """How much of everything."""

    seconds: float
    """For which each load is measured."""
    connections: int
    page_connections: int
    world_entries: int
    """Feed entries of the store whose pages are read."""
    small_entries: int
    large_entries: int
    """Feed entries of the two stores that are compared by size."""
    deep_page: int
    week_events: int | None
    """Events of the Higgs week that are replayed; None for all."""
    events_per_s: int
    """Load under which trends are asked for."""
    streams: tuple[int, int] = (2_000, 10_000)
    """Open streams: as a busy server has them, and as many as one process is meant for."""
    rounds: int = 34
    """Broadcasts in a row, ``repeats`` times, in turn with what they are compared with."""
    repeats: int = 3
    idle_s: float = 61
    """For which idle streams are watched: three heartbeats of each."""
    frozen_s: float = 20
    """For which some streams do not read: long enough to fill all buffers."""
    unread: int = 1_000_000
    """Notifications that one person has not read."""


FULL = Sizes(5.0, 64, 256, 2_000_000, 100_000, 10_000_000, 1_000, None, 10_000)
QUICK = Sizes(0.4, 8, 16, 20_000, 10_000, 40_000, 10, 2_000, 1_000, (20, 50), 2, 1, 1.2, 0.4, 20_000)
RAW_RUNS = 2
PER_USER = 200
"""Feed entries of an average user in the store whose pages are read."""


class Bench:
    """Sizes, a folder for stores, and what is made or measured once, when first asked for."""

    def __init__(self, sizes: Sizes, folder: Path, data: Path, *, peers: bool = True) -> None:
        """``peers``: whether other products that are installed are measured too."""
        self.sizes = sizes
        self.peers = peers
        self.folder = folder
        self.data = data

    def new_store(self, name: str) -> Path:
        """A file that is not there yet."""
        file = self.folder / f"{name}.db"
        if file.exists():
            raise FileExistsError(file)
        return file

    @cached_property
    def world(self) -> tuple[Path, World]:
        """A store to read pages from."""
        file = self.new_store("world")
        return file, build(file, self.sizes.world_entries, PER_USER)

    def empty_gets(self, request: bytes, reply: bytes, connections: int) -> LoadResult:
        """GETs of these bytes from a handler that does nothing else."""
        with empty_server(reply) as port:
            return run_load(port, self.sizes.seconds, Flow([request], connections))[0]

    def empty_posts(self, request: bytes) -> LoadResult:
        """POSTs of this request to a handler that does nothing."""
        with empty_server(b"") as port:
            return run_load(port, self.sizes.seconds, Flow([request], self.sizes.connections, 201))[0]

    def raw_inserts(self, events: int, shape: Shape) -> float:
        """Events per second into a new SQLite file: the best of RAW_RUNS, since a ceiling is what is possible."""
        return max(self._raw_inserts(events, shape) for _ in range(RAW_RUNS))

    def _raw_inserts(self, events: int, shape: Shape) -> float:
        name = f"raw-{len(list(self.folder.glob('raw-*.db')))}"
        return raw_inserts(self.new_store(name), events, shape)


def checked(name: str, result: LoadResult) -> LoadResult:
    """The result of a load without failures. Raises RuntimeError for any other."""
    if result.errors or not result.rate:
        raise RuntimeError(f"{name}: {result.errors} errors at {result.rate:.0f} replies/s")
    return result


def http_row(name: str, result: LoadResult, ceiling: LoadResult | None = None, **limits: float) -> Row:
    """A row for a load; ``limits`` are gate and goal in requests per second. Raises RuntimeError if any failed."""
    checked(name, result)
    latencies = {"p50": result.p50_ms, "p95": result.p95_ms, "p99": result.p99_ms}
    top = ceiling.rate if ceiling else None
    return Row(name=name, value=result.rate, unit="req/s", ceiling=top, **limits, **latencies)


def share_row(name: str, row: Row, gate: float, goal: float) -> Row:
    """The share of its ceiling that a row reached, as a row. Raises RuntimeError when it has no ceiling."""
    if row.share is None:
        raise RuntimeError(f"{row.name} has no ceiling")
    return Row(name=name, value=row.share, unit=SHARE, gate=gate, goal=goal)
