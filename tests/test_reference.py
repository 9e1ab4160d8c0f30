"""The reference pages say what the code says, and every page can be reached."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from docs.client_calls import calls, routes_without_call, unknown_routes
from docs.generate import ADVICE, all_problems, stale
from docs.needs import AREAS, NEEDS, proofs
from tidings.client import AsyncClient, Client
from tidings.client.api import Api
from tidings.client.descriptors import methods_of
from tidings.config import HELP, Settings
from tidings.http.routes import ROUTES
from tidings.telemetry import REGISTRY

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CLIENT = ROOT / "src/tidings/client"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)")
METRIC = re.compile(r"`(tidings_[a-z_]+)`")
HEADING = re.compile(r"^#+ (.*)$", re.M)


def test_reference_is_fresh() -> None:
    """A change of a setting, an error, a route or a metric comes with its page: python -m docs.generate."""
    assert stale() == []


def test_everything_is_explained() -> None:
    """No setting, problem, route or metric is without its sentence, and no sentence without its object."""
    assert HELP.keys() == set(Settings.__struct_fields__)
    assert ADVICE.keys() == {problem.code for problem in all_problems()}
    assert [problem for problem in all_problems() if not problem.meaning] == []
    assert [route.path for route in ROUTES if not route.summary] == []
    assert [metric.name for metric in REGISTRY.collect() if not metric.documentation] == []


def test_every_need_has_a_test() -> None:
    """What is available is proven by a test with its marker, and a marker names a need that is available."""
    proven = {need for one in proofs() for need in one.needs}
    assert proven == {id for id, need in NEEDS.items() if need.built}
    assert {id.rstrip("0123456789") for id in NEEDS} == AREAS.keys()


def test_the_reference_of_problems_is_for_users() -> None:
    """The fault: it printed what docstrings say to those who work on the code, such as the attributes of a class."""
    members = {"`fitting`", "`code`", "`retry_after`", "`document`"}
    named = {
        problem.code: {name for name in members if name in problem.meaning} for problem in all_problems()
    }
    assert {code: found for code, found in named.items() if found} == {}
    assert "caller" not in "".join(problem.meaning for problem in all_problems())


def test_every_metric_that_a_page_names_is_there() -> None:
    """The fault: the guide said to alert on what no metric told."""
    served = {sample.name for metric in REGISTRY.collect() for sample in metric.samples}
    served |= {metric.name for metric in REGISTRY.collect()}
    served |= {f"{name}_{end}" for name in served for end in ("total", "bucket", "count", "sum")}
    named = {name for page in PAGES for name in METRIC.findall(page.read_text())}
    assert named >= {"tidings_fanout_jobs", "tidings_dead_letters"}
    assert named - served == set()


def test_every_call_of_the_client_is_listed() -> None:
    """The fault: no page listed the calls of the Python client."""
    page = (DOCS / "reference" / "python-client.md").read_text()
    for client in (Client, AsyncClient):
        methods = set(methods_of(Api))
        assert {name for name in (*methods, "subscribe") if f"| `{name}(" not in page} == set()
        assert methods <= set(dir(client))
    assert unknown_routes() == []
    assert [one for one in calls() if not one.does[:-1]] == []


def test_a_route_that_a_call_requests_is_not_listed_as_without_a_call() -> None:
    """The fault: the activity of a topic was listed so, as the paths were read from calls without their optional topic."""
    asked = {path for file in CLIENT.glob("*.py") for path in written_paths(ast.parse(file.read_text()))}
    assert {"/v1/topics/{}/activity", "/v1/topics/{}/new", "/v1/reminders/{}"} <= asked
    listed = [re.sub(r"\{\w+\}", "{}", route.split()[1]) for route in routes_without_call()]
    assert listed
    assert asked.intersection(listed) == set()


def written_paths(tree: ast.AST) -> Iterator[str]:
    """The paths below /v1 in a source, with ``{}`` for each part that it fills in."""
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [part.value if isinstance(part, ast.Constant) else "{}" for part in parts]
        if str(texts[0]).startswith("/v1/"):
            yield "".join(map(str, texts))


def test_links_lead_somewhere() -> None:
    """Every link from page to page, to a heading, or to a file has its target."""
    broken = [
        f"{page.relative_to(ROOT)}: {link}#{heading}"
        for page in PAGES
        for link, heading in LINK.findall(page.read_text())
        if not leads_somewhere(page.parent / link if link else page, heading)
    ]
    assert broken == []


def leads_somewhere(target: Path, heading: str) -> bool:
    """Whether the file is there, and has the heading if one is asked for."""
    return target.exists() and (not heading or heading in map(anchor, HEADING.findall(target.read_text())))


def anchor(heading: str) -> str:
    """How a heading is named in an address."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_in_the_index() -> None:
    """docs/README.md leads to each page below docs/."""
    index = DOCS / "README.md"
    listed = {(DOCS / link).resolve() for link, _ in LINK.findall(index.read_text())}
    assert [page for page in DOCS.rglob("*.md") if page.resolve() not in listed | {index}] == []


def test_every_dependency_is_justified() -> None:
    """The fault: httpx and websockets had no row in the decision on dependencies, which asks for one of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for name, some in project["optional-dependencies"].items() if name != "dev" for one in some]
    names = {re.split(r"[^\w-]", one)[0] for one in (*project["dependencies"], *extras)}
    said = set(re.findall(r"[\w-]+", (DOCS / "adr" / "0007-dependencies.md").read_text()))
    assert names - said == set()
