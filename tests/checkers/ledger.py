"""What publishers were told against what the log holds (I1, I2)."""

from collections.abc import Collection, Hashable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Place(NamedTuple):
    """Where an event stands: in a receipt, or in the log."""

    position: int
    event_id: str


class Reply(NamedTuple):
    """The answer to one publish with an idempotency key; ``answer`` is None when it was refused as another
    body."""

    key: Hashable
    fingerprint: Hashable
    answer: Hashable | None


def exactly_once(acked: Iterable[Place], log: Sequence[Place], retracted: Collection[str] = ()) -> None:
    """I1: every acknowledged event is in the log once, where its receipt says, unless it was retracted;
    then never.

    The log may hold events that nobody was told of: their acknowledgement can be lost in a crash, they
    cannot.
    """
    for earlier, later in pairwise(log):
        assert earlier.position < later.position, f"positions do not rise: {earlier} before {later}"
    where = {place.event_id: place.position for place in log}
    assert len(where) == len(log), f"{len(log) - len(where)} event ids are in the log twice"
    for position, event_id in acked:
        found = where.get(event_id)
        if event_id in retracted:
            assert found is None, f"{event_id} was retracted and is at position {found}"
        else:
            assert found == position, f"{event_id} was acknowledged at {position} and is at {found}"


def idempotent(replies: Iterable[Reply]) -> None:
    """I2: the same key with the same body is answered alike, with another body refused."""
    first: dict[Hashable, Reply] = {}
    for reply in replies:
        known = first.setdefault(reply.key, reply)
        expected = known.answer if reply.fingerprint == known.fingerprint else None
        assert reply.answer == expected, (
            f"key {reply.key!r}: answered {reply.answer!r}, expected {expected!r}"
        )
