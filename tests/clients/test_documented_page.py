"""The script of the guide on authentication, in a browser. The fault: after an outage longer than its token was valid, an
EventSource got 401 and never connected again, and the documented page did not notice."""

import itertools
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt

from bench.server import free_port
from tests.clients.browser import opened
from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer, event, token

LIMIT_S = 120
GUIDE = Path(__file__).parents[2] / "docs/guides/authentication.md"
ANOTHER_SECRET = "another-secret-of-at-least-thirty-two-bytes"
AROUND = """
const tokens = %s;
const fetchToken = async () => {
  if (tokens.length > 1) return tokens.shift() ?? Promise.reject(new Error("no connection"));
  return tokens[0];
};
const show = (name, data) => name !== "activity" && tell(JSON.stringify([name, data]));
"""


def documented() -> str:
    """The script of the guide."""
    found = re.search(r"^```js\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    assert found
    return found[1]


Frame = tuple[str, dict[str, Any]]


@contextmanager
def shown(url: str, profile: Path, tokens: list[str | None]) -> Iterator[Iterator[Frame]]:
    """What the page shows. The application gives it these tokens in turn, and an error for None."""
    # A document of this origin, without a script of its own.
    with opened(str(profile), f"{url}/livez", LIMIT_S) as page:
        page.call("Runtime.addBinding", name="tell")
        page.call("Runtime.evaluate", expression=AROUND % json.dumps(tokens) + documented())
        yield (json.loads(page.event("Runtime.bindingCalled")["payload"]) for _ in itertools.count())


def test_the_documented_page_survives_the_end_of_its_token(tmp_path: Path) -> None:
    """Its token is no longer valid when the server is back, and the application gives none at first; then it does, and the
    page continues where it was."""
    port = f"--port={free_port()}"
    valid = jwt.encode({"sub": "bob", "exp": time.time() + 3600}, ANOTHER_SECRET, "HS256")
    with ExitStack() as server, ExitStack() as browser:
        url = server.enter_context(serving(tmp_path, port, **SETTINGS))
        tokens = [token("bob"), None, valid]
        frames = browser.enter_context(shown(url, tmp_path / "profile", tokens))
        name, hello = next(frames)
        assert (name, hello["user_id"], hello["resumed"]) == ("hello", "bob", False)
        publish(url)
        assert next(frames)[0] == "notification"
        server.close()
        server.enter_context(serving(tmp_path, port, **SETTINGS | {"TIDINGS_JWT_SECRET": ANOTHER_SECRET}))
        name, hello = next(frames)
        assert (name, hello["user_id"], hello["resumed"]) == ("hello", "bob", True)
        publish(url)
        name, item = next(frames)
        assert (name, item["unread_items"]) == ("notification", 2)


def publish(url: str) -> None:
    """A notification for bob."""
    body = event(target_user_ids=["bob"])
    reply = httpx.post(f"{url}/v1/events", json=body, headers=bearer(KEY), timeout=LIMIT_S, trust_env=False)
    assert reply.status_code == 201
