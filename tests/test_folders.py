"""The folders of tests are in memory where that has room, else where they usually are."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.folders import MEMORY_BYTES, keep_in_memory


@pytest.fixture(autouse=True)
def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test changes here ends with it, and nobody has chosen a place."""
    for name in ("TMPDIR", "CRASH"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let so many bytes be free, on a file system from which programs can be run."""
    usage = shutil.disk_usage(".")._replace(free=size)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(os, "ST_NOEXEC", 0)


def test_folders_are_in_memory_that_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of programs that tests start."""
    free(monkeypatch, MEMORY_BYTES)
    keep_in_memory(tmp_path)
    assert os.environ["TMPDIR"] == tempfile.gettempdir() == str(tmp_path)


def test_little_memory_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The few megabytes that a container has by default would be full before the tests end."""
    free(monkeypatch, MEMORY_BYTES - 1)
    keep_in_memory(tmp_path)
    assert "TMPDIR" not in os.environ


def test_a_machine_without_such_a_place_uses_the_disk(tmp_path: Path) -> None:
    """Not every system has one."""
    keep_in_memory(tmp_path / "missing")
    assert "TMPDIR" not in os.environ


@pytest.mark.parametrize(("name", "value"), [("TMPDIR", "/elsewhere"), ("CRASH", "all")])
def test_a_choice_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A place that somebody names; the disk, for the long form of the crash suite."""
    free(monkeypatch, MEMORY_BYTES)
    monkeypatch.setenv(name, value)
    keep_in_memory(tmp_path)
    assert os.environ.get("TMPDIR") == (value if name == "TMPDIR" else None)
