"""Python calls and processor time of one request through protocol, application and store, over a transport that does
nothing. Calls repeat on a busy machine, rates do not."""

import asyncio
import cProfile
import pstats
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from time import process_time, thread_time
from typing import Any

import msgspec
import uvicorn
import uvloop
from uvicorn.server import ServerState

from bench.client import get, post
from bench.scenarios.arrays import SIZE, _followed
from bench.scenarios.posts import event
from tidings.config import Settings
from tidings.http import scheduler
from tidings.http.app import build
from tidings.http.auth import Authenticator
from tidings.process import protocol_of
from tidings.server import running
from tidings.timeutil import SystemClock

CONNECTIONS = 64
ROUNDS = 16
"""Requests on each connection, half of them before the measurement."""
LONG_S = 600


class Transport:
    """Takes what is written, and counts it."""

    written: Callable[[], None]

    def __init__(self) -> None:
        self.last = b""

    def write(self, data: bytes) -> None:
        """A whole response."""
        self.last = data
        self.written()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """The addresses."""
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def is_closing(self) -> bool:
        """It never ends."""
        return False

    def pause_reading(self) -> None:
        """There is no socket."""

    resume_reading = close = abort = pause_reading


class Load:
    """Connections that send a request each, and wait for all responses."""

    def __init__(self, config: uvicorn.Config) -> None:
        state = ServerState()
        state.default_headers = [(b"date", b"Sat, 28 Nov 2026 10:00:00 GMT")]
        self.connections: list[tuple[Any, Transport]] = []
        for _ in range(CONNECTIONS):
            made: Any = config.http_protocol_class
            protocol, transport = made(config=config, server_state=state, app_state={}), Transport()
            transport.written = self._written
            protocol.connection_made(transport)
            self.connections.append((protocol, transport))

    def _written(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._done.set_result(None)

    async def run(self, requests: Sequence[bytes], status: int) -> None:
        """Send these, as many at once as there are connections."""
        for at in range(0, len(requests), CONNECTIONS):
            some = requests[at : at + CONNECTIONS]
            self._waiting, self._done = len(some), asyncio.get_running_loop().create_future()
            for (protocol, _), request in zip(self.connections, some, strict=False):
                protocol.data_received(request)
            await self._done
            await asyncio.sleep(0)
            assert all(int(transport.last[9:12]) == status for _, transport in self.connections[: len(some)])


async def requests_of(row: str, load: Load) -> tuple[list[bytes], int, int]:
    """The requests of a row, the status of their responses, and the events of each."""
    draw, number = Random(1), CONNECTIONS * ROUNDS
    if row == "posts":
        return [post("/v1/events", msgspec.json.encode(event(draw))) for _ in range(number)], 201, 1
    if row == "arrays":
        arrays = [[_followed(draw) for _ in range(SIZE)] for _ in range(CONNECTIONS // 2)]
        return [post("/v1/events", msgspec.json.encode(array)) for array in arrays], 201, SIZE
    users = [f"user{n % CONNECTIONS}" for n in range(number)]
    some = msgspec.json.encode([event(draw) for _ in range(500)])
    await load.run([post("/v1/events", some)], 201)
    if row == "counts":
        return [get(f"/v1/notifications/unread-count?user_id={user}") for user in users], 200, 1
    paths = [f"/v1/notifications?user_id={user}" for user in users]
    await load.run([get(path) for path in paths[:CONNECTIONS]], 200)
    tags = [
        transport.last.partition(b"etag: ")[2].partition(b"\r\n")[0].decode()
        for _, transport in load.connections
    ]
    again = [get(path, f"if-none-match: {tags[n % CONNECTIONS]}\r\n") for n, path in enumerate(paths)]
    return again, 304, 1


async def measure(row: str) -> None:
    """Print the calls and the microseconds of a request, or of an event of an array."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            dev=True,
            store=f"sqlite:///{Path(folder, 'bench.db')}",
            duplicate_window_s=0,
            request_header_timeout_s=LONG_S,
            body_timeout_s=LONG_S,
        )
        clock = SystemClock()
        async with running(settings, clock) as services:
            app = build(services, Authenticator(settings, clock))
            config = uvicorn.Config(app, http=protocol_of(settings), log_config=None, server_header=False)
            config.load()
            load = Load(config)
            requests, status, events = await requests_of(row, load)
            half = len(requests) // 2
            began, used = thread_time(), process_time()
            await load.run(requests[:half], status)
            took, all_threads = thread_time() - began, process_time() - used
            profile = cProfile.Profile()
            profile.enable()
            await load.run(requests[half:], status)
            profile.disable()
    number = half * events
    calls: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    print(
        f"{row}: {calls / number:.1f} calls, {took / number * 1e6:.1f} us, {all_threads / number * 1e6:.1f} us in all"
    )


if __name__ == "__main__":
    scheduler.SHARE_S = LONG_S
    for name in sys.argv[1:] or ("304", "counts", "posts", "arrays"):
        uvloop.run(measure(name))
