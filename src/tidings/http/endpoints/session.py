"""A user's token in a cookie, for streams alone: an ``EventSource`` and a browser's ``WebSocket`` cannot send headers."""

from tidings.errors import Forbidden
from tidings.http.params import ForUser, Params
from tidings.http.request import STREAM_COOKIE, bearer_token
from tidings.http.routing import Access, RequestContext, Response, Route

# The cookie is sent by pages of this site only, never shown to their scripts, never sent over plain HTTP, and only to this
# host.
_GUARDS = "Path=/; Secure; HttpOnly; SameSite=Strict"


async def begin(call: RequestContext[ForUser, None]) -> Response:
    """Store the token of this request in a cookie until the token expires. Raises Forbidden for any other credential: a key
    may act for any user, and must not be in a browser."""
    principal = call.principal
    if principal.expires_at is None:
        raise Forbidden("Only a user's token can be kept in a cookie.")
    token = bearer_token(call.request)
    left_s = max(0, int(principal.expires_at - call.services.clock.now() / 1_000))
    return _cookie(f"{token}; Max-Age={left_s}; {_GUARDS}")


async def end(call: RequestContext[Params, None]) -> Response:
    """Delete the cookie."""
    return _cookie(f"; Max-Age=0; {_GUARDS}")


def _cookie(value: str) -> Response:
    return Response(status=204, headers=((b"set-cookie", f"{STREAM_COOKIE}={value}".encode()),))


ROUTES = (
    Route(
        method="PUT",
        path="/v1/session",
        handler=begin,
        access=Access.SELF,
        query=ForUser,
        summary="Store this user's token in a cookie that only streams read",
        tag="Live",
        status=204,
    ),
    Route(
        method="DELETE",
        path="/v1/session",
        handler=end,
        access=Access.PUBLIC,
        summary="Delete that cookie",
        tag="Live",
        status=204,
    ),
)
