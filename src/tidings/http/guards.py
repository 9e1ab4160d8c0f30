"""Development has no credentials, so no web page may reach it: neither by a name that resolves to this
machine (DNS rebinding) nor by a form or script of another site."""

from functools import lru_cache
from urllib.parse import urlsplit

from tidings.errors import Forbidden
from tidings.http.request import Request

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def check_development(request: Request) -> None:
    """Raises Forbidden when a request is not addressed to this machine, or writes from another site."""
    host = (request.header(b"host") or b"").decode("latin-1")
    if _hostname(host) not in _LOCAL:
        raise Forbidden("With --dev only localhost, 127.0.0.1 and [::1] are answered.")
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
