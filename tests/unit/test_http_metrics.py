"""The counters of requests, as Prometheus reads them."""

import pytest
from prometheus_client import CollectorRegistry

from tests.awaiting import awaited
from tidings.config import Settings
from tidings.errors import TidingsError, TooManyRequests
from tidings.http.app import build
from tidings.http.auth import Authenticator
from tidings.http.request import CONNECTION
from tidings.server import running
from tidings.telemetry import REGISTRY, HttpMetrics
from tidings.timeutil import SystemClock


def registered() -> tuple[HttpMetrics, CollectorRegistry]:
    """Counters of their own, and the registry to read them from."""
    metrics, registry = HttpMetrics(), CollectorRegistry()
    registry.register(metrics)
    return metrics, registry


def test_requests_are_counted_by_method_route_and_status() -> None:
    """Each combination has a counter, from its first request on."""
    metrics, registry = registered()
    for status in (200, 200, 404):
        metrics.count("GET", "/v1/feed", status)
    labels = {"method": "GET", "route": "/v1/feed"}
    found = {
        status: registry.get_sample_value("tidings_http_requests_total", {**labels, "status": status})
        for status in ("200", "404", "500")
    }
    assert found == {"200": 2, "404": 1, "500": None}


@pytest.mark.parametrize(
    ("seconds", "within", "beyond"),
    [(0.0, "0.001", None), (0.001, "0.001", None), (0.0011, "0.0025", "0.001"), (11.0, "+Inf", "10.0")],
)
def test_a_duration_is_counted_from_its_bucket_on(seconds: float, within: str, beyond: str | None) -> None:
    """The bound of a bucket is inclusive, and buckets include those below them."""
    metrics, registry = registered()
    metrics.observe("GET", "/v1/feed", seconds)
    labels = {"method": "GET", "route": "/v1/feed"}
    bucket = "tidings_http_request_seconds_bucket"
    assert registry.get_sample_value(bucket, {**labels, "le": within}) == 1
    assert registry.get_sample_value(bucket, {**labels, "le": "+Inf"}) == 1
    assert beyond is None or registry.get_sample_value(bucket, {**labels, "le": beyond}) == 0
    assert registry.get_sample_value("tidings_http_request_seconds_count", labels) == 1
    assert registry.get_sample_value("tidings_http_request_seconds_sum", labels) == seconds


class Unread:
    """The connection of a client that has not received earlier responses."""

    disconnected = False

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def refusal(self, size: int) -> TidingsError | None:
        """Too much waits for it."""
        return TooManyRequests("read first", 1)

    def unread(self) -> bool:
        """Its request is complete."""
        return False

    def respond(self, status: int, headers: object, shared: object, body: bytes) -> bool:
        """Note the status."""
        self.statuses.append(status)
        return True


@awaited
async def test_a_refused_response_is_counted_by_the_status_that_is_sent() -> None:
    """The fault: a page that was refused because the client reads nothing was counted as 200, so that an overload was in no
    metric."""
    settings, clock, connection = Settings(dev=True, store="memory://"), SystemClock(), Unread()
    labels = {"method": "GET", "route": "/v1/activity", "status": "429"}

    def counted() -> float:
        return REGISTRY.get_sample_value("tidings_http_requests_total", labels) or 0

    before = counted()
    async with running(settings, clock) as services:
        scope: dict[str, object] = {
            "type": "http",
            "method": "GET",
            "raw_path": b"/v1/activity",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 1),
            "extensions": {CONNECTION: connection},
        }
        await build(services, Authenticator(settings, clock))(scope, nothing, nothing_sent)
    assert connection.statuses == [429]
    assert counted() == before + 1


async def nothing() -> dict[str, object]:
    """Nothing more is received."""
    raise AssertionError("the request has no body")


async def nothing_sent(message: object) -> None:
    """Nothing is sent but by the connection."""
    raise AssertionError(message)
