"""What the default window of duplicates costs an event that is none."""

from pathlib import Path

from tests.unit.storage.inside import Inside, traced
from tidings.config import Settings
from tidings.model import Publish
from tidings.testing import event


def test_events_that_are_no_duplicates_take_one_statement(tmp_path: Path) -> None:
    """A row was looked up, held in Python and written for each recipient: a quarter of the cost of an event with ten."""
    with Inside.opened(tmp_path, Settings()) as inside:
        events = [event("alice", obj=f"item:{n}", targets=("bob", "carol")) for n in range(20)]
        with traced(inside.writer.db) as statements:
            inside.run(inside.store.write([Publish(tuple(events))]))
        assert sum("dedup_window" in statement for statement in statements) == 1
        with traced(inside.writer.db) as statements:
            inside.run(inside.store.write([Publish(tuple(events[:3]))]))
        assert sum("dedup_window" in statement for statement in statements) == 2
        assert len(inside.page("bob").items) == 23
        assert inside.run(inside.store.counts(("bob",)))[0].unread_items == 20
