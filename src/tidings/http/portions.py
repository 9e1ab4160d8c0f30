"""The portions of a connection's input: each is parsed in one turn of the loop."""

from tidings.config import KIB

PORTION_BYTES = 4 * KIB
"""Bytes that are parsed in one turn of the loop, so that a read full of small requests does not delay other connections.
Nearly every request is smaller."""
BODY_PORTION_BYTES = 32 * KIB
"""The same within a body, which costs far less per byte."""
PIPELINED = 8
"""Requests begun in one turn; those after them wait in the socket until these have their responses."""
HEAD_END = b"\r\n\r\n"


def portion_end(held: bytes, in_body: bool) -> int:
    """The end of the first portion of this input."""
    most = BODY_PORTION_BYTES if in_body else PORTION_BYTES
    if held.find(b"\r", 0, most) < 0:  # as in most bodies: one byte is found much sooner than four
        return most
    end = 0
    for _ in range(PIPELINED):
        found = held.find(HEAD_END, end, most)
        if found < 0:
            return most
        end = found + len(HEAD_END)
    return end
