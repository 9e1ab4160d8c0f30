"""Responses in parts for clients of HTTP/1.0, which has no chunks: such a response ends with its connection."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tidings.http.request import CONNECTION, Message, Receive, Scope, Send


class Unchunked:
    """The ASGI application ``app`` for one request of HTTP/1.0, served by ``cycle``. uvicorn sends each response of unknown
    length in chunks (RFC 9112, 6.1 and 6.3)."""

    def __init__(self, app: Any, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request. A response that fails midway resets the connection, so that it does not look complete."""

        async def send_unchunked(message: Message) -> None:
            # As if each part were the whole body with its length announced.
            self._cycle.chunked_encoding = False
            self._cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_unchunked)
        except BaseException:
            if self._cycle.response_started:
                scope["extensions"][CONNECTION].abort()
            raise
