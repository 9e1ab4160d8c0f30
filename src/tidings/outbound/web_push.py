"""Web Push: messages to a browser (RFC 8030), encrypted for it (RFC 8291), from an identified server (RFC 8292).

The library http-ece encrypts, and PyJWT signs. This module adds the keys, the headers and the limits.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import http_ece
import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tidings.config import PEM, ConfigError, Settings
from tidings.outbound.channel import OutboundMessage, SendResult
from tidings.outbound.http_client import GuardedHttpClients
from tidings.outbound.payload import cut, fitted
from tidings.personal_data import Endpoint, PushKeys
from tidings.timeutil import Clock

MAX_PAYLOAD_BYTES = 3_000
"""Bytes before encryption. Push services accept 4,096 after it."""
MAX_TEXT_BYTES = 1_000
"""Bytes of the message within it: more than any system displays."""
TTL_S = 86_400
"""Seconds for which a push service keeps a message for a device that is off: after a day the inbox is more accurate."""
TOKEN_S = 12 * 3_600
"""Seconds for which a token for a push service is valid; RFC 8292 allows 24 hours, and clocks differ."""
TOPIC_BYTES = 24
"""Bytes of a topic: 32 characters of base64url, the most that RFC 8030 allows."""
GONE = frozenset({404, 410})
"""The statuses of a push service for a subscription that has ended."""


def keys_of(secret: str) -> tuple[bytes, bytes]:
    """The keys in an endpoint's secret, which is their JSON: p256dh and auth. Raises ValueError if they are invalid."""
    try:
        return msgspec.json.decode(secret, type=PushKeys).raw()
    except (msgspec.MsgspecError, ValueError):
        raise ValueError("the keys of the subscription are invalid") from None


class Vapid:
    """The identity of the server at push services: a key pair and a contact."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        self._key = key
        self._subject = subject
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = _base64(point)

    def authorization(self, origin: str, now_s: int) -> str:
        """The header for a push service; ``now_s`` in seconds since 1970."""
        claims = {"aud": origin, "exp": now_s + TOKEN_S, "sub": self._subject}
        return f"vapid t={jwt.encode(claims, self._key, 'ES256')}, k={self.public_key}"


def vapid(settings: Settings) -> Vapid:
    """The identity in the settings. Raises ConfigError if it is invalid."""
    given = settings.vapid_private_key
    if not settings.vapid_subject.startswith(("mailto:", "https://")):
        raise ConfigError(
            "vapid_subject must be a mailto: or https: address at which you can be reached", "vapid_subject"
        )
    try:
        pem = given.encode() if given.lstrip().startswith(PEM) else Path(given).read_bytes()
        key = load_pem_private_key(pem, None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            "vapid_private_key is neither a private key in PEM form nor a file with one", "vapid_private_key"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError("vapid_private_key is not a key of the curve P-256", "vapid_private_key")
    return Vapid(key, settings.vapid_subject)


class WebPush:
    """Posts one notification at a time to the push service that a browser has chosen."""

    def __init__(self, clients: GuardedHttpClients, identity: Vapid, clock: Clock) -> None:
        self._clients = clients
        self._identity = identity
        self._clock = clock

    def host(self, endpoint: Endpoint) -> str:
        """The push service."""
        return self._clients.of(endpoint).origin(endpoint.address)

    async def send(self, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        """Encrypt and post. A newer message about the same notification replaces one that was not fetched yet."""
        (note,) = notes
        try:
            content = encrypted(payload(note), *keys_of(endpoint.secret))
        except ValueError as error:
            return SendResult("dead", str(error))
        now_s = self._clock.now() // 1000
        headers = {
            "authorization": self._identity.authorization(self.host(endpoint), now_s),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(TTL_S),
            "topic": topic(note.about),
            "urgency": "high" if note.critical else "normal",
        }
        return await self._clients.of(endpoint).post(endpoint.address, headers, content, GONE)

    async def close(self) -> None:
        """Close connections."""
        await self._clients.close()


def payload(note: OutboundMessage) -> bytes:
    """What a service worker gets: ``id``, ``message`` and the ``notification``, at most MAX_PAYLOAD_BYTES."""
    message = cut(note.text, MAX_TEXT_BYTES)
    frame = {"id": note.id, "message": message, "notification": msgspec.Raw(b"")}
    room = MAX_PAYLOAD_BYTES - len(msgspec.json.encode(frame))
    return msgspec.json.encode(frame | {"notification": msgspec.Raw(fitted(note.item, room))})


def encrypted(content: bytes, p256dh: bytes, auth: bytes) -> bytes:
    """The message encrypted for the browser with these keys, with a new key pair for each message."""
    once = ec.generate_private_key(ec.SECP256R1())
    sealed = http_ece.encrypt(content, private_key=once, dh=p256dh, auth_secret=auth)
    if not isinstance(sealed, bytes):
        raise TypeError("http_ece returns bytes")
    return sealed


def topic(about: str) -> str:
    """A name of the notification that reveals nothing to the push service."""
    return _base64(hashlib.blake2b(about.encode(), digest_size=TOPIC_BYTES).digest())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
