"""How commands end: by an interrupt, by a reader that has enough, on a terminal that shows little."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_watching import LINE_S, STOP_S, publish
from tests.serving import START_S, environ, within

TIDINGS = [sys.executable, "-m", "tidings"]


@contextmanager
def watching(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that has printed its first line and goes on."""
    command = [*TIDINGS, *arguments, "--url", url]
    with subprocess.Popen(
        command, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert within(LINE_S, process, process.stdout.readline)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("arguments", [("tail", "-n", "1"), ("tail", "--user", "dora"), ("top", "--watch")])
def test_an_interrupt_ends_a_command_quietly(server: str, arguments: tuple[str, ...]) -> None:
    """Ctrl-C is how these commands are meant to end: nothing is printed, and the exit code is that of the signal."""
    publish(server, "ann")
    with watching(server, *arguments) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=STOP_S)
        assert (process.returncode, err) == (128 + signal.SIGINT, "")


def test_a_reader_that_has_enough_ends_a_command_quietly(server: str) -> None:
    """``tidings tail | head -1``: the next line cannot be written, and that is no error."""
    publish(server, "ann")
    with watching(server, "tail", "-n", "1") as process:
        assert process.stdout is not None
        process.stdout.close()
        publish(server, "bob")
        assert process.wait(timeout=LINE_S) == 128 + signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_a_terminal_cannot_show_is_escaped(server: str, tmp_path: Path, encoding: str) -> None:
    """With another encoding than UTF-8 neither a help text, nor an event, nor an error is a traceback."""
    event = {"actor_id": "Łukasz", "verb": "nod", "object_type": "hat", "object_id": "☃"}
    (tmp_path / "a").write_text(json.dumps(event))
    env = environ() | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for arguments, code in [
        (["--help"], 0),
        (["serve", "--help"], 0),
        (["replay", "a", "--format", "ndjson", "--url", server], 0),
        (["top", "--url", server, "--window", "1h", "--limit", "100"], 0),
        (["replay", "☃", "--format", "ndjson"], 2),
    ]:
        ended = subprocess.run(
            [*TIDINGS, *arguments], cwd=tmp_path, env=env, capture_output=True, check=False
        )
        assert (ended.returncode, b"Traceback" in ended.stderr) == (code, False), ended


OWNER = """
import sys
from tidings.cli.temporary_server import private_server
with private_server(sys.argv[1], None):
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_private_server_of_a_command_that_is_killed_ends(tmp_path: Path, end: signal.Signals) -> None:
    """The fault: it went on, and the store was in use until somebody found it."""
    command = [sys.executable, "-c", OWNER, f"sqlite:///{tmp_path}/tidings.db"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        assert within(START_S, owner, owner.stdout.readline) == "ready\n"
        owner.send_signal(end)
        assert owner.wait(STOP_S) == -end
        owner.communicate(timeout=STOP_S)  # the server has the same standard error: it has ended too
    assert not (tmp_path / "tidings.db-wal").exists()
