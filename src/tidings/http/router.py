"""From a method and a raw path to a route.

Paths are matched segment by segment *before* they are decoded: an encoded slash belongs to an id
(``repository:owner%2Fname``) and must not become a boundary.
"""

from collections.abc import Iterable, Mapping
from urllib.parse import unquote_to_bytes

from tidings.errors import MethodNotAllowed, UnknownPath
from tidings.http.params import check_escapes
from tidings.http.routing import Route

Methods = dict[str, Route]


class PathRoutes:
    """The routes of one path template, by method, and the names of its parameters."""

    __slots__ = ("methods", "names", "template")

    def __init__(self, template: str, names: tuple[str, ...]) -> None:
        self.methods: Methods = {}
        self.template = template
        self.names = names

    @property
    def allow(self) -> bytes:
        """The methods of this path, for the header Allow."""
        names = {*self.methods, "OPTIONS"}
        if "GET" in names and not self.methods["GET"].live:
            names.add("HEAD")
        return ", ".join(sorted(names)).encode()

    def route(self, method: str) -> Route:
        """The route of a method; HEAD is GET without its body. Raises MethodNotAllowed."""
        route = self.methods.get("GET" if method == "HEAD" else method)
        if route is None or (method == "HEAD" and route.live):
            raise MethodNotAllowed()
        return route


class _Node:
    __slots__ = ("below", "found", "parameter")

    def __init__(self) -> None:
        self.below: dict[bytes, _Node] = {}
        self.parameter: _Node | None = None
        self.found: PathRoutes | None = None


class Router:
    """Finds routes under ``prefix``: fixed paths in one look-up, templates by walking a tree of segments."""

    def __init__(self, routes: Iterable[Route], prefix: str) -> None:
        self._exact: dict[bytes, PathRoutes] = {}
        self._root = _Node()
        self._prefix = prefix.rstrip("/")
        for route in routes:
            found = self._place(self._prefix, route.path)
            found.methods[route.method] = route

    def find(self, path: bytes) -> tuple[PathRoutes, Mapping[str, bytes]]:
        """The routes of a raw path, and its parameters as they are sent. Raises UnknownPath, and BadParameter for a path
        that is not percent-encoded UTF-8."""
        found = self._exact.get(path)
        if found is not None:
            return found, {}
        check_escapes(path)
        values: list[bytes] = []
        node: _Node | None = self._root
        for part in path.split(b"/")[1:]:
            node = _step(node, part, values)
        if node is None or node.found is None:
            raise UnknownPath(self._lacking(path))
        return node.found, dict(zip(node.found.names, values, strict=True))

    def _lacking(self, path: bytes) -> str:
        """The detail for a path without a route. It names the prefix: a missing one is the usual cause."""
        pages = f"{self._prefix}/docs"
        if not self._prefix:
            return f"There is nothing at this address. This server has no prefix; {pages} lists its paths."
        if path.startswith(f"{self._prefix}/".encode()):
            return f"There is nothing at this address. {pages} lists the paths of this server."
        return f"There is nothing at this address. All paths of this server begin with {self._prefix}/; {pages} lists them."

    def _place(self, prefix: str, template: str) -> PathRoutes:
        path = prefix + template
        parts = path.split("/")[1:]
        node = self._root
        for part in parts:
            if part.startswith("{"):
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
            else:
                node = node.below.setdefault(part.encode(), _Node())
        if node.found is None:
            node.found = PathRoutes(template, tuple(part[1:-1] for part in parts if part.startswith("{")))
        if not node.found.names:
            self._exact[path.encode()] = node.found
        return node.found


def _step(node: _Node | None, part: bytes, values: list[bytes]) -> _Node | None:
    if node is None:
        return None
    fixed = node.below.get(unquote_to_bytes(part))
    if fixed is not None or node.parameter is None or not part:
        return fixed
    values.append(part)
    return node.parameter
