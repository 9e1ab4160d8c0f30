"""Development has no credentials, so only this machine may reach it: no web page, neither by a name that resolves to this
machine (DNS rebinding) nor by a form or script of another site, and nobody through a proxy."""

from functools import lru_cache
from urllib.parse import urlsplit

from tidings.errors import Forbidden
from tidings.http.proxies import FORWARDED_FOR
from tidings.http.request import Request

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def check_development(request: Request) -> None:
    """Raises Forbidden when a request is not addressed to this machine, was brought by a proxy, or writes from another
    site."""
    host = (request.header(b"host") or b"").decode("latin-1")
    if _hostname(host) not in _LOCAL:
        raise Forbidden("With --dev only localhost, 127.0.0.1 and [::1] are answered.")
    if request.headers(FORWARDED_FOR):
        # A proxy on this machine may serve the world. The address that it names is no proof: a client can send one too.
        raise Forbidden("With --dev, requests that a proxy brings are not answered.")
    if request.method in _SAFE:
        return
    origin = request.header(b"origin")
    foreign = origin is not None and urlsplit(origin.decode("latin-1")).netloc != host
    if foreign or request.header(b"sec-fetch-site") == b"cross-site":
        raise Forbidden("With --dev, pages of other sites may not write.")


@lru_cache(maxsize=64)
def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
