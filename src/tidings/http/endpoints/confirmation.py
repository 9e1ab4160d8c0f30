"""The page behind the link of a confirmation mail.

Mail scanners and previews open every link with GET or HEAD, so these only show a button; the POST of the button confirms. No
credential is required: the token in the link is one, for this purpose alone.
"""

from collections.abc import Awaitable
from typing import Annotated

from msgspec import Meta

from tidings.confirmations import CONFIRM_WITHIN_S, DAY_S, PATH
from tidings.errors import Expired, NotFound
from tidings.http.link_page import HTML, link_page
from tidings.http.params import LinkParams
from tidings.http.routing import Access, RequestContext, Response, Route

_ASK = """<p>Notifications are sent to this address only after you confirm it.
If you did not ask for them, close this page: nothing is sent then.</p>
<form method="post"><button>Confirm the address</button></form>"""


class Link(LinkParams):
    """The token of a confirmation mail's link."""

    token: Annotated[str, Meta(min_length=1, max_length=256, description="From the link in the mail.")]


async def ask(call: RequestContext[Link, None]) -> Response:
    """The page with the button. Changes nothing."""
    return await _page_after(_check(call), "Confirm your e-mail address", _ASK)


async def confirm(call: RequestContext[Link, None]) -> Response:
    """Confirm the address; a repetition changes nothing."""
    confirming = call.services.endpoints.confirmations.confirm(call.query.token)
    return await _page_after(
        confirming, "Your e-mail address is confirmed", "<p>You can close this page.</p>"
    )


async def _check(call: RequestContext[Link, None]) -> None:
    call.services.endpoints.confirmations.check(call.query.token)


async def _page_after(step: Awaitable[None], title: str, content: str) -> Response:
    """The page to show after a successful step, or the one that says that the link does not work."""
    try:
        await step
    except (NotFound, Expired) as error:
        return _failed(error)
    return link_page(title, content)


def _failed(error: NotFound | Expired) -> Response:
    days = CONFIRM_WITHIN_S // DAY_S
    content = f"<p>A link works for {days} days, and for an address that is still registered.</p>"
    return link_page("This link does not work", content, error.status)


_TAG = "Outside the application"

ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=ask,
        access=Access.PUBLIC,
        summary="The page behind the link of a confirmation mail; changes nothing",
        tag=_TAG,
        query=Link,
        produces=HTML,
        fails=(404, 410),
    ),
    Route(
        method="POST",
        path=PATH,
        handler=confirm,
        access=Access.PUBLIC,
        summary="Confirm a mail address, with the token of its link",
        tag=_TAG,
        query=Link,
        produces=HTML,
        fails=(404, 410),
    ),
)
