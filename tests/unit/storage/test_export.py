"""An export against the file: whatever the schema keeps by user is in it, or is named here with the reason why not."""

import re
from pathlib import Path

import tidings.storage
from tests.unit.storage.inside import Inside
from tidings.config import KIB
from tidings.storage.sqlite import user_export
from tidings.testing import event

SCHEMA = Path(tidings.storage.__file__).parent / "sql" / "sqlite"
TABLE = re.compile(r"^CREATE TABLE (\w+)(?:\{n\})? \((.*?)\n?\)[^)\n]*;$", re.S | re.M)
OWNED = re.compile(r"(?:^|[\s(,])(user|viewer|follower|actor|timeline|users)\s")
"""The columns that say whose a row is."""

IN_THE_EXPORT = {
    "event_": "event",
    "follow": "follow",
    "relation": "mask",
    "feed_state": "profile",
    "display_name": "display_name",
    "feed_read": "feed_read",
    "feed_read_watermark": "feed_read",
    "inbox_": "notification",
    "inbox_member": "notification",
    "inbox": "profile",
    "read_watermark": "read_all",
    "preference": "preferences",
    "snooze": "notification",
    "endpoint": "endpoint",
    "delivery": "delivery",
    "reminder": "reminder",
    "reminder_user": "reminder",
}
"""Tables by the kind of record that shows their rows."""
LEFT_OUT = {
    "timeline_": "an index of events that others published",
    "out_of_order_entry": "an index of the same",
    "hidden_range": "an index of the same",
    "feed_change": "the latest of the same marks of a feed, for streams that resume",
    "inbox_changelog": "an index of notifications",
    "open_group": "an index of notifications that can still be joined",
    "inbox_group": "totals of notifications",
    "dedup_window": "hashes, for as long as a window of duplicates lasts",
    "event_recipient_chunk": "an index of notifications by event",
    "in_app_preference": "preferences once more, for joins",
    "backfill": "a task that the application began, and its progress",
    "broadcast": "the actor, whose event is in the export",
    "erasure": "a name that is being erased, until the last step",
    "erasure_event": "what that erasure has still to do",
    "erasure_recipient": "the same",
    "shared_item": "an index of notifications by event",
    "shared_read_all": "what a read-all of the feed has read of the inbox, for its undo",
    "confirmation": "digests of users and addresses, for as long as they limit how often mail is sent",
}
"""Tables that say nothing which is not in the export, and why."""


def test_every_table_that_belongs_to_somebody_is_exported() -> None:
    """A new one has to be put into the export, or among those that are left out."""
    text = "\n".join(path.read_text() for path in sorted(SCHEMA.glob("*.sql")))
    owned = {name for name, columns in TABLE.findall(text) if OWNED.search(columns)}
    assert owned - IN_THE_EXPORT.keys() - LEFT_OUT.keys() == set()
    assert not IN_THE_EXPORT.keys() & LEFT_OUT.keys()


def test_a_part_of_an_export_is_bounded_in_bytes(tmp_path: Path) -> None:
    """The fault: a part had up to 500 events however large, and a client that did not read held all of them."""
    name, count = "x" * (57 * KIB), 120
    with Inside.opened(tmp_path) as store:
        store.publish(*(event("ann", obj=f"item:{n}", name=name) for n in range(count)))
        place: user_export.Place | None = user_export.BEGINNING
        sizes, events = [], 0
        while place is not None:
            lines, place = store.run(store.store._part("ann", place))
            sizes.append(sum(map(len, lines)))
            events += sum(b'"kind":"event"' in line for line in lines)
    assert events == count
    assert max(sizes) <= user_export.EXPORT_BYTES + 64 * KIB
