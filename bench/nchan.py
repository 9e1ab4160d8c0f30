"""nginx with its module nchan, where Debian's packages of both are installed: the same work, without a store."""

import http.client
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from bench.cores import SERVER, pin
from bench.process import raise_file_limit
from bench.server import STOP_S, Served, free_port
from bench.stream_clients import Dialect

NCHAN = Dialect("/sub/{}", b": hi\n", b"data: ")
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
CONNECTIONS = 15_000
LOOK_S = 0.02
"""Between two looks whether it answers yet."""
CONFIGURATION = """
daemon off; worker_processes 1; {user} pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
load_module {module};
events {{ worker_connections {connections}; }}
http {{
  access_log off; nchan_shared_memory_size 512M; keepalive_requests 1000000000; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location ~ ^/pub/(.+)$ {{
      nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 10; nchan_message_timeout 60s;
    }}
    location ~ ^/sub/(.+)$ {{ nchan_subscriber eventsource; nchan_channel_id $1; }}
  }}
}}
"""


@contextmanager
def nchan(folder: Path, *, wanted: bool = True) -> Iterator[Served | None]:
    """nginx with one worker, on the server's core: POST to /pub/<channel>, listen at /sub/<channel>. None where it is not
    ``wanted``, and, with a word on standard error, where it is not installed. Raises RuntimeError when it does not come
    up."""
    if not wanted:
        yield None
        return
    if not MODULE.exists() or shutil.which("nginx") is None:
        print("nchan not installed", file=sys.stderr)
        yield None
        return
    raise_file_limit()
    folder.mkdir()
    port = free_port()
    configuration = folder / "nginx.conf"
    user = f"user {pwd.getpwuid(0).pw_name};" if os.geteuid() == 0 else ""
    configuration.write_text(
        CONFIGURATION.format(user=user, folder=folder, module=MODULE, connections=CONNECTIONS, port=port)
    )
    command = ["nginx", "-p", str(folder), "-c", str(configuration), "-e", str(folder / "nginx.log")]
    with subprocess.Popen(command) as process:
        try:
            _await(port, process, folder / "nginx.log")
            worker = _worker(process.pid)
            pin(SERVER, worker)
            yield Served(port, worker)
        finally:
            process.terminate()
            process.wait(timeout=STOP_S)


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a worker answers. The master listens before it makes one: a connection alone proves nothing."""
    until = monotonic() + STOP_S
    while monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STOP_S)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            sleep(LOOK_S)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"nginx does not answer: {log.read_text() if log.exists() else 'it wrote no log'}")


def _worker(master: int) -> int:
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return int(children[0])
