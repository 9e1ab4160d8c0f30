"""The table of metric names. Labels are bounded: routes, methods, statuses, never users, topics or ids."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds of latency in seconds: from a response out of memory to one that should raise an alarm."""
_DELIVERY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)
"""Bounds of a delivery's lag in seconds: from a nearby relay to an evening without deliveries."""
_COMMANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)

REGISTRY = CollectorRegistry()
"""A registry of its own, so that an application that embeds the server keeps its own default registry."""


class HttpMetrics(Collector):
    """Requests and their durations. The counters of the library take a lock for each of four figures, which is a twentieth
    of a small request; these are changed on the event loop alone."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], _Durations] = {}

    def count(self, method: str, route: str, status: int) -> None:
        """Count a response with this status to a request of this route template."""
        key = (method, route, status)
        self._answered[key] = self._answered.get(key, 0) + 1

    def observe(self, method: str, route: str, seconds: float) -> None:
        """Record the seconds from a request to its response."""
        durations = self._durations.get((method, route))
        if durations is None:
            durations = self._durations[method, route] = _Durations()
        durations.counts[bisect_left(_SECONDS, seconds)] += 1
        durations.sum += seconds

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        answered = CounterMetricFamily(
            "tidings_http_requests_total",
            "Requests answered, by route template and status.",
            labels=("method", "route", "status"),
        )
        for (method, route, status), count in self._answered.items():
            answered.add_metric((method, route, str(status)), count)
        yield answered
        took = HistogramMetricFamily(
            "tidings_http_request_seconds",
            "Seconds from a request's head to the end of its answer. Streams are left out; a long poll's wait counts.",
            labels=("method", "route"),
        )
        for labels, durations in self._durations.items():
            took.add_metric(labels, durations.buckets(), durations.sum)
        yield took


class _Durations:
    """The number of requests that took no longer than each of :data:`_SECONDS`, and longer than the one before; the last:
    longer."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(_SECONDS) + 1)
        self.sum = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """The bounds and the number of requests that took no longer."""
        bounds = (*map(str, _SECONDS), "+Inf")
        return list(zip(bounds, accumulate(self.counts), strict=True))


HTTP_METRICS = HttpMetrics()
REGISTRY.register(HTTP_METRICS)
COMMIT_COMMANDS = Histogram(
    "tidings_commit_commands", "Commands in one transaction.", buckets=_COMMANDS, registry=REGISTRY
)
WRITE_QUEUE = Gauge("tidings_write_queue_commands", "Commands waiting to be written.", registry=REGISTRY)
FANOUT_JOBS = Gauge(
    "tidings_fanout_jobs", "Fan-out jobs that have not ended, looked up every 5 seconds.", registry=REGISTRY
)
DEAD_LETTERS = Gauge(
    "tidings_dead_letters",
    "Fan-out jobs and deliveries set aside after they failed for too often, looked up every 5 seconds.",
    registry=REGISTRY,
)
LONG_READS = Gauge("tidings_long_reads", "Long reads of users that wait or run now.", registry=REGISTRY)
LONG_READS_ASKED = Counter(
    "tidings_long_reads_asked_total",
    "Long reads asked for: read, shared with the same question of the user, refused, or abandoned by all who asked.",
    ("outcome",),
    registry=REGISTRY,
)
POLLS_WAITING = Gauge(
    "tidings_polls_waiting",
    "Requests that wait for an inbox to change, in the place of a stream.",
    registry=REGISTRY,
)
STREAMS_OPEN = Gauge("tidings_streams_open", "Streams open now.", registry=REGISTRY)
STREAM_ENDS = Counter(
    "tidings_stream_ends_total",
    "Streams ended: by the client, a poll's answer, age, credential, as too slow, the erasure of the user, as failed (what "
    "the client missed could not be read), or a drain: the server stops, or another program changed the store.",
    ("reason",),
    registry=REGISTRY,
)
RESUMES = Counter(
    "tidings_stream_resumes_total",
    "Streams begun: empty when the client lacked nothing, behind when it had to catch up.",
    ("outcome",),
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "tidings_deliveries_total",
    "Results of due deliveries: sent, dropped, later, held, failed, dead or gone.",
    ("channel", "outcome"),
    registry=REGISTRY,
)
ENDPOINTS_DISABLED = Counter(
    "tidings_endpoints_disabled_total",
    "Endpoints disabled because they refused too many deliveries in a row.",
    ("channel",),
    registry=REGISTRY,
)
CONFIRMATION_MAILS = Counter(
    "tidings_confirmation_mails_total",
    "Mails that ask whether an address is its user's: sent, failed, or refused by the limits.",
    ("outcome",),
    registry=REGISTRY,
)
DELIVERY_LAG = Histogram(
    "tidings_delivery_lag_seconds",
    "Seconds from when a delivery was due to when it had been sent.",
    ("channel",),
    buckets=_DELIVERY_SECONDS,
    registry=REGISTRY,
)


def exposition() -> bytes:
    """All metrics in the Prometheus text format, whose media type is :data:`CONTENT_TYPE`."""
    return generate_latest(REGISTRY)
