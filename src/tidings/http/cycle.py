"""The state of a request in uvicorn, without the parts that the application does not read."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


def scope_of(connection: HttpToolsProtocol, extensions: dict[str, Any]) -> Any:
    """The scope of a request that begins, of which the first line is not known yet."""
    return {
        "type": "http",
        "http_version": "1.1",
        "client": connection.client,
        "headers": connection.headers,
        "extensions": extensions,
    }


def cycle_of(connection: HttpToolsProtocol, version: str) -> RequestResponseCycle:
    """The cycle of the request whose head this connection has received, in this version of HTTP."""
    return RequestResponseCycle(
        scope=connection.scope,
        transport=connection.transport,
        flow=connection.flow,
        logger=connection.logger,
        access_logger=connection.access_logger,
        access_log=False,
        default_headers=connection.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=connection.expect_100_continue,
        keep_alive=version != "1.0" and connection.parser.should_keep_alive(),
        on_response=connection.on_response_complete,
    )
