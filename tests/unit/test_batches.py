"""Batches are taken apart at a cost that grows with their bytes alone."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.batches import LineSplitter, split
from tidings.errors import InvalidFields, Malformed, TooLarge
from tidings.validation import BOM

CAP = 8


def cut(text: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The text in chunks of these sizes, as often as there is some left."""
    chunks: list[bytes] = []
    at = 0
    while at < len(text):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(text[at : at + size])
        at += size
    return chunks


LINES = (b"", b" ", b"{}", b"12345678", b"123456789012", BOM, BOM + b"{}")


@given(st.lists(st.sampled_from(LINES)), st.lists(st.integers(1, 9), min_size=1))
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], sizes: list[int]) -> None:
    """Blank ones are passed over, and a line over the cap keeps one byte too many, by which it is refused."""
    reader = LineSplitter(CAP)
    got: list[bytes] = []
    for chunk in cut(b"\n".join(lines), sizes):
        got += reader.feed(chunk)
    got += reader.end()
    wanted = [line for line in lines if line.strip() not in (b"", BOM)]
    assert [line[: CAP + 1] for line in got] == [line[: CAP + 1] for line in wanted]
    assert all(len(line) <= max(CAP + 1, max(sizes)) for line in got)


@pytest.mark.parametrize("items", [0, 1, 2, 3])
def test_an_array_is_split_up_to_its_bound(items: int) -> None:
    """Each item keeps its bytes, whatever blanks are between them, after a byte order mark too."""
    raw = BOM + b" [" + b" , ".join([b'{"a": [1, 2]}'] * items) + b" ]"
    assert [bytes(one) for one in split(raw, 3)] == [b'{"a": [1, 2]}'] * items


def test_one_item_too_many_is_too_large() -> None:
    """Even if there were millions of them, and whatever they are."""
    with pytest.raises(TooLarge):
        split(b"[" + b"[],1," * 100_000 + b"1]", 3)


@pytest.mark.parametrize("raw", [b"[1", b"[1,]", b"", b"[1] 2", b"[1,2,3,4"])
def test_what_is_no_json_is_no_array(raw: bytes) -> None:
    """Also beyond the bound."""
    with pytest.raises(Malformed):
        split(raw, 3)


def test_an_object_is_no_array() -> None:
    """JSON of another type is invalid, not malformed."""
    with pytest.raises(InvalidFields):
        split(b'{"a": 1}', 3)
