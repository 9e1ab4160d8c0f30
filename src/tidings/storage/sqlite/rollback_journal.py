"""The format of a rollback journal (https://sqlite.org/fileformat2.html#the_rollback_journal), as far as it is needed to
decide whether SQLite would change the content of a file because of it.

A journal has pages as they were before a change, and SQLite writes them back when it opens the file. It names no file, so
a journal that was left beside a store undoes parts of any copy that replaces the store. Tidings itself has a journal only
while it changes a file to write-ahead logging, which changes a few fields of the header, or creates one. Any other journal
is of another program, or of another file.
"""

import struct
from pathlib import Path

from tidings.storage.sqlite import wal
from tidings.storage.sqlite.file_lock import size_of

_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""The first bytes of a journal that SQLite does not ignore."""
_SIZES = struct.Struct(">16xIII")
"""The header: pages of the file before the change, bytes of the header, bytes of a page."""
_RECORD_BYTES = 8
"""Bytes of a record beside its page: the number of the page, and a checksum."""
_CHANGING = (slice(18, 20), slice(24, 28), slice(92, 100))
"""Fields of the first page that differ before and after write-ahead logging began: versions and counters of changes."""


def path_of(store: Path) -> Path:
    """The rollback journal of a file."""
    return Path(f"{store}-journal")


def undoes(store: Path) -> bool:
    """Whether SQLite would change the content of this file because of the journal beside it, or delete that journal although
    it is needed. Yes if in doubt."""
    try:
        with path_of(store).open("rb") as file:
            header = file.read(_SIZES.size)
            if len(header) < _SIZES.size or not header.startswith(_MAGIC):
                return False
            sizes: tuple[int, int, int] = _SIZES.unpack(header)
            pages, header_bytes, page_bytes = sizes
            file.seek(header_bytes)
            records = file.read(2 * (page_bytes + _RECORD_BYTES))
    except OSError:
        return False
    size = size_of(store)
    if size_of(wal.path_of(store)):
        return True  # a log begins after the journal is deleted, and is ignored if the header is as before it
    if not pages:
        return size > page_bytes  # as a kill during the creation leaves it, with one page at most
    if size != pages * page_bytes or len(records) >= 2 * (page_bytes + _RECORD_BYTES):
        return True
    if len(records) < page_bytes + _RECORD_BYTES:
        return False
    with store.open("rb") as file:
        now = file.read(page_bytes)
    return records[:4] != b"\0\0\0\1" or _fixed(records[4 : 4 + page_bytes]) != _fixed(now)


def _fixed(page: bytes) -> bytes:
    content = bytearray(page)
    for field in _CHANGING:
        content[field] = bytes(field.stop - field.start)
    return bytes(content)
