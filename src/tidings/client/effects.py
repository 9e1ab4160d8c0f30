"""The effects that the machines of this package request from their driver, and the outcomes."""

from typing import NamedTuple

from tidings.client.items import Connection, Item


class ClientRequest(NamedTuple):
    """A request to a server; ``query`` in its order. The driver adds address and credential."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Answer(NamedTuple):
    """A response: its status, the value of Retry-After and the media type ("" without), and the body, which an opened stream
    does not have yet."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    media: str = ""


class TransportError(NamedTuple):
    """No response, or no bytes, in time; or the connection broke. ``connected``: there was a connection."""

    why: str
    connected: bool = True


class Open(NamedTuple):
    """Open a stream, within ``timeout_s``. Outcome: an Answer, with its body unless its status is 200; or TransportError."""

    request: ClientRequest
    timeout_s: float


class Receive(NamedTuple):
    """Wait for bytes of the stream, for up to ``timeout_s``. Outcome: the bytes, b"" at the end; or TransportError."""

    timeout_s: float


class Close(NamedTuple):
    """Close the stream. Outcome: None."""


class SendRequest(NamedTuple):
    """Make a request, within ``timeout_s``. Outcome: an Answer, or TransportError."""

    request: ClientRequest
    timeout_s: float


class Sleep(NamedTuple):
    """Wait. Outcome: None."""

    seconds: float


class RefreshToken(NamedTuple):
    """Get a new token. Outcome: whether there is one."""


class Emit(NamedTuple):
    """Return an item to the subscriber. Outcome: None, once they request the next."""

    item: Item


class StateChanged(NamedTuple):
    """Report the state of the connection. Outcome: None."""

    connection: Connection


Action = Open | Receive | Close | SendRequest | Sleep | RefreshToken | Emit | StateChanged
Outcome = Answer | TransportError | bytes | bool | None
