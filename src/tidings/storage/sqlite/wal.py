"""The format of a write-ahead log, as far as it is read besides SQLite (https://sqlite.org/fileformat2.html#the_write_ahead_log),
and of the count of commits in its index (https://sqlite.org/walformat.html#the_wal_index_file_format).

SQLite locks no byte of a log, so another descriptor of it may be opened and closed. It does lock bytes of the index.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first frame, and before the page of each frame."""
SALTS = slice(16, 24)
"""Where the header has the salts, which change each time the log begins anew."""
COMMITS = slice(8, 12)
"""Where the index has the number of commits by all programs (``iChange``), in the byte order of the machine. No checkpoint
changes it. It begins anew with the index."""
_PAGE_BYTES = slice(8, 12)


def size(frames: int, page_bytes: int) -> int:
    """How many bytes these frames and the header take; 0 without a frame."""
    return HEADER + frames * (FRAME_HEADER + page_bytes) if frames else 0


def frames(log: int, numbers: range, page_bytes: int) -> Iterator[tuple[int, int, int]]:
    """Of these frames, from 0: which page it has, how many pages the database has since (0: not the last of a commit), and
    where its page is in the log."""
    for number in numbers:
        at = HEADER + number * (FRAME_HEADER + page_bytes)
        header = os.pread(log, FRAME_HEADER, at)
        yield int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big"), at + FRAME_HEADER


def commits(field: bytes) -> int:
    """How many commits that field of an index counts."""
    return int.from_bytes(field, sys.byteorder)


def next_commit(commits: int) -> int:
    """The count after one more commit."""
    return (commits + 1) % (1 << 8 * (COMMITS.stop - COMMITS.start))


def ends_within_a_frame(log: Path) -> bool:
    """Whether the last frame of a log is not whole."""
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
