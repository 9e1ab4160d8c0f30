"""The examples run as a reader would run them, against a real server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.serving import START_S, environ, serving, within
from tests.wire.people import KEY

EXAMPLES = Path(__file__).parent.parent / "examples"
MARKET = """\
alice has 1 unread
  * Market desk: resolve · Will it rain on Sunday? -> yes
  - Market desk resolve (for you)
carol has 0 unread
  - Market desk resolve (market:rain)
  - Bob trade (market:rain)
  - Alice trade (market:rain)
dave has 0 unread
  - Alice trade (user:alice)
busiest: alice 1, bob 1, market-desk 1
"""


def test_market(tmp_path: Path) -> None:
    """The prediction market tells each trader what concerns them, and a trade that is sent twice happens once."""
    with serving(tmp_path) as url:
        command = [sys.executable, str(EXAMPLES / "market.py")]
        env = environ() | {"TIDINGS_URL": url}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=START_S, check=True)
    assert done.stdout == MARKET


def test_market_without_a_credential(tmp_path: Path) -> None:
    """A refusal, and a server that is not there, are one line and no traceback."""
    command, env = [sys.executable, str(EXAMPLES / "market.py")], environ()
    with serving(tmp_path, TIDINGS_API_KEYS=KEY) as url:
        refused = subprocess.run(command, env=env | {"TIDINGS_URL": url}, capture_output=True, text=True)
    gone = subprocess.run(command, env=env | {"TIDINGS_URL": url}, capture_output=True, text=True)
    for done, said in (refused, "the server refused: 401"), (gone, "cannot be reached"):
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert said in done.stderr


def test_examples_take_the_key(tmp_path: Path) -> None:
    """The example for one user ignored the key that the settings promise it reads."""
    with serving(tmp_path, TIDINGS_API_KEYS=KEY) as url:
        command = [sys.executable, str(EXAMPLES / "subscribe.py"), "bob"]
        env = environ() | {"TIDINGS_URL": url, "TIDINGS_API_KEY": KEY}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as client:
            assert next(read(client)) == "nothing unread"
            client.kill()


def test_market_beside_other_notifications(tmp_path: Path) -> None:
    """The fault: it ended with a KeyError when one of its traders had been told anything else."""
    with serving(tmp_path) as url, httpx.Client(base_url=url) as app:
        other = {"actor_id": "zoe", "verb": "like", "object_type": "post", "object_id": "1"}
        app.post("/v1/events", json=other | {"target_user_ids": ["alice"]}).raise_for_status()
        command = [sys.executable, str(EXAMPLES / "market.py")]
        env = environ() | {"TIDINGS_URL": url}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=START_S, check=True)
    assert "alice has 2 unread\n" in done.stdout
    assert "  * zoe: like · post 1\n" in done.stdout


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
