"""The custom elements in Chromium on a real server, in the page of the guide, under a strict content security policy."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.react_page import ReactPage, react_page
from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer, event, token

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guides/browsers.md"
BUILD = ROOT / "web/packages/elements/build.mjs"
USER = "bob"
BELL = "document.querySelector('tidings-bell .tidings-bell')"
ROWS = "document.querySelectorAll('tidings-bell .tidings-row')"
TOKENS = "performance.getEntriesByName(`${location.origin}/page/token`).length"
LOCKS = "navigator.locks.query().then(({ held }) => held.length)"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path, **SETTINGS) as started:
        yield started


@pytest.fixture
def page(tmp_path: Path, url: str) -> Iterator[ReactPage]:
    """The page of the guide, with the built package and a token of the application beside it."""
    folder = tmp_path / "page"
    folder.mkdir()
    subprocess.run(["node", BUILD, folder / "elements"], check=True)
    (folder / "index.html").write_text(documented())
    (folder / "token").write_text(token(USER) + "\n")
    with react_page(tmp_path / "profile", folder) as opened:
        opened.load(url)
        yield opened
        assert [one for one in opened.complaints if "/favicon.ico" not in one] == []  # the page has no icon


def documented() -> str:
    """The page of the guide."""
    found = re.search(r"^```html\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    assert found
    return found[1]


def publish(url: str, *objects: str) -> None:
    """An event about each object, for the user and on the topic of the feed."""
    events = [event(object_id=one, target_user_ids=[USER], topics=["market:42"]) for one in objects]
    assert httpx.post(f"{url}/v1/events", json=events, headers=bearer(KEY)).status_code == 201


def unread(url: str) -> int:
    """What the server counts as unread."""
    reply = httpx.get(f"{url}/v1/notifications/unread-count", headers=bearer(token(USER))).json()
    count: int = reply["unread_count"]
    return count


def named(name: str) -> str:
    """A condition: the bell has this name."""
    return f"{BELL}.ariaLabel === '{name}'"


def test_the_page_of_the_guide_is_live(url: str, page: ReactPage) -> None:
    """What is published appears in both elements, which share a client, and is read on the server when it is read here."""
    page.until(named("Notifications"))
    publish(url, "1", "2")
    page.until(named("Notifications, 2 unread"))
    page.until("document.querySelectorAll('tidings-feed .tidings-card').length === 2")
    page.run(f"{BELL}.click()")
    page.until(f"{ROWS}.length === 2")
    assert page.faults() == []
    page.run("document.querySelector('.tidings-row__tools button').click()")
    page.until(named("Notifications, 1 unread"))
    page.until(
        f"performance.getEntriesByName(`${{location.origin}}/v1/notifications/read?user_id={USER}`).length === 1"
    )
    assert unread(url) == 1
    assert page.run(TOKENS) == 1
    assert page.run("document.querySelectorAll('[role=status]').length") == 1
    assert not page.run("document.body.innerHTML.includes('style=')")


def test_events_of_the_elements_bubble(url: str, page: ReactPage) -> None:
    """The document hears what the user opens, and in which element."""
    publish(url, "1")
    page.until(named("Notifications, 1 unread"))
    page.run(
        "document.addEventListener('tidings-open', ({ target, detail }) => { "
        "globalThis.opened = [target.localName, detail.item.object_id] })"
    )
    page.run(f"{BELL}.click()")
    page.until(f"{ROWS}.length === 1")
    page.run("document.querySelector('.tidings-row .tidings-opener').click()")
    page.until("globalThis.opened")
    assert page.run("opened") == ["tidings-bell", "1"]


def test_a_token_that_is_missing_is_an_error_event(page: ReactPage) -> None:
    """An element that is told of another route gets a client of its own, whose failures it reports."""
    page.until(BELL)
    page.run(
        "document.addEventListener('tidings-error', ({ target, detail }) => { "
        "globalThis.failed = [target.localName, String(detail.error)] })"
    )
    page.run("document.querySelector('tidings-bell').setAttribute('token-url', 'none')")
    page.until("globalThis.failed")
    element, error = page.run("failed")
    assert element == "tidings-bell"
    assert "none responded with 404" in error
    page.run("document.querySelector('tidings-bell').remove()")
    page.complaints[:] = [one for one in page.complaints if "/page/none" not in one]


def test_the_connection_ends_with_the_elements(url: str, page: ReactPage) -> None:
    """One that is moved stays as it is; when all are removed the page disconnects; one that is put back is live again."""
    publish(url, "1")
    page.until(named("Notifications, 1 unread"))
    page.run(f"{BELL}.click()")
    page.until(f"{ROWS}.length === 1")
    page.run(
        "globalThis.bell = document.querySelector('tidings-bell'); document.querySelector('main').append(bell)"
    )
    publish(url, "2")
    page.until(f"{ROWS}.length === 2")
    assert page.run(TOKENS) == 1
    assert page.run(LOCKS) == 1
    page.run("document.querySelector('tidings-feed').remove(); bell.remove()")
    page.until("bell.childElementCount === 0 && !document.querySelector('[role=status]')")
    page.run(f"new Promise((done) => {{const ask = () => {LOCKS}.then((n) => n ? ask() : done()); ask()}})")
    page.run("document.querySelector('header').append(bell)")
    publish(url, "3")
    page.until(named("Notifications, 3 unread"))
    assert page.run(LOCKS) == 1


def test_the_inbox_speaks_the_language_of_the_page(url: str, page: ReactPage) -> None:
    """Texts are those of the nearest ``lang``, or of ``locale``, which may change."""
    publish(url, "1")
    page.run(
        "document.querySelector('main').lang = 'lt'; document.querySelector('main').innerHTML = "
        f"'<tidings-inbox user={USER} token-url=token><a href=/>Inbox</a></tidings-inbox>'"
    )
    page.until("document.querySelector('tidings-inbox h1').textContent === 'Pranešimai'")
    page.until("document.querySelectorAll('tidings-inbox .tidings-row').length === 1")
    assert not page.run("document.querySelector('tidings-inbox > a')")
    assert page.faults() == []
    page.run("document.querySelector('tidings-inbox').setAttribute('locale', 'de-AT')")
    page.until("document.querySelector('tidings-inbox h1').textContent === 'Benachrichtigungen'")
