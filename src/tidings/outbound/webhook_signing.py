"""Signatures of Standard Webhooks 1.0.0, by which the receiver of a webhook verifies its sender."""

import base64
import secrets
from datetime import UTC, datetime

from standardwebhooks import Webhook as Signer

SECRET_BYTES = 32
"""Bytes of a secret; the standard asks for 24 to 64."""
PREFIX = "whsec_"


def new_secret() -> str:
    """A new secret for one endpoint, in the form in which it is shown to the user once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed(secret: str, id: str, content: bytes, at_s: int, previous: str = "") -> dict[str, str]:
    """The headers that carry the signature of a message, and that by the ``previous`` secret if there is one: a receiver
    accepts a message with any valid signature. ``at_s``: the time of the attempt, in seconds since 1970."""
    at, text = datetime.fromtimestamp(at_s, UTC), content.decode()
    signatures = [Signer(each).sign(id, at, text) for each in (secret, previous) if each]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signatures),
    }
