"""The page about the architecture is true: the path of a publish is traced on a running server."""

import ast
import asyncio
import json
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from tidings import process, server
from tidings.config import Settings
from tidings.http.app import build
from tidings.live import hub
from tidings.projections import runner
from tidings.server_parts import make_parts
from tidings.timeutil import SystemClock

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "tidings"
PAGE = ROOT / "docs" / "concepts" / "architecture.md"
ROW = re.compile(r"^\| (\d+) \| .+? \| \[`(.+?)`\]\((.+?)\) \| `(.+?)` \|$", re.M)
WRITING = re.compile(r"^Steps (\d+) to (\d+) run on the writer thread", re.M)
PACKAGE = re.compile(r"^\| \[`(\w+)`\]", re.M)
MAX_STEPS = 25
"""Rows of a table that is read in two minutes."""
FOLLOW = "/v1/users/bob/follows/market%3A42"
STREAM = "/v1/notifications/stream?user_id=bob&include=notifications,activity"
COMMENT = {"actor_id": "alice", "verb": "comment", "object_type": "market", "object_id": "42"}
EVENT = json.dumps(COMMENT | {"target_user_ids": ["bob"]}).encode()
TIMEOUT_S = 60
NEVER_S = 3_600.0


class Step(NamedTuple):
    """A row of the table. ``file`` is a path below src/tidings, ``function`` its qualified name there."""

    number: int
    file: str
    function: str
    link: str

    @property
    def call(self) -> tuple[str, str]:
        """What is traced when the function is called."""
        return self.file, self.function


def steps(page: str) -> list[Step]:
    """The rows of the table."""
    return [Step(int(number), file, function, link) for number, file, link, function in ROW.findall(page)]


# --- a traced run -------------------------------------------------------------------------------------------------


Traced = dict[tuple[str, str], str]
"""The thread of each function's first call, by (file, function), in the order of these calls."""
WRITER = "tidings-writer_0"


class Calls:
    """The functions of Tidings that were called, on any thread, in the order of their first calls."""

    def __init__(self) -> None:
        self.first: Traced = {}
        self._recording = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """See the calls of this thread, and of threads that start inside."""
        before = sys.getprofile(), threading.getprofile()
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(before[0])
            threading.setprofile(before[1])

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note the calls made inside."""
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        if self._recording and event == "call":
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(SOURCE):
                called = path.relative_to(SOURCE).as_posix(), frame.f_code.co_qualname
                self.first.setdefault(called, threading.current_thread().name)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """All that one publish calls, until its frames are on a stream and it has its reply."""
    calls = Calls()
    settings = Settings(
        dev=True,
        store=f"sqlite:///{tmp_path_factory.mktemp('traced')}/tidings.db",
        duplicate_window_s=0,  # the event that is traced is the same as the first one
    )
    with pytest.MonkeyPatch.context() as patch, calls.installed(), asyncio.Runner() as loop:
        # What is done each second would call some of the functions earlier.
        patch.setattr(hub, "TICK_S", NEVER_S)
        patch.setattr(runner, "IDLE_S", NEVER_S)
        patch.setattr(server, "TICK_S", NEVER_S)
        loop.run(asyncio.wait_for(_publish_traced(settings, calls), TIMEOUT_S))
    return calls.first


async def _publish_traced(settings: Settings, calls: Calls) -> None:
    clock = SystemClock()
    parts, _ = make_parts(settings, clock)
    assert parts is not None
    async with server.running(settings, clock, parts.channels) as services:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        config = process._config(settings, build(services, parts.authenticator))
        http = process._Server(config, services.live, services.cut, url.set_result)
        serving = asyncio.create_task(http.serve(process.listen("127.0.0.1", 0)))
        port = int((await url).rpartition(":")[2])
        assert b" 201 " in await _request(port, "PUT", FOLLOW)
        assert b" 201 " in await _request(port, "POST", "/v1/events", EVENT)
        async with _sent(port, "GET", STREAM) as stream:
            await stream.readuntil(b"event: hello")
            with calls.recording():
                assert b" 201 " in await _request(port, "POST", "/v1/events", EVENT)
                assert b"event: notification" in await stream.readuntil(b"event: activity")
        http.should_exit = True
        await serving


async def _request(port: int, method: str, path: str, body: bytes = b"") -> bytes:
    """The whole reply."""
    async with _sent(port, method, path, body) as reply:
        return await reply.read()


@asynccontextmanager
async def _sent(port: int, method: str, path: str, body: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    """The reply to a request, to be read; the connection is closed at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}\r\n".encode() + body)
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


# --- the table against the run ------------------------------------------------------------------------------------


def faults(page: str, traced: Mapping[tuple[str, str], str]) -> list[str]:
    """What is wrong with the table of a page: [] when it tells the way that a traced run went."""
    table = steps(page)
    found = [f"step {step.number}: {fault}" for step in table for fault in (_misplaced(step),) if fault]
    if [step.number for step in table] != list(range(1, len(table) + 1)):
        found.append(f"the steps are not numbered from 1: {[step.number for step in table]}")
    if not 0 < len(table) <= MAX_STEPS:
        found.append(f"the table has {len(table)} steps, not 1 to {MAX_STEPS}")
    if found:
        return found
    known = [step for step in table if step.call in traced]
    found = [f"step {step.number}: {step.function} was not called" for step in table if step not in known]
    order = {call: index for index, call in enumerate(traced)}
    for before, after in pairwise(known):
        if order[before.call] >= order[after.call]:
            found.append(f"step {after.number}: {after.function} was called before {before.function}")
    writing = [step.number for step in known if traced[step.call] == WRITER]
    said = WRITING.search(page)
    if not said or writing != list(range(int(said[1]), int(said[2]) + 1)):
        found.append(f"the steps on the writer thread are {writing}")
    return found


def _misplaced(step: Step) -> str:
    """Why a step names no function of the tree; "" when it does."""
    file = SOURCE / step.file
    if (PAGE.parent / step.link).resolve() != file:
        return f"the link {step.link} is not {step.file}"
    if not file.is_file():
        return f"there is no file {step.file}"
    if step.function not in _functions(ast.parse(file.read_text())):
        return f"{step.file} has no function {step.function}"
    return ""


def _functions(tree: ast.Module | ast.ClassDef, of: str = "") -> Iterator[str]:
    """The qualified names of a file's functions and methods."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield of + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{of}{node.name}.")


def test_the_path_of_a_publish_is_as_the_page_tells(traced: Traced) -> None:
    """Each step names a function where it is, and a real publish calls all of them in this order."""
    assert faults(PAGE.read_text(), traced) == []


def _swapped(page: str, one: int, other: int) -> str:
    """The page with the functions of two steps exchanged."""
    ends = {int(row[1]): row[0].split(" | ", 2)[2] for row in ROW.finditer(page)}
    return page.replace(ends[one], "\0").replace(ends[other], ends[one]).replace("\0", ends[other])


PLANTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "a renamed function": (
        "has no function Hub.hint",
        lambda page: page.replace("`Hub.notify`", "`Hub.hint`"),
    ),
    "a moved function": ("has no function Serv", lambda page: page.replace("http/sse.py", "http/router.py")),
    "a file that is gone": (
        "is no file live/hubs.py",
        lambda page: page.replace("live/hub.py", "live/hubs.py"),
    ),
    "a link to another file": (
        "the link live.md",
        lambda page: page.replace("../../src/tidings/live/hub.py", "live.md"),
    ),
    "what is not called": ("Hub.suspend was not", lambda page: page.replace("`Hub.notify`", "`Hub.suspend`")),
    "two steps out of order": (
        "step 18: PostCommitHooks.__call__ was called",
        lambda page: _swapped(page, 17, 18),
    ),
    "the last step first": ("was called before", lambda page: _swapped(page, 1, MAX_STEPS)),
    "a missing step": ("not numbered from 1", lambda page: re.sub(r"^\| 12 \| .*\n", "", page, flags=re.M)),
    "a missing table": ("0 steps", lambda page: ROW.sub("", page)),
    "a step too many": (
        "26 steps",
        lambda page: page.replace("| 25 |", "| 25 | x | [`a`](a) | `a` |\n| 26 |"),
    ),
    "another thread": ("writer thread", lambda page: page.replace("Steps 9 to 16 run", "Steps 9 to 17 run")),
}
"""What is wrong: a part of the fault that is found, and how the page is changed."""


@pytest.mark.parametrize("wrong", PLANTS)
def test_a_wrong_table_is_found(wrong: str, traced: Traced) -> None:
    """A step that is missing, renamed, in another file or out of order is a fault."""
    fault, plant = PLANTS[wrong]
    assert fault in "; ".join(faults(plant(PAGE.read_text()), traced))


def test_every_package_is_named() -> None:
    """The page lists the packages of the tree, and no others."""
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")} | {"sample"}
    assert set(PACKAGE.findall(PAGE.read_text())) == packages
