"""What any reply of the server keeps to as HTTP: conditions, compression, methods, safety of pages."""

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
import zstandard

from tests.serving import serving
from tests.wire.people import bearer, event, token
from tests.wire.replies import metric, metrics
from tidings.http.endpoints.site import CONTENT_SECURITY_POLICY
from tidings.http.routes import ROUTES

PAGES = ("/", "/docs")
LONG = "x" * 2_000


@pytest.fixture
def raw(app: httpx.Client) -> Iterator[httpx.Client]:
    """The host application's client, asking for no compression by itself."""
    headers = {**app.headers, "accept-encoding": "identity"}
    with httpx.Client(base_url=app.base_url, headers=headers) as client:
        yield client


# --- conditions --------------------------------------------------------------------------------------------------


@pytest.mark.need("NO4")
@pytest.mark.parametrize(
    "path", ["/v1/notifications", "/v1/notifications?since=0", "/v1/notifications/unread-count"]
)
def test_unchanged_inbox_is_not_sent_again(app: httpx.Client, path: str) -> None:
    """With its tag an inbox that did not change is 304, and sent in full as soon as it did."""
    user = re.sub(r"\W+", "-", f"tags{path}")
    at = f"{path}{'&' if '?' in path else '?'}user_id={user}"
    tag = app.get(at).headers["etag"]
    same = app.get(at, headers={"if-none-match": f'"other", {tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    app.post("/v1/events", json=event(target_user_ids=[user]))
    changed = app.get(at, headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_tag_belongs_to_the_user_and_the_question(anybody: httpx.Client) -> None:
    """The same address asked by another user, or with another filter, is never taken for unchanged."""
    first, second = (bearer(token(user)) for user in ("tagged-1", "tagged-2"))
    path = "/v1/notifications"
    tag = anybody.get(path, headers=first).headers["etag"]
    assert anybody.get(path, headers=first | {"if-none-match": tag}).status_code == 304
    assert anybody.get(path, headers=second | {"if-none-match": tag}).status_code == 200
    assert anybody.get(f"{path}?limit=5", headers=first | {"if-none-match": tag}).status_code == 200


def test_replies_are_not_shared(app: httpx.Client) -> None:
    """No cache between a user and the server may keep a reply."""
    for reply in (app.get("/v1/feed?user_id=u"), app.get("/v1/feed")):
        assert reply.headers["cache-control"] == "private, no-cache"
        assert reply.headers["x-content-type-options"] == "nosniff"


def test_link_keeps_the_question(app: httpx.Client) -> None:
    """The Link to the next page is the same question, whatever characters it has, with another cursor."""
    user = 'name <with> "all" & äöü'
    app.post("/v1/events", json=[event(target_user_ids=[user], verb="a b&c")] * 3)
    reply = app.get("/v1/feed", params={"user_id": user, "verb": "a b&c", "limit": 2})
    following = httpx.URL(reply.links["next"]["url"])
    assert following.path == "/v1/feed"
    expected = {"user_id": user, "verb": "a b&c", "limit": "2", "cursor": reply.json()["next_cursor"]}
    assert dict(following.params) == expected
    assert len(app.get(following).json()["items"]) == 1


# --- compression -------------------------------------------------------------------------------------------------

UNDO = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompress(data),
}


@pytest.mark.need("FE11")
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0, *;q=0.1", "zstd"),
        ("*", "zstd"),
        ("GZIP", "gzip"),
        ("gzip;q=0", None),
        ("deflate, identity", None),
        ("gzip;q=nonsense", None),
        ("", None),
    ],
)
def test_long_replies_are_compressed(raw: httpx.Client, accepted: str, coding: str | None) -> None:
    """The coding is the best that the client accepts, by its weights, and undoes to the same bytes."""
    posted = raw.post("/v1/events", json=event(description=LONG)).json()
    path = f"/v1/events/{posted['event_id']}"
    plain = raw.get(path).content
    with raw.stream("GET", path, headers={"accept-encoding": accepted}) as reply:
        sent = b"".join(reply.iter_raw())
        assert reply.headers.get("content-encoding") == coding
        assert reply.headers["vary"] == "accept-encoding"
    assert (UNDO[coding](sent) if coding else sent) == plain
    assert LONG.encode() in plain


def test_lists_may_come_in_several_lines(raw: httpx.Client) -> None:
    """A header that is a list is one, however many lines it takes (RFC 9110, 5.3)."""
    unlisted = {name: value for name, value in raw.headers.items() if name != "accept-encoding"}
    lines = [*unlisted.items(), ("accept-encoding", "identity;q=0"), ("accept-encoding", "gzip")]
    with httpx.Client(base_url=raw.base_url) as client:
        client.headers.clear()
        assert client.get("/openapi.json", headers=lines).headers["content-encoding"] == "gzip"
        path = "/v1/notifications?user_id=lists"
        tag = client.get(path, headers=lines).headers["etag"]
        unchanged = [*lines, ("if-none-match", '"other"'), ("if-none-match", tag)]
        assert client.get(path, headers=unchanged).status_code == 304


def test_short_replies_and_streams_are_left_alone(app: httpx.Client) -> None:
    """What fits into a packet, and what must be flushed frame by frame, is not compressed."""
    assert "content-encoding" not in app.get("/livez").headers
    with app.stream("GET", "/v1/notifications/stream?user_id=plain") as reply:
        assert "content-encoding" not in reply.headers


# --- methods -----------------------------------------------------------------------------------------------------


def test_head_is_get_without_its_body(raw: httpx.Client) -> None:
    """HEAD tells the same headers as GET, and sends nothing."""
    for path in ("/v1/feed?user_id=u", "/", "/v1/users/u/export", "/openapi.json"):
        get, head = raw.get(path), raw.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers.get("content-length") == get.headers.get("content-length")
        assert head.headers["content-type"] == get.headers["content-type"]


def test_a_stream_has_no_head(app: httpx.Client) -> None:
    """HEAD of a stream would never end, so it is refused."""
    reply = app.head("/v1/notifications/stream?user_id=u")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, OPTIONS")


def test_methods_of_a_path_can_be_asked(anybody: httpx.Client) -> None:
    """OPTIONS and a 405 name the methods; neither needs a credential."""
    paths = {route.path for route in ROUTES}
    for path in paths:
        place = re.sub(r"\{\w+\}", "a:b", path)
        allowed = set(anybody.options(place).headers["allow"].split(", "))
        assert allowed - {"HEAD", "OPTIONS"} == {route.method for route in ROUTES if route.path == path}
        refused = anybody.request("SEARCH", place)
        assert refused.status_code == 405
        assert set(refused.headers["allow"].split(", ")) == allowed


def test_encoded_addresses_are_the_same_addresses(app: httpx.Client) -> None:
    """Percent-encoding of what needs none changes nothing; an encoded slash is part of an id."""
    assert app.get("/v1/fe%65d?user_id=%75").status_code == 200
    assert app.get("/v1%2Ffeed?user_id=u").status_code == 404
    app.put("/v1/users/a%2Fb/follows/repository%3Aowner%2Fname")
    (follow,) = app.get("/v1/users/a%2Fb/follows").json()["items"]
    assert follow["topic"] == "repository:owner/name"


def test_server_lives_under_its_prefix(tmp_path: Path) -> None:
    """With a prefix every address begins with it, Links and the description included."""
    with serving(tmp_path, "--prefix", "/api") as address, httpx.Client(base_url=address) as client:
        assert address.endswith("/api")
        root = httpx.URL(address).copy_with(path="/livez")
        assert httpx.get(root).status_code == 404
        client.post("v1/events", json=[event(target_user_ids=["u"])] * 2)
        reply = client.get("v1/feed?user_id=u&limit=1")
        assert reply.links["next"]["url"].startswith("/api/v1/feed?")
        assert client.get("openapi.json").json()["servers"] == [{"url": "/api"}]
        assert client.get("/").status_code == 200


# --- pages -------------------------------------------------------------------------------------------------------


class Loads(HTMLParser):
    """Collects what a page loads, and whether any of it stands in the page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note scripts, styles and handlers."""
        given = dict(attrs)
        address = (
            given.get("src") if tag in ("script", "img") else given.get("href") if tag == "link" else None
        )
        if address:
            self.addresses.append(address)
        self.inline += (tag == "script" and not address) + (tag == "style")
        self.inline += sum(name == "style" or name.startswith("on") for name in given)


@pytest.mark.parametrize("path", PAGES)
def test_pages_load_only_their_own(anybody: httpx.Client, path: str) -> None:
    """A page needs no other host, has no inline script or style, and its policy forbids both."""
    reply = anybody.get(path)
    assert reply.headers["content-security-policy"].encode() == CONTENT_SECURITY_POLICY
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    loads = Loads()
    loads.feed(reply.text)
    assert loads.inline == 0
    assert loads.addresses
    for address in loads.addresses:
        assert "//" not in address
        assert anybody.get(f"/{address}").status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_pages_name_their_icon(anybody: httpx.Client, path: str) -> None:
    """The fault: browsers asked for /favicon.ico, a 404 at each view of a page. The address is below the prefix."""
    (address,) = re.findall(r'<link rel="icon" href="([^"]+)"', anybody.get(path).text)
    icon = anybody.get(f"/{address}")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    assert icon.content.startswith(b"<svg ")
    assert len(icon.content) < 1_000


# --- development -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "localhost:8787", "[::1]:8787", "LOCALHOST"])
def test_development_answers_to_this_machine(dev: httpx.Client, host: str) -> None:
    """Every name of this machine is answered, without credentials."""
    assert dev.get("/v1/feed?user_id=u", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1", "@"]
)
def test_development_answers_to_no_other_name(dev: httpx.Client, host: str) -> None:
    """A name that a foreign page made resolve to this machine is refused, for reading and writing. What is no host is
    refused before that, as anywhere."""
    refused = 400 if host in ("[::1", "@") else 403
    assert dev.get("/v1/feed?user_id=u", headers={"host": host}).status_code == refused
    assert dev.post("/v1/events", json=event(), headers={"host": host}).status_code == refused


def test_development_refuses_pages_of_other_sites(dev: httpx.Client) -> None:
    """A browser's cross-site write is refused, one from our own page is not."""

    def write(**headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return dev.post("/v1/events", json=event(), headers=named).status_code

    own = str(dev.base_url).rstrip("/")
    assert write() == write(origin=own) == write(sec_fetch_site="same-origin") == 201
    assert write(origin="https://evil.example") == write(origin="null") == 403
    assert write(sec_fetch_site="cross-site") == 403


# --- metrics -----------------------------------------------------------------------------------------------------


def test_requests_are_counted_by_template(app: httpx.Client) -> None:
    """A route is one series however many ids it is asked with; so are all unknown paths, and all odd methods."""
    labels = [
        ('method="GET",route="/v1/users/{user_id}/follows",status="200"', "GET", "/v1/users/{}/follows"),
        ('method="GET",route="unmatched",status="404"', "GET", "/nothing/{}"),
        ('method="other",route="/v1/feed",status="405"', "REPORT", "/v1/feed"),
    ]
    for label, method, path in labels:
        line = f"tidings_http_requests_total{{{label}}}"
        before = metric(app, line)
        for number in range(3):
            app.request(method, path.format(number))
        assert metric(app, line) == before + 3


def test_metrics_are_made_once_a_second(raw: httpx.Client) -> None:
    """Each request made them anew and compressed them, which kept the event loop for 15 ms, for anybody who asked."""
    asked = ("gzip", "identity") * 25
    found = [raw.get("/metrics", headers={"accept-encoding": coding}) for coding in asked]
    assert {reply.headers.get("content-encoding") for reply in found} == {"gzip", None}
    assert any(packed.text == plain.text for packed, plain in pairwise(found))


def test_metrics_name_nobody(app: httpx.Client) -> None:
    """No user, topic or id is in the metrics, whatever was asked before."""
    secret = "a-name-that-must-not-be-shown"
    queries: list[dict[str, Any]] = [{"user_id": secret}, {"user_id": secret, "topic": f"t:{secret}"}]
    for query in queries:
        app.get("/v1/feed", params=query)
    app.get(f"/v1/users/{secret}/follows")
    app.get(f"/{secret}")
    assert secret not in metrics(app)
