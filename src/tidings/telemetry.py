"""The table of metric names. Labels are bounded: routes, methods, statuses, never users, topics or ids."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Bounds of latency in seconds: from an answer out of memory to what somebody should be woken for."""
_DELIVERY_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)
"""Bounds of a delivery's lag in seconds: from a nearby relay to an evening on which nothing leaves."""
_COMMANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)

REGISTRY = CollectorRegistry()
"""Ours alone, so that an application that embeds the server keeps its own default registry."""

HTTP_REQUESTS = Counter(
    "tidings_http_requests_total",
    "Requests answered, by route template and status.",
    ("method", "route", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "tidings_http_request_seconds",
    "Seconds from a request's head to the end of its answer. Streams are left out; a long poll's wait counts.",
    ("method", "route"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
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
    "Streams ended: by the client, a poll's answer, age, credential, as too slow, the erasure of the user, or because the "
    "server leaves.",
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
    "What became of deliveries that were due, each time: sent, dropped, later, held, failed, dead or gone.",
    ("channel", "outcome"),
    registry=REGISTRY,
)
ENDPOINTS_DISABLED = Counter(
    "tidings_endpoints_disabled_total",
    "Endpoints disabled because they refused too many deliveries in a row for good.",
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
