"""The pages behind the links of mails."""

from http import HTTPStatus

from tidings.http.routing import Response

HTML = "text/html; charset=utf-8"
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="../static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="../static/site.css">
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""


def link_page(title: str, content: str, status: int = HTTPStatus.OK) -> Response:
    """A page with a title, as text, and its content, as HTML."""
    body = _PAGE.format(title=title, content=content).encode()
    return Response(body, status, _HEADERS, HTML.encode())
