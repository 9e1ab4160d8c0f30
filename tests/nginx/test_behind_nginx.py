"""Behind nginx as the guide configures it. The fault: while Tidings restarted, nginx answered a stream with 502, which
ends an EventSource for good."""

import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.serving import environ, serving, stop, within
from tests.wire.people import KEY, SETTINGS, bearer

LIMIT_S = 30
"""Until what does not come fails the test."""
GUIDE = Path(__file__).parents[2] / "docs/guides/running-it.md"
DOCUMENTED = re.compile(r"^```nginx\n(?P<map>map .*?\n)\n(?P<locations>.*?)^```$", re.M | re.S)
CONFIGURATION = """{user}
daemon off; master_process off;  # one process, which nothing outlives
pid nginx.pid; error_log stderr notice;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxied;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {map}
    server {{
        listen unix:{folder}/nginx.sock;
        {locations}
    }}
}}
"""
BOUND = "event method"
STREAM, VISITORS = "/api/v1/notifications/stream?user_id=bob", "/api/v1/activity/stream"


@contextmanager
def behind_nginx(folder: Path, url: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """nginx with the documented configuration in front of the server at this address, and a client of it."""
    documented = DOCUMENTED.search(GUIDE.read_text())
    assert documented, "the guide has no configuration of nginx"
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    locations = documented["locations"].replace("http://127.0.0.1:8787", url.removesuffix("/api"))
    text = CONFIGURATION.format(user=user, folder=folder, map=documented["map"], locations=locations)
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as nginx:
        try:
            within(LIMIT_S, nginx, lambda: wait_until_bound(nginx))
            transport = httpx.HTTPTransport(uds=str(folder / "nginx.sock"))
            with httpx.Client(
                base_url="http://site.example", headers=bearer(KEY), transport=transport, timeout=LIMIT_S
            ) as client:
                yield nginx, client
        finally:
            stop(nginx)


def environment() -> dict[str, str]:
    """The environment without ``NGINX``, which nginx takes for the sockets of a predecessor."""
    return {name: value for name, value in environ().items() if name != "NGINX"}


def wait_until_bound(nginx: subprocess.Popen[str]) -> None:
    """Wait until nginx has bound its socket, which it does before it says which event method it uses."""
    assert nginx.stderr is not None
    said = ""
    for line in nginx.stderr:
        said += line
        if BOUND in line:
            return
    raise AssertionError(f"nginx ended with {nginx.wait(LIMIT_S)}: {said}")


@pytest.mark.parametrize("path", [STREAM, VISITORS])
def test_a_restart_behind_the_documented_nginx_ends_no_event_source(tmp_path: Path, path: str) -> None:
    """A stream that is opened while Tidings is away gets 200 and the time to come again, that of a visitor too. Other
    requests get the 502."""
    with ExitStack() as server:
        settings = SETTINGS | {"TIDINGS_PUBLIC_READS": "activity"}
        url = server.enter_context(serving(tmp_path, "--prefix", "/api", **settings))
        with behind_nginx(tmp_path, url) as (nginx, client):
            if path == VISITORS:
                del client.headers["authorization"]
            with client.stream("GET", path) as reply:
                assert reply.status_code == 200
                assert next(reply.iter_lines()).startswith("retry: ")
            assert client.get("/api/v1/activity").status_code == 200
            assert client.get(path, headers={"authorization": "Bearer wrong"}).status_code == 401
            server.close()
            away = within(LIMIT_S, nginx, lambda: client.get(path))  # a stream would have no end
            assert (away.status_code, away.headers["content-type"]) == (200, "text/event-stream")
            assert away.text == "retry: 5000\n\n"
            assert client.get("/api/v1/activity").status_code == 502


def test_the_documented_nginx_exposes_nothing_for_operators(tmp_path: Path) -> None:
    """The fault: /metrics was reachable, though the text below the block says not to expose it."""
    with serving(tmp_path, "--prefix", "/api", **SETTINGS) as url, behind_nginx(tmp_path, url) as (_, client):
        for path in ("/api/metrics", "/api/docs", "/api/"):
            assert httpx.get(url.removesuffix("/api") + path, trust_env=False).status_code == 200
            assert client.get(path).status_code == 403
        assert client.get("/api/livez").status_code == 200
