"""The files of the demo: what the server sends a browser, and how long browsers keep it."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import event
from tidings.config import Settings
from tidings.events import read_event
from tidings.http.endpoints.site import CONTENT_SECURITY_POLICY
from tidings.timeutil import SystemClock

DEMO = Path(__file__).parents[2] / "src" / "tidings" / "http" / "static" / "demo"
HASHED = re.compile(r"[\w-]+-[0-9A-Z]{8}\.\w+")
FOR_EVER = "public, max-age=31536000, immutable"
TIMEOUT_S = 30


class Addresses(HTMLParser):
    """The addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "link"):
            self.found.append(values.get("src") or values.get("href") or "")


@pytest.fixture(scope="module", params=["", "/some/prefix"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client at the address of the demo, under each prefix."""
    flags = ("--prefix", request.param) if request.param else ()
    with (
        serving(tmp_path_factory.mktemp("demo"), *flags) as url,
        httpx.Client(base_url=url, timeout=TIMEOUT_S) as client,
    ):
        yield client


def loaded(page: httpx.Client) -> dict[str, httpx.Response]:
    """What a browser loads for the demo, with what the style sheets and scripts load, by name."""
    addresses = Addresses()
    addresses.feed(page.get("").text)
    home = str(page.get("").url)
    wanted = [urljoin(home, address) for address in addresses.found]
    found: dict[str, httpx.Response] = {}
    while wanted:
        url = wanted.pop()
        name = urlsplit(url).path.rpartition("/")[2]
        if name in found:
            continue
        found[name] = reply = page.get(url)
        if name.endswith(("css", "js")):
            wanted += [
                urljoin(url, inner) for inner in re.findall(r"\./([\w-]+-[0-9A-Z]{8}\.\w+)", reply.text)
            ]
    return found


def test_the_demo_loads_under_any_prefix(page: httpx.Client) -> None:
    """Everything that the page, its scripts and its style sheets name is there, with its media type, and nothing is left."""
    home = page.get("")
    assert home.headers["content-security-policy"].encode() == CONTENT_SECURITY_POLICY
    assert home.headers["cache-control"] == "no-cache"
    found = loaded(page)
    assert {name: reply.status_code for name, reply in found.items()} == dict.fromkeys(found, 200)
    assert {name.rpartition(".")[2] for name in found} >= {"js", "css", "svg", "woff2"}
    licences = {file.name for file in DEMO.glob("*.txt")}
    assert {file.name for file in DEMO.iterdir()} - {"index.html"} - licences == found.keys() - {"icon.svg"}


def test_names_with_a_hash_are_kept_for_ever(page: httpx.Client) -> None:
    """Any other name is checked again at each use: its content changes with the server."""
    for name, reply in loaded(page).items():
        expected = FOR_EVER if HASHED.fullmatch(name) else "no-cache"
        assert (name, reply.headers["cache-control"]) == (name, expected)


def test_scripts_of_the_demo_are_compressed(page: httpx.Client) -> None:
    """As any long body; an unknown file is a 404."""
    largest = max(DEMO.glob("*.js"), key=lambda file: file.stat().st_size)
    with page.stream("GET", f"static/demo/{largest.name}", headers={"accept-encoding": "gzip"}) as reply:
        assert reply.headers["content-encoding"] == "gzip"
        assert len(b"".join(reply.iter_raw())) < largest.stat().st_size / 2
    assert page.get("static/demo/none.js").status_code == 404
    assert page.get("static/demo/index.html").status_code == 404, "the page has one address"
    assert page.get("static/demo/..%2Fdocs.html").status_code == 404


def test_the_sample_of_the_demo_can_be_published(page: httpx.Client) -> None:
    """Each line is an event, and none is in the sample that the server loads."""
    lines = page.get("static/sample.ndjson").text.splitlines()
    assert len(lines) == 2_500
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    for line in lines:
        read_event(line.encode(), SystemClock().now(), Settings(dev=True))
    assert len({one["idempotency_key"] for one in events}) == len(events)


def test_other_servers_have_no_files_of_the_demo(anybody: httpx.Client) -> None:
    """The fault: they sent them, and kept the unpacked sample in memory from the first request on."""
    for name in ("sample.ndjson", *(f"demo/{file.name}" for file in DEMO.iterdir())):
        reply = anybody.get(f"/static/{name}")
        assert (name, reply.status_code) == (name, 404)
        assert reply.json()["type"] == "urn:tidings:problem:not-found"


def test_other_servers_show_what_they_are(anybody: httpx.Client) -> None:
    """The demo publishes and acts for any user, which a server with credentials refuses: its first page is plain."""
    assert "<script" not in anybody.get("/").text
    assert anybody.post("/v1/events", json=event()).status_code == 401
