"""Protection of development mode. It has no credentials, so only this machine, and the hosts that ``dev_hosts`` names, may
reach it: no other web page, neither by a name that resolves to this machine (DNS rebinding) nor by a form or script of
another site, and no client through a proxy."""

from functools import lru_cache

from tidings.config import Settings
from tidings.errors import Forbidden
from tidings.hosts import host_port, is_loopback
from tidings.http.origins import accepts_origin, authority, is_of_development
from tidings.http.proxies import parse_address
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
"""Headers that reverse proxies and tunnels write, besides all that begin with ``x-forwarded-``."""
_FORWARDED = b"\nx-forwarded-"
"""The beginning of such a name among names that are joined by line breaks, which no name contains."""


def check_development(request: Request, settings: Settings) -> None:
    """Raises Forbidden if a request is not addressed to this machine or a host of ``dev_hosts``, came from a public address
    or through a proxy, or writes from another site."""
    host = request.header(b"host") or b""
    if not _is_addressed(host, settings.dev_hosts):
        raise Forbidden(
            "In dev mode, the Host must be localhost, 127.0.0.1, [::1] or one that the setting dev_hosts names."
        )
    if not is_loopback(settings.host) and not _is_near(request.client):
        raise Forbidden("In dev mode, clients must have a private address.")
    names = request.header_names()
    if not _BROUGHT.isdisjoint(names) or _FORWARDED in b"\n".join((b"", *names)):
        # A proxy on this machine may be open to the internet. The address that it names is no proof: a client can send one
        # too.
        raise Forbidden("In dev mode, requests with headers of a proxy are refused.")
    if request.method in _SAFE:
        return
    origin = request.header(b"origin")
    if origin is not None and (
        authority(origin) == host.decode("latin-1").lower() or accepts_origin(settings, origin)
    ):
        return
    if origin is not None or request.header(b"sec-fetch-site") == b"cross-site":
        raise Forbidden("In dev mode, requests of other sites' pages may only read.")


@lru_cache(maxsize=64)
def _is_addressed(host: bytes, dev_hosts: str) -> bool:
    return is_of_development(host_port(host.decode("latin-1")), dev_hosts)


@lru_cache(maxsize=64)
def _is_near(client: str) -> bool:
    address = parse_address(client)
    return address is not None and address.is_private
