"""The demo, in a browser, on a real server."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.sync.client import connect

from tests.clients.browser import Page, launched
from tests.serving import serving
from tests.wire.people import event

LIMIT_S = 30
SOON = """new Promise((done) => {
  const look = () => {
    const found = (%s);
    found ? done(found) : setTimeout(look, 50);
  };
  look();
})"""


class Demo:
    """The demo in a tab. ``requests`` are the addresses that it has loaded, ``complaints`` what the browser has logged."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Page.navigate", url=url)

    def awaited(self, expression: str) -> Any:
        """The value of an expression in the page, once it is true. Raises TimeoutError."""
        answer = self._page.call("Runtime.evaluate", expression=SOON % expression, awaitPromise=True)
        return answer["result"]["value"]

    def shows(self, text: str) -> None:
        """Wait until the page shows a text. Raises TimeoutError."""
        self.awaited(f"document.body?.innerText.includes({json.dumps(text)})")

    def recorded(self) -> tuple[list[str], list[str]]:
        """What was loaded, and what was logged."""
        loaded, logged = [], []
        for entry in self._page.seen():
            params = entry["params"]
            if entry["method"] == "Network.requestWillBeSent":
                loaded.append(params["request"]["url"])
            elif entry["method"] == "Log.entryAdded":
                logged.append(params["entry"]["text"])
            elif entry["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                logged.append(json.dumps(params))
        return loaded, logged


@contextmanager
def demo(url: str, profile: Path) -> Iterator[Demo]:
    """The demo of a server in a new browser."""
    with launched(str(profile)) as address, connect(address, proxy=None, max_size=None) as socket:
        yield Demo(Page(socket, LIMIT_S), f"{url}/?user=nora")


def test_the_demo_is_live(tmp_path: Path) -> None:
    """It loads without a complaint of the browser and from its own server alone, and shows an event as it is published."""
    with serving(tmp_path) as url, demo(url, tmp_path / "profile") as shown:
        shown.shows("0 unread, live")
        published = event(target_user_ids=["nora"], actor_name="Ada Live")
        assert httpx.post(f"{url}/v1/events", json=published, trust_env=False).status_code == 201
        shown.shows("1 unread")
        shown.shows("Ada Live")
        loaded, logged = shown.recorded()
        assert {urlsplit(one).netloc for one in loaded} == {urlsplit(url).netloc}
        assert logged == []
