"""``tidings replay`` against real servers: real events end in the feeds that the files say."""

import gzip
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Run
from tests.serving import environ, serving
from tidings.client import Client
from tidings.contrib.gharchive import NOTIFIES_OWNER, verb

SAMPLE = Path(str(files("tidings"))) / "sample" / "gharchive-2015-01-01.json.gz"
SOME = 600
"""Lines of the sample that are replayed: enough for several batches and for follows that matter."""

Act = tuple[str, str, str]
"""(actor, verb, repository)"""


def feeds_of(lines: Iterable[bytes]) -> dict[str, list[Act]]:
    """Everybody's feed in the order of the file, recomputed from the file alone."""
    followers: dict[str, set[str]] = defaultdict(set)
    feeds: dict[str, list[Act]] = defaultdict(list)
    for line in lines:
        raw = json.loads(line)
        actor, repository = raw["actor"]["login"], raw["repo"]["name"]
        audience = set(followers[repository])
        if raw["type"] in NOTIFIES_OWNER:
            audience.add(repository.split("/")[0])
        for user in audience - {actor}:
            feeds[user].append((actor, verb(raw["type"]), repository))
        if raw["type"] == "WatchEvent":
            followers[repository].add(actor)
    return feeds


def feed(client: Client, user: str) -> list[Act]:
    """A user's whole feed in the order of the log, over the wire."""
    ordered = sorted(client.feed(user=user), key=lambda item: item.position)
    return [(item.actor_id, item.verb, item.object_id) for item in ordered]


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """The first lines of the sample as a file of their own."""
    path = tmp_path / "some.json"
    path.write_bytes(b"".join(gzip.decompress(SAMPLE.read_bytes()).splitlines(keepends=True)[:SOME]))
    return path


@pytest.mark.need("IN15")
def test_a_replay_ends_in_the_feeds_that_the_file_says(run: Run, some: Path, tmp_path: Path) -> None:
    """All events are stored, every feed is the recomputed one, and a second replay changes nothing."""
    expected = feeds_of(some.read_bytes().splitlines())
    with serving(tmp_path) as url:
        first = run("replay", str(some), "--format", "gharchive", "--url", url, "--batch", "100")
        assert f"{SOME} stored, 0 already there, 0 refused" in first.output
        again = run("replay", str(some), "--format", "gharchive", "--url", url)
        assert f"0 stored, {SOME} already there, 0 refused" in again.output
        with Client(url) as client:
            assert expected == {user: feed(client, user) for user in expected}


def test_a_shifted_replay_ends_now_and_knows_what_is_there(run: Run, some: Path, tmp_path: Path) -> None:
    """The newest event is of this minute, so trends show it; repeated with another shift, nothing is
    doubled."""
    with serving(tmp_path) as url:
        shifted = ("replay", str(some), "--format", "gharchive", "--url", url, "--shift-to-now")
        assert f"{SOME} stored" in run(*shifted).output
        assert f"{SOME} already there, 0 refused" in run(*shifted).output
        assert "by verb (exact)" in (top := run("top", "--url", url, "--by", "verb", "--window", "1h").output)
        assert "push" in top
        compared = run(
            "top", "--url", url, "--by", "verb", "--window", "1h", "--compare", "--object-type", "repository"
        )
        assert re.search(r"^ +\d+ +new  push$", compared.output, re.M)
        of_one = run("top", "--url", url, "--by", "verb", "--window", "1h", "--series", "--key", "push")
        head, *points = of_one.output.splitlines()
        assert re.match(r"[\d,]+ events of push in the 1h to ", head)
        assert len(points) == 60
        assert sum(int(point.split()[1].replace(",", "")) for point in points) == int(
            head.split()[0].replace(",", "")
        )
        assert "#" * 50 in of_one.output
        refused = run("top", "--url", url, "--key", "push")
        assert (refused.exit_code, "--key needs --series" in refused.output) == (2, True)


def test_a_replay_into_a_store_is_found_by_the_next_server(run: Run, some: Path, tmp_path: Path) -> None:
    """With --store no server has to run; what was stored is there when one starts."""
    result = run("replay", str(some), "--format", "gharchive", "--store", f"sqlite:///{tmp_path}/tidings.db")
    assert f"{SOME} stored" in result.output, result.output
    expected = feeds_of(some.read_bytes().splitlines())
    user = max(expected, key=lambda name: len(expected[name]))
    with serving(tmp_path) as url, Client(url) as client:
        assert feed(client, user) == expected[user]


def test_bad_lines_are_told_and_the_others_stored(server: str) -> None:
    """From standard input too, a refused line costs itself alone: its reason is printed, and the exit code is
    1."""
    good = b'{"actor_id":"ann","verb":"nod","object_type":"hat","object_id":"1"}'
    command = [sys.executable, "-m", "tidings", "replay", "-", "--format", "ndjson", "--url", server]
    lines = b"\n".join([good, b"{", b'{"actor_id":"ann"}', good])
    result = subprocess.run(command, input=lines, env=environ(), capture_output=True, check=False)
    assert result.returncode == 1, result.stderr
    assert b"4 events read" in result.stdout
    assert b"2 stored, 0 already there, 2 refused" in result.stdout
    assert b"/verb" in result.stdout
    assert b"(stdin:2)" in result.stdout
    assert b"(stdin:3)" in result.stdout


def test_refused_lines_are_named_by_file_and_number(run: Run, server: str) -> None:
    """Whether the command or the server refuses a line, in a batch or not, the summary says where it stands."""
    good = '{"actor_id":"ann","verb":"nod","object_type":"hat","object_id":"1"}'
    Path("a").write_text(f"{good}\n\n{{\n{good}\n")
    Path("b").write_text(f'{good}\n{{"actor_id":"ann"}}\n{good}\n')
    result = run("replay", "a", "b", "--format", "ndjson", "--url", server, "--batch", "2")
    assert result.exit_code == 1
    assert "(a:3)" in result.output
    assert "(b:2)" in result.output


def test_what_was_stored_before_a_file_broke_is_told(run: Run, server: str) -> None:
    """A file that is cut off ends the replay with its name and line; the summary counts what went before."""
    good = b'{"actor_id":"ann","verb":"nod","object_type":"hat","object_id":"1"}\n'
    Path("cut.gz").write_bytes(gzip.compress(good * 3)[:-8])
    result = run("replay", "cut.gz", "--format", "ndjson", "--url", server, "--batch", "1")
    assert result.exit_code == 1
    assert "3 events read" in result.output
    assert "Error: cut.gz:3: Compressed file ended" in result.output


@pytest.mark.parametrize(
    ("file", "said"),
    [("absent", "'absent' does not exist"), (".", "'.' is a directory"), ("zip", "zip: neither UTF-8 text")],
)
def test_a_file_that_cannot_be_read_is_named(run: Run, server: str, file: str, said: str) -> None:
    """What is missing, a folder or no text is one line with its name."""
    Path("zip").write_bytes(b"PK\x03\x04\0")
    result = run("replay", file, "--format", "ndjson", "--url", server)
    assert result.exit_code in (1, 2)
    assert said in result.output


def test_an_empty_file_is_told(run: Run, server: str) -> None:
    """Nothing was wrong, and nothing was done."""
    Path("empty").write_bytes(b"\n")
    result = run("replay", "empty", "--format", "ndjson", "--url", server)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing was imported" in result.stderr


def test_progress_goes_to_standard_error(run: Run, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes, standard output has the summary alone."""
    monkeypatch.setattr("tidings.cli.progress.PLAIN_INTERVAL_S", 0.0)
    Path("a").write_text('{"actor_id":"ann","verb":"nod","object_type":"hat","object_id":"1"}\n' * 4)
    result = run("replay", "a", "--format", "ndjson", "--url", server, "--batch", "1")
    assert result.stdout.count("\n") == 2
    assert "arrived read" in result.stdout.splitlines()[1]
    assert "4 events" in result.stderr


def test_standard_input_cannot_be_read_twice(run: Run) -> None:
    """Shifting needs the newest time first, so standard input is refused."""
    result = run("replay", "-", "--format", "ndjson", "--shift-to-now")
    assert result.exit_code == 2
    assert "--shift-to-now" in result.output


@pytest.mark.parametrize(
    ("store", "code", "said"),
    [
        ("sqlite:///tidings.db", 1, "tidings.db is in use by process"),
        ("floppy:///a", 2, "'floppy:///a' is neither sqlite:///FILE nor memory://"),
        ("sqlite:///absent/t.db", 1, "absent does not exist"),
    ],
)
def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path, store: str, code: int, said: str) -> None:
    """The fault: below the line that said what is wrong stood a second one, that the store could not be opened by a server,
    as if the file were damaged."""
    (tmp_path / "lines").write_text("{}")
    command = [sys.executable, "-m", "tidings", "replay", "lines", "--format", "ndjson", "--store", store]
    with serving(tmp_path):
        ended = subprocess.run(
            command, cwd=tmp_path, env=environ(), capture_output=True, text=True, check=False
        )
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith("Error: ")
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_replay_into_a_store_takes_a_settings_file(tmp_path: Path) -> None:
    """The fault: --store read ./tidings.toml alone, so notifications had other types than those of the server."""
    (tmp_path / "server.toml").write_text('[types.reply]\nverbs = ["comment"]\n')
    line = '{"actor_id":"a","verb":"comment","object_type":"m","object_id":"1","target_user_ids":["bob"]}\n'
    (tmp_path / "lines").write_text(line)
    command = [
        sys.executable,
        "-m",
        "tidings",
        "replay",
        "lines",
        "--format",
        "ndjson",
        "--config",
        "server.toml",
    ]
    alone = subprocess.run(command, cwd=tmp_path, env=environ(), capture_output=True, text=True, check=False)
    assert (alone.returncode, "--config is for --store" in alone.stderr) == (2, True)
    subprocess.run(
        [*command, "--store", "sqlite:///tidings.db"],
        cwd=tmp_path,
        env=environ(),
        check=True,
        capture_output=True,
    )
    with serving(tmp_path) as url, httpx.Client(base_url=url, trust_env=False) as client:
        (item,) = client.get("/v1/notifications", params={"user_id": "bob"}).json()["items"]
        assert item["type"] == "reply"


def test_a_missing_prefix_is_suspected(tmp_path: Path) -> None:
    """The fault: the 404 of a server below a prefix named neither the address nor the probable cause."""
    (tmp_path / "lines").write_text('{"actor_id":"a","verb":"b","object_type":"m","object_id":"1"}\n')
    with serving(tmp_path, "--prefix", "/api") as url:
        wrong = url.removesuffix("/api")
        command = [sys.executable, "-m", "tidings", "replay", "lines", "--format", "ndjson", "--url", wrong]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environ(), capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    assert (
        f"{wrong} answered 404: There is nothing at this address. All paths of this server begin"
        in ended.stderr
    )
