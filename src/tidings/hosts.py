"""Which hosts are this machine, and how a list of hosts is written."""

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit


class ListedHost(NamedTuple):
    """A host in lower case, and a port; None: any port."""

    host: str
    port: int | None


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether an address or a name reaches only this machine. A name other than localhost and those below it depends on its
    resolver. Cached: dev mode asks about its own host at each request."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def host_port(text: str) -> ListedHost | None:
    """The host and the port of ``host``, ``host:port`` or ``[address]:port``; None for any other text."""
    try:
        parts = urlsplit(f"//{text}")
        if parts.netloc != text or "@" in text or parts.hostname is None:
            return None
        return ListedHost(parts.hostname, parts.port)
    except ValueError:
        return None


@lru_cache(maxsize=8)
def host_list(text: str) -> frozenset[ListedHost]:
    """The hosts in a setting, which was checked when it was read."""
    return frozenset(
        found for part in text.split(",") if part.strip() and (found := host_port(part.strip())) is not None
    )


def is_listed(host: ListedHost, text: str) -> bool:
    """Whether a host is in such a list, with its port or with any."""
    hosts = host_list(text)
    return host in hosts or host._replace(port=None) in hosts
