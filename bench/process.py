"""What a process has used, as Linux counts it."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

KIB = 1024


class Memory(NamedTuple):
    """KiB of a process: what it has in memory, and its share of that where pages are shared."""

    rss: int
    pss: int


def raise_file_limit() -> None:
    """Let this process, and those that it starts, open as many files as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def cpu_s(process: int) -> float:
    """Seconds that the threads of a process which still run have had on a core, to the nanosecond."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def kernel_share(process: int) -> tuple[float, float]:
    """Seconds of a process (outside, inside) the kernel, to the hundredth."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def memory(process: int) -> Memory:
    """What a process has in memory now."""
    sizes = _sizes(Path(f"/proc/{process}/smaps_rollup"))
    return Memory(sizes["Rss"], sizes["Pss"])


def slab_kib() -> int:
    """KiB that the kernel keeps in small objects, sockets among them, for everybody on this machine."""
    return _sizes(Path("/proc/meminfo"))["Slab"]


def _sizes(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if words[-1] == "kB"}
