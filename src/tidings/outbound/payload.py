"""The content of deliveries: texts made safe for one line, JSON shortened to a limit."""

from bisect import bisect_right

import msgspec

from tidings.model import InboxRow
from tidings.outbound.channel import OutboundMessage
from tidings.plain_text import neutral
from tidings.projections.notification_rendering import NotificationRenderer

CORE = (
    "id",
    "seq",
    "type",
    "message",
    "title",
    "count",
    "actor_count",
    "object_type",
    "object_id",
    "updated_at",
)
"""The members that remain of an item that is too large: enough to fetch the rest."""
ELLIPSIS = "…"
MIN_TEXT = 200
"""Bytes that remain of a message at least, even over the limit."""


def outbound_message(
    renderer: NotificationRenderer, row: InboxRow, locale: str, id: str, at: int, critical: bool
) -> OutboundMessage:
    """The message of a delivery about a notification, in this language. ``id``: that of the delivery, which was enqueued at
    ``at``."""
    said, item = renderer.text(row, locale), renderer.item(row, locale)
    shown = (said.title, said.description, said.url)
    return OutboundMessage(id, row.id, row.type, said.message, item, at, row.size, critical, locale, *shown)


def one_line(text: str, most: int) -> str:
    """Text as a single line of at most ``most`` characters, without control characters for headers or terminals.

    Encoded words ("=?utf-8?…") are split: a mail header would decode them, and their content could end the header.
    """
    line = " ".join(neutral(text).replace("=?", "= ?").split())
    return line if len(line) <= most else line[: most - 1].rstrip() + ELLIPSIS


def cut(text: str, most: int) -> str:
    """Text that takes at most ``most`` bytes within JSON, cut between characters."""
    if _size(text) <= most:
        return text
    short = text[:most]  # no character takes less than a byte
    fit = bisect_right(range(len(short) + 1), most - _size(ELLIPSIS), key=lambda end: _size(short[:end])) - 1
    return short[: max(0, fit)] + ELLIPSIS


def _size(text: str) -> int:
    return len(msgspec.json.encode(text)) - 2


def fitted(item: bytes, most: int) -> bytes:
    """An item's JSON in at most ``most`` bytes: unchanged, or without metadata, or also without the description, or only the
    members in CORE with the message and the title cut."""
    if len(item) <= most:
        return item
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    for dropped in ("metadata", "description"):
        fields.pop(dropped, None)
        without = msgspec.json.encode(fields)
        if len(without) <= most:
            return without
    core = {name: fields[name] for name in CORE if name in fields}
    if title := msgspec.json.decode(core.get("title", b"null"), type=str | None):
        core["title"] = msgspec.Raw(msgspec.json.encode(cut(title, MIN_TEXT)))
    message = msgspec.json.decode(core.get("message", b'""'), type=str)
    room = most - len(msgspec.json.encode(core | {"message": ""}))
    return msgspec.json.encode(core | {"message": cut(message, max(MIN_TEXT, room))})
