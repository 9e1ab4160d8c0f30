"""The documentation is run: what a reader would type does what the page says.

In ``README.md`` and every page below ``docs/`` each fenced block is treated by its language:

- ``console``: a line that begins with ``$ `` is a command, and goes on while a quote is open; all are
  ``curl``. What follows is its reply. The commands of a page run in order against a fresh dev server with the
  sample, which stands for http://127.0.0.1:8787. A JSON reply must have the keys and the kinds of values that
  the page shows, at every level; the values may differ. With ``-i`` the status line counts too. ``…`` accepts
  any success.
- ``python``: runs from top to bottom, the blocks of one page in one namespace and an empty folder.
- ``json``, ``toml``: are well-formed.
- ``sh``, ``text`` and others are for readers only.
"""

import argparse
import http.client
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.serving import serving

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.M | re.S)
DOCUMENTED_HOST = "http://127.0.0.1:8787"
SAMPLE_LOADED = "Try, in another terminal"
TIMEOUT_S = 30


class Block(NamedTuple):
    """One fenced block of a page."""

    language: str
    text: str


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The page's blocks in these languages."""
    found = [Block(*match.groups()) for match in FENCE.finditer(page.read_text())]
    return [block for block in found if block.language in languages]


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, reply) of each command of a console block."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        lines = part.splitlines()
        size = next(size for size in range(1, len(lines) + 1) if _closed("\n".join(lines[:size])))
        yield "\n".join(lines[:size]), "\n".join(lines[size:]).strip()


def _closed(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


def curl(command: str, url: str) -> Reply:
    """What curl would get, as far as the pages use it: -i -s -X -H -d --data-binary --json, and no others."""
    parser = argparse.ArgumentParser("curl", exit_on_error=False)
    parser.add_argument("url")
    parser.add_argument("-i", "-s", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", "--data-binary", "--json", dest="body")
    words = shlex.split(command)
    assert words[0] == "curl", f"only curl runs in a console block, not {words[0]}; use a sh block"
    given = parser.parse_args(words[1:])
    assert given.url.startswith(DOCUMENTED_HOST), f"not the documented server: {given.url}"
    headers = {name: value.strip() for name, _, value in (line.partition(":") for line in given.headers)}
    if "--json" in words:
        headers = {"Content-Type": "application/json"} | headers
    body = None if given.body is None else given.body.encode()
    method = given.method or ("GET" if given.body is None else "POST")
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    try:
        connection.request(method, given.url.removeprefix(DOCUMENTED_HOST), body, headers)
        reply = connection.getresponse()
        return Reply(reply.status, reply.read().decode())
    finally:
        connection.close()


def same_shape(shown: Any, real: Any, at: str = "$") -> None:
    """Raises AssertionError where a reply has other keys, or another kind of value, than the page shows."""
    if isinstance(shown, dict) and isinstance(real, dict):
        assert shown.keys() == real.keys(), (
            f"{at}: the page shows {sorted(shown)}, the server says {sorted(real)}"
        )
        for key in shown:
            same_shape(shown[key], real[key], f"{at}.{key}")
    elif isinstance(shown, list) and isinstance(real, list):
        assert len(shown) == len(real), (
            f"{at}: the page shows {len(shown)} items, the server says {len(real)}"
        )
        for i, (one, other) in enumerate(zip(shown, real, strict=True)):
            same_shape(one, other, f"{at}[{i}]")
    else:
        assert kind(shown) is kind(real), f"{at}: the page shows {shown!r}, the server says {real!r}"


def kind(value: Any) -> type:
    """The JSON type of a value: numbers are one."""
    return float if type(value) is int else type(value)


def check(command: str, shown: str, reply: Reply) -> None:
    """Raises AssertionError where the reply is not what the page shows."""
    if shown.startswith("HTTP/"):
        assert int(shown.split()[1]) == reply.status, f"{command}: {reply}"
        shown = shown.partition("\n\n")[2]
    else:
        assert reply.status < 300, f"{command}: {reply}"
    if shown not in ("", "…"):
        same_shape(json.loads(shown), json.loads(reply.text))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.stem
)
def test_commands_answer_as_the_page_shows(page: Path, tmp_path: Path) -> None:
    """Every command of a page succeeds in order and answers in the shape that stands below it."""
    with serving(tmp_path, "--sample", until=SAMPLE_LOADED) as url:
        for block in blocks(page, "console"):
            for command, shown in commands(block.text):
                check(command, shown, curl(command, url))


def test_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of each page runs from top to bottom without an error."""
    for number, page in enumerate(PAGES):
        (folder := tmp_path / str(number)).mkdir()
        monkeypatch.chdir(folder)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        for block in blocks(page, "python"):
            exec(compile(block.text, str(page), "exec"), namespace)


def test_data_is_well_formed() -> None:
    """JSON and TOML can be copied from a page as they stand."""
    for page in PAGES:
        for block in blocks(page, "json", "toml"):
            assert isinstance(
                (json.loads if block.language == "json" else tomllib.loads)(block.text), dict | list
            )


def test_the_tour_is_run() -> None:
    """The README shows commands with their replies: a page without any would pass everything above."""
    shown = [reply for block in blocks(ROOT / "README.md", "console") for _, reply in commands(block.text)]
    assert len(shown) >= 3
    assert all(shown)


@pytest.mark.parametrize(
    ("shown", "real"), [({"a": 1}, {"b": 1}), ({"a": 1}, {"a": "1"}), ([1], []), ({"a": {"b": 1}}, {"a": {}})]
)
def test_a_page_that_lies_is_found(shown: Any, real: Any) -> None:
    """Another key, another kind or another number of items is a difference at any depth."""
    with pytest.raises(AssertionError, match="the page shows"):
        same_shape(shown, real)
