"""The HTML pages: the demo or what the server is, and its routes. They load nothing from other hosts."""

import asyncio
import gzip
from functools import cache
from importlib.resources import files

from tidings.errors import NotFound
from tidings.events import Id
from tidings.http.compress import CachedBody
from tidings.http.headers import Header
from tidings.http.params import Params
from tidings.http.routing import NDJSON, Access, Handler, RequestContext, Response, Route, cached_answer

CONTENT_SECURITY_POLICY = b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
SAMPLE = "gharchive-2015-01-01-replay.ndjson.gz"
_MEDIA = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "woff2": "font/woff2",
}
_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_IMMUTABLE: tuple[Header, ...] = ((b"cache-control", b"public, max-age=31536000, immutable"),)
"""For files whose names have a hash of their content: another content has another name."""
_PAGES = {
    "/docs": ("docs.html", "The routes, readable"),
    "/static/site.css": ("site.css", "How the pages look"),
    "/static/icon.svg": ("icon.svg", "The icon of the pages"),
    "/static/docs.js": ("docs.js", "What the routes page does"),
}
_STATIC = files("tidings.http") / "static"
_DEMO = {file.name: file for file in (_STATIC / "demo").iterdir()}
_DEMO_PAGE = "index.html"


class PageQuery(Params):
    """``user`` whose feed and bell the demo shows at first; the script of the page reads it."""

    user: Id | None = None


def _serving(name: str) -> tuple[Handler, str]:
    """The handler that sends one of the server's files, and its media type."""
    media = _media(name)
    answer = Response((_STATIC / name).read_bytes(), headers=_HEADERS, media=media.encode())

    async def serve(call: RequestContext[Params, None]) -> Response:
        return answer

    return serve, media


def _media(name: str) -> str:
    return _MEDIA[name.rpartition(".")[2]]


@cache
def _demo_file(name: str) -> Response:
    """A file of the demo, or its page. Only servers that show it hold its bytes."""
    headers = _HEADERS if name == _DEMO_PAGE else _IMMUTABLE
    answer = cached_answer(CachedBody(_DEMO[name].read_bytes()), _media(name).encode())
    return answer._replace(headers=headers)


_plain_page, _HTML = _serving("index.html")


async def _first_page(call: RequestContext[PageQuery, None]) -> Response:
    """The demo in dev mode: elsewhere it would need the credential of an application."""
    return _demo_file(_DEMO_PAGE) if call.services.settings.dev else await _plain_page(call)


async def _serve_demo_file(call: RequestContext[Params, None]) -> Response:
    _require_demo(call)
    name = call.path["file"]
    if name not in _DEMO or name == _DEMO_PAGE:
        raise NotFound("The demo has no such file.")
    return _demo_file(name)


def _require_demo(call: RequestContext[Params, None]) -> None:
    if not call.services.settings.dev:
        raise NotFound("This server has no demo, which needs --dev.")


@cache
def _sample() -> Response:
    packed = (files("tidings") / "sample" / SAMPLE).read_bytes()
    answer = cached_answer(CachedBody(gzip.decompress(packed)), NDJSON.encode())
    return answer._replace(headers=_HEADERS)


async def _serve_sample(call: RequestContext[Params, None]) -> Response:
    _require_demo(call)
    return await asyncio.to_thread(_sample)


def _page(
    path: str,
    handler: Handler,
    media: str,
    summary: str,
    query: type[Params] = Params,
    fails: tuple[int, ...] = (),
) -> Route:
    return Route(
        method="GET",
        path=path,
        handler=handler,
        access=Access.PUBLIC,
        summary=summary,
        tag="Pages",
        query=query,
        produces=media,
        fails=fails,
    )


ROUTES = (
    _page("/", _first_page, _HTML, "What this server is; in dev mode the demo", PageQuery),
    *(_page(path, *_serving(name), summary) for path, (name, summary) in _PAGES.items()),
    _page("/static/demo/{file}", _serve_demo_file, "*/*", "A file of the demo, in dev mode"),
    _page(
        "/static/sample.ndjson",
        _serve_sample,
        NDJSON,
        "Events that the demo publishes, in dev mode",
        fails=(404,),
    ),
)
