"""The benchmark runs: every scenario, small, against real servers; and its table finds its way into the README."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main
from bench.cores import CLIENT
from bench.nchan import nchan
from bench.readme import BEGIN, END, FIGURES, rewrite
from bench.remote_client import afar
from bench.report import SHARE, Row, write
from bench.run import Bench
from bench.scenarios import SCENARIOS
from bench.stream_clients import Crowd, Dialect, Witness
from tests.serving import environ

ROOT = Path(__file__).parent.parent
LIMIT_S = 600
"""A scenario takes seconds on an idle machine; it is ended when it takes this long on a busy one."""
DIFFERENCES = ("KB", "KiB")
"""Units of memory that a few streams may not move at all."""

Run = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which each scenario that was run leaves its JSON."""
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def run(results: Path) -> Run:
    """``run("posts")``: the rows of one scenario, run small when it is first asked for, in a process of its own: one that
    fails takes no other's rows with it. Without the data that are not part of the project, and without other products,
    which may be installed or not."""

    @cache
    def ran(scenario: str) -> list[dict[str, Any]]:
        folder = results / scenario
        command = [sys.executable, "-m", "bench", "--quick", "--without-peers", "--out", str(folder)]
        done = subprocess.run(
            [*command, "--data", str(folder), scenario],
            cwd=ROOT,
            env=environ(),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (file,) = folder.glob("*.json")
        rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
        return rows

    return ran


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_row_has_a_value(run: Run, scenario: str) -> None:
    """A quick run succeeds, and each of its figures is positive, its ceiling too where there is one."""
    rows = run(scenario)
    assert rows
    assert all(row["value"] > 0 for row in rows if row["unit"] not in DIFFERENCES)
    assert all(row["ceiling"] is None or row["ceiling"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("scenario", "name", "gate", "goal"),
    [
        ("posts", "single POSTs, 10 targets", 5_000, 10_000),
        ("posts", "single POSTs, 10 targets: p99", 50, 25),
        ("arrays", "arrays of 100, 10 followers", 15_000, 30_000),
        ("arrays", "arrays of 100: share of raw inserts", 0.4, 0.7),
        ("week", "likeness of the Higgs week", 76_000, 250_000),
        ("pages", "feed pages, random users", 6_000, 12_000),
        ("pages", "feed pages, random users: share of an empty handler", 0.2, 0.4),
        ("pages", "feed pages, 1,000 busiest users", 15_000, 30_000),
        ("depth", "pages: p99 large ÷ small", 1.5, 1.2),
        ("depth", "page 10 ÷ page 2: p99", 1.5, 1.1),
        ("polls", "unread counts", 10_000, 25_000),
        ("polls", "polls without change (304)", 10_000, 25_000),
        ("trends", "/v1/top under 1,000 events/s: p99", 20, 2),
        ("disk", "disk: a feed entry", 60, 40),
        ("disk", "disk: an event beyond its body", 200, 100),
        ("broadcast", "one event to 20 streams", 70_000, 140_000),
        ("broadcast", "one event to 50 streams", 60_000, 130_000),
        ("broadcast", "one event to 50 streams: share of a bare loop", 0.4, 0.85),
        ("targeted", "targeted to 50 streams, nothing stored", 20_000, 48_000),
        ("targeted", "targeted to 50 streams, nothing stored: p99 at 20,000/s", 10, 2),
        ("delivered", "notifications to 50 streams, arrays of 100", 2_000, 6_000),
        ("delivered", "notifications to 50 streams, single POSTs", 2_000, 6_000),
        ("delivered", "request → stored → stream, 20 streams, 1,000/s: p99", 50, 10),
        ("idle", "idle stream of 50: memory", 20, 10),
        ("idle", "idle stream of 50: CPU", 10, 4),
        ("restart", "restart with 20 streams", 10, 4),
        ("restart", "restart with 20 streams: statements for empty resumes", 40, 10),
        ("frozen", "1 in 10 of 10 streams frozen: memory each", 64, 16),
        ("frozen", "1 in 10 of 10 streams frozen: p99 of the others", 1.5, 1.1),
        ("drain", "drain of 20 streams", 30, None),
    ],
)
def test_every_question_has_its_row(
    run: Run, scenario: str, name: str, gate: float, goal: float | None
) -> None:
    """What the project promises is measured, against the gate and the goal that it promises."""
    found = [row for row in run(scenario) if row["name"].startswith(name)]
    assert (gate, goal) in [(row["gate"], row["goal"]) for row in found]


def test_a_scenario_that_fails_leaves_the_others_their_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run goes on, writes what was measured, names what failed, and ends with 1; it is not complete."""

    def broken(bench: Bench) -> list[Row]:
        raise RuntimeError("no nginx today")

    sound = [Row(name="x", value=1, unit="ms")]
    monkeypatch.setattr("bench.__main__.SCENARIOS", {"broken": broken, "sound": lambda bench: sound})
    monkeypatch.setattr("sys.argv", ["bench", "--out", str(tmp_path)])
    assert main() == 1
    said = capsys.readouterr()
    assert "no nginx today" in said.err
    assert said.err.endswith("broken failed\n")
    (file,) = tmp_path.glob("*.json")
    outcome = json.loads(file.read_text())
    assert [row["name"] for row in outcome["rows"]] == ["x"]
    assert not outcome["complete"]


LATE_WORKER = """
import os, re, signal, socket, sys
configuration = open(sys.argv[sys.argv.index("-c") + 1]).read()
listener = socket.create_server(("127.0.0.1", int(re.search(r"listen 127.0.0.1:(\\d+)", configuration)[1])))
connection, _ = listener.accept()
if not connection.recv(65536):
    sys.exit("nobody asked anything")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # or it could come just before the wait, and be missed
worker = os.fork()
if not worker:
    connection.sendall(b"HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n")
    signal.pause()
signal.sigwait({signal.SIGTERM})
os.kill(worker, signal.SIGKILL)
os.waitpid(worker, 0)
"""


def test_the_worker_of_nginx_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nginx listens before it makes its worker: whose process is measured is known only once a request is answered."""
    nginx, module = tmp_path / "nginx", tmp_path / "module.so"
    nginx.write_text(f"#!{sys.executable}{LATE_WORKER}")
    nginx.chmod(0o755)
    module.touch()
    monkeypatch.setattr("bench.nchan.MODULE", module)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with nchan(tmp_path / "run") as peer:
        assert peer is not None
        parent = int(Path(f"/proc/{peer.process}/stat").read_text().rpartition(")")[2].split()[1])
        assert Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")[1] == bytes(nginx)


def test_a_peer_that_is_not_wanted_is_not_started(tmp_path: Path) -> None:
    """Whatever is installed."""
    with nchan(tmp_path / "run", wanted=False) as peer:
        assert peer is None
    assert not (tmp_path / "run").exists()


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


GREETING = b"HTTP/1.1 200 OK\r\n\r\nretry: 1000\n\nevent: hello\ndata: {}\n\n"
MESSAGE = b'event: news\ndata: {"metadata":{"at":%d}}\nid: %d\n\n'
DIALECT = Dialect("/{}", b"event: hello\n", b"event: news\n")


@pytest.fixture
def stream() -> Iterator[tuple[Crowd, Witness, socket.socket]]:
    """A crowd of one witness, and the server's end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        crowd, witness = Crowd(), Witness(listener.getsockname()[1], 1, DIALECT)
        crowd.add(witness)
        end, _ = listener.accept()
        with end:
            yield crowd, witness, end
        crowd.close()


@pytest.mark.parametrize("piece", [1, 7, 1_000])
def test_messages_are_counted_however_they_are_cut(
    stream: tuple[Crowd, Witness, socket.socket], piece: int
) -> None:
    """Bytes come as the network likes: each message counts once, and its stamp is read whole."""
    crowd, witness, end = stream
    sent = GREETING + MESSAGE % (123_456, 1) + MESSAGE % (234_567, 2)
    heard = 0
    for at in range(0, len(sent), piece):
        end.sendall(sent[at : at + piece])
        heard += crowd.pump(1)
    assert heard == 3
    assert witness.heard == 2
    assert witness.stamps == [123_456, 234_567]
    assert witness.last == "2"


def test_a_crowd_is_not_content_with_less(stream: tuple[Crowd, Witness, socket.socket]) -> None:
    """A message that never comes fails the run."""
    crowd, _, end = stream
    end.sendall(GREETING + MESSAGE % (1, 1))
    with pytest.raises(TimeoutError, match="1 messages are missing"):
        crowd.wait(3, seconds=0.2)


def test_a_crowd_is_not_content_with_more(stream: tuple[Crowd, Witness, socket.socket]) -> None:
    """A message that comes twice fails the run."""
    crowd, _, end = stream
    end.sendall(GREETING + MESSAGE % (1, 1) + MESSAGE % (1, 1))
    with pytest.raises(RuntimeError, match="1 messages too many"):
        crowd.wait(2)


def _doubling(begin: int) -> Generator[int, int]:
    number = begin
    while True:
        number = 2 * (yield number)
        if not number:
            raise ValueError("nothing to double")


def test_what_fails_in_another_process_fails_here() -> None:
    """Questions are answered in turn, and an exception arrives as itself."""
    with afar(CLIENT, _doubling, 5) as there:
        assert there.first == 5
        assert there.ask(21) == 42
        with pytest.raises(ValueError, match="nothing to double"):
            there.ask(0)


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


def test_a_quick_run_is_not_published(run: Run, results: Path, tmp_path: Path) -> None:
    """Figures of a run that is too short to say how fast it is never reach the README."""
    assert run("idle")
    with pytest.raises(ValueError, match="no complete run"):
        rewrite(tmp_path / "README.md", results / "idle")


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
