"""What the machines of this package ask of whoever drives them, and what they are told in return."""

from typing import NamedTuple

from tidings.client.items import Connection, Item


class Request(NamedTuple):
    """What to ask of a server; ``query`` in its order. Address and credential are the driver's."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Answer(NamedTuple):
    """A reply: its status, the value of Retry-After and the media type ("" without), and the body; that of a stream
    which was opened is still to come."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    media: str = ""


class TransportError(NamedTuple):
    """No reply, or no bytes, in time; or the connection broke."""

    why: str


class Open(NamedTuple):
    """Open a stream, within ``timeout_s``. Outcome: an Answer, with its body unless its status is 200; or TransportError."""

    request: Request
    timeout_s: float


class Receive(NamedTuple):
    """Wait for bytes of the stream, for up to ``timeout_s``. Outcome: the bytes, b"" at the end; or TransportError."""

    timeout_s: float


class Close(NamedTuple):
    """Close the stream. Outcome: None."""


class SendRequest(NamedTuple):
    """Make a request, within ``timeout_s``. Outcome: an Answer, or TransportError."""

    request: Request
    timeout_s: float


class Sleep(NamedTuple):
    """Wait. Outcome: None."""

    seconds: float


class RefreshToken(NamedTuple):
    """Get a new token. Outcome: whether there is one."""


class Emit(NamedTuple):
    """Hand an item to the subscriber. Outcome: None, once they ask for the next."""

    item: Item


class StateChanged(NamedTuple):
    """Tell how the subscription is connected. Outcome: None."""

    connection: Connection


Action = Open | Receive | Close | SendRequest | Sleep | RefreshToken | Emit | StateChanged
Outcome = Answer | TransportError | bytes | bool | None
