"""The disk that loses its power loses what it may, and nothing else."""

import random

import pytest

from tests.crash.vfs import Cut, Kind, Op, survivors

SYNCED = [Op("a", Kind.WRITE, 0, 0, b"1234"), Op("b", Kind.WRITE, 0, 0, b"b"), Op("a", Kind.SYNC, 0)]
OPEN = [Op("a", Kind.WRITE, 1, 4, b"5678"), Op("a", Kind.TRUNCATE, 1, 6), Op("a", Kind.WRITE, 1, 6, b"90")]


def outcomes(cut: Cut) -> set[bytes]:
    """What can be left of the file that was synced before the last writes."""
    return {survivors(SYNCED + OPEN, cut, random.Random(seed))["a"] for seed in range(200)}


@pytest.mark.parametrize("cut", Cut)
def test_what_was_synced_survives(cut: Cut) -> None:
    """Whatever the cut, and whatever was written later."""
    assert {left[:4] for left in outcomes(cut)} == {b"1234"}


def test_each_cut_loses_what_its_name_says() -> None:
    """All, nothing, a tail, any part, or half of a write."""
    assert outcomes(Cut.ALL_LOST) == {b"1234"}
    assert outcomes(Cut.NONE_LOST) == {b"12345690"}
    assert outcomes(Cut.LATER_LOST) == {b"1234", b"12345678", b"123456", b"12345690"}
    assert b"1234\0\0" + b"90" in outcomes(Cut.SOME_LOST)
    assert {b"12345", b"1234569"} <= outcomes(Cut.TORN)


def test_a_sync_covers_its_own_file_alone() -> None:
    """Another file's writes are as open as before."""
    assert survivors(SYNCED, Cut.ALL_LOST, random.Random(0)) == {"a": b"1234"}


def test_a_deleted_file_is_gone() -> None:
    """With whatever had been written into it."""
    assert survivors([*SYNCED, Op("a", Kind.DELETE, 1)], Cut.NONE_LOST, random.Random(0)) == {"b": b"b"}
