"""The examples run as a reader would run them, against a real server."""

import ast
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving import START_S, environ, serving, within
from tests.wire.people import KEY

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLLOWERS = "200"
"""Those of a star, and the number at which the server merges a topic's events when a feed is read."""
DESIGNS = {"market": (), "social": (), "large_feed": (FOLLOWERS,), "parliament": (), "fasting": ()}
"""The programs, with the arguments of each."""
SHIPPED = ("--duplicate-window-s", "3600", "--fanout-read-threshold-followers", FOLLOWERS)
"""The default that other tests replace, and a star with fewer followers than there."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all designs: each names its users and objects anew."""
    with serving(tmp_path_factory.mktemp("examples"), *SHIPPED) as url:
        yield url


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks for a credential."""
    with serving(tmp_path_factory.mktemp("guarded"), TIDINGS_API_KEYS=KEY) as url:
        yield url


def run(name: str, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """An example that has ended."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *words]
    env = environ() | {"TIDINGS_URL": url}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=START_S)


@pytest.mark.need("IN9")
@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_from_end_to_end(name: str, server: str) -> None:
    """The flow of each design works against a real server, and again on one that has the data of all the others. The fault:
    the market ended with a KeyError when one of its traders had been notified of anything else."""
    first, second = (run(name, server, *DESIGNS[name]) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.count("\n") >= 8
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")


def test_a_design_ends_with_1_when_a_reply_is_another(server: str) -> None:
    """With too few followers a star's events are written into feeds: the example says what it expected."""
    done = run("large_feed", server, "10")
    assert done.returncode == 1
    assert done.stderr == "fan-out of the star and of the friend: expected ('read', 'write')\n"


def test_the_index_lists_every_example() -> None:
    """A reader finds each program on the page of the examples."""
    page = (EXAMPLES.parent / "docs" / "guides" / "examples.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"(../../examples/{path.name})" in page
    assert {path.stem for path in EXAMPLES.glob("*.py")} >= set(DESIGNS)


def test_each_design_says_what_the_team_still_writes() -> None:
    """The first thing that a reader sees of an example."""
    for name in DESIGNS:
        text = ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text())) or ""
        assert "The team still writes: " in " ".join(text.split()), name


def test_designs_without_a_credential(guarded: str) -> None:
    """A refusal, and a server that is not there, are one line and no traceback."""
    refused = [run(name, guarded, *words) for name, words in DESIGNS.items()]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and not listening
        gone = run("market", f"http://127.0.0.1:{unused.getsockname()[1]}")
    said = [(done, "the server refused: 401") for done in refused]
    for done, words in (*said, (gone, "cannot be reached")):
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert words in done.stderr


def test_examples_take_the_key(guarded: str) -> None:
    """The example for one user ignored the key that the settings promise it reads."""
    command = [sys.executable, str(EXAMPLES / "subscribe.py"), "bob"]
    env = environ() | {"TIDINGS_URL": guarded, "TIDINGS_API_KEY": KEY}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as client:
        assert next(read(client)) == "nothing unread"
        client.kill()


def test_parliament_misses_nothing(tmp_path: Path) -> None:
    """A citizen's client prints what members do, and after it was killed what they did meanwhile; of what it had
    printed at most the last thing comes twice."""
    with serving(tmp_path) as url, httpx.Client(base_url=url) as app:
        app.put("/v1/users/citizen/follows/user%3Amp-1").raise_for_status()
        with following(tmp_path, url) as lines:
            assert next(lines) == "-- listening from now on"
            speak(app, "a speech on rivers")
            assert next(lines) == "Ada: speak a speech on rivers"
            speak(app, "a question on roads")
            assert next(lines) == "Ada: speak a question on roads"
        speak(app, "a vote on rain")
        with following(tmp_path, url) as lines:
            assert next(lines) == "-- taken up where it was"
            heard = [next(lines)]
            while heard[-1] != "Ada: speak a vote on rain":
                heard.append(next(lines))
    assert heard[-2:] in (
        ["Ada: speak a vote on rain"],
        ["Ada: speak a question on roads", "Ada: speak a vote on rain"],
    )


def speak(app: httpx.Client, title: str) -> None:
    """A member of parliament says something."""
    act = {
        "actor_id": "mp-1",
        "actor_name": "Ada",
        "verb": "speak",
        "object_type": "speech",
        "object_id": title,
    }
    app.post("/v1/events", json=act | {"object_title": title}).raise_for_status()


@contextmanager
def following(folder: Path, url: str) -> Iterator[Iterator[str]]:
    """The lines that the citizen's client prints; it is ended when the block ends."""
    command = [sys.executable, str(EXAMPLES / "follow_parliament.py"), "citizen"]
    env = environ() | {"TIDINGS_URL": url}
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as client:
        try:
            yield read(client)
        finally:
            client.kill()
            client.communicate()


def read(client: subprocess.Popen[str]) -> Iterator[str]:
    """Its lines as they come; a client that says nothing for long is killed, which fails the test."""
    assert client.stdout is not None
    stdout = client.stdout
    while line := within(START_S, client, stdout.readline):
        yield line.rstrip("\n")
