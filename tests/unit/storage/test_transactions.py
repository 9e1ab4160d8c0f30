"""A transaction ends early when it has taken long, but only where it may."""

from pathlib import Path

import pytest

from tests.unit.storage.inside import Inside
from tidings.model import Command, CommandResult, Follow, Publish, SetMute
from tidings.storage.sqlite import transactions
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.write_session import WriteSession
from tidings.testing import event

EACH_S = transactions.LONGEST_S / 4


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """Each change of the store takes a quarter of the time of a transaction; what was changed."""
    changed: list[Command] = []
    change = transactions.change

    def noted(w: WriteSession, r: ReadSnapshot, command: Command) -> object:
        changed.append(command)
        return change(w, r, command)

    monkeypatch.setattr(transactions, "change", noted)
    monkeypatch.setattr("tidings.testing.FakeClock.monotonic", lambda _: len(changed) * EACH_S)
    return changed


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("ends", "fitting"), [((), 10), (range(1, 11), 4), ((3, 6, 10), 6), ((10,), 10), ((1,), 10)]
)
def test_a_long_transaction_ends_between_two_submissions(
    tmp_path: Path, ends: range | tuple[int, ...], fitting: int
) -> None:
    """Up to a thousand commands shared one, however long they took, and nobody published meanwhile."""
    with Inside.opened(tmp_path) as inside:
        follows = [Follow("ann", f"room:{n}") for n in range(10)]
        outcomes = inside.run(inside.store.write(follows, ends))
        assert [outcome.updated for outcome in outcomes if isinstance(outcome, CommandResult)] == [
            1
        ] * fitting
        assert len(inside.run(inside.store.follows("ann", 100, None))) == fitting


def test_what_is_published_never_ends_a_transaction(tmp_path: Path, slow: list[Command]) -> None:
    """It is bounded by its events; more commits would only slow it down."""
    with Inside.opened(tmp_path) as inside:
        slow += [SetMute("ann", "thing:1")] * 100
        many = [Publish((event("zoe"),)) for _ in range(10)]
        assert len(inside.run(inside.store.write(many, range(1, 11)))) == 10
