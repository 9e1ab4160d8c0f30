"""Pages of other origins: which may use a server from a browser, in production and in dev mode."""

from collections.abc import Iterator

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer, event, token
from tests.wire.test_handshakes import HANDSHAKE, ask
from tidings.config import Settings
from tidings.http.origins import accepts_origin

APP, OTHER = "https://app.example.com", "https://evil.example"
TIMEOUT_S = 30
STREAM = "/v1/notifications/stream"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that names an origin for all requests, and one for WebSockets."""
    origins = {"TIDINGS_CORS_ORIGINS": f"{APP}, https://admin.example.com:8443"}
    with serving(tmp_path_factory.mktemp("origins"), **SETTINGS, **origins) as address:
        yield address


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A development server with names beside those of this machine, reached beyond loopback."""
    folder = tmp_path_factory.mktemp("compose")
    named = {"TIDINGS_DEV_HOSTS": "tidings, web:3000", "TIDINGS_HOST": "0.0.0.0"}
    with serving(folder, "--dev", **named) as address:
        here = address.replace("0.0.0.0", "127.0.0.1")
        with httpx.Client(base_url=here, timeout=TIMEOUT_S) as client:
            yield client


def granted(reply: httpx.Response) -> str | None:
    """The origin whose pages may read the reply."""
    assert "origin" in reply.headers["vary"].lower(), reply.headers
    origin: str | None = reply.headers.get("access-control-allow-origin")
    assert reply.headers.get("access-control-allow-credentials") == ("true" if origin else None)
    return origin


def preflight(client: httpx.Client, origin: str, path: str, method: str) -> httpx.Response:
    """What a browser asks before a request that is not simple: without a credential."""
    asked = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,idempotency-key",
    }
    return client.options(path, headers=asked)


@pytest.mark.need("FE16")
@pytest.mark.parametrize("path", ["/v1/feed", "/v1/activity", "/v1/nothing", "/livez"])
def test_a_named_origin_reads_any_reply(anybody: httpx.Client, path: str) -> None:
    """Failures too, or a page could not tell a 401 from a server that is away."""
    own = bearer(token("ola"))
    for headers in (own, {}):
        assert granted(anybody.get(path, headers=headers | {"origin": APP})) == APP


@pytest.mark.parametrize(
    "origin",
    [
        OTHER,
        "null",
        "*",
        "http://app.example.com",
        "https://app.example.com.evil.example",
        "https://app.example.com:444",
        "https://app.example.com/",
        "https://admin.example.com",
        "http://localhost:3000",
        "http://[",
        "",
    ],
)
def test_no_other_origin_does(anybody: httpx.Client, origin: str) -> None:
    """Exact origins: scheme, host and port. A reply is given all the same, and the browser keeps it from the page."""
    reply = anybody.get("/v1/activity", headers=bearer(KEY) | {"origin": origin})
    assert (reply.status_code, granted(reply)) == (200, None)
    asked = preflight(anybody, origin, "/v1/events", "POST")
    assert asked.status_code == 204
    assert not any(name.startswith("access-control-") for name in asked.headers)


def test_replies_without_an_origin_depend_on_it_too(app: httpx.Client) -> None:
    """A cache must not give a page the reply that it kept for another client."""
    assert granted(app.get("/v1/activity")) is None


def test_two_origins_are_none(anybody: httpx.Client) -> None:
    """No browser sends two; a proxy may have looked at the other one."""
    twice = [("origin", APP), ("origin", OTHER), *bearer(KEY).items()]
    reply = anybody.get("/v1/activity", headers=httpx.Headers(twice))
    assert granted(reply) is None


def test_a_preflight_needs_no_credential(anybody: httpx.Client) -> None:
    """It names the methods of the path, and the headers that clients of this server set."""
    reply = preflight(anybody, APP, "/v1/events", "POST")
    assert (reply.status_code, granted(reply)) == (204, APP)
    assert "POST" in reply.headers["access-control-allow-methods"]
    allowed = reply.headers["access-control-allow-headers"].lower().split(", ")
    wanted = {"authorization", "content-type", "idempotency-key", "last-event-id", "if-none-match", "prefer"}
    assert wanted <= set(allowed)
    assert int(reply.headers["access-control-max-age"]) > 0
    delete = preflight(anybody, APP, "/v1/events/some", "DELETE")
    assert "DELETE" in delete.headers["access-control-allow-methods"]


def test_a_page_reads_the_headers_that_clients_need(anybody: httpx.Client) -> None:
    """Browsers hide all others from scripts."""
    headers = bearer(KEY) | {"origin": APP, "idempotency-key": "one"}
    for _ in range(2):
        reply = anybody.post("/v1/events", json=event(), headers=headers)
    assert reply.headers["idempotency-replayed"] == "true"
    exposed = reply.headers["access-control-expose-headers"].lower().split(", ")
    needed = {"etag", "link", "retry-after", "ratelimit", "ratelimit-policy", "idempotency-replayed"}
    assert needed <= set(exposed)


def test_a_stream_is_for_the_named_origin(anybody: httpx.Client) -> None:
    """An EventSource asks no permission before, and looks at the head of the stream alone."""
    for origin, expected in ((APP, APP), (OTHER, None)):
        headers = bearer(token("ole")) | {"origin": origin, "accept": "text/event-stream"}
        with anybody.stream("GET", STREAM, headers=headers) as reply:
            assert granted(reply) == expected


@pytest.mark.parametrize(("origin", "status"), [(APP, 101), (OTHER, 403)])
def test_a_named_origin_opens_a_socket(url: str, origin: str, status: int) -> None:
    """What a page may read by one transport it may read by another."""
    reply = ask(url, HANDSHAKE | {"origin": origin, "sec-websocket-key": "!" if status == 101 else "AAAA"})
    # A key that is none: a handshake that passed the check of the origin is refused for that, and ends.
    assert reply.status == (400 if status == 101 else 403)


def test_without_the_setting_no_origin_is_accepted() -> None:
    """Nothing is accepted by default in production, and a page of this machine is not either."""
    settings = Settings()
    for origin in (APP, "http://localhost:3000", "null"):
        assert not accepts_origin(settings, origin.encode())


# --- development -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "http://127.0.0.1:3000", "https://localhost", "http://[::1]:9"]
)
def test_development_accepts_pages_of_this_machine(dev: httpx.Client, origin: str) -> None:
    """A front-end dev server has another port, and so another origin: its pages read and write, and ask before."""
    headers = {"origin": origin, "sec-fetch-site": "cross-site"}
    written = dev.post("/v1/events", json=event(), headers=headers)
    assert (written.status_code, granted(written)) == (201, origin)
    assert granted(dev.get("/v1/activity", headers=headers)) == origin
    assert granted(preflight(dev, origin, "/v1/events", "POST")) == origin


@pytest.mark.parametrize(
    "origin",
    [OTHER, "http://localhost.evil.example", "http://web:3000", "null", "ftp://localhost", "localhost:3000"],
)
def test_development_accepts_no_other_page(dev: httpx.Client, origin: str) -> None:
    """What is no origin of this machine neither writes nor reads."""
    written = dev.post("/v1/events", json=event(), headers={"origin": origin})
    assert (written.status_code, granted(written)) == (403, None)
    assert granted(dev.get("/v1/activity", headers={"origin": origin})) is None


@pytest.mark.parametrize("host", ["tidings", "tidings:8787", "TIDINGS:1", "web:3000", "localhost:8787"])
def test_development_answers_to_named_hosts(compose: httpx.Client, host: str) -> None:
    """The other containers of a compose network reach the server by its name there."""
    assert compose.get("/v1/feed?user_id=u", headers={"host": host}).status_code == 200
    assert compose.post("/v1/events", json=event(), headers={"host": host}).status_code == 201


@pytest.mark.parametrize("host", ["web", "web:3001", "tidings.evil.example", "evil.example", "10.0.0.1"])
def test_development_answers_to_no_host_that_is_not_named(compose: httpx.Client, host: str) -> None:
    """A name with a port is for that port alone."""
    assert compose.get("/v1/feed?user_id=u", headers={"host": host}).status_code == 403


def test_development_accepts_pages_of_named_hosts(compose: httpx.Client) -> None:
    """By the same rule as the Host."""
    for origin, status in (("http://web:3000", 201), ("http://tidings:80", 201), ("http://web:3001", 403)):
        assert compose.post("/v1/events", json=event(), headers={"origin": origin}).status_code == status
