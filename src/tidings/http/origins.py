"""Pages of other origins: those that may read responses (CORS, in the Fetch standard), and open a WebSocket."""

from functools import lru_cache
from urllib.parse import urlsplit

from tidings.config import Settings
from tidings.hosts import ListedHost, is_listed
from tidings.http.headers import Header
from tidings.http.request import Request

ALLOWED_HEADERS = (
    b"Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Cache-Control"
)
"""The request headers that pages may set."""
EXPOSED_HEADERS = (
    b"ETag, Idempotency-Replayed, Link, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After"
)
"""The response headers that pages may read, besides those that they always may."""
PREFLIGHT_S = 7_200
"""Seconds for which a browser need not repeat a preflight request; browsers accept no more than about this. Each response
is checked again anyway."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
"""The hosts that are this machine in each resolver."""
_VARIES: Header = (b"vary", b"Origin")


class Cors:
    """The headers for pages of other origins. Without ``cors_origins`` and dev mode there are none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._enabled = settings.dev or bool(origins(settings.cors_origins))

    def headers(self, request: Request) -> tuple[Header, ...]:
        """The headers that permit a page of the request's origin to read the response, if it may. Any response says that it
        depends on the origin, so that no cache gives that for one origin to another."""
        if not self._enabled:
            return ()
        origin = self._accepted(request)
        if origin is None:
            return (_VARIES,)
        return (
            _VARIES,
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", EXPOSED_HEADERS),
        )

    def preflight(self, request: Request, methods: bytes) -> tuple[Header, ...]:
        """The further headers that permit a page the request that it asks for; ``methods`` are those of the path."""
        asked = request.headers(b"access-control-request-method")
        if not self._enabled or not asked or self._accepted(request) is None:
            return ()
        return (
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", b"%d" % PREFLIGHT_S),
        )

    def _accepted(self, request: Request) -> bytes | None:
        given = request.listed(b"origin")  # several are none that is accepted
        return given if given and accepts_origin(self._settings, given) else None


def accepts_origin(settings: Settings, origin: bytes) -> bool:
    """Whether pages of this origin may use the server: it is one of ``cors_origins`` or, in dev mode, of this machine or a
    host of ``dev_hosts``."""
    named = origin.decode("latin-1").lower()
    if named in origins(settings.cors_origins):
        return True
    return settings.dev and is_of_development(_host_of(named), settings.dev_hosts)


def may_open_socket(settings: Settings, origin: bytes, host: str) -> bool:
    """Whether a page of this origin may open a WebSocket to this host: browsers ask no permission before."""
    named = origin.decode("latin-1").lower()
    own = authority(origin) == host.lower()
    return own or accepts_origin(settings, origin) or named in origins(settings.allowed_origins)


def is_of_development(host: ListedHost | None, dev_hosts: str) -> bool:
    """Whether a host is this machine, with any port, or one that the setting ``dev_hosts`` names."""
    return host is not None and (host.host in LOCAL or is_listed(host, dev_hosts))


def authority(origin: bytes) -> str | None:
    """Host and port of an Origin header, in lower case; "" for an opaque origin, None for an invalid one."""
    try:
        return urlsplit(origin.decode("latin-1").lower()).netloc
    except ValueError:
        return None


@lru_cache(maxsize=8)
def origins(text: str) -> frozenset[str]:
    """The origins in a setting, in lower case."""
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())


@lru_cache(maxsize=64)
def _host_of(origin: str) -> ListedHost | None:
    """The host of an origin in the form that browsers give it; None for any other text."""
    try:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
            return None
        if parts.hostname is None or parts.username is not None:
            return None
        return ListedHost(parts.hostname, parts.port)
    except ValueError:
        return None
