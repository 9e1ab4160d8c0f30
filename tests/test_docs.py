"""The documentation is run: what a reader would type does what the page says.

In ``README.md`` and every page below ``docs/`` each fenced block is treated by its language:

- ``console``: a line that begins with ``$ `` is a command, and goes on while a quote is open; all are
  ``curl``. What follows is its reply. The commands of a page run in order against a fresh dev server with the
  sample, which stands for http://127.0.0.1:8787. A JSON reply must have the keys and the kinds of values that
  the page shows, at every level; the values may differ. An object that shows the key "…" has more keys than the
  page has room for. With ``-i`` the status line counts too. With ``-N`` the reply is a stream, of which as many
  frames are read as the page shows. ``…`` accepts any success.
- ``python``: runs from top to bottom, the blocks of one page in one namespace and an empty folder, as in a file of a
  reader's own: ``await`` stands in functions only. An ``output`` block is, to the letter, what the blocks
  since the one before it printed. Where a block names http://127.0.0.1:8787, a fresh dev server stands for it.
- ``json``, ``toml``: are well-formed.
- ``sh``, ``text`` and others are for readers only.
"""

import argparse
import contextlib
import http.client
import io
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
MAIL = 'smtp_url = "smtp://127.0.0.1:9"\nmail_from = "Market <market@example.org>"\n'
"""Settings of servers that answer the commands of a page: a relay at which nobody listens."""
TIMEOUT_S = 30
MORE = "…"
FRAME_FIELD = re.compile(r"^(\w+): (.*)$", re.M)


class Block(NamedTuple):
    """One fenced block of a page."""

    language: str
    text: str


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    text: str


SHIPPED = ("--duplicate-window-s", "3600")
"""The default that other tests replace: readers have it."""


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


def curl(command: str, url: str, frames: int = 0) -> Reply:
    """What curl would get, as far as the pages use it: -i -s -N -X -H -d --data-binary --json, and no others.

    Of a stream (-N) it is the first ``frames``.
    """
    parser = argparse.ArgumentParser("curl", exit_on_error=False)
    parser.add_argument("url")
    parser.add_argument("-i", "-s", action="store_true")
    parser.add_argument("-N", dest="stream", action="store_true")
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
        return Reply(reply.status, read_frames(reply, frames) if given.stream else reply.read().decode())
    finally:
        connection.close()


def read_frames(reply: http.client.HTTPResponse, frames: int) -> str:
    """The first frames of a stream, each ended by an empty line. Raises AssertionError when it ends before."""
    lines: list[str] = []
    while lines.count("\n") < frames:
        lines.append(reply.readline().decode())
        assert lines[-1], f"the stream ended after {''.join(lines)}"
    return "".join(lines)


def frames_of(text: str) -> list[dict[str, str]]:
    """The frames of a stream, each as its fields."""
    return [dict(FRAME_FIELD.findall(frame)) for frame in text.strip().split("\n\n") if frame]


def same_shape(shown: Any, real: Any, at: str = "$") -> None:
    """Raises AssertionError where a reply has other keys, or another kind of value, than the page shows."""
    if isinstance(shown, dict) and isinstance(real, dict):
        keys = shown.keys() - {MORE}
        wanted = real.keys() & keys if MORE in shown else real.keys()
        assert keys == wanted, f"{at}: the page shows {sorted(shown)}, the server says {sorted(real)}"
        for key in keys:
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
    if FRAME_FIELD.match(shown):
        same_stream(frames_of(shown), frames_of(reply.text))
    elif shown not in ("", MORE):
        same_shape(documents(shown), documents(reply.text))


def documents(text: str) -> list[Any]:
    """The JSON documents of a text: one, or as many as an NDJSON reply has lines."""
    found, rest = [], text.strip()
    while rest:
        document, end = json.JSONDecoder().raw_decode(rest)
        found.append(document)
        rest = rest[end:].lstrip()
    return found


def same_stream(shown: list[dict[str, str]], real: list[dict[str, str]]) -> None:
    """Raises AssertionError where a stream has other frames, in name, order of fields, form of the id or shape of the
    data, than the page shows."""
    assert [frame.get("event") for frame in shown] == [frame.get("event") for frame in real]
    for one, other in zip(shown, real, strict=True):
        assert list(one) == list(other), f"the page shows {one}, the server says {other}"
        shown_id, real_id = (_form(frame.get("id", "")) for frame in (one, other))
        assert shown_id == real_id, (
            f"the page shows an id such as {one['id']}, the server one such as {other['id']}"
        )
        same_shape(
            json.loads(one.get("data", "{}")), json.loads(other.get("data", "{}")), f"$({one.get('event')})"
        )


def _form(id: str) -> list[bool]:
    """Which parts the id of a frame has."""
    return [bool(part) for part in id.split(".")]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.stem
)
def test_commands_answer_as_the_page_shows(page: Path, tmp_path: Path) -> None:
    """Every command of a page succeeds in order and answers in the shape that stands below it."""
    (tmp_path / "tidings.toml").write_text(MAIL)
    with serving(tmp_path, *SHIPPED, "--sample", until=SAMPLE_LOADED) as url:
        for block in blocks(page, "console"):
            for command, shown in commands(block.text):
                check(command, shown, curl(command, url, len(frames_of(shown))))


def run_python(text: str, page: Path, namespace: dict[str, Any]) -> str:
    """What a block prints when it is run. The fault: ``await`` outside functions passed here, and was a SyntaxError for
    whoever pasted the block into a file."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, str(page), "exec"), namespace)
    return printed.getvalue()


@pytest.mark.need("IN15")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem
)
def test_python_prints_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python of a page runs from top to bottom without an error, and prints the output that stands below it."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed, parts = "", blocks(page, "python", "output")
    with contextlib.ExitStack() as around:
        asks = any(DOCUMENTED_HOST in block.text for block in parts)
        url = around.enter_context(serving(tmp_path, *SHIPPED)) if asks else ""
        for block in parts:
            if block.language == "python":
                text = block.text.replace(DOCUMENTED_HOST, url)
                printed += run_python(text, page, namespace)
            else:
                assert printed == block.text
                printed = ""
    assert printed == "", "something is printed that the page does not show"


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
    ("shown", "real"),
    [
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "1"}),
        ([1], []),
        ({"a": {"b": 1}}, {"a": {}}),
        ({"a": 1, MORE: ""}, {"b": 1}),
    ],
)
def test_a_page_that_lies_is_found(shown: Any, real: Any) -> None:
    """Another key, another kind or another number of items is a difference at any depth."""
    with pytest.raises(AssertionError, match="the page shows"):
        same_shape(shown, real)


def test_scripts_listen_to_every_frame_with_counts() -> None:
    """The fault: no script listened to ``seen``, so the badge of other tabs stayed. The frames are those of the table."""
    table = (ROOT / "docs/concepts/live.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", table, re.M)
    counted = {name for name, content in rows if "unread counts" in content}
    assert counted == {"hello", "notification", "read", "seen"}
    scripts = [block.text for page in PAGES for block in blocks(page, "js")]
    streams = [script for script in scripts if "/v1/notifications/stream" in script]
    assert len(streams) > 1
    for script in streams:
        assert {name for name in counted if f'"{name}"' in script} == counted, script
