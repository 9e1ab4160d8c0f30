"""What doctor says of a store that is reached by a link, and of a marker that no server can write."""

import os
from pathlib import Path

import pytest

from tests.cli.test_doctor import lived
from tests.cli.test_unopened import refused
from tidings import marker
from tidings.cli.doctor import CheckResult, store, store_path
from tidings.config import Settings


def test_a_store_behind_a_link_is_judged_by_its_own_marker(tmp_path: Path) -> None:
    """The fault: doctor looked for the marker beside the link, and warned that data may be lost."""
    folder = tmp_path / "data"
    folder.mkdir()
    real, link = folder / "real.db", tmp_path / "tidings.db"
    lived(real, 3)
    link.symlink_to("data/real.db")
    found = store_path(Settings(store=f"sqlite:///{link}"))
    assert found == real
    assert store(found) == CheckResult("ok", "store", f"{real}: sound, at position 3")


def test_a_link_in_a_circle_is_no_lost_store(tmp_path: Path) -> None:
    link = tmp_path / "tidings.db"
    link.symlink_to("tidings.db")
    assert store_path(Settings(store=f"sqlite:///{link}")) == link


@pytest.mark.parametrize("made", ["link", "folder"])
def test_a_marker_that_is_no_file_fails_here_as_it_does_at_a_start(tmp_path: Path, made: str) -> None:
    """A link is not followed, so that it cannot have another file overwritten; what to do is said."""
    path = tmp_path / "tidings.db"
    lived(path, 3)
    beside = marker.path_of(path)
    beside.unlink()
    if made == "link":
        other = tmp_path / "other"
        other.write_text("of somebody else")
        beside.symlink_to(other)
        why = f"{beside} is a symbolic link, which is not followed: remove it"
    else:
        os.mkdir(beside)
        why = f"{beside} is no regular file: remove it"
    assert store(path) == CheckResult("fail", "store", why)
    refused(tmp_path, why)
