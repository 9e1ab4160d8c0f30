"""Many notifications that change in one command are written together."""

from pathlib import Path

import pytest

from tests.unit.storage.inside import Inside, traced
from tidings.config import Settings
from tidings.inbox_commands import NotificationState, SetNotificationState
from tidings.model import MarkFeedRead
from tidings.rules import Rule
from tidings.testing import event

MANY, FEW = 60, 20
READ = NotificationState.READ


def statements(inside: Inside, user: str, n: int, by_event: bool) -> int:
    """The number of statements that mark so many notifications of a new user read, without those that set a row."""
    sent = [event("alice", "like", f"item:{k // 2}", targets=(user,)) for k in range(2 * n)]
    ids = inside.publish(*sent)
    rows = tuple(row.id for row in inside.rows(user))
    command = MarkFeedRead(user, tuple(ids)) if by_event else SetNotificationState(user, rows, READ)
    with traced(inside.writer.db) as seen:
        inside.write(command)
    assert inside.counts(user).unread_count == 0
    return sum(not text.startswith("UPDATE inbox_") for text in seen)


@pytest.mark.parametrize("by_event", [False, True])
def test_the_statements_do_not_rise_with_the_notifications(tmp_path: Path, by_event: bool) -> None:
    """The fault: four statements for each notification, so 1,000 groups took the writer 70 ms."""
    types = {"like": Rule(group="sliding", read_together=True, duplicate_window_s=0)}
    with Inside.opened(tmp_path, Settings(types=types)) as inside:
        few = statements(inside, "bob", FEW, by_event)
        more = statements(inside, "cid", MANY, by_event) - few
        assert more < (MANY - FEW) // 4, "an INSERT has a bounded number of rows"
