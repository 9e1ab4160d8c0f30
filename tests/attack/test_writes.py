"""One user writes whatever is long, as often as they can; what others publish gets its turn.

The server takes in any number of writes of one user here, and few in one transaction. Then a publication waits for two
transactions, and without turns for all that the attacker has in the queue. That is counted, not timed.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.attack.probe import LONG, AttackedServer, attacked_server

ITEMS = 30_000 if LONG else 3_000
ARRAY = 1_000
AT_ONCE = 150
"""Requests of the attacker that wait for an answer at any time."""
TRANSACTION = 4
"""Writes, besides what is published, that share a transaction (``group_commit_events``)."""
PUBLISHED = 20
PATIENCE_S = 240
MEMORY_MIB = 96
"""What the page caches of the writer and of the counting threads may take, and what is under way."""
IDS = 1_000
OTHERS = 10
"""Different sets of mutes, each of which replaces the one before."""
OF_ONE_USER = 64
"""``max_writes_per_user`` as it is shipped."""

Request = tuple[str, str, object]
"""Method, path and body."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server on which ann has a large feed, much of it hidden, and a large inbox."""
    flags = ("--max-writes-per-user", "1000", "--group-commit-events", str(TRANSACTION))
    with attacked_server(tmp_path_factory.mktemp("writes"), *flags) as running:
        with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client:
            assert client.put(f"/v1/users/ann/follows/{quote('room:1')}").is_success
            assert client.put(f"/v1/users/ann/mutes/{quote('thing:1')}").is_success
            for at in range(0, ITEMS, ARRAY):
                assert client.post("/v1/events", json=[_event(n) for n in range(at, at + ARRAY)]).is_success
            assert client.post("/v1/events", json=_event(0, "w")).is_success
            assert client.post("/v1/notifications/read-all?user_id=ann", json={"type": "w"}).is_success
        yield running


def _event(n: int, verb: str = "v", target: str = "ann") -> dict[str, object]:
    return {
        "actor_id": f"u{n % 50}",
        "verb": verb,
        "object_type": "thing",
        "object_id": str(n),
        "topics": ["room:1"],
        "target_user_ids": [target],
    }


class Connection:
    """One connection, on which a request follows the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def opened(cls, port: int) -> AsyncIterator["Connection"]:
        """A connection that is cut at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    async def ask(self, raw: bytes) -> tuple[int, str, bytes]:
        """Send a request; its status, head and body."""
        self._writer.write(raw)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        _, _, rest = head.partition("content-length: ")
        body = await self._reader.readexactly(int(rest.split("\r\n")[0])) if rest else b""
        return int(head.split()[1]), head, body


def raw(request: Request) -> bytes:
    """A request as it is sent."""
    method, path, body = request
    sent = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent


class Flood:
    """The requests of one user, so many at any time, and how they were answered."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self._port = port
        self._requests = requests
        self._first = asyncio.Event()
        self.answered: list[int] = []
        self.heads: list[str] = []

    async def run(self) -> None:
        """Ask on all connections, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._ask())

    async def _ask(self) -> None:
        async with Connection.opened(self._port) as connection:
            while True:
                status, head, _ = await connection.ask(next(self._requests))
                self.answered.append(status)
                self.heads.append(head)
                self._first.set()

    async def begun(self) -> None:
        """Wait until something was answered, and so much more is under way."""
        await self._first.wait()


def flooded(port: int, requests: Iterator[bytes], script: Callable[[Flood], Any]) -> Flood:
    """Play a script while the requests flood the server."""
    flood = Flood(port, requests)

    async def play() -> None:
        async with asyncio.timeout(PATIENCE_S):
            flooding = asyncio.create_task(flood.run())
            playing = asyncio.create_task(script(flood))
            await asyncio.wait([flooding, playing], return_when=asyncio.FIRST_COMPLETED)
            for task in (playing, flooding):
                task.cancel()
            await asyncio.gather(flooding, return_exceptions=True)
            if flooding.done() and not flooding.cancelled() and flooding.exception():
                raise flooding.exception()  # type: ignore[misc]
            await playing

    asyncio.run(play())
    return flood


# --- the routes ---------------------------------------------------------------------------------------------------


def feed_read_alls(_: AttackedServer) -> Iterator[Request]:
    """Each one item further than the one before."""
    for n in itertools.count():
        yield "POST", "/v1/feed/read?user_id=ann", {"all": True, "up_to": n % ITEMS + 1}


def feed_read_alls_undone(server: AttackedServer) -> Iterator[Request]:
    """All of a feed, and back again."""
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        reply = client.post("/v1/feed/read?user_id=ann", json={"all": True}).json()
        undo = reply["undo"] or client.post("/v1/feed/read?user_id=ann", json={"all": True}).json()["undo"]
    while True:
        yield "POST", "/v1/feed/undo?user_id=ann", {"undo": undo}
        yield "POST", "/v1/feed/read?user_id=ann", {"all": True}


def marks(server: AttackedServer) -> Iterator[Request]:
    """A thousand notifications read and unread."""
    ids: list[str] = []
    cursor = ""
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        while len(ids) < IDS:
            page = client.get(f"/v1/notifications?user_id=ann&limit=100{cursor}").json()
            ids += [item["id"] for item in page["items"]]
            cursor = f"&cursor={page['next_cursor']}"
    for state in itertools.cycle(("unread", "read")):
        yield "POST", f"/v1/notifications/{state}?user_id=ann", {"ids": ids}


def typed_read_alls(_: AttackedServer) -> Iterator[Request]:
    """Of a type of which nothing is unread."""
    while True:
        yield "POST", "/v1/notifications/read-all?user_id=ann", {"type": "w"}


def preferences(_: AttackedServer) -> Iterator[Request]:
    """With a thousand mutes, each time others."""
    for n in itertools.cycle(range(OTHERS)):
        topics = [f"m{n}:{i}" for i in range(1_000)]
        yield "PUT", "/v1/preferences?user_id=muter", {"muted_topics": topics}


def backfills(_: AttackedServer) -> Iterator[Request]:
    """By another user each time, and so each in its turn."""
    for n in itertools.count():
        yield "PUT", f"/v1/users/new{n}/follows/{quote('room:1')}", {"backfill": 1_000}


def blocks(_: AttackedServer) -> Iterator[Request]:
    """Of another user each time, each of whom is looked for in the inbox."""
    for n in itertools.count():
        yield "PUT", f"/v1/users/ann/blocks/b{n}", None


ROUTES = (feed_read_alls, feed_read_alls_undone, marks, typed_read_alls, preferences, backfills, blocks)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
def test_a_flood_of_writes_holds_up_nobody_else(
    server: AttackedServer, route: Callable[[AttackedServer], Iterator[Request]]
) -> None:
    """Publishing by everybody stood for up to half a minute. Here each publication waits for two transactions of the
    attacker's, and without turns for all of their requests."""

    async def publish(flood: Flood) -> None:
        await flood.begun()
        async with Connection.opened(server.port) as connection:
            before = len(flood.answered)
            for n in range(PUBLISHED):
                status, *_ = await connection.ask(raw(("POST", "/v1/events", _event(n, "p", "cy"))))
                assert status == 201
            between = len(flood.answered) - before
        # A client that does not run for a while finds all its requests answered: that happens now and then, not always.
        assert between <= PUBLISHED * AT_ONCE / 2

    requests = map(raw, route(server))
    for user in ("ann", "muter"):  # behind what the attack before this one left in their queues
        reply = httpx.delete(f"{server.url}/v1/users/{user}/mutes/{quote('thing:0')}", timeout=PATIENCE_S)
        assert reply.is_success
    server.reset()
    flood = flooded(server.port, requests, publish)
    assert set(flood.answered) <= {200, 201, 204}
    server.assert_bounds(memory_mib=MEMORY_MIB)


def test_a_user_has_so_many_writes_under_way(tmp_path_factory: pytest.TempPathFactory) -> None:
    """More are refused, and say when to come back; others write."""
    with attacked_server(tmp_path_factory.mktemp("bounded")) as server:

        async def write(flood: Flood) -> None:
            while 429 not in flood.answered:
                await flood.begun()
                await asyncio.wait([asyncio.create_task(flood.begun())], timeout=0)
            async with Connection.opened(server.port) as connection:
                for n in range(PUBLISHED):
                    path = f"/v1/users/bob/mutes/{quote(f'thing:{n}')}"
                    status, *_ = await connection.ask(raw(("PUT", path, None)))
                    assert status == 204

        assert AT_ONCE > OF_ONE_USER
        flood = flooded(server.port, map(raw, preferences(server)), write)
        assert set(flood.answered) == {200, 429}
        refused = [head for status, head in zip(flood.answered, flood.heads, strict=True) if status == 429]
        assert all("retry-after: 1\r\n" in head for head in refused)
        server.assert_bounds(memory_mib=MEMORY_MIB)
