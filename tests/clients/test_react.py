"""The React components in Chromium on a real server, under the policy ``default-src 'self'``."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients.react_page import LIMIT_S, ReactPage, built, react_page
from tests.clients.scenario import Server, serving
from tests.wire.people import event

USER = "nora"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as started:
        yield started


@pytest.fixture
def page(tmp_path: Path) -> Iterator[ReactPage]:
    folder = tmp_path / "page"
    folder.mkdir()
    with react_page(tmp_path / "profile", built(folder)) as opened:
        yield opened
        assert opened.complaints == []


def publish(server: Server, *objects: str) -> None:
    """An event about each object, for the user."""
    events = [event(object_id=one, target_user_ids=[USER]) for one in objects]
    assert httpx.post(f"{server.url}/v1/events", json=events, timeout=LIMIT_S).status_code == 201


def unread(server: Server) -> int:
    """What the server counts as unread."""
    address = f"{server.url}/v1/notifications/unread-count"
    count: int = httpx.get(address, params={"user_id": USER}, timeout=LIMIT_S).json()["unread_count"]
    return count


def named(name: str) -> str:
    """A condition: the bell has this name."""
    return f"document.querySelector('.tidings-bell').ariaLabel === '{name}'"


def test_the_bell_is_live(server: Server, page: ReactPage) -> None:
    """What is published appears without a request by the user, and what the user reads is read on the server."""
    publish(server, "1", "2")
    page.show(server.url, show="dropdown", user=USER)
    page.until(named("Notifications, 2 unread"))
    publish(server, "3")
    page.until(named("Notifications, 3 unread"))
    page.run("document.querySelector('.tidings-bell').click()")
    page.until("document.querySelectorAll('.tidings-row--unread').length === 3")
    page.run("document.querySelector('.tidings-row__tools button').click()")
    page.until(named("Notifications, 2 unread"))
    page.until(
        "performance.getEntriesByName(`${location.origin}/v1/notifications/read?user_id=nora`).length === 1"
    )
    undo = "document.querySelector('.tidings-undo__button')"
    # In one script: an offer that has the focus stays.
    page.until(
        "(window.clicked ??= !document.querySelector('.tidings-panel__header button').click(), "
        f"{undo}.focus(), document.activeElement === {undo})"
    )
    assert unread(server) == 0
    page.run(f"{undo}.click()")
    page.until(named("Notifications, 2 unread"))
    assert unread(server) == 2


def test_the_keyboard_is_enough(server: Server, page: ReactPage) -> None:
    """Open the panel, archive a notification, read another one and leave, without a mouse."""
    publish(server, "1", "2", "3")
    page.show(server.url, show="dropdown", user=USER)
    page.until(named("Notifications, 3 unread"))
    page.run("document.querySelector('.tidings-bell').focus()")
    page.key("Enter")
    page.until("document.activeElement.role === 'dialog'")
    while not page.run("document.activeElement.className === 'tidings-opener'"):
        page.key("Tab")
    page.key("e", text="e")
    page.until("document.querySelectorAll('.tidings-row').length === 2")
    page.until("document.activeElement.className === 'tidings-opener'")
    page.key("j", text="j")
    page.key("u", text="u")
    page.until(named("Notifications, 1 unread"))
    page.key("Escape")
    page.until("document.activeElement.className.includes('tidings-bell')")


WAITED = {
    "dropdown": "(document.querySelector('.tidings-bell[aria-expanded=false]')?.click(), "
    "document.querySelectorAll('.tidings-panel .tidings-row').length === 3)",
    "inbox": "document.querySelectorAll('.tidings-row').length === 3",
    "feed": "document.querySelectorAll('.tidings-card').length === 3",
    "home": "document.querySelectorAll('.tidings-card').length === 3 && document.querySelector('.tidings-top__item')",
    "preferences": "document.querySelector('.tidings-switch')",
}
"""When each view is complete."""


def test_axe_finds_nothing(server: Server, page: ReactPage) -> None:
    """In each view, in either theme, and from right to left."""
    actions = [
        {"id": "yes", "label": "Yes", "style": "primary"},
        {"id": "no", "label": "No", "style": "danger"},
    ]
    events = [event(object_id=one, target_user_ids=[USER]) for one in "123"]
    events[0] |= {"actions": actions, "description": "A description"}
    assert httpx.post(f"{server.url}/v1/events", json=events, timeout=LIMIT_S).status_code == 201
    found = {}
    for show, complete in WAITED.items():
        for theme, lang, direction in (("light", "en", "ltr"), ("dark", "ar", "rtl")):
            page.show(server.url, show=show, user=USER, theme=theme, lang=lang, dir=direction)
            page.until(complete)
            page.run(
                "Promise.all(document.getAnimations().map((one) => one.effect.getTiming().iterations === 1 && one.finished))"
            )
            if faults := page.faults():
                found[show, theme] = faults
    assert found == {}


def test_a_long_list_has_few_rows_in_the_document(server: Server, page: ReactPage) -> None:
    """Beyond a hundred, only those rows are in the document that can be seen, and the last one can be reached."""
    for start in range(0, 300, 100):
        publish(server, *map(str, range(start, start + 100)))
    page.show(server.url, show="inbox", user=USER)
    page.until("document.querySelectorAll('.tidings-row').length >= 20")
    page.until(
        '(window.scrollTo(0, 1e7), document.querySelector(\'[aria-setsize="300"][aria-posinset="300"]\'))'
    )
    assert page.run("document.querySelectorAll('.tidings-row').length") < 60
    page.until("(window.scrollTo(0, 0), document.querySelector('[aria-posinset=\"1\"]'))")
