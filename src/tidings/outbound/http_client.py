"""HTTP POST to an address that a user chose: checked, bounded in time and bytes, without redirects."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from urllib.parse import urlsplit

import httpcore
from httpcore import SOCKET_OPTION, AsyncNetworkStream

from tidings.outbound.channel import SENT, SendResult
from tidings.outbound.ssrf_guard import (
    NO_PUBLIC_ADDRESS,
    PORTS,
    Guards,
    HostPort,
    NoPublicAddress,
    NotAllowed,
    SsrfGuard,
)
from tidings.personal_data import Endpoint
from tidings.reply_limit import LimitedBackend, ReplyTooLong
from tidings.timeutil import Clock, to_ms

TIMEOUT_S = 15
"""Seconds for a whole attempt, name resolution to last byte: the minimum that Standard Webhooks recommends."""
MAX_CONNECTIONS = 64
"""Connections open at a time, through one client."""
MAX_TRIED = 4
"""Addresses of one host tried in turn."""
MAX_RETRY_AFTER_S = 86_400
"""The longest delay that a receiver may request."""
NO_ADDRESS = SendResult("failed", NO_PUBLIC_ADDRESS, down=True)
_PASSING = frozenset({408, 425, 429})
"""Statuses of refusals that can be temporary."""


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only. TLS, in the layer above, still verifies the name."""

    def __init__(self, guard: SsrfGuard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface has it)
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """A connection to the first address that accepts one."""
        failure: Exception = OSError("no address")
        for address in (await self._guard.addresses(host, port))[:MAX_TRIED]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class GuardedHttpClient:
    """Posts to addresses that a guard accepts.

    ``keep_alive``: idle connections kept for the next post to the same host; 0 if each attempt needs a check of its own.
    ``trust``: certificates trusted instead of those of the system and of certifi.
    """

    def __init__(
        self, guard: SsrfGuard, clock: Clock, *, keep_alive: int = 0, trust: ssl.SSLContext | None = None
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or _trusted(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=keep_alive,
            network_backend=LimitedBackend(_Checked(guard)),
        )

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, gone: frozenset[int] = frozenset()
    ) -> SendResult:
        """Post once. A status in ``gone`` means that the endpoint does not exist any more."""
        if refused := self._guard.refusal(url):
            return SendResult("dead", refused)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(url, headers, body, gone)
        except NotAllowed as refusal:
            return SendResult("dead", str(refusal))
        except (TimeoutError, httpcore.TimeoutException):
            return SendResult("failed", f"no answer within {TIMEOUT_S} s", down=True, timed_out=True)
        except NoPublicAddress:
            return NO_ADDRESS
        except (httpcore.NetworkError, OSError):
            return SendResult("failed", "no connection", down=True)
        except ReplyTooLong:
            return SendResult("failed", "the head of the answer is too long")
        except (httpcore.RemoteProtocolError, httpcore.LocalProtocolError, ValueError):
            return SendResult("failed", "the answer was not HTTP")

    def origin(self, url: str) -> str:
        """``scheme://host:port`` of a URL; "" for a URL that is not allowed."""
        try:
            return origin(self._guard.place(url))
        except NotAllowed:
            return ""

    async def close(self) -> None:
        """Close the open connections."""
        await self._pool.aclose()

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, gone: frozenset[int]
    ) -> SendResult:
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        limits = dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)
        async with self._pool.stream(
            "POST", _parsed(url), headers=sent, content=body, extensions={"timeout": limits}
        ) as reply:
            wait_s = seconds_of(_header(reply, b"retry-after"), self._clock.now())
            answer = answer_of(reply.status, wait_s, gone)
            await _drain(reply)
        return answer


class GuardedHttpClients:
    """A client for the endpoints that the application registered, and one for those of users, by a guard of each."""

    def __init__(self, guards: Guards, clock: Clock, *, keep_alive: int = 0) -> None:
        self._by_vouched = {
            vouched: GuardedHttpClient(guards.of(vouched), clock, keep_alive=keep_alive)
            for vouched in (True, False)
        }

    def of(self, endpoint: Endpoint) -> GuardedHttpClient:
        """The client that may call an endpoint."""
        return self._by_vouched[endpoint.vouched]

    async def close(self) -> None:
        """Close the open connections."""
        for client in self._by_vouched.values():
            await client.close()


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates of the system and of certifi. All clients share them, since loading takes 50 ms of the event loop."""
    return httpcore.default_ssl_context()


def _parsed(url: str) -> httpcore.URL:
    """The URL with its whole path: from a text httpcore would drop the parameters of the last segment (";…")."""
    parts = urlsplit(url.encode())
    target = (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
    return httpcore.URL(scheme=parts.scheme, host=parts.hostname or b"", port=parts.port, target=target)


async def _drain(reply: httpcore.Response) -> None:
    """Read the body, so that its receiver ends without a reset. The result does not depend on it."""
    with suppress(ReplyTooLong):
        async for _ in reply.aiter_stream():
            pass


def _header(reply: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in reply.headers if key.lower() == name), "")


def origin(place: HostPort) -> str:
    """``scheme://host:port`` in the form of RFC 6454: without the default port of the scheme."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{place.scheme}://{host}" + ("" if place.port == PORTS[place.scheme] else f":{place.port}")


def answer_of(status: int, after_s: int, gone: frozenset[int]) -> SendResult:
    """The result of an attempt by its HTTP status. A redirect is a failure, since its target was not checked."""
    if 200 <= status < 300:
        return SENT
    error = f"HTTP {status}"
    if status in gone:
        return SendResult("gone", error)
    if 400 <= status < 500 and status not in _PASSING:
        return SendResult("dead", error)
    return SendResult("failed", error, after_s=after_s)


def seconds_of(retry_after: str, now: int) -> int:
    """The seconds of a Retry-After header, a number or a date; 0 without a usable one. ``now`` in milliseconds."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(int(retry_after[:9]), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(retry_after)
        at = to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (TypeError, ValueError, OverflowError):  # OverflowError: numbers or time zones out of range
        return 0
    return max(0, min((at - now) // 1000, MAX_RETRY_AFTER_S))
