"""What the courier and its channels say to each other."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from tidings.personal import Endpoint

MAX_ERROR = 200
"""Characters kept of an error: enough to act on. What a stranger's server says is never kept."""
AT_ONCE = {"email": 8, "apprise": 4}
"""Attempts that a channel makes at a time, where it sets a limit: many mail relays refuse more connections of one client,
and Apprise takes a thread for each."""


class OutboundMessage(NamedTuple):
    """One notification on its way out.

    ``id`` is the same at each attempt, and no other delivery's. ``about`` is the notification's id, ``item`` its JSON,
    ``text`` its message in the reader's language (``locale``, "" unknown), ``size`` its items; ``at`` the time it was
    owed, in milliseconds since 1970. ``title`` and ``description`` are those of its newest event, "" without.
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

    @property
    def heading(self) -> str:
        """The title, where the message does not say it already."""
        return "" if self.title in self.text else self.title


class SendResult(NamedTuple):
    """What became of an attempt: ``sent``; ``failed``, to be tried again no sooner than ``after_s`` seconds from now;
    ``dead``, refused for good; ``gone``, there is no such endpoint any more. ``down``: the host did not answer at all.
    ``timed_out``: the attempt took all of its time, whether it is the host or the endpoint that is slow. ``server_fault``:
    the failure is the server's, and does not count against the endpoint."""

    state: Literal["sent", "failed", "dead", "gone"]
    error: str = ""
    after_s: int = 0
    down: bool = False
    timed_out: bool = False
    server_fault: bool = False


SENT = SendResult("sent")


class Channel(Protocol):
    """A way out of the application. It keeps no queue, and ends every attempt within a time limit of its own."""

    def host(self, endpoint: Endpoint) -> str:
        """What an attempt depends on: endpoints with the same host fail together when it is down."""
        ...

    async def send(self, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        """Try once; several notes together only where the channel can carry them. Failures are answers, not raised."""
        ...

    async def close(self) -> None:
        """Release connections and threads."""
        ...
