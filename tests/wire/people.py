"""Who asks in these tests, and with what."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

KEY = "tk_test_0123456789abcdefghijklmnop"
SECRET = "a-secret-of-at-least-thirty-two-bytes"
SETTINGS = {
    "TIDINGS_API_KEYS": KEY,
    "TIDINGS_JWT_SECRET": SECRET,
    "TIDINGS_JWT_LEEWAY_S": "0",
    "TIDINGS_HEARTBEAT_S": "1",
}
"""A server with both kinds of credentials, whose streams beat often."""


def token(user: str, *, lifetime_s: float = 3600, scope: str = "") -> str:
    """A user's token that ends ``lifetime_s`` seconds from now."""
    claims: dict[str, Any] = {"sub": user, "exp": time.time() + lifetime_s, "scope": scope}
    return jwt.encode(claims, SECRET, "HS256")


def bearer(credential: str) -> dict[str, str]:
    """The header that carries a credential."""
    return {"authorization": f"Bearer {credential}"}


def moment(**away: float) -> str:
    """The time so far from now."""
    return (datetime.now(UTC) + timedelta(**away)).isoformat()


def event(actor: str = "alice", **changed: Any) -> dict[str, Any]:
    """An event as a publisher sends it."""
    return {"actor_id": actor, "verb": "comment", "object_type": "market", "object_id": "42"} | changed
