"""The outcome of a run: rows of figures, with the machine and versions they belong to, as JSON and as a
table.
"""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import apsw
import msgspec

LIBRARIES = ("tidings", "apsw", "datasketches", "httptools", "msgspec", "uvicorn", "uvloop")
SHARE = "of ceiling"
"""Unit of a row that is a share of what the machine can do."""
TIMES_RAW = "of one table"
"""A rate beside raw inserts into one growing table: a yardstick that can be passed, not a ceiling."""
TIMES_PEER = "of a peer's"
"""A rate beside what another product reached in the same run."""
CPU_S = "CPU s/100k"
"""Processor seconds of the server for 100,000 deliveries."""
TIMES = "times"
"""A latency beside the same in better circumstances."""
HIGH = (SHARE, TIMES_RAW, TIMES_PEER)
"""Units, beside rates, of which more is better."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. ``gate`` is what it must reach, ``goal`` what it should, ``ceiling`` what the machine can
    do.

    ``unit`` says which way is better: rates ("req/s") and the units HIGH should be high, all else low.
    Latencies in milliseconds.
    """

    name: str
    value: float
    unit: str
    gate: float | None = None
    goal: float | None = None
    ceiling: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @property
    def share(self) -> float | None:
        """The value as a share of the ceiling."""
        return self.value / self.ceiling if self.ceiling else None

    @property
    def credible(self) -> bool:
        """False above the ceiling: nothing was done there, the ceiling is none, or others had part of the machine."""
        share = self.value if self.unit == SHARE else self.share
        return share is None or share <= 1

    @property
    def passed(self) -> bool:
        """Whether the figure can be believed and the gate, if there is one, was reached."""
        return self.credible and self._reached()

    def _reached(self) -> bool:
        if self.gate is None:
            return True
        high = self.unit.endswith("/s") or self.unit in HIGH
        return self.value >= self.gate if high else self.value <= self.gate

    @property
    def verdict(self) -> str:
        """What is wrong with the row, in capitals; empty when nothing is."""
        if not self.credible:
            return "ABOVE ITS CEILING"
        return "" if self._reached() else "GATE MISSED"


COLUMNS = ("name", "value", "unit", "gate", "goal", "ceiling", "share", "p50", "p95", "p99")


def as_record(row: Row) -> dict[str, str | float | None]:
    """The row as it is written: its fields and its share."""
    return {column: getattr(row, column) for column in COLUMNS}


def write(
    rows: Sequence[Row], directory: Path, command: Sequence[str], load_before: float, *, complete: bool
) -> Path:
    """Write the run to a new JSON file named by its time (UTC); gives the file.

    ``complete``: every scenario in full size, fit to be published. ``load_before`` is the load average when the
    run began: well over 0, others had part of the machine.
    """
    now = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{now:%Y%m%dT%H%M%S%f}Z.json"
    outcome = {
        "date": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "command": list(command),
        "complete": complete,
        "load_before": load_before,
        "hardware": hardware(),
        "versions": versions(),
        "rows": [as_record(row) for row in rows],
    }
    file.write_bytes(msgspec.json.format(msgspec.json.encode(outcome), indent=2) + b"\n")
    return file


def table(rows: Sequence[Row], *, judge: bool) -> str:
    """The rows as text in columns, the first line their names; to ``judge`` ends lines with their verdict."""
    lines = [list(COLUMNS)] + [[_shown(value) for value in as_record(row).values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    marks = [""] + [row.verdict if judge else "" for row in rows]
    return "\n".join(f"{line}  {mark}".rstrip() for line, mark in zip(text, marks, strict=True))


def hardware() -> dict[str, str | int]:
    """Processor, cores this process may use, memory in MiB."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": _cpu_model(), "cores": _cores(), "memory_mib": pages >> 20, "system": platform.platform()}


def versions() -> dict[str, str]:
    """What was measured, and with what."""
    python = {"python": platform.python_version(), "sqlite": apsw.sqlite_lib_version()}
    return python | {name: version(name) for name in LIBRARIES}


def _shown(value: str | float | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
