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

LIMIT_S = 120
"""How long the page or the server may take: a machine may run many browsers at once."""
USER = "nora"
SOON = f"""new Promise((done, fail) => {{
  const limit = Date.now() + {LIMIT_S * 1000};
  const look = () => {{
    const found = (%s);
    if (found) done(found);
    else if (Date.now() > limit) fail(document.body?.innerText);
    else setTimeout(look, 50);
  }};
  look();
}})"""


def clicked(text: str) -> str:
    """A script that clicks the button with this text; false while there is none."""
    found = f"[...document.querySelectorAll('button')].find((one) => one.textContent === {json.dumps(text)})"
    return f"({found} && ({found}.click(), true))"


class Demo:
    """The demo in a tab. ``requests`` are the addresses that it has loaded, ``complaints`` what the browser has logged."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Page.navigate", url=url)

    def awaited(self, expression: str) -> Any:
        """The value of an expression in the page, once it is true. Raises AssertionError with what the page shows."""
        answer = self._page.call("Runtime.evaluate", expression=SOON % expression, awaitPromise=True)
        return answer["result"]["value"]

    def shows(self, text: str) -> None:
        """Wait until the page shows a text. Raises AssertionError."""
        self.awaited(f"document.body?.innerText.includes({json.dumps(text)})")

    def shows_new(self, text: str) -> None:
        """The same of an item that may wait behind the pill, because the list is not in view. Raises AssertionError."""
        pill = "document.querySelector('.tidings-pill')?.click()"
        self.awaited(f"document.body.innerText.includes({json.dumps(text)}) || ({pill}, false)")

    def shows_bell(self, name: str) -> None:
        """Wait until the bell has this name. Raises AssertionError."""
        self.awaited(f"document.querySelector('.tidings-bell')?.ariaLabel === {json.dumps(name)}")

    def click(self, text: str) -> None:
        """Click the button with this text, as soon as there is one. Raises AssertionError."""
        self.awaited(clicked(text))

    def read_all(self) -> None:
        """Mark all as read, and focus the undo in the same script, so that the offer stays. Raises AssertionError."""
        undo = "document.querySelector('.tidings-undo__button')"
        read = f"(window.read ??= {clicked('Mark all as read')} || undefined)"
        self.awaited(f"{read} && {undo} && ({undo}.focus(), document.activeElement === {undo})")

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
        yield Demo(Page(socket, 2 * LIMIT_S), f"{url}/?user={USER}#paused")


def test_the_demo_is_live(tmp_path: Path) -> None:
    """It loads without a complaint of the browser and from its own server alone. An event appears as it is published, the
    bell counts it, and a read-all can be undone."""
    with (
        serving(tmp_path, "--sample", until="Try, in another") as url,
        demo(url, tmp_path / "profile") as shown,
    ):
        shown.shows("Live")
        publish(url, "Ada Live")
        shown.shows("Ada Live")
        shown.shows_bell("Notifications, 1 unread")
        publish(url, "Bo Later")
        shown.shows_bell("Notifications, 2 unread")
        shown.click("Inbox")
        shown.read_all()
        shown.shows("All marked as read")
        shown.shows_bell("Notifications")
        shown.click("Undo")
        shown.shows_bell("Notifications, 2 unread")
        loaded, logged = shown.recorded()
        assert {urlsplit(one).netloc for one in loaded} == {urlsplit(url).netloc}
        assert logged == []


def test_each_scene_prepares_itself(tmp_path: Path) -> None:
    """Over the API, without a refused request; three markets that resolve are one notification."""
    with serving(tmp_path) as url, demo(url, tmp_path / "profile") as shown:
        shown.shows("Live")
        for scene in ("Hybrid", "Mini-feed", "Parliament", "Fasting", "Market"):
            shown.click(scene)
            shown.shows("Preparation: done")
        shown.click("Resolve three markets")
        shown.shows_new("3 markets resolved")
        shown.shows_bell("Notifications, 1 unread")
        assert shown.recorded()[1] == []


def publish(url: str, actor: str) -> None:
    """An event for the user, by an actor with this name, about something of its own."""
    published = event(object_id=actor, target_user_ids=[USER], actor_id=actor, actor_name=actor)
    assert httpx.post(f"{url}/v1/events", json=published, timeout=LIMIT_S, trust_env=False).status_code == 201
