"""The synchronous client, for plain Python and threads."""

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Self, TypeVar

import httpx

from tidings.client.api import Api
from tidings.client.arguments import checked_arguments
from tidings.client.descriptors import HasItems
from tidings.client.effects import (
    Action,
    Answer,
    ClientRequest,
    Close,
    Emit,
    Open,
    Outcome,
    Receive,
    RefreshToken,
    SendRequest,
    Sleep,
    StateChanged,
    TransportError,
)
from tidings.client.items import Connection, Item
from tidings.client.request import Call, Series, carried_out
from tidings.client.subscription import NOTIFICATIONS, PACE, SubscriptionMachine
from tidings.client.timeouts import SubscriptionTimeouts
from tidings.client.transport import (
    LIMITS,
    Body,
    answer,
    check_credentials,
    checked,
    failed,
    is_direct,
    prepared,
    trusted,
)

T = TypeVar("T")


class Client(Api):
    """A client of a server, for an application (``api_key``) or for one user (``token``).

    ``base_url`` is the server's address, with its prefix if it has one. ``token`` may be a function that returns one: it is
    called before the first request, and again when a token has expired. ``user_id`` is the default user of calls.
    ``timeout``: seconds for a request, in addition to those that the server is asked to wait; ``retries``: how often a call
    that may still succeed is repeated. Calls raise ProblemError if they are refused and Unreachable without a response.
    Raises ValueError for an invalid address, and for two credentials.
    """

    @checked_arguments
    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        token: str | Callable[[], str] | None = None,
        user_id: str | None = None,
        timeout: float = 30.0,
        retries: int = 3,
    ) -> None:
        check_credentials(api_key, token)
        self.user_id = user_id
        self.has_token = token is not None
        self._base_url = checked(base_url)
        self._fetch = token if callable(token) else None
        self._credential = api_key or (token if isinstance(token, str) else None)
        self._timeout_s = timeout
        self._retries = retries
        self._rng = random.Random()
        # A given transport has no proxies, and trusts the authorities that the environment names.
        trust = trusted(self._base_url)
        direct = httpx.HTTPTransport(limits=LIMITS, verify=trust) if is_direct(self._base_url) else None
        self._http = httpx.Client(limits=LIMITS, transport=direct)
        self._closed = threading.Event()

    @checked_arguments
    def subscribe(
        self,
        *,
        user: str | None = None,
        include: Collection[str] = (NOTIFICATIONS,),
        topics: Collection[str] = (),
        cursor: str | None = None,
        fresh: bool = False,
        on_connection: Callable[[Connection], None] | None = None,
        pace: SubscriptionTimeouts = PACE,
    ) -> "Subscription":
        """Subscribe to a user's changes: an iterator that resumes after every interruption, without gaps or duplicates.

        ``include``: some of "notifications", "activity" (the feed) and "activity:all" (the public events of all users);
        ``topics``: topics whose events it returns too, followed or not. It begins after ``cursor`` (that of an item of an
        earlier subscription, or of :func:`cursor_of`), else now; ``fresh``: with a Reset that has the current state.
        ``on_connection`` is called with each state of the connection. Iterating raises ProblemError if the server refuses
        permanently.
        """
        session = SubscriptionMachine(
            user or self.user_id, include, cursor, topics=topics, fresh=fresh, pace=pace
        )
        return Subscription(self, session, on_connection)

    def close(self) -> None:
        """Close the connections; calls that wait for a retry end."""
        self._closed.set()
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    # --- the driver -------------------------------------------------------------------------------------------

    def carry_out(self, call: Call[T]) -> T:
        """Perform a call."""
        steps = carried_out(call, self._retries, self._timeout_s, self._rng)
        outcome: Outcome = None
        while True:
            try:
                action = steps.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            outcome = self.perform(action, self._closed)

    def walk(self, series: Series[HasItems[T]]) -> Iterator[T]:
        """Perform successive calls, as their items are requested."""
        page: HasItems[T] | None = None
        while True:
            try:
                call = series.send(page)
            except StopIteration:
                return
            page = self.carry_out(call)
            yield from page.items

    def perform(self, action: Action, stop: threading.Event) -> Outcome:
        """Perform an effect that needs no stream. A wait ends when ``stop`` is set."""
        match action:
            case SendRequest():
                return self._ask(action)
            case RefreshToken():
                return self._renew()
            case Sleep():
                stop.wait(action.seconds)
        return None

    def send(self, request: ClientRequest, timeout_s: float) -> httpx.Response:
        """The response without its body. Raises httpx.HTTPError."""
        if self._credential is None and self._fetch is not None:
            self._credential = self._fetch()
        return self._http.send(prepared(self._base_url, self._credential, request, timeout_s), stream=True)

    def _ask(self, ask: SendRequest) -> Answer | TransportError:
        try:
            with contextlib.closing(self.send(ask.request, ask.timeout_s)) as reply:
                return _whole(reply)
        except httpx.HTTPError as error:
            return failed(error)

    def _renew(self) -> bool:
        if self._fetch is None:
            return False
        self._credential = self._fetch()
        return True


class Subscription(Iterator[Item]):
    """The changes of a user. Iterate over it in one thread; any thread may call :meth:`close`."""

    def __init__(
        self, client: Client, session: SubscriptionMachine, on_connection: Callable[[Connection], None] | None
    ) -> None:
        self._client = client
        self._session = session
        self._on_connection = on_connection
        self._closed = threading.Event()
        self._outcome: Outcome = None
        self._reply: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    @property
    def cursor(self) -> str:
        """The cursor of a later subscription that continues after the returned items; "" until it is known."""
        return self._session.cursor

    def __next__(self) -> Item:
        """The next item; waits for it. Raises StopIteration once it is closed, ProblemError, and the errors of the caller's
        functions; these close it."""
        while not self._closed.is_set():
            action = self._step()
            if isinstance(action, Emit):
                return action.item
        self._close_stream()
        raise StopIteration

    def close(self) -> None:
        """End it, within the time of a request that may be in progress."""
        self._closed.set()
        self._cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
        self._close_stream()

    def _step(self) -> Action:
        try:
            action = self._session.step(self._outcome)
            self._outcome = self._perform(action)
        except BaseException:
            self._closed.set()
            self._close_stream()
            raise
        return action

    def _perform(self, action: Action) -> Outcome:
        match action:
            case Open():
                return self._open(action)
            case Receive():
                return self._receive(action.timeout_s)
            case Close():
                self._close_stream()
            case StateChanged():
                if self._on_connection is not None:
                    self._on_connection(action.connection)
            case _:
                return self._client.perform(action, self._closed)
        return None

    def _open(self, action: Open) -> Answer | TransportError:
        self._close_stream()
        try:
            reply = self._client.send(action.request, action.timeout_s)
            if reply.status_code != 200:
                with contextlib.closing(reply):
                    return _whole(reply)
        except httpx.HTTPError as error:
            return failed(error)
        # Each wait has its own limit; that of httpx would be one for all.
        reply.request.extensions["timeout"]["read"] = None
        self._reply, self._chunks = reply, reply.iter_raw()
        return answer(reply.status_code, reply.headers)

    def _receive(self, timeout_s: float) -> bytes | TransportError:
        late = threading.Timer(timeout_s, self._cut)
        late.start()
        try:
            return next(self._chunks, b"")
        except httpx.HTTPError as error:
            return failed(error)
        finally:
            late.cancel()

    def _cut(self) -> None:
        """End the stream in another thread that waits for it."""
        reply = self._reply
        if reply is not None:
            raw = reply.extensions["network_stream"].get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)

    def _close_stream(self) -> None:
        reply, self._reply = self._reply, None
        self._chunks = iter(())
        if reply is not None:
            reply.close()


def _whole(reply: httpx.Response) -> Answer:
    body = Body()
    for chunk in reply.iter_bytes():
        body.add(chunk)
    return answer(reply.status_code, reply.headers, body.whole())
