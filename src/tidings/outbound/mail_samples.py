"""Sample notifications, with which templates of mails are checked before the first mail."""

from functools import cache

import msgspec

from tidings.outbound.channel import OutboundMessage

_ITEM = {
    "actor_name": "Alice",
    "actor_image": "https://site.example/alice.png",
    "object_type": "market",
    "object_id": "42",
    "object_title": "Will it rain?",
    "object_image": "https://site.example/42.png",
    "actor_count": 3,
    "created_at": "2026-01-31T09:30:00.123Z",
    "metadata": {"city": "Berlin", "odds": [1, 2]},
}


@cache
def samples() -> tuple[tuple[OutboundMessage, ...], ...]:
    """The messages of a mail with all members, of one without any, and of one with several notifications."""
    full = OutboundMessage(
        "msg_1",
        "n1-1",
        "reply",
        "Alice and 2 others: reply · Will it rain?",
        msgspec.json.encode(_ITEM),
        0,
        3,
        locale="en",
        title="A reply",
        description="It will.",
        url="https://site.example/42",
        unsubscribe="https://site.example/v1/unsubscribe?token=sample",
    )
    bare = OutboundMessage("msg_2", "n1-2", "like", "Bob: like", b"{}", 0)
    return ((full,), (bare,), (full, bare, full))
