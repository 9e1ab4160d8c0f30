"""Protection of development mode. It has no credentials, so only this machine may reach it: no web page, neither by a name
that resolves to this machine (DNS rebinding) nor by a form or script of another site, and no client through a proxy."""

from functools import lru_cache
from urllib.parse import urlsplit

from tidings.errors import Forbidden
from tidings.http.request import Request

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BROUGHT = frozenset(
    {
        b"cf-connecting-ip",
        b"forwarded",
        b"true-client-ip",
        b"via",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-real-ip",
    }
)
"""Headers that reverse proxies and tunnels write, besides all that begin with :data:`_FORWARDED`."""
_FORWARDED = b"x-forwarded-"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def check_development(request: Request) -> None:
    """Raises Forbidden if a request is not addressed to this machine, came through a proxy, or writes from another site."""
    host = (request.header(b"host") or b"").decode("latin-1")
    if _hostname(host) not in _LOCAL:
        raise Forbidden("In dev mode, the Host must be localhost, 127.0.0.1 or [::1].")
    names = request.header_names()
    if not _BROUGHT.isdisjoint(names) or any(name.startswith(_FORWARDED) for name in names):
        # A proxy on this machine may be open to the internet. The address that it names is no proof: a client can send one
        # too.
        raise Forbidden("In dev mode, requests with headers of a proxy are refused.")
    if request.method in _SAFE:
        return
    origin = request.header(b"origin")
    foreign = origin is not None and authority(origin) != host.lower()
    if foreign or request.header(b"sec-fetch-site") == b"cross-site":
        raise Forbidden("In dev mode, requests of other sites' pages may only read.")


def authority(origin: bytes) -> str | None:
    """Host and port of an Origin header, in lower case; "" for an opaque origin, None for an invalid one."""
    try:
        return urlsplit(origin.decode("latin-1").lower()).netloc
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
