"""The reference pages, made from the code that they describe.

``python -m docs.generate`` writes them; with ``--check`` it only says which are stale, and ends with 1 if any is.
"""

import argparse
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Meta
from msgspec.structs import fields

from docs.client_calls import calls, routes_without_call
from docs.needs import AREAS, NEEDS, proofs
from tidings import errors
from tidings.config import CLIENT_VARIABLES, FILE_ONLY, HELP, PATHS, SECRET, Settings
from tidings.errors import PROBLEM_TYPE
from tidings.http import refusals
from tidings.http.routes import ROUTES
from tidings.http.routing import Access, Route
from tidings.rules import Rule
from tidings.setting_checks import LARGEST
from tidings.telemetry import REGISTRY

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
SOURCES = ROOT / "src" / "tidings"
MADE = "<!-- Made by python -m docs.generate; a change by hand would be overwritten. -->"
ADVICE: Mapping[str, str] = {
    "internal": "A fault of the server or of its disk: the log has the cause. A repetition is safe with an idempotency key.",
    "bad-parameter": "`errors` names all bad parameters of the path, the query and the headers at once, up to 20; the body "
    "is checked after them. A cursor is valid for the same route, user and filters only; these are checked first.",
    "malformed-body": "The body is not JSON in UTF-8, is empty, or is incomplete. Send a complete JSON body.",
    "unauthenticated": "Send `Authorization: Bearer …` with a known API key, or a token that is still valid.",
    "forbidden": "Ask for your own `user_id`, or use an API key.",
    "not-found": "Check the id. The reply is the same for another user's object and for one that does not exist.",
    "unknown-path": "Check the path. `detail` states the prefix (`prefix` in the settings) of the server.",
    "method-not-allowed": "The header `Allow` lists the methods of this path.",
    "idempotency-key-in-flight": "Repeat the request after the first one has ended; it then gets the reply of the first.",
    "endpoint-disabled": "Enable the endpoint, or have its address confirmed; then repeat the request.",
    "merge-under-way": "Wait for its job to end, then send the same request again.",
    "acted-otherwise": "Show the notification as it is: its `acted` has the action that was taken, and when.",
    "expired": "Do not repeat the request. Set the state that you want with another request.",
    "too-large": "Send less at once. The limits are [settings](settings.md).",
    "unsupported-media-type": "Send `application/json`; events also as `application/x-ndjson`.",
    "invalid-fields": "`errors` has a JSON Pointer to each such field of the body, or the name of a part of the path, up to "
    "20, and states what is accepted. A route without a body accepts only an empty body and `{}`. Nothing was stored.",
    "idempotency-key-reused": "The key belongs to another request. Use a new key for a new request.",
    "upgrade-required": "Use a WebSocket client, which sends `Upgrade: websocket`.",
    "too-many-requests": "Wait for the seconds in `Retry-After`. For a stream, close one that is not in use.",
    "unavailable": "Wait for the seconds in `Retry-After`, then send the same request again.",
    "malformed-request": "The bytes are not HTTP/1.1, or the head of the request is invalid: its target, its `Host`, a "
    "`Transfer-Encoding` in HTTP/1.0, or the handshake of a WebSocket. `detail` states which. The connection is closed.",
    "head-too-large": "The request line and headers, or the trailers, are over 64 KiB or more than 100. Send fewer. The "
    "connection is closed.",
    "request-timeout": "It took longer than `request_header_timeout_s` or `body_timeout_s`. The connection is closed.",
    "version-not-supported": "The request is of HTTP/2.0 or HTTP/0.9. Send HTTP/1.1.",
    "not-implemented": "The method is CONNECT, which only proxies implement, or `Transfer-Encoding` is not `chunked`. "
    "The connection is closed.",
}
"""What to do about each problem, by its code."""


class Problem(NamedTuple):
    """One problem type as the page tells it."""

    status: int
    code: str
    title: str
    meaning: str


def settings() -> str:
    """The page of all settings."""
    rows = [
        [f"`{field.name}`", shown(field.default), bounds(field.name), told(field.name)]
        for field in fields(Settings)
    ]
    return f"""# Settings

{MADE}

Each setting is a flag (`--max-event-bytes`), a variable (`TIDINGS_MAX_EVENT_BYTES`) and a key of `tidings.toml`
(`max_event_bytes`). A flag overrides a variable, a variable overrides the file, and the file overrides the default. The
file is `./tidings.toml` if it exists, or the one that `--config` or `TIDINGS_CONFIG` names. The server refuses to start
with an unknown name or an invalid value; one line states the source, the name and the accepted values. A value that
another source overrides is not read. Numbers end at {LARGEST:,}.

A relative path in {", ".join(f"`{name}`" for name in sorted(PATHS))} is relative to the folder
of `tidings.toml` if it comes from that file, and to the current folder if it comes from a flag, a variable or the default.

For a Service named `tidings`, or `tidings-` and something, Kubernetes sets variables such as `TIDINGS_SERVICE_HOST` and
`TIDINGS_PORT=tcp://10.0.0.1:8787` in every container. They are not settings: the server ignores them and logs that in one
line. `enableServiceLinks: false` in the pod prevents them.

Variables of clients are not settings either. The server ignores them, so a shell that has them can start a server:

{table(["variable", "purpose"], [[f"`{name}`", told] for name, told in CLIENT_VARIABLES.items()])}

{", ".join(f"`{name}`" for name in sorted(SECRET))} are not flags, because each user of a machine can read a command line.
{", ".join(f"`{name}`" for name in sorted(FILE_ONLY))} is a table, and therefore in the file only.

{table(["setting", "default", "values", "purpose"], rows)}

## types

Each table `[types.NAME]` declares a notification type; the [guide](../guides/notifications.md) has examples. A declaration
at `/v1/admin/types/NAME` overrides the file.

{table(["key", "default", "values"], [[f"`{f.name}`", shown(f.default), bounds(f.name, Rule)] for f in fields(Rule)])}

{told_of(Rule)}
"""


def told(name: str) -> str:
    """What a setting is for. One that no code reads says so, whatever its help promises."""
    read = re.compile(rf"(settings|self)\.{name}\b")
    if any(read.search(path.read_text()) for path in SOURCES.rglob("*.py")):
        return HELP[name]
    return f"{HELP[name]} **No effect yet.**"


def told_of(kind: type) -> str:
    """What a type says of itself."""
    return inspect.cleandoc(kind.__doc__ or "").replace("``", "`")


def shown(default: object) -> str:
    """A default as it would be typed."""
    if default in ("", (), None, NODEFAULT):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def bounds(name: str, of: type = Settings) -> str:
    """The values that a setting takes."""
    return _values(get_type_hints(of, include_extras=True)[name])


def _values(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(kind))
    if get_origin(kind) is tuple:
        return f"list of {_values(get_args(kind)[0])}"
    if get_origin(kind) is Annotated and get_origin(get_args(kind)[0]) in (Union, UnionType):
        return _values(get_args(kind)[0])
    if get_origin(kind) is not Annotated:
        if get_origin(kind) in (Union, UnionType):
            return " or ".join(_values(one) for one in get_args(kind) if one is not NoneType)
        return {bool: "true, false", str: "text"}.get(kind, "tables")
    (limits,) = (one for one in get_args(kind)[1:] if isinstance(one, Meta))
    if limits.min_length is None and limits.max_length is not None:
        return f"{_values(get_args(kind)[0])}, up to {limits.max_length}"
    if limits.ge is None:
        return f"{limits.min_length} to {limits.max_length} characters"
    return f"{limits.ge} or more" if limits.le in (None, LARGEST) else f"{limits.ge} to {limits.le}"


def problems() -> str:
    """The page of all failures that a client can be told."""
    return f"""# Problems

{MADE}

A failure is a JSON document of the type `application/problem+json` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):
`type` is for programs and does not change, `title` and `detail` are for readers, `errors` names fields or parameters.

```json
{{
  "type": "{PROBLEM_TYPE}invalid-fields",
  "title": "{errors.InvalidFields.title}",
  "status": 422,
  "detail": "{errors.InvalidFields.title}",
  "errors": [{{"pointer": "/actor_id", "detail": "missing; expected a text of 1 to 128 characters, no control characters"}}]
}}
```

A 4xx means that the same request would fail again, except 408, 409 and 429. A 5xx is never caused by the request: with an
idempotency key it can be repeated until it succeeds, and takes effect once.
{"".join(map(_section, sorted(all_problems())))}"""


def _section(problem: Problem) -> str:
    return f"""
## {problem.code}

`{PROBLEM_TYPE}{problem.code}` · {problem.status} · {problem.title}

{problem.meaning} {ADVICE[problem.code]}
"""


def all_problems() -> Iterator[Problem]:
    """Every problem type: the tree of errors, and what a connection refuses before there is a request."""
    kinds: list[type[errors.TidingsError]] = [errors.TidingsError, *errors.TidingsError.__subclasses__()]
    for kind in kinds:
        yield Problem(kind.status, kind.code, kind.title, told_of(kind).partition("\n\n")[0])
    for status, code, title, _ in refusals.REFUSALS:
        yield Problem(status, code, title, "The connection was refused before there was a request.")


def routes() -> str:
    """The page of all routes."""
    return f"""# Routes

{MADE}

The server is built from this table. A running server shows it with each field, type and bound at `/docs`, and as OpenAPI 3.1
at `/openapi.json`. With `--prefix /api` each path begins with `/api`. A path with GET also has HEAD, except streams, and
each path has OPTIONS.

{table(["access", "credential"], [[access.name, access.value] for access in Access])}
{"".join(map(_tagged, dict.fromkeys(route.tag for route in ROUTES)))}"""


def _tagged(tag: str) -> str:
    rows = [
        [
            f"`{route.method} {route.path}`",
            route.access.name,
            f"{route.summary}.",
            parameters(route),
            reply(route),
        ]
        for route in ROUTES
        if route.tag == tag
    ]
    return f"""
## {tag}

{table(["route", "access", "summary", "query", "reply"], rows)}
"""


def parameters(route: Route) -> str:
    """The names of a route's query parameters; one that must be given is bold."""
    given = fields(route.query)
    return ", ".join(f"**`{f.encode_name}`**" if f.required else f"`{f.encode_name}`" for f in given)


def reply(route: Route) -> str:
    """The status of success, and the name of what comes with it in the OpenAPI document."""
    kinds: tuple[Any, ...] = route.reply if isinstance(route.reply, tuple) else (route.reply,)
    named = " or ".join(kind.__name__ for kind in kinds if kind is not None)
    return (
        f"{route.status} {named or ('' if route.status == 204 else route.produces.partition(';')[0])}".strip()
    )


def client() -> str:
    """The page of all calls of the Python client."""
    return f"""# Calls of the Python client

{MADE}

`Client` and `AsyncClient` have the same calls. With `AsyncClient` a call is awaited, and an iterator or a
subscription is used with `async for`. `user` is the user that a call is about; the default is the `user_id` of the
client, or the user of its token. `**filters` are `verb`, `object_type`, `object_id`, `actor_id`, `topic`, `from_` and
`to`; those of a feed are `read` and `include_own` too. The types of the replies are in `tidings.client.shapes` and
`tidings.client.replies`. The [guide](../guides/python-client.md) has examples.
{"".join(map(_calls_of, dict.fromkeys(one.area for one in calls())))}
## Routes without a call

The [routes](routes.md) describe them, and any HTTP client can request them.

{table(["route"], [[f"`{route}`"] for route in routes_without_call()])}
"""


def _calls_of(area: str) -> str:
    rows = [
        [f"`{one.call}`", one.does, " or ".join(f"`{route}`" for route in one.routes), one.returns]
        for one in calls()
        if one.area == area
    ]
    return f"""
## {area.capitalize()}

{table(["call", "what it does", "route", "returns"], rows)}
"""


def metrics() -> str:
    """The page of all metrics."""
    rows = [[f"`{one.name}`", one.type, one.documentation] for one in REGISTRY.collect()]
    return f"""# Metrics

{MADE}

`GET /metrics` replies in the Prometheus text format, with values that are at most a second old. Labels are route templates,
methods, statuses and channels, never users, topics or ids, so their number is bounded. In the output a counter's name ends
in `_total`; a histogram has `_bucket`, `_sum` and `_count`.

{table(["metric", "kind", "meaning"], rows)}
"""


def needs() -> str:
    """The page of what applications need, and what proves that it works."""
    tests: defaultdict[str, list[str]] = defaultdict(list)
    for proof in proofs():
        for id in proof.needs:
            tests[id].append(f"[{proof.test.removeprefix('test_')}](../../tests/{proof.file})")
    return f"""# Needs and their tests

{MADE}

What feeds, inboxes, streams and trends are needed for, and the tests that prove that it works. A test names its needs with a
marker, `@pytest.mark.need("FE1")`; a check refuses a need that is available and has no test. The
[examples](../guides/examples.md) show five applications with these needs.
{"".join(_needs_of(prefix, title, tests) for prefix, title in AREAS.items())}"""


def _needs_of(prefix: str, title: str, tests: Mapping[str, list[str]]) -> str:
    rows = [
        [id, need.text, need.lacks if need.built else "all of it", " · ".join(tests.get(id, ()))]
        for id, need in NEEDS.items()
        if id.startswith(prefix)
    ]
    return f"""
## {title}

{table(["id", "need", "not available yet", "tests"], rows)}
"""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": settings,
    "problems.md": problems,
    "routes.md": routes,
    "metrics.md": metrics,
    "python-client.md": client,
    "needs.md": needs,
}


def stale() -> list[str]:
    """The pages that are not what the code says now."""
    return [name for name, page in PAGES.items() if _written(FOLDER / name) != page()]


def _written(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description="Make the reference pages.")
    parser.add_argument("--check", action="store_true", help="only say which pages are stale")
    check = parser.parse_args().check
    found = stale()
    for name in found:
        print(f"{'stale' if check else 'written'}: docs/reference/{name}")
        if not check:
            (FOLDER / name).write_text(PAGES[name]())
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
