"""The HTML pages: what the server is, and its routes. They load nothing from other hosts."""

from importlib.resources import files

from tidings.events import Id
from tidings.http.params import Params
from tidings.http.routing import Access, Handler, RequestContext, Response, Route

CONTENT_SECURITY_POLICY = b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_MEDIA = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_PAGES = {
    "/": ("index.html", "What this server is"),
    "/docs": ("docs.html", "The routes, readable"),
    "/static/site.css": ("site.css", "How the pages look"),
    "/static/icon.svg": ("icon.svg", "The icon of the pages"),
    "/static/index.js": ("index.js", "What the first page does"),
    "/static/docs.js": ("docs.js", "What the routes page does"),
}


class PageQuery(Params):
    """``user`` whose feed and bell the first page shows; the script of the page reads it."""

    user: Id | None = None


def serving(name: str) -> tuple[Handler, str]:
    """The handler that sends one of the server's files, and its media type."""
    body = files("tidings.http").joinpath("static", name).read_bytes()
    media = _MEDIA[name.rpartition(".")[2]]
    answer = Response(body, headers=_HEADERS, media=media.encode())

    async def serve(call: RequestContext[Params, None]) -> Response:
        return answer

    return serve, media


def _route(path: str, name: str, summary: str) -> Route:
    handler, media = serving(name)
    return Route(
        method="GET",
        path=path,
        handler=handler,
        access=Access.PUBLIC,
        summary=summary,
        tag="Pages",
        query=PageQuery if path == "/" else Params,
        produces=media,
    )


ROUTES = tuple(_route(path, *page) for path, page in _PAGES.items())
