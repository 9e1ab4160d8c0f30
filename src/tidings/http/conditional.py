"""Conditional and paged responses, which several resources share: pages with their Link, and responses that need not be sent
again."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tidings.feeds import Reply, continuation, join
from tidings.http.headers import Header
from tidings.http.params import next_link
from tidings.http.request import has_tag
from tidings.http.routing import RequestContext, Response


def page(call: RequestContext[Any, None], reply: Reply, *headers: Header) -> Response:
    """A page, with a Link to the next one if there is one."""
    if reply.next_cursor is not None:
        link = next_link(call.request.path, call.request.query, reply.next_cursor)
        headers = (*headers, (b"link", link))
    return Response(reply.body, headers=headers)


def listing(
    call: RequestContext[Any, None], items: Sequence[bytes], goes_on: bool, cursor_after: Callable[[int], str]
) -> Response:
    """A page of as many of these items as fit. ``goes_on``: there are more. ``cursor_after``: the cursor of the page after
    the item of an index."""
    head, kept = join(items, ())
    following = cursor_after(kept - 1) if goes_on or kept < len(items) else None
    return page(call, Reply(head + continuation(following) + b"}", following))


async def not_modified_or(
    call: RequestContext[Any, None],
    make: Callable[[], Awaitable[Reply]],
    etag: Callable[[str], Awaitable[str]] | None = None,
) -> Response:
    """The response with its entity tag, or 304 if the client has it already: then the response is not even made. ``etag``:
    the tag of its state for a user; by default that of the inbox."""
    asked = call.request.listed(b"if-none-match")
    if asked.strip() == b"*":
        await make()  # "*" matches any existing resource (RFC 9110, 13.1.2): a missing one is a 404
    if asked:
        now = _tag(call, await (etag or call.services.inboxes.etag)(call.user))
        if has_tag(call.request, now):
            return Response(status=304, headers=((b"etag", now),))
    reply = await make()
    return page(call, reply, (b"etag", _tag(call, reply.etag)))


def _tag(call: RequestContext[Any, None], state: str) -> bytes:
    """The tag of this request for an inbox in this state.

    It contains the user: the same URL with another user's token must never look unchanged.
    """
    question = b"\0".join((call.user.encode(), call.request.path, call.request.query))
    mark = hashlib.blake2b(question, digest_size=8).hexdigest()
    return f'{state.rstrip(chr(34))}-{mark}"'.encode()
