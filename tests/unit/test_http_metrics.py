"""The counters of requests, as Prometheus reads them."""

import pytest
from prometheus_client import CollectorRegistry

from tidings.telemetry import HttpMetrics


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
