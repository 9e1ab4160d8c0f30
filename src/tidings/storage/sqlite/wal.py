"""The format of a write-ahead log, as far as it is read besides SQLite (https://sqlite.org/fileformat2.html#the_write_ahead_log).

SQLite locks no byte of a log, so another descriptor of it may be opened and closed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first frame, and before the page of each frame."""
SALTS = slice(16, 24)
"""Where the header has the salts, which change each time the log begins anew."""
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
