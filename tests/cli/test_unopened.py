"""A server that cannot start says why in a line, not in a traceback."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import START_S, environ, serving
from tidings.config import Settings
from tidings.model import SetNotificationType
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore
from tidings.testing import FakeClock


def refused(folder: Path, said: str, *flags: str, code: int = 1) -> None:
    """The server ends with this code, which is 2 for a setting that does not fit, and one line that says this."""
    command = [sys.executable, "-m", "tidings", "serve", "--dev", "--port", "0", *flags]
    ended = subprocess.run(
        command, cwd=folder, env=environ(), capture_output=True, text=True, timeout=START_S
    )
    assert ended.returncode == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("store", "said", "code"),
    [
        ("sqlite:///text.db", "file is not a database: restore a backup, as docs/guides/running-it.md", 1),
        ("sqlite:///missing/t.db", "missing does not exist", 1),
        ("mysql://somewhere", "neither sqlite:///FILE nor memory://", 2),
        ("foo", "neither sqlite:///FILE nor memory://", 2),
    ],
)
def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, store: str, said: str, code: int) -> None:
    """The fault: an address that is none ended with 1, every other wrong setting with 2."""
    (tmp_path / "text.db").write_text("This is no database, but a text of some length. " * 20)
    refused(tmp_path, said, "--store", store, code=code)


def test_an_unknown_language_is_named(tmp_path: Path) -> None:
    refused(tmp_path, "locale: no language is known by the name 'tlh'", "--locale", "tlh", code=2)


def test_a_verb_that_the_file_claims_after_the_api_did_is_named(tmp_path: Path) -> None:
    """The store still holds what was declared over the API; the file is where it can be mended."""

    async def declare() -> None:
        store = await SqliteStore.open(tmp_path / "tidings.db", FakeClock(), Settings())
        await store.write([SetNotificationType("other", Rule(verbs=("settle",)))])
        await store.close()

    asyncio.run(declare())
    (tmp_path / "tidings.toml").write_text('[types.settled]\nverbs = ["settle"]\n')
    refused(tmp_path, "types: the verb 'settle' is claimed by the types 'settled' and 'other'", code=2)
    refused(tmp_path, "delete that of the API with DELETE /v1/admin/types/other on a server", code=2)


def test_a_port_in_use_is_named_before_a_store_is_made(tmp_path: Path) -> None:
    """What to do is said in words, not as an errno, and no new file is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(tmp_path, f"port {port} of 127.0.0.1 is in use by another program", "--port", str(port))
    assert list(tmp_path.iterdir()) == []


def test_a_second_start_of_a_running_server_is_named(tmp_path: Path) -> None:
    """The fault: it said that another program had the port, although that is the server of this very store."""
    with serving(tmp_path) as url:
        port = url.rpartition(":")[2]
        refused(tmp_path, f"the server of this store runs already, and answers at {url}", "--port", port)


def test_a_second_server_is_refused_by_whatever_name(tmp_path: Path) -> None:
    """By its own name, a symbolic link and a hard link, with what lies beside the file deleted."""
    with serving(tmp_path):
        (tmp_path / "soft.db").symlink_to("tidings.db")
        (tmp_path / "hard.db").hardlink_to(tmp_path / "tidings.db")
        refused(tmp_path, "tidings.db is in use by process")
        refused(tmp_path, "tidings.db is in use by process", "--store", "sqlite:///soft.db")
        refused(tmp_path, "hard.db is in use by another process", "--store", "sqlite:///hard.db")
        (tmp_path / "tidings.db.marker").unlink()
        refused(tmp_path, "tidings.db is in use by another process")
