"""The format of a write-ahead log, as far as it is read without SQLite
(https://sqlite.org/fileformat2.html#the_write_ahead_log), and of the count of commits in its index
(https://sqlite.org/walformat.html#the_wal_index_file_format).

SQLite locks no byte of a log, so another descriptor of it may be opened and closed. It does lock bytes of the index.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first frame, and before the page of each frame."""
SALTS = slice(16, 24)
"""The bytes of the salts in the header, which change each time the log is restarted."""
COMMITS = slice(8, 12)
"""The bytes of the number of commits by all programs (``iChange``) in the index, in the byte order of the machine. No
checkpoint changes it. It starts again with the index."""
_PAGE_BYTES = slice(8, 12)


def path_of(store: Path) -> Path:
    """The write-ahead log of a file."""
    return Path(f"{store}-wal")


def size(frames: int, page_bytes: int) -> int:
    """The size of these frames and the header in bytes; 0 without a frame."""
    return HEADER + frames * (FRAME_HEADER + page_bytes) if frames else 0


def frames(log: int, numbers: range, page_bytes: int) -> Iterator[tuple[int, int, int]]:
    """Of these frames, from 0: the number of its page, the size of the database after it in pages (0: not the last of a
    commit), and the offset of its page in the log."""
    for number in numbers:
        at = HEADER + number * (FRAME_HEADER + page_bytes)
        header = os.pread(log, FRAME_HEADER, at)
        yield int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big"), at + FRAME_HEADER


def commits(field: bytes) -> int:
    """The number of commits in that field of an index."""
    return int.from_bytes(field, sys.byteorder)


def next_commit(commits: int) -> int:
    """The count after one more commit."""
    return (commits + 1) % (1 << 8 * (COMMITS.stop - COMMITS.start))


def ends_within_a_frame(log: Path) -> bool:
    """Whether the last frame of a log is incomplete."""
    try:
        with log.open("rb") as file:
            header = file.read(HEADER)
        found = log.stat().st_size
    except OSError:
        return False
    if found < HEADER:
        return found > 0
    page_bytes = int.from_bytes(header[_PAGE_BYTES], "big")
    return (found - HEADER) % (FRAME_HEADER + page_bytes) != 0
