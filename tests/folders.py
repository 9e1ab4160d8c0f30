"""Where the folders of tests are."""

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
"""A file system in memory, where Linux has one."""
MEMORY_BYTES = 2 << 30
"""Free space that the folders of tests need there, several times what they take: a container often gives 64 MiB."""


def keep_in_memory(memory: Path = MEMORY) -> None:
    """Let folders of tests be in memory, since each commit on a disk waits for it. A kill of a process loses nothing there,
    and tests of power cuts record what is synced. ``TMPDIR`` names another place, and ``make crash`` uses the disk."""
    if "TMPDIR" in os.environ or os.environ.get("CRASH") == "all" or not os.access(memory, os.W_OK):
        return
    executable = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    if executable and shutil.disk_usage(memory).free >= MEMORY_BYTES:
        os.environ["TMPDIR"] = str(memory)
        tempfile.tempdir = None  # is looked up again
