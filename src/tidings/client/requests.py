"""Requests of a subscription: the meaning of their outcome, and the retries."""

import random
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

from tidings.client.effects import Action, Answer, ClientRequest, RefreshToken, SendRequest, TransportError
from tidings.client.errors import problem, seconds
from tidings.client.lenient import Reader
from tidings.client.timeouts import PATIENCE_S, SHORTEST_S, SubscriptionTimeouts

RETRYABLE = frozenset({408, 425, 429})
"""Refusals, in addition to a server's own failures, after which the same request may succeed."""
MAX_DOUBLINGS = 30
"""Doublings of a wait: more would only make large numbers."""

T = TypeVar("T")
Steps = Generator[Action, Any, T]


class Disconnected(Exception):
    """A connection, or a request, ended or failed. ``wait_s``: the seconds that the server asks to wait, None if it names
    none. ``planned``: it is no failure. ``connected``: there was a connection."""

    def __init__(
        self, why: str, wait_s: float | None = None, *, planned: bool = False, connected: bool = True
    ) -> None:
        super().__init__(why)
        self.why = why
        self.wait_s = wait_s
        self.planned = planned
        self.connected = connected


class Backoff:
    """How long to wait after a failure: full jitter, under a bound that doubles with each."""

    def __init__(self, pace: SubscriptionTimeouts, rng: random.Random) -> None:
        self._pace = pace
        self._rng = rng
        self._first_s = pace.first_s
        self._failures = 0

    def wait_s(self, ended: Disconnected) -> float:
        """The seconds to wait after this end."""
        asked_s = min(ended.wait_s or 0.0, PATIENCE_S)
        if ended.planned:
            return max(SHORTEST_S, asked_s)
        bound = min(self._pace.longest_s, self._first_s * 2 ** min(self._failures, MAX_DOUBLINGS))
        self._failures += 1
        return asked_s + self._rng.uniform(0, bound)

    def begin_at(self, retry_ms: int) -> None:
        """The server sets the bound of a first wait."""
        self._first_s = min(max(retry_ms / 1_000, SHORTEST_S), self._pace.longest_s)

    def lasted(self, lasted_s: float) -> None:
        """A connection was good for so long."""
        if lasted_s >= self._pace.healthy_s:
            self._failures = 0


class RequestSteps:
    """Requests for one user. ``clock`` returns monotonic seconds."""

    def __init__(self, user: str | None, pace: SubscriptionTimeouts, clock: Callable[[], float]) -> None:
        self._user = user
        self._pace = pace
        self._clock = clock
        self._renewed = False
        self._renewed_at = -PATIENCE_S

    def fetch(self, path: str, shape: type[T], held_s: float = 0, **query: object) -> Steps[T]:
        """The result of a GET, which the server may hold for ``held_s`` seconds. Raises Disconnected, ProblemError."""
        answer = yield SendRequest(self.get(path, **query), self._pace.ask_s + held_s)
        answered = yield from self.granted(answer)
        return decode(answered.body, shape)

    def get(self, path: str, **query: object) -> ClientRequest:
        """A request for this user; parameters that are None are left out."""
        asked = {"user_id": self._user} | query
        return ClientRequest("GET", path, tuple((name, str(v)) for name, v in asked.items() if v is not None))

    def granted(self, outcome: Answer | TransportError) -> Steps[Answer]:
        """The response if it is a success. Raises Disconnected if a retry may help, ProblemError if it cannot."""
        if isinstance(outcome, TransportError):
            raise Disconnected(outcome.why, connected=outcome.connected)
        if outcome.status == 200:
            self._renewed = False
            return outcome
        if outcome.status == 401 and not self._renewed and (yield from self.renew()):
            self._renewed = True
            raise Disconnected("the credential was renewed", 0.0, planned=True)
        if outcome.status >= 500 or outcome.status in RETRYABLE:
            raise Disconnected(f"the server answered {outcome.status}", seconds(outcome))
        raise problem(outcome)

    def renew(self) -> Steps[bool]:
        """Get a new credential; False if there is none."""
        self._renewed_at = self._clock()
        renewed: bool = yield RefreshToken()
        return renewed

    @property
    def since_renewal_s(self) -> float:
        """Seconds since the credential was renewed."""
        return self._clock() - self._renewed_at


class Unreadable(Disconnected):
    """A response of the server has a required part that is not understood."""


@lru_cache(maxsize=64)
def _reader(shape: Any) -> Reader[Any]:
    return Reader(shape)


def decode(data: str | bytes, shape: type[T]) -> T:
    """The decoded data of the server. Raises Unreadable if it is not understood."""
    try:
        said: T = _reader(cast(Any, shape)).read(data if isinstance(data, bytes) else data.encode())
    except msgspec.DecodeError as error:
        raise Unreadable(f"the client cannot read a frame of the server: {error}") from None
    return said
