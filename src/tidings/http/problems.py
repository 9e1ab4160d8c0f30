"""Problem documents (RFC 9457) for errors. ``docs/reference/problems.md`` explains each type."""

from tidings.errors import RateLimited, TidingsError, TooManyRequests, Unauthenticated, Unavailable
from tidings.http.headers import Header
from tidings.http.routing import Response

MEDIA = b"application/problem+json"


def problem(error: TidingsError, headers: tuple[Header, ...] = ()) -> Response:
    """The response that reports an error."""
    return Response(error.problem(), error.status, (*headers, *_advice(error)), MEDIA)


def stream_limit(most: int, error: TooManyRequests) -> tuple[Header, ...]:
    """The headers for a user, or the address of a visitor, with so many streams, the maximum
    (draft-ietf-httpapi-ratelimit-headers)."""
    return (
        (b"ratelimit-policy", b'"streams";q=%d' % most),
        (b"ratelimit", b'"streams";r=0;t=%d' % error.retry_after),
    )


def rate_limit(policy: str, quota: int, window_s: int, left: int, after_s: int) -> tuple[Header, ...]:
    """The headers of a limited route (draft-ietf-httpapi-ratelimit-headers): ``left`` requests are, and the quota is
    available again in ``after_s`` seconds."""
    return (
        (b"ratelimit-policy", f'"{policy}";q={quota};w={window_s}'.encode()),
        (b"ratelimit", f'"{policy}";r={left};t={after_s}'.encode()),
    )


def _advice(error: TidingsError) -> tuple[Header, ...]:
    if isinstance(error, RateLimited):
        limit = rate_limit(error.policy, error.quota, error.window_s, 0, error.retry_after)
        return ((b"retry-after", b"%d" % error.retry_after), *limit)
    if isinstance(error, TooManyRequests | Unavailable):
        return ((b"retry-after", b"%d" % error.retry_after),)
    if isinstance(error, Unauthenticated):
        return ((b"www-authenticate", b'Bearer realm="tidings"'),)
    return ()
