"""The format of a write-ahead log, as far as it is read besides SQLite (https://sqlite.org/fileformat2.html#the_write_ahead_log).

SQLite locks no byte of a log, so another descriptor of it may be opened and closed.
"""

HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first frame, and before the page of each frame."""
SALTS = slice(16, 24)
"""Where the header has the salts, which change each time the log begins anew."""


def size(frames: int, page_bytes: int) -> int:
    """How many bytes these frames and the header take; 0 without a frame."""
    return HEADER + frames * (FRAME_HEADER + page_bytes) if frames else 0
