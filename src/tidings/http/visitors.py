"""Requests without a credential, which the setting ``public_reads`` permits: how many one address may send, and what caches
may keep of the responses, which are the same for all."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from tidings.config import Settings
from tidings.errors import RateLimited
from tidings.http.headers import Header
from tidings.http.problems import rate_limit
from tidings.http.request import Request, has_tag
from tidings.http.routing import Access, Response, Route

POLICY, WINDOW_S = "public-reads", 60
"""The name of the rate limit, and its period."""
FRESH_S = 1
"""Seconds for which a cache may repeat a response: a cache in front then asks once a second, however many visitors there
are, and shows a retracted event no longer than this."""
MAX_ADDRESSES = 20_000
"""Addresses whose requests are counted, some 4 MB. Beyond, the one that was silent for the longest is forgotten."""
_CACHED: tuple[Header, ...] = (
    (b"cache-control", b"public, max-age=%d" % FRESH_S),
    # A cache must not give it to a request with a credential: blocks and read states apply to that.
    (b"vary", b"Authorization"),
)


class Visitors:
    """The rate limit of requests without a credential, a bucket for each address that fills at the permitted rate. Requests
    whose address is unknown share a bucket."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float]) -> None:
        self._permitted = settings.public_reads == "activity" and not settings.dev
        self._quota = settings.public_reads_per_min
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By address the requests that are left, and the time of the last one."""

    def may_call(self, route: Route) -> bool:
        """Whether a route is answered without a credential."""
        return self._permitted and route.access is Access.VISITOR

    def count(self, address: str) -> None:
        """Count a request of this address. Raises RateLimited."""
        left = self._left(address)
        if left < 1:
            after_s = max(1, round((1 - left) * WINDOW_S / self._quota))
            detail = f"at most {self._quota} requests in {WINDOW_S} s are answered without a credential"
            raise RateLimited(detail, after_s, POLICY, self._quota, WINDOW_S)
        self._buckets[address] = (left - 1, self._monotonic())
        self._buckets.move_to_end(address)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)

    def shared(self, request: Request, answer: Response, address: str) -> Response:
        """The response to a read, for caches; a 304 if the client has it."""
        left = self._left(address)
        full_s = round((self._quota - left) * WINDOW_S / self._quota)
        tag = b'W/"%b"' % hashlib.blake2b(answer.body, digest_size=12).hexdigest().encode()
        limit = rate_limit(POLICY, self._quota, WINDOW_S, int(left), full_s)
        headers = (*_CACHED, (b"etag", tag), *limit)
        if has_tag(request, tag):
            return Response(status=304, headers=headers)
        return answer._replace(headers=(*answer.headers, *headers))

    def _left(self, address: str) -> float:
        left, at = self._buckets.get(address, (float(self._quota), 0.0))
        return min(float(self._quota), left + (self._monotonic() - at) * self._quota / WINDOW_S)
