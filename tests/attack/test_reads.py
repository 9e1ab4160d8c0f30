"""One user asks for whatever takes long, as often as they can, and waits wherever one can wait; others are served."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from tests.attack.probe import LONG, AttackedServer, attacked_server

ITEMS, MUTES = (30_000, 1_000) if LONG else (4_000, 200)
ARRAY = 1_000
MEMORY_MIB = 64
"""What the page caches of the reading threads may take, and what is under way."""
PATIENCE_S = 120
POLL_S = 60
"""Seconds that a poll waits at most (``max_wait_s`` as it is shipped)."""
AT_ONCE = 100
OF_ONE_USER = 16
"""``max_reads_per_user`` as it is shipped."""
STREAMS_OF_ONE_USER = 8
BETWEEN = 3
"""Answers to the attacker that may come before another's: what each thread was doing, and one on its way."""
WAITING = 500


class Reply(NamedTuple):
    """What came back."""

    status: int
    head: str
    body: bytes

    @property
    def data(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


def request(path: str, *lines: str) -> bytes:
    """The head of a request."""
    return "\r\n".join((f"GET {path} HTTP/1.1", "host: localhost", *lines, "", "")).encode()


End = Callable[[asyncio.StreamWriter], None]


def close(writer: asyncio.StreamWriter) -> None:
    """The end as a program makes it that has gone."""
    writer.transport.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """The end without a farewell."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Asking:
    """Requests to one server, each on a connection of its own, and the order in which they are answered."""

    def __init__(self, server: AttackedServer) -> None:
        self._server = server
        self.answered: list[tuple[str, int]] = []

    @asynccontextmanager
    async def sent(self, path: str) -> AsyncIterator[asyncio.StreamReader]:
        """A request that has been sent; the connection is reset at the end. A client that only closes it looks like one that
        has half-closed it, whose requests go on for two seconds: on a fast machine they would all be read by then."""
        async with self.left(request(path, "connection: close"), reset) as reader:
            yield reader

    @asynccontextmanager
    async def left(self, sent: bytes, end: End) -> AsyncIterator[asyncio.StreamReader]:
        """A connection over which these bytes are sent; it ends in this way."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        try:
            writer.write(sent)
            yield reader
        finally:
            end(writer)

    async def get(self, who: str, path: str) -> Reply:
        """Ask, and wait for the answer."""
        async with self.sent(path) as reader:
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        reply = Reply(int(head.split()[1]), head.decode().lower(), body)
        self.answered.append((who, reply.status))
        return reply

    async def until(self, name: str, value: float) -> None:
        """Look again and again, until a metric has this value."""
        async with asyncio.timeout(PATIENCE_S):
            while self._server.sample(name) != value:
                await self.get("anybody", "/livez")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server on which ann follows a room with many events, and muted many things; bob follows it too."""
    with attacked_server(tmp_path_factory.mktemp("reads")) as running:
        with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client:
            for user in ("ann", "bob"):
                assert client.put(f"/v1/users/{user}/follows/{quote('room:1')}").is_success
            for at in range(0, ITEMS, ARRAY):
                assert client.post("/v1/events", json=[_event(n) for n in range(at, at + ARRAY)]).is_success
            for n in range(MUTES):
                assert client.put(f"/v1/users/ann/mutes/{quote(f'thing:x{n}')}").is_success
        yield running


def _event(n: int) -> dict[str, object]:
    return {
        "actor_id": f"u{n % 50}",
        "verb": "v",
        "object_type": "thing",
        "object_id": str(n),
        "topics": ["room:1"],
    }


def attack(work: Coroutine[Any, Any, None]) -> None:
    """Run it, but not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await work

    asyncio.run(bounded())


def test_a_hundred_summaries_are_read_once_and_delay_nobody(server: AttackedServer) -> None:
    """Another user's filtered page waited for all of them, and so did the operator's status."""

    async def many() -> None:
        asking = Asking(server)
        shared = 'tidings_long_reads_asked_total{outcome="shared"}'
        before = server.sample(shared)
        summaries = [
            asyncio.create_task(asking.get("ann", "/v1/feed/summary?user_id=ann")) for _ in range(AT_ONCE)
        ]
        page = asking.get("bob", f"/v1/feed?user_id=bob&object_id={ITEMS - 1}&limit=1")
        others = await asyncio.gather(page, asking.get("operator", "/v1/admin/status"))
        assert [reply.status for reply in others] == [200, 200]
        assert {reply.body for reply in await asyncio.gather(*summaries)} == {summaries[0].result().body}
        assert summaries[0].result().data["total"] == ITEMS
        assert server.sample(shared) - before >= AT_ONCE / 2

    server.reset()
    attack(many())
    server.assert_bounds(memory_mib=MEMORY_MIB)


def test_a_user_who_asks_for_much_is_refused_and_others_are_served_in_turn(server: AttackedServer) -> None:
    """A hundred different questions, each of which scans a feed: a few wait, the others are told when to come back."""

    async def many() -> None:
        asking = Asking(server)
        path = "/v1/feed?user_id=ann&limit=100&object_id="
        scans = [asyncio.create_task(asking.get("ann", f"{path}none{n}")) for n in range(AT_ONCE)]
        await asking.until("tidings_long_reads", OF_ONE_USER)
        before = len(_served(asking, "ann"))
        reply = await asking.get("bob", "/v1/feed?user_id=bob&verb=none")
        between = len(_served(asking, "ann")) - before
        assert reply.status == 200
        assert between <= BETWEEN
        replies = await asyncio.gather(*scans)
        refused = [reply for reply in replies if reply.status != 200]
        assert {reply.status for reply in refused} == {429}
        assert all("retry-after: " in reply.head for reply in refused)
        assert all("application/problem+json" in reply.head for reply in refused)
        assert refused[0].data["type"] == "urn:tidings:problem:too-many-requests"

    server.reset()
    attack(many())
    server.assert_bounds(memory_mib=MEMORY_MIB)


def _served(asking: Asking, who: str) -> list[tuple[str, int]]:
    return [answer for answer in asking.answered if answer == (who, 200)]


def test_what_nobody_waits_for_is_not_read(server: AttackedServer) -> None:
    """Whoever asks for what takes long and hangs up, over and over, leaves nothing behind: what they no longer wait for is
    given up, and nothing of it is in the way of the next one."""

    async def abandoned() -> None:
        asking = Asking(server)
        path = "/v1/feed?user_id=ann&limit=100&object_id="
        given_up = 'tidings_long_reads_asked_total{outcome="abandoned"}'
        before, rounds = server.sample(given_up), 0
        while server.sample(given_up) - before < OF_ONE_USER:
            async with contextlib.AsyncExitStack() as opened:
                for n in range(AT_ONCE):
                    await opened.enter_async_context(asking.sent(f"{path}gone{rounds}-{n}"))
                await asking.get("anybody", "/livez")  # the requests before it have arrived
            await asking.until("tidings_long_reads", 0)
            rounds += 1
        assert (await asking.get("ann", f"{path}gone0")).status == 200

    server.reset()
    attack(abandoned())
    server.assert_bounds(memory_mib=MEMORY_MIB)


def test_an_export_is_read_in_parts(server: AttackedServer) -> None:
    """Whoever fetches what is kept about them slowly holds neither a thread nor all of it in memory."""

    async def slow() -> None:
        asking = Asking(server)
        async with contextlib.AsyncExitStack() as opened:
            for _ in range(OF_ONE_USER):
                reader = await opened.enter_async_context(asking.sent("/v1/users/ann/export"))
                assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            assert (await asking.get("bob", "/v1/feed?user_id=bob&verb=none")).status == 200
        await asking.until("tidings_long_reads", 0)

    server.reset()
    attack(slow())
    server.assert_bounds(memory_mib=MEMORY_MIB)


def test_one_user_cannot_hold_five_hundred_waiting_polls(server: AttackedServer) -> None:
    """None was refused, and the next event woke them all, each by searching among the others."""

    async def many() -> None:
        asking = Asking(server)
        path = "/v1/notifications?user_id=cy&since=0&wait=60"
        polls = [asyncio.create_task(asking.get("cy", path)) for _ in range(WAITING)]
        async with asyncio.timeout(PATIENCE_S):
            while len(asking.answered) < WAITING - STREAMS_OF_ONE_USER:
                await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
                polls = [poll for poll in polls if not poll.done()]
        assert {status for _, status in asking.answered} == {429}
        assert len(polls) == STREAMS_OF_ONE_USER
        assert server.sample("tidings_polls_waiting") == STREAMS_OF_ONE_USER
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.post("/v1/events", json=_event(0) | {"target_user_ids": ["cy"]})).is_success
        told = [reply.data["items"][0]["object_id"] for reply in await asyncio.gather(*polls)]
        assert told == ["0"] * STREAMS_OF_ONE_USER
        assert server.sample("tidings_polls_waiting") == 0

    server.reset()
    attack(many())
    server.assert_bounds(memory_mib=MEMORY_MIB)


def test_abandoned_polls_leave_nothing_behind(server: AttackedServer) -> None:
    """Whoever hung up kept their place until the end of the waiting; here their places are free at once."""

    async def abandoned() -> None:
        asking = Asking(server)
        async with contextlib.AsyncExitStack() as opened:
            for n in range(AT_ONCE):
                path = f"/v1/notifications?user_id=gone-{n}&since=0&wait={POLL_S}"
                await opened.enter_async_context(asking.sent(path))
            await asking.until("tidings_polls_waiting", AT_ONCE)
        async with asyncio.timeout(POLL_S / 2):  # after POLL_S they would have ended by themselves
            await asking.until("tidings_polls_waiting", 0)

    server.reset()
    attack(abandoned())
    server.assert_bounds(memory_mib=MEMORY_MIB)


LIVEZ = request("/livez")
BEHIND = {
    "request": LIVEZ,
    "requests": LIVEZ * 1_000,
    "half-a-body": request("/livez", "content-length: 9") + b"12345",
    "garbage": b"\x01\r\n\r\n" + LIVEZ,
}
"""What is sent behind a poll: a whole request, of which the server reads nothing until the poll has its response."""


PAGE = f"/v1/notifications?user_id=piped&since=0&wait={POLL_S}"
FRAMES = f"/v1/notifications/poll?user_id=piped&wait={POLL_S}&last_event_id="


@pytest.mark.parametrize("end", [close, reset])
@pytest.mark.parametrize(
    ("path", "metric"), [(PAGE, "tidings_polls_waiting"), (FRAMES, "tidings_streams_open")]
)
def test_polls_abandoned_with_requests_behind_them_leave_nothing_behind(
    server: AttackedServer, path: str, metric: str, end: End
) -> None:
    """Reading is paused behind a poll, so the end of the connection went unnoticed until the end of the waiting, and the
    user's polls and streams were refused until then."""

    async def abandoned() -> None:
        asking = Asking(server)
        cursor = ""
        if path == FRAMES:  # the first poll of a client does not wait
            cursor = (await asking.get("piped", path)).data["last_event_id"]
        async with contextlib.AsyncExitStack() as opened:
            for behind in BEHIND.values():
                await opened.enter_async_context(asking.left(request(path + cursor) + behind, end))
            await asking.until(metric, len(BEHIND))
        async with asyncio.timeout(POLL_S / 2):  # after POLL_S they would have ended by themselves
            await asking.until(metric, 0)

    attack(abandoned())


def test_a_half_closed_client_of_many_requests_gets_its_responses(server: AttackedServer) -> None:
    """Also of requests that were not read when it closed its side; a poll among them gets none, and ends the connection."""

    async def half_closed() -> None:
        for poll, answered in ((b"", 2_000), (request(PAGE), 1_000)):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(LIVEZ * 1_000 + poll + LIVEZ * 1_000)
            writer.write_eof()
            async with asyncio.timeout(POLL_S / 2):
                assert (await reader.read()).count(b"HTTP/1.1 200 ") == answered
            writer.transport.abort()  # a closed one would wait for what the server did not read

    attack(half_closed())


def test_a_client_that_half_closes_behind_a_poll_is_not_reset(server: AttackedServer) -> None:
    """The server had not read the requests behind the poll, so the end of the connection was a reset, after which a client
    loses the responses that it has not read yet."""

    async def half_closed() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(LIVEZ + request(PAGE) + LIVEZ)
        await Asking(server).until("tidings_polls_waiting", 1)
        writer.write(LIVEZ * 1_000)
        writer.write_eof()
        async with asyncio.timeout(POLL_S / 2):
            assert (await reader.read()).count(b"HTTP/1.1 200 ") == 1
        writer.transport.abort()
        await Asking(server).until("tidings_polls_waiting", 0)

    attack(half_closed())
