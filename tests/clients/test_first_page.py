"""The server's own first page, in a browser."""

import json
from contextlib import ExitStack
from pathlib import Path

import httpx

from bench.server import free_port
from tests.clients.browser import Page, opened
from tests.serving import serving
from tests.wire.people import SETTINGS, event

LIMIT_S = 30
SOON = """new Promise((done) => {
  const look = () => {
    const text = document.getElementById(%s).textContent;
    text.includes(%s) ? done(text) : setTimeout(look, 50);
  };
  look();
})"""


def awaited(page: Page, id: str, text: str) -> str:
    """The text of an element, once it contains this. Raises TimeoutError."""
    expression = SOON % (json.dumps(id), json.dumps(text))
    found: str = page.call("Runtime.evaluate", expression=expression, awaitPromise=True)["result"]["value"]
    return found


def test_the_first_page_waits_for_a_credential(tmp_path: Path) -> None:
    """The fault: in production it asked for the data of bob at once, and showed 401; its commands lacked the header."""
    with serving(tmp_path, **SETTINGS) as url, opened(str(tmp_path / "profile"), f"{url}/", LIMIT_S) as page:
        assert awaited(page, "trouble", "key") == "This server needs a key or a token: enter one above."
        commands = awaited(page, "curl", "Authorization")
        assert commands.count('-H "Authorization: Bearer $TIDINGS_API_KEY"') == commands.count("curl ") == 3


def test_the_first_page_survives_a_restart(tmp_path: Path) -> None:
    """The fault: after a stop of some seconds it showed "Failed to fetch", and never tried again."""
    port = f"--port={free_port()}"
    with ExitStack() as server, ExitStack() as browser:
        url = server.enter_context(serving(tmp_path, port))
        page = browser.enter_context(opened(str(tmp_path / "profile"), f"{url}/", LIMIT_S))
        awaited(page, "bell", "0 unread")
        assert "Authorization" not in awaited(page, "curl", "curl")
        server.close()
        awaited(page, "trouble", "Failed to fetch")
        server.enter_context(serving(tmp_path, port))
        reply = httpx.post(f"{url}/v1/events", json=event(target_user_ids=["bob"]), trust_env=False)
        assert reply.status_code == 201
        awaited(page, "bell", "1 unread")
