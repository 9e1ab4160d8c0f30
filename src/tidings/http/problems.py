"""Problem documents (RFC 9457) for errors. ``docs/reference/problems.md`` explains each type."""

from tidings.config import Settings
from tidings.errors import TidingsError, TooManyRequests, Unauthenticated, Unavailable
from tidings.http.routing import Header, Response

MEDIA = b"application/problem+json"


def problem(error: TidingsError, headers: tuple[Header, ...] = ()) -> Response:
    """The response that reports an error."""
    return Response(error.problem(), error.status, (*headers, *_advice(error)), MEDIA)


def stream_limit(settings: Settings, error: TooManyRequests) -> tuple[Header, ...]:
    """The headers for a user who has the maximum number of streams (draft-ietf-httpapi-ratelimit-headers)."""
    return (
        (b"ratelimit-policy", b'"streams";q=%d' % settings.max_streams_per_user),
        (b"ratelimit", b'"streams";r=0;t=%d' % error.retry_after),
    )


def _advice(error: TidingsError) -> tuple[Header, ...]:
    if isinstance(error, TooManyRequests | Unavailable):
        return ((b"retry-after", b"%d" % error.retry_after),)
    if isinstance(error, Unauthenticated):
        return ((b"www-authenticate", b'Bearer realm="tidings"'),)
    return ()
