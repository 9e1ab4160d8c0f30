"""Every command that a help text or a page shows is run, as it stands but for addresses, files and secrets."""

import asyncio
import gzip
import os
import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from tests.cli.test_watching import publish
from tests.serving import START_S, address, environ, stop, within
from tidings.cli import COMMANDS, main
from tidings.config import Settings
from tidings.storage.sqlite import SqliteStore
from tidings.timeutil import SystemClock

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
EXPORT = re.compile(r"^export (\w+)=", re.M)
ENDLESS = {("serve",), ("tail",), ("top", "--watch")}
"""What goes on until it is stopped."""
SECRET = "0123456789abcdef" * 4
NAMED = {
    name: command for name in COMMANDS if (command := main.get_command(click.Context(main), name)) is not None
}


class Shown(NamedTuple):
    """A command, where it is shown, and the variables that it is shown with."""

    where: str
    words: list[str]
    variables: list[str]
    reads_stdin: bool


def of_help(name: str) -> list[Shown]:
    """The examples in a command's help."""
    text = (NAMED[name].help or "").partition("Examples:")[2]
    return [shown(f"{name} --help", line, []) for line in text.splitlines() if "tidings" in line]


def of_page(page: Path) -> list[Shown]:
    """The commands in the shell blocks of a page, each with what its block exports."""
    return [
        shown(page.name, line, EXPORT.findall(block))
        for block in SHELL.findall(page.read_text())
        for line in block.splitlines()
        if re.match(r"(\.venv/bin/)?tidings ", line)
    ]


def shown(where: str, line: str, exported: list[str]) -> Shown:
    """A line as words: what follows two spaces explains it, a pipe and a redirection are the shell's."""
    command = re.split(r"\s{2,}|\s[|<#]", line.strip())[0]
    words = shlex.split(command)
    start = next(at for at, word in enumerate(words) if word.endswith("tidings"))
    variables = [word.partition("=")[0] for word in words[:start]]
    return Shown(where, words[start + 1 :], variables + exported, " < " in line)


SHOWN = [one for name in sorted(NAMED) for one in of_help(name)] + [
    one for page in PAGES for one in of_page(page)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the commands name."""
    sample = Path(str(files("tidings"))) / "sample" / "gharchive-2015-01-01.json.gz"
    few = gzip.decompress(sample.read_bytes()).splitlines(keepends=True)[:2]
    (tmp_path / "2015-01-01-0.json.gz").write_bytes(gzip.compress(b"".join(few)))
    (tmp_path / "events.ndjson").write_text(
        '{"actor_id":"ann","verb":"nod","object_type":"market","object_id":"42","target_user_ids":["alice"]}\n'
    )
    (tmp_path / "event.json").write_text('{"actor_name": "Ann", "object_title": "Market 42"}')
    (tmp_path / "tidings.toml").write_text("dev = true\n")
    return tmp_path


def runnable(one: Shown, folder: Path, server: str) -> list[str]:
    """The words, with this machine's server, folders and a free port in the place of those shown."""
    words = [re.sub(r"https://example\.com/\w+", server, word) for word in one.words]
    words = [
        word.replace("/var/lib/tidings/", f"{folder}/").replace("/etc/tidings.toml", f"{folder}/tidings.toml")
        for word in words
    ]
    if words[0] == "serve":
        return [*words, "--port", "0"]
    if words[0] == "bench":
        words += ["--seconds", "1"]  # the last one counts
    takes = {option for parameter in NAMED[words[0]].params for option in parameter.opts}
    if "--url" in takes and not {"--url", "--store"} & set(words):
        words += ["--url", server]
    return words


async def make_store(file: Path) -> None:
    """The file of a server that has stopped."""
    store = await SqliteStore.open(file, SystemClock(), Settings())
    await store.close()


@pytest.mark.parametrize("one", SHOWN, ids=lambda one: f"{one.where}: {' '.join(one.words)}")
def test_a_command_that_is_shown_works(one: Shown, folder: Path, server: str) -> None:
    """It ends with success, or, where it is meant to go on, says its first line."""
    publish(server, "ann", "alice")
    # A file of settings is there only for the commands that name it.
    if "--config" not in one.words:
        (folder / "tidings.toml").unlink()
    if one.words[0] == "compact":
        asyncio.run(make_store(folder / "tidings.db"))
    command = [sys.executable, "-m", "tidings", *runnable(one, folder, server)]
    env = environ() | dict.fromkeys(one.variables, SECRET)
    endless = any(set(words) <= set(one.words) for words in ENDLESS)
    stdin = folder / "events.ndjson" if one.reads_stdin else Path(os.devnull)
    with (
        stdin.open() as given,
        subprocess.Popen(
            command, cwd=folder, env=env, stdin=given, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            if one.words[0] == "serve":
                assert within(START_S, process, lambda: address(process))
            elif endless:
                assert within(START_S, process, lambda: next(process.stdout or iter([])))
            else:
                out = within(START_S, process, process.communicate)[0]
                assert process.returncode == 0, out
        finally:
            stop(process)


def test_every_command_is_shown() -> None:
    """A command without an example would pass everything above; so would a page whose blocks are not found."""
    assert {one.words[0] for one in SHOWN} == set(NAMED)
    assert {"running-it.md", "getting-started.md"} <= {one.where for one in SHOWN}


def test_commands_in_the_text_of_a_page_exist() -> None:
    """What a page names in a sentence, with its flags, is what the command line has."""
    for page in PAGES:
        for words in map(str.split, re.findall(r"`(?:\w+=\S+ )?tidings ([^`\n]+)`", page.read_text())):
            assert words[0] in {*NAMED, "COMMAND"} | {"--version", "--help"}, f"{page.name}: {words}"
            known = {flag for parameter in NAMED[words[0]].params for flag in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= known | {"--help"}, (
                f"{page.name}: {words}"
            )
