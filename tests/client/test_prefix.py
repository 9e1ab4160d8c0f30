"""A base URL without the prefix of its server. The fault: the error named neither the prefix nor any cause."""

import asyncio
from pathlib import Path

import pytest

from tests.serving import serving
from tidings.client import AsyncClient, Client, ProblemError
from tidings.client.effects import Answer
from tidings.client.errors import problem

SUSPECTED = "404: There is nothing at this address: is the server under a prefix"


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


def test_only_a_404_of_tidings_says_so() -> None:
    """The 404 of another server has no problem document, and other failures have their own words."""
    assert "prefix" not in str(problem(Answer(404, b"<html>")))
    assert "prefix" not in str(problem(Answer(400, b'{"detail": "There is nothing at this address."}')))
