"""``tidings.ports.DeliveryQueue``: how much of the reminders is read at once."""

from tests.harness import Harness
from tidings.model import SetReminder
from tidings.personal_data import Reminder
from tidings.testing import START_MS


def test_reminders_are_bounded_in_bytes(store: Harness) -> None:
    """As many as fit together, and one in any case: a hundred large ones took hundreds of MB."""
    many = tuple(f"user-{n}" for n in range(100))
    store.write(*(SetReminder(Reminder(key, START_MS, b"{}", many)) for key in "abcd"))
    size = Reminder("a", START_MS, b"{}", many).size
    assert size > len(b"".join(name.encode() for name in many))

    def fitting(max_bytes: int, limit: int = 9) -> int:
        return len(store.run(store.store.reminders(None, limit, None, max_bytes)))

    assert [fitting(times * size) for times in (1, 2, 4, 9)] == [1, 2, 4, 4]
    assert (fitting(2 * size - 1), fitting(0), fitting(9 * size, 2)) == (1, 1, 2)
