"""``kill -9`` between the sending of a webhook and its settlement: it is sent again, under the same id."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.outbound.receivers import HOST, Web
from tests.outbound.test_webhook import is_signed
from tests.serving import START_S, STOP_S, address, environ, within

TYPES = """
webhook_allow_http = true
webhook_allow_networks = "127.0.0.1/32"

[types.like]
channels = ["webhook"]
"""


@contextmanager
def victim(folder: Path) -> Iterator[httpx.Client]:
    """A client of a server in this folder, which is killed with the block."""
    command = [sys.executable, "-m", "tidings", "serve", "--dev", "--port=0"]
    with subprocess.Popen(command, cwd=folder, env=environ(), stdout=subprocess.PIPE, text=True) as process:
        try:
            url = within(START_S, process, lambda: address(process))
            with httpx.Client(base_url=url, timeout=START_S) as client:
                yield client
        finally:
            process.kill()
            process.communicate(timeout=STOP_S)


def test_a_webhook_whose_server_was_killed_is_sent_again(tmp_path: Path, loop: asyncio.Runner) -> None:
    """The receiver has it and is about to answer. (Its loop stands still while this test does anything else.)"""
    (tmp_path / "tidings.toml").write_text(TYPES)
    web = Web()
    port = loop.run(web.start())
    web.open.clear()
    with victim(tmp_path) as client:
        hook = {"channel": "webhook", "address": f"http://{HOST}:{port}/hook"}
        reply = client.post("/v1/endpoints", params={"user_id": "alice"}, json=hook)
        secret = reply.raise_for_status().json()["secret"]
        like = {"actor_id": "bob", "verb": "like", "object_type": "post", "object_id": "1"}
        client.post("/v1/events", json=like | {"target_user_ids": ["alice"]}).raise_for_status()
        loop.run(web.received(1))
    web.open.set()
    with victim(tmp_path):
        loop.run(web.received(2))
    first, second = web.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert is_signed(first, secret)
    assert is_signed(second, secret)
    loop.run(web.stop())
