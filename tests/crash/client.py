"""A client that writes into a server which is killed, with a ledger of all that it sent and was told.

Each client has people and topics of its own, and one request under way at a time. So what it did is one sequence, and
the only thing that a kill leaves open is whether its last request was carried out. Where that request can be repeated,
it is, as a real client would; an event without an idempotency key cannot be, and may be in the log or not.
"""

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from tests.checkers.ledger import Place, Reply
from tidings.timeutil import rfc3339

TIMEOUT_S = 30
LANES = 4
"""Topics of each client that its follower follows now and then."""
POOL = tuple(f"pool-{n}" for n in range(6))
"""People whom all clients address at once."""
CROWD = tuple(f"crowd-{n}" for n in range(150))
"""Followers of one wide topic: enough that its fan-out is owed, and that it becomes hot."""
WIDE = "category:wide"
NOON_MS = 1_700_000_000_000
STEP_MS = 20
"""Time that passes from one event of a client to its next."""
SPREAD_MS = 1_000
"""Events lie up to a second behind that time, so that many are late, and some share a millisecond."""


class Sent(NamedTuple):
    """An event as its client remembers it. Its object's id is its ``token``: nobody else sends that."""

    token: str
    targets: tuple[str, ...]
    topics: tuple[str, ...]
    number: int


class Request(NamedTuple):
    """What is under way. ``then`` notes the answer once there is one; ``events`` are those it publishes."""

    method: str
    path: str
    content: bytes
    then: Callable[[httpx.Response], object]
    key: str | None = None
    events: tuple[Sent, ...] = ()

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice is as good as once."""
        return self.key is not None or not self.events


@dataclass
class Ledger:
    """All that was sent, by token, and what was acknowledged of it."""

    sent: dict[str, Sent] = field(default_factory=dict)
    acked: dict[str, Place] = field(default_factory=dict)
    replies: list[Reply] = field(default_factory=list)
    keyed: list[Request] = field(default_factory=list)
    unknown: list[Request] = field(default_factory=list)
    """What was under way when a server was killed, and cannot be repeated."""
    read: set[str] = field(default_factory=set)
    lanes: dict[str, int] = field(default_factory=dict)
    """The lanes followed now, each with the number of events that were sent before."""


class Client:
    """One writer. Its requests are a function of its seed and of what the server answered."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.follower = f"follower-{number}"
        self.reader = f"reader-{number}"
        self.ledger = Ledger()
        self._chance = random.Random(f"{seed}/{number}")
        self._under_way: Request | None = None

    def write(self, url: str, acknowledged: Callable[[], object]) -> None:
        """Send one request after the other until the server is gone."""
        with httpx.Client(base_url=url, timeout=TIMEOUT_S) as http:
            try:
                while True:
                    self._under_way = self._next(http)
                    self._send(http, self._under_way)
                    self._under_way = None
                    acknowledged()
            except httpx.TransportError:
                return

    def settle(self, http: httpx.Client) -> None:
        """Repeat what was under way when the server was killed, if it can be repeated."""
        request, self._under_way = self._under_way, None
        if request is not None and request.repeatable:
            self._send(http, request)
        elif request is not None:
            self.ledger.unknown.append(request)

    def repeats(self, http: httpx.Client, some: int) -> Iterator[Reply]:
        """The answers to some of the latest requests with a key, sent again, and to one with another body."""
        for request in self.ledger.keyed[-some:]:
            yield self._reply(request, self._post(http, request))
        if self.ledger.keyed:
            other = self.ledger.keyed[-1]._replace(
                content=b'[{"actor_id":"x","verb":"x","object_type":"x","object_id":"x"}]'
            )
            yield self._reply(other, self._post(http, other))

    # --- what is sent -------------------------------------------------------------------------------------------

    def _next(self, http: httpx.Client) -> Request:
        choice = self._chance.random()
        if choice < 0.65:
            return self._publish(1 if choice < 0.4 else self._chance.randint(2, 8))
        if choice < 0.8:
            return self._change_lane(f"lane:{self.number}-{self._chance.randrange(LANES)}")
        if choice < 0.97:
            return self._mark(http) or self._publish(1)
        return Request("POST", f"/v1/notifications/read-all?user_id={self.reader}", b"{}", _nothing)

    def _publish(self, count: int) -> Request:
        key = f"key-{self.number}-{len(self.ledger.sent)}" if self._chance.random() < 0.6 else None
        events = tuple(self._event() for _ in range(count))
        bodies = [self._body(event) for event in events]
        content = json.dumps(bodies if count > 1 else bodies[0]).encode()
        request = Request("POST", "/v1/events", content, _nothing, key, events)
        return request._replace(then=lambda answer: self._published(request, answer))

    def _event(self) -> Sent:
        chance, number = self._chance, len(self.ledger.sent)
        targets = tuple(chance.sample((*POOL, self.reader), chance.randrange(4)))
        topics = (f"lane:{self.number}-{chance.randrange(LANES)}",) + (WIDE,) * (chance.random() < 0.15)
        event = Sent(f"{self.number}-{number}", targets, topics, number)
        self.ledger.sent[event.token] = event
        return event

    def _body(self, event: Sent) -> dict[str, Any]:
        return {
            "actor_id": f"actor-{self.number}",
            "verb": "post",
            "object_type": "thing",
            "object_id": event.token,
            "target_user_ids": event.targets,
            "topics": event.topics,
            "created_at": rfc3339(NOON_MS + event.number * STEP_MS - self._chance.randrange(SPREAD_MS)),
        }

    def _change_lane(self, lane: str) -> Request:
        path = f"/v1/users/{self.follower}/follows/{lane}"
        lanes, sent = self.ledger.lanes, len(self.ledger.sent)
        if lane in lanes:
            return Request("DELETE", path, b"", lambda _: lanes.pop(lane, None))
        return Request("PUT", path, b'{"backfill":0}', lambda _: lanes.setdefault(lane, sent))

    def _mark(self, http: httpx.Client) -> Request | None:
        """Read one notification of the person in the pool whom no other client reads for."""
        user = POOL[self.number]
        answer = http.get("/v1/notifications", params={"user_id": user, "unread_only": True, "limit": 5})
        ids = [item["id"] for item in answer.json()["items"]]
        if not ids:
            return None
        id = self._chance.choice(ids)
        return Request(
            "POST", f"/v1/notifications/{id}/read?user_id={user}", b"", lambda _: self.ledger.read.add(id)
        )

    # --- what is noted ------------------------------------------------------------------------------------------

    def _send(self, http: httpx.Client, request: Request) -> None:
        answer = self._post(http, request)
        assert answer.is_success, f"{request} was answered {answer.status_code}: {answer.text}"
        request.then(answer)

    def _post(self, http: httpx.Client, request: Request) -> httpx.Response:
        headers = {"content-type": "application/json"} if request.content else {}
        if request.key:
            headers["idempotency-key"] = request.key
        return http.request(request.method, request.path, content=request.content, headers=headers)

    def _published(self, request: Request, answer: httpx.Response) -> None:
        body = answer.json()
        receipts = body.get("events", [body])
        for event, receipt in zip(request.events, receipts, strict=True):
            self.ledger.acked[event.token] = Place(receipt["position"], receipt["event_id"])
        if request.key:
            self.ledger.keyed.append(request)
            self.ledger.replies.append(self._reply(request, answer))

    def _reply(self, request: Request, answer: httpx.Response) -> Reply:
        return Reply(request.key, request.content, None if answer.status_code == 422 else answer.content)


def _nothing(_: httpx.Response) -> None:
    """Nothing is noted of the answer."""


def load(clients: list[Client], url: str, acknowledgements: int, kill: Callable[[], None]) -> None:
    """Let all clients write at once, and kill the server when so many requests were acknowledged."""
    acked = threading.Semaphore(0)
    threads = [threading.Thread(target=client.write, args=(url, acked.release)) for client in clients]
    for thread in threads:
        thread.start()
    reached = all(acked.acquire(timeout=TIMEOUT_S) for _ in range(acknowledgements))
    kill()
    for thread in threads:
        thread.join()
    assert reached, f"{acknowledgements} requests took over {TIMEOUT_S} s"
