"""Members that are added to the stored JSON of events."""

import msgspec
import pytest

from tidings.event_json import event_with_targets, feed_item, with_members
from tidings.model import FeedItem, LogEntry

BODY = '{"event_id":"e1","title":"Grüße, 100 % {}"}'.encode()


def test_members_are_added_at_the_end() -> None:
    """Whatever the text has: braces, per cent signs and letters of several bytes are copied as they are."""
    assert with_members(BODY, b',"a":1,"b":"%d"') == BODY[:-1] + b',"a":1,"b":"%d"}'


@pytest.mark.parametrize(
    ("read_at", "shown"), [(None, None), (0, "1970-01-01T00:00:00.000Z"), (1_500, "1970-01-01T00:00:01.500Z")]
)
def test_a_feed_item_has_its_read_time_and_its_reason(read_at: int | None, shown: str | None) -> None:
    """In this order, after the members of the event."""
    item = feed_item(FeedItem(1, 2, BODY, read_at, "follow", "repo:1"))
    reason = {"kind": "follow", "topic": "repo:1"}
    whole = msgspec.json.decode(BODY) | {"read_at": shown, "reason": reason}
    assert list(msgspec.json.decode(item).items()) == list(whole.items())


def test_servers_see_the_targets() -> None:
    """They are not in the stored text, which all readers get."""
    entry = LogEntry(1, 2, "ann", "like", "repo", "1", BODY, ("bob",), ())
    assert msgspec.json.decode(event_with_targets(entry))["target_user_ids"] == ["bob"]
