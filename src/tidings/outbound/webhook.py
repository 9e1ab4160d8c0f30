"""Webhooks of Standard Webhooks 1.0.0: a signed POST that its receiver can verify, with an id by which it recognises
repeats."""

from collections.abc import Sequence

import msgspec

from tidings.config import KIB
from tidings.outbound.channel import OutboundMessage, SendResult
from tidings.outbound.http_client import GuardedHttpClients
from tidings.outbound.payload import fitted
from tidings.outbound.webhook_signing import signed
from tidings.personal_data import Endpoint
from tidings.timeutil import Clock, rfc3339

MAX_BODY_BYTES = 20 * KIB
"""The limit that the standard sets for senders."""
TYPE = "notification"
"""The type of every message; that of the notification is in its data."""
HEADERS = {"content-type": "application/json", "user-agent": "Tidings"}
GONE = frozenset({410})
"""The status of a receiver that wants no further messages."""
_ENVELOPE_BYTES = 2 * KIB
"""Bytes reserved for the members around the item: the longest user id takes half of them."""


class Message(msgspec.Struct, frozen=True):
    """The body of a webhook."""

    type: str
    timestamp: str
    data: "Data"


class Data(msgspec.Struct, frozen=True):
    """The user, and the notification as the API returns it."""

    user_id: str
    notification: msgspec.Raw


class Webhook:
    """Posts one notification at a time."""

    def __init__(self, clients: GuardedHttpClients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def host(self, endpoint: Endpoint) -> str:
        """The server that the URL names."""
        return self._clients.of(endpoint).origin(endpoint.address)

    async def send(self, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        """Sign and post: the signatures include the time of the attempt; the id is that of the delivery."""
        (note,) = notes
        content, now = body(endpoint.user, note), self._clock.now()
        previous = endpoint.previous_secret if now < endpoint.previous_until else ""
        try:
            signature = signed(endpoint.secret, note.id, content, now // 1000, previous)
        except ValueError:
            return SendResult("dead", "the secret of the endpoint is invalid")
        answer = await self._clients.of(endpoint).post(endpoint.address, HEADERS | signature, content, GONE)
        # A path without a response does not show that its host is down: other endpoints there may work.
        return answer._replace(down=False) if answer.timed_out else answer

    async def close(self) -> None:
        """Close connections."""
        await self._clients.close()


def body(user: str, note: OutboundMessage) -> bytes:
    """The body of a message, at most MAX_BODY_BYTES."""
    item = msgspec.Raw(fitted(note.item, MAX_BODY_BYTES - _ENVELOPE_BYTES))
    return msgspec.json.encode(Message(TYPE, rfc3339(note.at), Data(user, item)))
