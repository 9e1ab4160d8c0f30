"""The format of a write-ahead log, as far as it is read besides SQLite (https://sqlite.org/fileformat2.html#the_write_ahead_log).

SQLite locks no byte of a log, so another descriptor of it may be opened and closed.
"""

from pathlib import Path

HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first frame, and before the page of each frame."""
SALTS = slice(16, 24)
"""Where the header has the salts, which change each time the log begins anew."""
_PAGE_BYTES = slice(8, 12)


def size(frames: int, page_bytes: int) -> int:
    """How many bytes these frames and the header take; 0 without a frame."""
    return HEADER + frames * (FRAME_HEADER + page_bytes) if frames else 0


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
