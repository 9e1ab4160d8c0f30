"""Behind nginx as the guide configures it. The fault: while Tidings restarted, nginx answered a stream with 502, which
ends an EventSource for good."""

import os
import pwd
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer

LIMIT_S = 30
GUIDE = Path(__file__).parents[2] / "docs/guides/running-it.md"
DOCUMENTED = re.compile(r"^```nginx\n(?P<map>map .*?\n)\n(?P<locations>.*?)^```$", re.M | re.S)
CONFIGURATION = """{user}
pid nginx.pid; error_log nginx.log warn; worker_processes 1;
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
STREAM = "/api/v1/notifications/stream?user_id=bob"


@contextmanager
def behind_nginx(folder: Path, url: str) -> Iterator[httpx.Client]:
    """A client of nginx with the documented configuration, in front of the server at this address."""
    documented = DOCUMENTED.search(GUIDE.read_text())
    assert documented, "the guide has no configuration of nginx"
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    locations = documented["locations"].replace("http://127.0.0.1:8787", url.removesuffix("/api"))
    text = CONFIGURATION.format(user=user, folder=folder, map=documented["map"], locations=locations)
    (folder / "nginx.conf").write_text(text)
    # It returns when the socket is bound.
    subprocess.run(["nginx", "-p", folder, "-c", "nginx.conf", "-e", "nginx.log"], cwd=folder, check=True)
    transport = httpx.HTTPTransport(uds=str(folder / "nginx.sock"))
    try:
        with httpx.Client(
            base_url="http://site.example", headers=bearer(KEY), transport=transport, timeout=LIMIT_S
        ) as client:
            yield client
    finally:
        stop(int((folder / "nginx.pid").read_text()))


def stop(pid: int) -> None:
    """End nginx, and wait for that."""
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM)
    ended, _, _ = select.select([process], [], [], LIMIT_S)
    os.close(process)
    assert ended, "nginx does not end"


def test_a_restart_behind_the_documented_nginx_ends_no_event_source(tmp_path: Path) -> None:
    """A stream that is opened while Tidings is away gets 200 and the time to come again. Other requests get the 502."""
    with ExitStack() as server:
        url = server.enter_context(serving(tmp_path, "--prefix", "/api", **SETTINGS))
        with behind_nginx(tmp_path, url) as client:
            with client.stream("GET", STREAM) as reply:
                assert reply.status_code == 200
                assert next(reply.iter_lines()).startswith("retry: ")
            assert client.get("/api/v1/feed?user_id=bob").status_code == 200
            assert client.get(STREAM, headers={"authorization": "Bearer wrong"}).status_code == 401
            server.close()
            away = client.get(STREAM)
            assert (away.status_code, away.headers["content-type"]) == (200, "text/event-stream")
            assert away.text == "retry: 5000\n\n"
            assert client.get("/api/v1/feed?user_id=bob").status_code == 502
