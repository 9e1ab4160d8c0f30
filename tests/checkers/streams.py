"""A stream over any number of disconnects (I5)."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Frame(NamedTuple):
    """What a client received: ``key`` changed at ``at`` (a seq or a position). ``reset`` announces a hole:
    the client takes a fresh snapshot, which holds everything up to ``at``."""

    at: int
    key: str = ""
    reset: bool = False


def continuous(frames: Iterable[Frame], last_change: Mapping[str, int], since: int = 0) -> None:
    """I5: strictly increasing, and no unannounced hole.

    ``last_change`` says, for every key, when it last changed. Every change after ``since``, or after the
    last reset, arrived. A change overtaken by a later one of the same key may have been left out: the later
    one tells all.
    """
    at, arrived = since, dict[str, int]()
    for frame in frames:
        if frame.reset:
            at, arrived, since = frame.at, {}, frame.at
            continue
        assert frame.at > at, f"{frame} came after {at}"
        at = frame.at
        arrived[frame.key] = at
    missed = {key: at for key, at in last_change.items() if at > since and arrived.get(key) != at}
    assert not missed, f"never arrived since {since}: {missed}"
