"""The JSON of events as replies and frames have it: the stored text with more members, never decoded."""

from functools import lru_cache

import msgspec

from tidings.model import FeedItem, LogEntry
from tidings.timeutil import rfc3339

_encode = msgspec.json.Encoder().encode


def with_members(whole: bytes, members: bytes) -> bytes:
    """A JSON object that has a member with more members at its end: ``b',"name":…'``, each after a comma."""
    return b"%.*b%b}" % (len(whole) - 1, whole, members)  # one copy of a text that may have a megabyte


def feed_item(item: FeedItem) -> bytes:
    """A feed item: the event, its read time, and its reason."""
    if item.read_at is None:
        return with_members(item.body, _unread(item.reason, item.topic))
    read_at = rfc3339(item.read_at).encode()
    return with_members(item.body, b',"read_at":"%b"%b' % (read_at, _reason(item.reason, item.topic)))


def activity_item(item: FeedItem) -> bytes:
    """An event of activity, with the time at which the viewer read it."""
    if item.read_at is None:
        return with_members(item.body, b',"read_at":null')
    return with_members(item.body, b',"read_at":"%b"' % rfc3339(item.read_at).encode())


def event_with_targets(entry: LogEntry) -> bytes:
    """An event as servers see it."""
    return with_members(entry.body, b',"target_user_ids":' + _encode(entry.targets))


@lru_cache(maxsize=8192)
def _unread(kind: str, topic: str) -> bytes:
    return b',"read_at":null' + _reason(kind, topic)


def _reason(kind: str, topic: str) -> bytes:
    return b',"reason":' + _encode({"kind": kind, "topic": topic or None})
