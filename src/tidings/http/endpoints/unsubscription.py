"""The page behind the link that ends mails, and the one-click unsubscription of mail programs (RFC 8058).

Mail scanners open every link with GET or HEAD, so these change nothing; mail programs, and the button of the page, send a
POST. No credential is required: the token in the link is one, for this purpose alone.
"""

from html import escape
from typing import Annotated

from tidings.errors import NotFound
from tidings.field_errors import in_words
from tidings.http.body import SMALL_BYTES, read_body
from tidings.http.link_page import HTML, link_page
from tidings.http.params import LinkParams
from tidings.http.routing import Access, RequestContext, Response, Route
from tidings.unsubscribing import PATH

MAX_TOKEN = 512
"""Characters: a type has at most 64 characters, of up to four bytes each, which base64 makes longer by a third."""
_BUTTON = '<form method="post"><button>Unsubscribe</button></form>'
_ENDED = "<p>To get them again, change the preferences of notifications in the application.</p>"


class UnsubscribeLink(LinkParams):
    """The token of a mail's link."""

    token: Annotated[
        str,
        in_words(
            rf"\A[A-Za-z0-9_-]{{1,{MAX_TOKEN}}}\Z",
            "the token of a link",
            description="From List-Unsubscribe of the mail.",
        ),
    ]


async def ask(call: RequestContext[UnsubscribeLink, None]) -> Response:
    """The page with the button. Changes nothing."""
    try:
        ends = call.services.unsubscriptions.check(call.query.token)
    except NotFound as error:
        return _failed(error)
    about = f" about <b>{escape(ends.type)}</b>" if ends.type else ""
    return link_page("Unsubscribe", f"<p>Get no more e-mails{about} at this address?</p>\n{_BUTTON}")


async def unsubscribe(call: RequestContext[UnsubscribeLink, None]) -> Response:
    """Set the preference; a repetition changes nothing. The body, ``List-Unsubscribe=One-Click`` of a mail program, adds
    nothing to the method."""
    await read_body(call.request, SMALL_BYTES)
    try:
        await call.services.unsubscriptions.unsubscribe(call.query.token)
    except NotFound as error:
        return _failed(error)
    return link_page("You are unsubscribed", _ENDED)


def _failed(error: NotFound) -> Response:
    content = "<p>A link works as long as its address is registered: there are no mails to end.</p>"
    return link_page("This link does not work", content, error.status)


_TAG = "Outside the application"

ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=ask,
        access=Access.PUBLIC,
        summary="The page behind the link that ends mails; changes nothing",
        tag=_TAG,
        query=UnsubscribeLink,
        produces=HTML,
        fails=(404,),
    ),
    Route(
        method="POST",
        path=PATH,
        handler=unsubscribe,
        access=Access.PUBLIC,
        summary="End the mails that a link names, with its token (RFC 8058)",
        tag=_TAG,
        query=UnsubscribeLink,
        raw_body=True,
        produces=HTML,
        fails=(404,),
    ),
)
