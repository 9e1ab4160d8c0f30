"""The order in which tests run."""

from pathlib import Path
from typing import cast

import pytest

from tests.conftest import LONGEST, pytest_collection_modifyitems

ROOT = Path(__file__).parent.parent


class Item:
    """All that the order needs of a test."""

    def __init__(self, nodeid: str) -> None:
        self.nodeid = nodeid


def test_the_longest_modules_are_first() -> None:
    """The fault: one process had a test of half a minute left when all others were done. The rest keeps its order."""
    ids = [
        "tests/wire/test_x.py::test_b",
        "tests/wire/test_x.py::test_a",
        *(f"{name}::test" for name in LONGEST[::-1]),
    ]
    items = cast(list[pytest.Item], [Item(id) for id in ids])
    pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == [*(f"{name}::test" for name in LONGEST), *ids[:2]]


@pytest.mark.parametrize("module", LONGEST)
def test_a_long_module_exists(module: str) -> None:
    """A module that was renamed would fall back to its place in the alphabet."""
    assert (ROOT / module).is_file()
