"""The SSRF guard: which addresses may be called on a user's behalf.

A user chooses the address of a webhook or a push subscription, and the server is in a network that the user cannot reach.
Each attempt therefore resolves the name, checks *every* address in the result, and connects to one of the checked addresses:
a name that resolves differently the next time (DNS rebinding) has no effect.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

from tidings.config import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""(host, port) to IP addresses in text."""

PORTS = {"https": 443, "http": 80}
"""The ports that may be called, by scheme: services on other ports are usually no web servers."""
RESOLVERS = 64
"""Threads that resolve names, one for each slot: a name with slow servers holds a thread until the system's time limit, and
must not delay the others."""
MAX_HOST = 253
"""Characters of a host name (RFC 1035)."""

_PRINTABLE = re.compile(r"[!-~]+\Z")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
"""The only IPv6 range of public hosts; the rest is reserved, local or multicast."""
_SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network: Linux connects to itself
        "100.64.0.0/10",  # carrier-grade NAT; some clouds keep their metadata service here
        "168.63.129.16/32",  # Azure's host agent, a public number that is not public
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.88.99.0/24",  # relays to 6to4
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # Teredo and other protocols that carry another address inside
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries an IPv4 address inside
        "3fff::/20",  # documentation
    )
)
"""Networks that must be refused, and that ``is_global`` accepts in some supported version of Python."""


NOT_PUBLIC = "the host is not on the public Internet (nor, for an endpoint of the application, in webhook_allow_networks)"

NO_PUBLIC_ADDRESS = (
    "the host has no public address (nor, for an endpoint of the application, one in webhook_allow_networks)"
)


class NotAllowed(Exception):
    """A URL that must not be called; the message states the reason, from the text of the URL alone."""


class NoPublicAddress(OSError):
    """A host without an address that may be called: its name does not resolve, or resolves to an internal address. Both are
    one failure: otherwise users could learn from their endpoints which names exist in the server's network."""


class HostPort(NamedTuple):
    """The scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int


def is_public(address: Address) -> bool:
    """Whether an address is a host of the public Internet, also if it is an IPv4 address within an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST:
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in _SPECIAL if network.version == address.version)
    )


class SsrfGuard:
    """Decides which addresses may be called. ``allow``: networks that may be called although they are not public, on any
    port; ``allow_http``: also without TLS. ``resolve`` is the system's resolver by default."""

    def __init__(
        self, allow: Sequence[Network] = (), allow_http: bool = False, resolve: Resolve | None = None
    ) -> None:
        self._allow = tuple(allow)
        self._schemes = frozenset(PORTS) if allow_http else frozenset({"https"})
        self._resolve = resolve or self._ask_system
        self._threads = ThreadPoolExecutor(RESOLVERS, "resolver")

    def place(self, url: str) -> HostPort:
        """The scheme, host and port of a URL. Raises NotAllowed for another scheme, for credentials, and for what is no
        URL."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise NotAllowed("this is not a URL") from None
        if not _PRINTABLE.match(url):
            raise NotAllowed("the URL is not written in ASCII (a host as punycode, the rest in percents)")
        if parts.scheme not in self._schemes:
            raise NotAllowed(f"only {' and '.join(sorted(self._schemes))} URLs are called")
        if not 0 < len(host) <= MAX_HOST:
            raise NotAllowed("the URL has no usable host")
        if parts.username is not None or parts.password is not None:
            raise NotAllowed("the URL has credentials in it")
        return HostPort(parts.scheme, host, PORTS[parts.scheme] if port is None else port)

    def refusal(self, url: str) -> str:
        """The reason why a URL is never called, as far as its text shows; "" without one. No name is resolved: the result
        would show whether it exists in the server's network. Each attempt resolves the name and checks the addresses."""
        try:
            place = self.place(url)
        except NotAllowed as refused:
            return str(refused)
        address = _written_out(place.host)
        if self._is_allowed(address) if address else self._allow:
            return ""
        if address and not is_public(address):
            return NOT_PUBLIC
        return _port_refusal(place.port)

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of them checked. Raises NoPublicAddress without one, or if one must not be called;
        NotAllowed for a port that is not called."""
        try:
            found = [ipaddress.ip_address(text) for text in await self._resolve(host, port)]
        except OSError:
            found = []
        strange = [address for address in found if not self._is_allowed(address)]
        if not found or any(not is_public(address) for address in strange):
            raise NoPublicAddress(NO_PUBLIC_ADDRESS)
        if strange and (refused := _port_refusal(port)):
            raise NotAllowed(refused)
        return [str(address) for address in dict.fromkeys(found)]

    def close(self) -> None:
        """Release the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is_allowed(self, address: Address) -> bool:
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._allow if network.version == mapped.version)

    async def _ask_system(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return [str(address[0]) for *_, address in found]


class Guards(NamedTuple):
    """Two guards: an endpoint that the application registered may be in a network that is not public. A user could
    otherwise make the server post there."""

    application: SsrfGuard
    users: SsrfGuard

    def of(self, vouched: bool) -> SsrfGuard:
        """That of an endpoint; ``vouched``: the application registered it."""
        return self.application if vouched else self.users


def _port_refusal(port: int) -> str:
    """The reason why a port is not called outside of the allowed networks; "" without one."""
    if port in PORTS.values():
        return ""
    networks = "a network in webhook_allow_networks, for an endpoint of the application"
    return f"expected port 80 or 443 (or {networks}), got {port}"


def _written_out(host: str) -> Address | None:
    """The address that a host states literally, in any notation that the system parses (2130706433 is 127.0.0.1); None for a
    name. "localhost" and the names below it are addresses by definition (RFC 6761). This is wider than
    ``hosts.is_loopback``, which trusts what it accepts: here, each host that could be this machine is refused."""
    if host == "localhost" or host.endswith(".localhost"):
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return ipaddress.ip_address(found[0][4][0])


def _look_up(host: str, port: int) -> list[tuple[object, object, object, object, tuple[object, ...]]]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except UnicodeError:  # a label that is too long or empty raises no OSError
        raise OSError("the name is not one") from None
