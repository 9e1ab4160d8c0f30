"""What a server and doctor say of what cannot be sent."""

import asyncio
from pathlib import Path

import httpx

from tests.attack.probe import attacked_server
from tests.cli.conftest import Run
from tidings.config import Settings
from tidings.model import SetNotificationType
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore
from tidings.testing import FakeClock

TYPES = '[types.reply]\nchannels = ["email", "webhook"]\n'


def test_a_type_that_cannot_be_sent_is_named_at_start(tmp_path: Path) -> None:
    """A type with the channel email and no smtp_url started silently."""
    (tmp_path / "tidings.toml").write_text(TYPES)
    with attacked_server(tmp_path) as server:
        assert (
            server.log().count("'reply' has the channel email, which sends nothing: smtp_url is not set") == 1
        )
        assert "webhook" not in server.log()


def test_a_type_that_cannot_be_sent_is_named_when_it_is_declared(tmp_path: Path) -> None:
    """It was accepted without a word, and nothing was ever mailed. The application may declare its types before mail is set
    up, so the answer and the log warn of it."""
    said = "the type 'reply' has the channel email, which sends nothing: smtp_url is not set"
    rule = {"channels": ["email", "webhook"]}
    with attacked_server(tmp_path) as server, httpx.Client(base_url=server.url) as client:
        answer = client.put("/v1/admin/types/reply", json=rule)
        assert (answer.status_code, answer.json()["warnings"]) == (200, [said])
        assert [one["warnings"] for one in client.get("/v1/admin/types").json()["items"]] == [[said]]
        assert server.log().count(said) == 1
        assert client.put("/v1/admin/types/like", json={}).json()["warnings"] == []


def test_a_declaration_that_widens_the_visibility_of_the_settings_is_named(tmp_path: Path) -> None:
    """The fault: a declaration that changed a text dropped ``visibility`` of the settings without a word, and the next
    private message was public."""
    (tmp_path / "tidings.toml").write_text('[types.message]\nvisibility = "recipients"\n')
    said = (
        "the type 'message' has the visibility public, but recipients in the settings, "
        "which this declaration overrides as a whole"
    )
    with attacked_server(tmp_path) as server, httpx.Client(base_url=server.url) as client:
        answer = client.put("/v1/admin/types/message", json={"critical": True})
        assert answer.json()["warnings"] == [said]
        assert [one["warnings"] for one in client.get("/v1/admin/types").json()["items"]] == [[said]]
        assert server.log().count(said) == 1
        same = {"critical": True, "visibility": "recipients"}
        assert client.put("/v1/admin/types/message", json=same).json()["warnings"] == []


def test_doctor_names_a_stored_type_that_cannot_be_sent(run: Run, tmp_path: Path) -> None:
    """It read the types of the settings alone, not those that were declared over the API."""
    path = tmp_path / "declared.db"

    async def declare() -> None:
        store = await SqliteStore.open(path, FakeClock(), Settings())
        await store.write([SetNotificationType("reply", Rule(channels=("email", "webhook")))])
        await store.close()

    asyncio.run(declare())
    result = run("doctor", "--dev", "--port", "0", "--store", f"sqlite:///{path}")
    assert result.exit_code == 0, result.output
    assert "the type 'reply' has the channel email" in result.output
    assert "the channel webhook" not in result.output
