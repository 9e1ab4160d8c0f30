"""The client for asyncio."""

import asyncio
import contextlib
import inspect
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
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


class AsyncClient(Api):
    """The same as :class:`Client`, with methods to be awaited and iterators for ``async for``; a ``token`` that is a
    function may be a coroutine function."""

    @checked_arguments
    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        token: str | Callable[[], str | Awaitable[str]] | None = None,
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
        direct = httpx.AsyncHTTPTransport(limits=LIMITS, verify=trust) if is_direct(self._base_url) else None
        self._http = httpx.AsyncClient(limits=LIMITS, transport=direct)

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
    ) -> "AsyncSubscription":
        """Subscribe to a user's changes; see :meth:`Client.subscribe`."""
        session = SubscriptionMachine(
            user or self.user_id, include, cursor, topics=topics, fresh=fresh, pace=pace
        )
        return AsyncSubscription(self, session, on_connection)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    # --- the driver -------------------------------------------------------------------------------------------

    async def carry_out_soon(self, call: Call[T]) -> T:
        """Perform a call."""
        steps = carried_out(call, self._retries, self._timeout_s, self._rng)
        outcome: Outcome = None
        while True:
            try:
                action = steps.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            outcome = await self.perform(action)

    async def walk_soon(self, series: Series[HasItems[T]]) -> AsyncIterator[T]:
        """Perform successive calls, as their items are requested."""
        page: HasItems[T] | None = None
        while True:
            try:
                call = series.send(page)
            except StopIteration:
                return
            page = await self.carry_out_soon(call)
            for item in page.items:
                yield item

    async def perform(self, action: Action) -> Outcome:
        """Perform an effect that needs no stream."""
        match action:
            case SendRequest():
                return await self._ask(action)
            case RefreshToken():
                return await self._renew()
            case Sleep():
                await asyncio.sleep(action.seconds)
        return None

    async def send(self, request: ClientRequest, timeout_s: float) -> httpx.Response:
        """The response without its body. Raises httpx.HTTPError."""
        if self._credential is None:
            await self._renew()
        sent = prepared(self._base_url, self._credential, request, timeout_s)
        return await self._http.send(sent, stream=True)

    async def _ask(self, ask: SendRequest) -> Answer | TransportError:
        try:
            async with asyncio.timeout(ask.timeout_s):
                reply = await self.send(ask.request, ask.timeout_s)
                async with contextlib.aclosing(reply):
                    return await _whole(reply)
        except (httpx.HTTPError, TimeoutError) as error:
            return failed(error)

    async def _renew(self) -> bool:
        if self._fetch is None:
            return False
        fetched = self._fetch()
        self._credential = await fetched if inspect.isawaitable(fetched) else fetched
        return True


class AsyncSubscription(AsyncIterator[Item]):
    """The changes of a user. The wait for the next item may be cancelled and repeated without loss."""

    def __init__(
        self,
        client: AsyncClient,
        session: SubscriptionMachine,
        on_connection: Callable[[Connection], None] | None,
    ) -> None:
        self._client = client
        self._session = session
        self._on_connection = on_connection
        self._doing: asyncio.Task[Outcome] | None = None
        self._closed = False
        self._reply: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    @property
    def cursor(self) -> str:
        """The cursor of a later subscription that continues after the returned items; "" until it is known."""
        return self._session.cursor

    async def __anext__(self) -> Item:
        """The next item; waits for it. Raises StopAsyncIteration once it is closed, ProblemError, and the errors of the
        caller's functions; these close it."""
        while not self._closed:
            action = await self._next_action()
            if isinstance(action, Emit):
                return action.item
            if not self._closed:  # it may have been closed while the last effect ended
                self._doing = asyncio.create_task(self._perform(action), name="tidings-subscription")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End it."""
        self._closed = True
        if self._doing is not None:
            self._doing.cancel()
            await asyncio.wait([self._doing])
        await self._close_stream()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    async def _next_action(self) -> Action:
        outcome = await self._done()
        try:
            return self._session.step(outcome)
        except BaseException:
            await self.aclose()
            raise

    async def _done(self) -> Outcome:
        """The outcome of the last effect. If the caller is cancelled, the effect continues, and the next call waits for
        it."""
        doing = self._doing
        if doing is None:
            return None
        try:
            outcome = await asyncio.shield(doing)
        except asyncio.CancelledError:
            if self._closed:
                raise StopAsyncIteration from None
            raise
        except BaseException:
            await self.aclose()
            raise
        self._doing = None
        return outcome

    async def _perform(self, action: Action) -> Outcome:
        match action:
            case Open():
                return await self._open(action)
            case Receive():
                return await self._receive(action.timeout_s)
            case Close():
                await self._close_stream()
            case StateChanged():
                if self._on_connection is not None:
                    self._on_connection(action.connection)
            case _:
                return await self._client.perform(action)
        return None

    async def _open(self, action: Open) -> Answer | TransportError:
        await self._close_stream()
        try:
            async with asyncio.timeout(action.timeout_s):
                reply = await self._client.send(action.request, action.timeout_s)
                if reply.status_code != 200:
                    async with contextlib.aclosing(reply):
                        return await _whole(reply)
        except (httpx.HTTPError, TimeoutError) as error:
            return failed(error)
        # Each wait has its own limit; that of httpx would be one for all.
        reply.request.extensions["timeout"]["read"] = None
        self._reply, self._chunks = reply, reply.aiter_raw()
        return answer(reply.status_code, reply.headers)

    async def _receive(self, timeout_s: float) -> bytes | TransportError:
        assert self._chunks is not None
        try:
            async with asyncio.timeout(timeout_s):
                return await anext(self._chunks, b"")
        except (httpx.HTTPError, TimeoutError) as error:
            return failed(error)

    async def _close_stream(self) -> None:
        reply, self._reply, self._chunks = self._reply, None, None
        if reply is not None:
            await reply.aclose()


async def _whole(reply: httpx.Response) -> Answer:
    body = Body()
    async for chunk in reply.aiter_bytes():
        body.add(chunk)
    return answer(reply.status_code, reply.headers, body.whole())
