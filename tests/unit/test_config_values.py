"""Whatever a setting is given, the server either starts or says in one line what is wrong."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidings.commands import IMPORT_LINES
from tidings.config import FILE_ONLY, HELP, SECRET, ConfigError, Settings, load
from tidings.http.app import build
from tidings.http.auth import Authenticator
from tidings.server import running
from tidings.setting_checks import LARGEST
from tidings.timeutil import SystemClock

NAMES = sorted(set(HELP) - FILE_ONLY)
GARBAGE = [
    *("", " ", "x", "-1", "0", "1e400", "nan", "9" * 30, "9" * 5_000, str(LARGEST), str(2**63)),
    *(
        "\x00",
        "a\nb",
        "\x1b[2J",
        "ü ☃",
        "\udcff",
        "\u202e",
        "/",
        "://",
        "http://[",
        "http://a:99999",
        "::1%",
        "null",
    ),
]
KEY = "a key of some servers, long enough for everybody"
LONGEST_LINE = 400
"""Characters of an error: a value of 5,000 characters is not repeated."""


def refused(flags: dict[str, Any], environ: dict[str, str], file: Path | None) -> str | None:
    """What is said against these sources; None when they are accepted."""
    try:
        load(flags, environ, file)
    except ConfigError as error:
        return str(error)
    return None


def judged(text: str, name: str, value: str, written: str) -> None:
    """The error is one short line that begins with the source, names the setting, and repeats no secret."""
    assert text.startswith(written)
    assert name in text.lower()
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert len(text) <= LONGEST_LINE
    assert name.removeprefix("tidings_") not in SECRET or len(value) < 5 or value not in text


async def started(settings: Settings) -> None:
    """Start and stop all but the socket."""
    authenticator = Authenticator(settings, SystemClock())
    async with running(settings, SystemClock()) as services:
        build(services, authenticator)


@pytest.mark.parametrize("name", NAMES)
def test_a_value_starts_the_server_or_is_refused_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Garbage, nothing, negative, huge, binary and outlandish values: never a traceback, never a silent change."""
    monkeypatch.chdir(tmp_path)
    variable = f"TIDINGS_{name.upper()}"
    for value in GARBAGE:
        environ = {"TIDINGS_API_KEYS": KEY, "TIDINGS_STORE": "memory://", variable: value}
        if (refusal := refused({}, environ, None)) is not None:
            judged(refusal, variable.lower(), value, "the environment: ")
            continue
        try:
            asyncio.run(started(load({}, environ, None)))
        except ConfigError as error:  # found at its use, for which the command line adds the source
            judged(str(error), "", value, "")


@pytest.mark.parametrize("name", NAMES)
def test_every_source_is_judged_alike(name: str, tmp_path: Path) -> None:
    """What is refused in the environment is refused as a flag and in the file, each with its own name for the setting."""
    file = tmp_path / "tidings.toml"
    for value in GARBAGE:
        file.write_text(f"{name} = {json.dumps(value)}" if "\udcff" not in value else "", errors="replace")
        variable, flag = f"TIDINGS_{name.upper()}", "--" + name.replace("_", "-")
        told = {
            f"the environment: {variable}": refused({}, {variable: value}, None),
            f"the command line: {flag}": refused({name: value}, {}, None),
        }
        if "\udcff" not in value:
            told[f"{file}: {name}"] = refused({}, {}, file)
        assert len({error is None for error in told.values()}) == 1
        assert all(error is None or error.startswith(written) for written, error in told.items())


@pytest.mark.parametrize(
    "field",
    [one for one in msgspec.structs.fields(Settings) if isinstance(one.default, int)],
    ids=lambda one: one.name,
)
def test_no_number_is_unbounded(field: msgspec.structs.FieldInfo) -> None:
    """A number beyond what timers and columns hold is refused at the start, not met by the first request."""
    if field.type is not bool:
        with pytest.raises(ConfigError, match="takes a whole number"):
            load({field.name: str(LARGEST + 1)}, {}, None)


@pytest.mark.parametrize(
    ("name", "fit", "unfit"),
    [
        (
            "server_url",
            ["", "https://a.example/api", "http://localhost:8787"],
            ["ftp://x", "a.example", "https://"],
        ),
        (
            "vapid_subject",
            ["", "mailto:a@b.example", "https://a.example/contact", "mailto:a@b.example?subject=push"],
            ["x", "mailto:", "mailto:nobody", "http://a.example", "https://"],
        ),
        (
            "mail_from",
            ["", "a@b.example", "Märkt <a@b.example>", '"A, B" <a@b.example>'],
            ["nobody", "Name <nobody>", "@b.example", "<>", "a@b@c"],
        ),
    ],
)
def test_a_form_is_checked_whether_it_is_used_or_not(name: str, fit: list[str], unfit: list[str]) -> None:
    """The fault: an address that no browser opens, a contact that is none and a sender without a domain were accepted
    until the day when they were used."""
    assert [value for value in fit if refused({}, {f"TIDINGS_{name.upper()}": value}, None)] == []
    assert [value for value in unfit if not refused({}, {f"TIDINGS_{name.upper()}": value}, None)] == []


def test_the_write_queue_has_room_for_an_import() -> None:
    """The fault: with less room than a part of an import has commands, each longer import was refused with 503."""
    assert load({}, {"TIDINGS_WRITE_QUEUE": str(2 * IMPORT_LINES)}, None).write_queue == 2 * IMPORT_LINES
    with pytest.raises(ConfigError, match="WRITE_QUEUE takes a whole number, 1000 or more"):
        load({}, {"TIDINGS_WRITE_QUEUE": str(2 * IMPORT_LINES - 1)}, None)
