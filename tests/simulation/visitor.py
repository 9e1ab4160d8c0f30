"""A visitor: an EventSource without a credential that reads a stream of activity, and a page of it after a reset."""

import asyncio
import json
from typing import Any

from tests.simulation.device import Around
from tests.simulation.loop import pause
from tests.simulation.network import EVENTS, Connection
from tidings.activity_scope import ActivityScope
from tidings.client import sse
from tidings.client.cursor import parse
from tidings.client.effects import Answer, TransportError
from tidings.visibility import VISITOR

AGAIN_S = 1.0
"""Seconds between two attempts."""


class Visitor:
    """A visitor who reads the activity of all users or of some topics. ``numbers`` are all positions that the visitor was
    shown, ``arrived`` those of frames since ``since``, from which on no frame may be missing."""

    def __init__(self, around: Around, name: str, topics: tuple[str, ...]) -> None:
        self.name = name
        self.topics = topics
        self.scope = ActivityScope(False, not topics, frozenset(topics))
        self.connection: Connection | None = None
        self.dawdle_s = 0.0
        self.numbers: set[int] = set()
        self.forget()
        self._around = around
        self._running: asyncio.Task[None] | None = None

    @property
    def on(self) -> bool:
        """Whether the page is open."""
        return self._running is not None

    def start(self) -> None:
        """Open the page."""
        self._running = self._around.people.spawn(self._run())

    def stop(self) -> None:
        """Close it."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
            self._close()

    def forget(self) -> None:
        """Lose the cursor and all that was received."""
        self._cursor = ""
        self._position = 0
        self.since: int | None = None
        self.arrived: list[int] = []

    async def _run(self) -> None:
        around = self._around
        while True:
            connection = self.connection = Connection(EVENTS, around.trouble, around.rng, around.tally)
            if isinstance(await self._open(connection), Answer):
                await self._listen(connection)
            self._close()
            await pause(AGAIN_S)

    async def _open(self, connection: Connection) -> Answer | TransportError:
        cursor = self._cursor or None
        return await self._around.call(
            lambda server: server.visit(self.topics, cursor, connection), self._around.pace.open_s
        )

    async def _listen(self, connection: Connection) -> None:
        parser = sse.Parser()
        while True:
            received = await connection.receive(self._around.pace.silence_s)
            if isinstance(received, TransportError) or not received:
                return
            for event in parser.feed(received):
                await self._take(event)
                if self.dawdle_s:
                    await pause(self.dawdle_s)

    async def _take(self, event: sse.ServerSentEvent) -> None:
        data: dict[str, Any] = json.loads(event.data)
        self._around.note(self.name, "hears", event.name, data.get("position", event.id))
        self._around.tally.add("visitor", event.name)
        assert (data.get("user_id") is None and "seq" not in data) or event.name == "heartbeat", data
        self.numbers.update(self._numbers(event, data))
        match event.name:
            case "hello":
                self._greeted(data)
            case "activity":
                self._around.history.carries(VISITOR, self.scope, data["event_id"], data["position"])
                self._arrive(data["position"])
            case "retracted":
                self._around.history.retracts(VISITOR, self.scope, data["event_id"], data["position"])
                self._arrive(data["position"])
            case "reset":
                await self._fetch(parse(event.id).position or 0)
            case _:
                assert event.name in ("heartbeat", "drain"), event
        self._cursor = event.id or self._cursor

    def _numbers(self, event: sse.ServerSentEvent, data: dict[str, Any]) -> list[int]:
        """The positions that a frame shows."""
        found = [parse(event.id).position] if event.id else []
        return [number for number in (*found, data.get("position")) if number is not None]

    def _greeted(self, hello: dict[str, Any]) -> None:
        if hello["resumed"]:
            self._around.tally.add("visitor", "resume")
        elif self.since is None:
            self._begin(hello["position"])

    def _begin(self, position: int) -> None:
        assert position >= self._position, f"{self.name} began at {position} after {self._position}"
        self.since = self._position = position
        self.arrived = []

    def _arrive(self, position: int) -> None:
        assert position > self._position, f"{self.name}: {position} after {self._position}"
        self._position = position
        self.arrived.append(position)

    async def _fetch(self, position: int) -> None:
        """Read the page again, which has all up to the position of a reset."""
        around = self._around
        while True:
            page = await around.call(lambda server: server.front_page(self.topics), around.pace.ask_s)
            if not isinstance(page, TransportError):
                break
            await pause(AGAIN_S)
        self.numbers.add(page.position)
        assert page.position >= position, (
            f"{self.name}: a page at {page.position} after a reset at {position}"
        )
        for item in page.items:
            around.history.carries(VISITOR, self.scope, item.event_id, item.position)
        self._begin(position)

    def _close(self) -> None:
        if self.connection is not None:
            if self.connection.wrong:
                self._around.failures.append(AssertionError(f"{self.name}: {self.connection.wrong}"))
            self.connection.hang_up()
            self.connection = None
