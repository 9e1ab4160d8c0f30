"""The client behind reverse proxies: each proxy adds the address that it received the request from to X-Forwarded-For."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from tidings.config import Settings, networks
from tidings.http.request import Request

FORWARDED_FOR = b"x-forwarded-for"
_PORT = re.compile(r"\[(.*)\](?::\d+)?|([^:]*):\d+")
"""An address as some proxies write it, in brackets or followed by a port."""
_IPV6_PREFIX = 64
"""Bits of an IPv6 address that distinguish customers; one customer has all addresses of such a prefix (RFC 6177)."""


def client_key(request: Request, settings: Settings) -> str:
    """The key under which a client is counted, that of :func:`address_key` for the last address in the chain that is no
    trusted proxy; "" if all are, or none is known.

    Any client may have written the addresses to the left of it. A proxy that writes no address is counted itself.
    """
    forwarded = request.listed(FORWARDED_FOR)
    if not forwarded:
        return _unforwarded(request.client, settings.trusted_proxies)
    return address_key(_last_untrusted(_hops(request.client, forwarded), settings.trusted_proxies))


@lru_cache(maxsize=4_096)
def _unforwarded(peer: str, proxies: str) -> str:
    return address_key(_last_untrusted((peer,), proxies))


def _last_untrusted(hops: Iterable[str], proxies: str) -> str:
    trusted = networks("trusted_proxies", proxies)
    known = ""
    for hop in hops:
        address = parse_address(hop)
        if address is None:
            return known
        known = str(address)
        if not any(address in network for network in trusted):
            return known
    return ""


def _hops(peer: str, forwarded: bytes) -> Iterator[str]:
    """The chain backwards: the peer of the connection, then the address that each proxy names. Empty names are ignored (RFC
    9110, 5.6.1)."""
    yield peer
    yield from filter(None, map(str.strip, reversed(forwarded.decode("latin-1").split(","))))


def parse_address(hop: str) -> IPv4Address | IPv6Address | None:
    """The named address, None for an invalid one. IPv4 mapped to IPv6 becomes IPv4, or one client would count as two."""
    ported = _PORT.fullmatch(hop)
    try:
        address = ip_address(hop if ported is None else ported[1] or ported[2])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


@lru_cache(maxsize=4_096)
def address_key(host: str) -> str:
    """The key under which a client at this address is counted: the address, or its /64 of IPv6; "" for an invalid
    address."""
    address = parse_address(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX), strict=False))
    return "" if address is None else str(address)
