"""The benchmark runs: every scenario, small, against real servers; and its table finds its way into the README."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.readme import BEGIN, END, FIGURES, rewrite
from bench.report import SHARE, Row, write
from tests.serving import environ

ROOT = Path(__file__).parent.parent
LIMIT_S = 300
"""A quick run takes under a minute on an idle machine; it is ended when it takes this long on a busy one."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the JSON of one quick run of everything, without the data that are not part of the project."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "bench", "--quick", "--out", str(folder), "--data", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=environ(), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def _rows(results: Path) -> list[dict[str, Any]]:
    (file,) = results.glob("*.json")
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
    return rows


def test_every_row_has_a_value(results: Path) -> None:
    """A quick run succeeds, and each of its figures is positive, its ceiling too where there is one."""
    rows = _rows(results)
    assert all(row["value"] > 0 for row in rows)
    assert all(row["ceiling"] is None or row["ceiling"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("name", "gate", "goal"),
    [
        ("single POSTs, 10 targets", 5_000, 10_000),
        ("single POSTs, 10 targets: p99", 50, 25),
        ("arrays of 100, 10 followers", 15_000, 30_000),
        ("arrays of 100: share of raw inserts", 0.4, 0.7),
        ("likeness of the Higgs week", 76_000, 250_000),
        ("feed pages, random users", 6_000, 12_000),
        ("feed pages, random users: share of an empty handler", 0.2, 0.4),
        ("feed pages, 1,000 busiest users", 15_000, 30_000),
        ("pages: p99 large ÷ small", 1.5, 1.2),
        ("page 10 ÷ page 2: p99", 1.5, 1.1),
        ("unread counts", 10_000, 25_000),
        ("polls without change (304)", 10_000, 25_000),
        ("/v1/top under 1,000 events/s: p99", 20, 2),
        ("disk: a feed entry", 60, 40),
        ("disk: an event beyond its body", 200, 100),
    ],
)
def test_every_question_has_its_row(results: Path, name: str, gate: float, goal: float) -> None:
    """What the project promises is measured, against the gate and the goal that it promises."""
    found = [row for row in _rows(results) if row["name"].startswith(name)]
    assert (gate, goal) in [(row["gate"], row["goal"]) for row in found]


@pytest.mark.parametrize(
    ("unit", "value", "passed"),
    [("req/s", 0.4, False), ("req/s", 0.6, True), ("ms", 0.4, True), ("ms", 0.6, False), (SHARE, 0.4, False)],
)
def test_a_gate_is_missed_from_the_wrong_side(unit: str, value: float, passed: bool) -> None:
    """Rates and shares must reach their gate, everything else must stay under it."""
    assert Row(name="x", value=value, unit=unit, gate=0.5).passed is passed


@pytest.mark.parametrize(
    "row",
    [
        Row(name="x", value=3, unit="events/s", ceiling=2, gate=1),
        Row(name="x", value=1.5, unit=SHARE, gate=0.4),
    ],
)
def test_nothing_passes_above_its_ceiling(row: Row) -> None:
    """A figure better than what the machine can do is no success but a broken measurement."""
    assert not row.passed
    assert row.verdict == "ABOVE ITS CEILING"


def _written(folder: Path, *rows: Row, complete: bool = True) -> Path:
    write(rows, folder, ["bench"], 0.0, complete=complete)
    return folder


def test_the_newest_results_replace_the_block_of_the_readme(tmp_path: Path) -> None:
    """Between the marks stands a line for each figure, outside of them nothing changes, and twice is as once."""
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nstale figures\n{END}\nafter\n")
    rows = [Row(name=figure.row, value=1_234, unit="req/s", ceiling=2_468) for figure in FIGURES]
    results = _written(tmp_path, *rows)
    rewrite(page, results)
    once = page.read_text()
    rewrite(page, results)
    assert page.read_text() == once
    assert once.startswith(f"before\n{BEGIN}\n")
    assert once.endswith(f"\n{END}\nafter\n")
    assert "stale figures" not in once
    assert all(f"| {figure.words} | **1,234/s** | 50% |" in once for figure in FIGURES)


def test_a_likeness_is_not_shown_as_real_activity(tmp_path: Path) -> None:
    """What was made up because the data were missing has no line in the README."""
    page = tmp_path / "README.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    made_up = Row(name="likeness of the Higgs week, 9 entries", value=1, unit="entries/s")
    rewrite(page, _written(tmp_path, made_up))
    assert "real activity" not in page.read_text()


def test_a_quick_run_is_not_published(results: Path, tmp_path: Path) -> None:
    """Figures of a run that is too short to say how fast it is never reach the README."""
    with pytest.raises(ValueError, match="no complete run"):
        rewrite(tmp_path / "README.md", results)


def test_a_figure_above_its_ceiling_is_not_published(tmp_path: Path) -> None:
    """A broken measurement stops the table from being written."""
    broken = Row(name="feed pages, random users", value=3, unit="req/s", ceiling=2)
    with pytest.raises(ValueError, match="above their ceilings"):
        rewrite(tmp_path / "README.md", _written(tmp_path, broken))


def test_a_readme_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    """Nothing is guessed about where the table belongs."""
    page = tmp_path / "README.md"
    page.write_text("nothing to replace\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        rewrite(page, _written(tmp_path, Row(name="x", value=1, unit="ms")))
    assert page.read_text() == "nothing to replace\n"
