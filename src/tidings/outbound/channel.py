"""The interface between the dispatcher and its channels."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from tidings.personal_data import Endpoint

MAX_ERROR = 200
"""Characters stored of an error: enough to act on. The text of another server's response is never stored."""
AT_ONCE = {"email": 8, "apprise": 4}
"""Attempts at a time of the channels that limit them: many mail relays refuse more connections of one client, and Apprise
needs a thread for each."""


class OutboundMessage(NamedTuple):
    """The content of one delivery.

    ``id`` is unique to the delivery, and the same at each attempt. ``about`` is the notification's id, ``item`` its JSON,
    ``text`` its message in the recipient's language (``locale``, "" unknown), ``size`` the number of its items; ``at`` is
    the time at which the delivery was enqueued, in milliseconds since 1970. ``title``, ``description`` and ``url`` are
    those of the newest event, "" without. ``unsubscribe`` is the URL that ends messages of this kind, "" if they have none.
    """

    id: str
    about: str
    type: str
    text: str
    item: bytes
    at: int
    size: int = 1
    critical: bool = False
    locale: str = ""
    title: str = ""
    description: str = ""
    url: str = ""
    unsubscribe: str = ""

    @property
    def heading(self) -> str:
        """The title, unless the text contains it."""
        return "" if self.title in self.text else self.title


class SendResult(NamedTuple):
    """The result of an attempt: ``sent``; ``failed``, to be retried after ``after_s`` seconds at the earliest; ``dead``,
    refused permanently; ``gone``, the endpoint does not exist any more. ``down``: the host did not respond at all.
    ``timed_out``: the attempt reached its time limit, through the host or the endpoint. ``server_fault``: the failure is
    this server's, and does not count against the endpoint."""

    state: Literal["sent", "failed", "dead", "gone"]
    error: str = ""
    after_s: int = 0
    down: bool = False
    timed_out: bool = False
    server_fault: bool = False


SENT = SendResult("sent")


class Channel(Protocol):
    """A means of delivery. It has no queue, and each attempt ends within a time limit of the channel."""

    def host(self, endpoint: Endpoint) -> str:
        """The host that an attempt depends on: endpoints with the same host fail together when it is down."""
        ...

    async def send(self, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        """Try once. Several messages are sent together only if the channel can. A failure is returned, not raised."""
        ...

    async def close(self) -> None:
        """Release connections and threads."""
        ...
