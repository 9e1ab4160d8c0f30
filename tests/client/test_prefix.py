"""A base URL without the prefix of its server. The fault: the error named neither the prefix nor any cause."""

import asyncio
from pathlib import Path

import pytest

from tests.serving import serving
from tidings.client import AsyncClient, Client, ProblemError
from tidings.client.effects import Answer
from tidings.client.errors import UNKNOWN_PATH, problem
from tidings.errors import UnknownPath
from tidings.http.router import Router
from tidings.http.routes import ROUTES

SUSPECTED = "404: There is nothing at this address. All paths of this server begin with /api/"


def test_a_missing_prefix_is_suspected(tmp_path: Path) -> None:
    """By a call, by one of the asynchronous client, and by a subscription, of a real server."""

    async def counted(url: str) -> None:
        async with AsyncClient(url) as client:
            await client.unread_count(user="bob")

    with serving(tmp_path, "--prefix", "/api") as url:
        wrong = url.removesuffix("/api")
        with Client(wrong) as client:
            with pytest.raises(ProblemError, match=SUSPECTED):
                client.unread_count(user="bob")
            with pytest.raises(ProblemError, match=SUSPECTED):
                next(iter(client.subscribe(user="bob")))
        with pytest.raises(ProblemError, match=SUSPECTED):
            asyncio.run(counted(wrong))
        with Client(url) as client:
            with pytest.raises(ProblemError) as lacking:
                client.cancel_reminder("none")
            assert "prefix" not in str(lacking.value)


def test_kinds_of_404_are_told_apart_by_their_type(tmp_path: Path) -> None:
    """The fault: by the text of the 404, so a change of a text in the server changed what the client said."""
    with serving(tmp_path, "--prefix", "/api") as url, Client(url) as client:
        with pytest.raises(ProblemError) as lacking:
            client.cancel_reminder("none")
        with pytest.raises(ProblemError) as wrong, Client(f"{url}/more") as misled:
            misled.unread_count(user="bob")
    assert (lacking.value.type, wrong.value.type) == ("urn:tidings:problem:not-found", UNKNOWN_PATH)
    assert "prefix" not in str(problem(Answer(404, b"<html>")))


PREFIXED = "All paths of this server begin with /api/; /api/docs lists them."


@pytest.mark.parametrize(
    ("prefix", "path", "detail"),
    [
        ("/api", b"/v1/feed", PREFIXED),
        ("/api/", b"/api", PREFIXED),
        ("/api", b"/apiary/v1/feed", PREFIXED),
        ("/api", b"/api/v1/food", "/api/docs lists the paths of this server."),
        ("", b"/api/v1/feed", "This server has no prefix; /docs lists its paths."),
    ],
)
def test_an_unknown_path_names_the_prefix(prefix: str, path: bytes, detail: str) -> None:
    """The fault: a request without the prefix, or for the prefix without its last slash, got a 404 that said nothing."""
    with pytest.raises(UnknownPath) as refused:
        Router(ROUTES, prefix).find(path)
    assert refused.value.detail == f"There is nothing at this address. {detail}"
