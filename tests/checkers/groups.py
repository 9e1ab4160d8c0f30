"""Groups of similar events partition the plain feed exactly."""

from collections.abc import Sequence
from typing import NamedTuple


class Plain(NamedTuple):
    """An item of the plain feed. ``key``: a number that rises with its place in the feed."""

    key: int
    verb: str
    thing: str
    actor: str
    read: bool = False


class Shown(NamedTuple):
    """A group as a page shows it. It has the items with a key from ``end`` on and below ``top``. ``items``: the keys of the
    newest ones."""

    id: str
    verb: str
    thing: str
    end: int
    top: int
    size: int
    read: int
    actors: Sequence[str]
    actor_count: int
    items: Sequence[int]

    def has(self, item: Plain) -> bool:
        """Whether an item is in the group."""
        return (item.verb, item.thing) == (self.verb, self.thing) and self.end <= item.key < self.top


def partition(items: Sequence[Plain], groups: Sequence[Shown], most: int) -> None:
    """Every item of the plain feed (newest first) is in exactly one group, no group is shown twice, and each shows the
    numbers and the newest items and actors of its members; at most ``most`` of them. Groups are sorted by their newest."""
    ids = [group.id for group in groups]
    assert len(set(ids)) == len(ids), f"a group is shown twice: {ids}"
    for item in items:
        having = [group.id for group in groups if group.has(item)]
        assert len(having) == 1, f"{item} is in {len(having)} groups: {having}"
    for group in groups:
        _shows(group, [item for item in items if group.has(item)], most)
    newest = [group.items[0] for group in groups]
    assert newest == sorted(newest, reverse=True), f"not sorted by the newest item: {newest}"


def _shows(group: Shown, members: Sequence[Plain], most: int) -> None:
    assert members, f"{group} has no items"
    assert len(members) <= most, f"{group} has {len(members)} items, over its bound of {most}"
    actors = list(dict.fromkeys(item.actor for item in members))
    keys = [item.key for item in members]
    read = sum(item.read for item in members)
    expected = (len(keys), read, actors[: len(group.actors)], len(actors), keys[: len(group.items)])
    found = (group.size, group.read, list(group.actors), group.actor_count, list(group.items))
    assert found == expected, f"{group} should show {expected}"
    assert min(len(group.items), len(group.actors)), f"{group} shows nobody"
