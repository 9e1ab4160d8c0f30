"""Groups of similar events of the reference back-end."""

from collections.abc import Sequence

from tidings.filters import ActivityOf, FeedFilter, FeedOf
from tidings.grouping import ACTORS, ITEMS, FeedGroup, Fold, GroupCursor, GroupPage, GroupRule, Members
from tidings.model import FeedItem, LogEntry
from tidings.storage.memory.feeds import MemoryFeeds, fits


class MemoryFeedGroups(MemoryFeeds):
    """The port FeedGroups."""

    async def feed_groups(
        self,
        what: FeedOf | ActivityOf,
        want: FeedFilter,
        limit: int,
        at: GroupCursor | None,
        rule: GroupRule,
    ) -> GroupPage:
        """A page of groups."""
        position = self._position if at is None else at.position
        entries = {entry.key: entry for entry in self._newest()}
        found = [item for item in self._to_group(what, want) if item.position <= position]
        fold = Fold[str](rule, limit, at)
        fold.add([_row(entries[item.key], item) for item in found if at is None or item.key < at.top])
        items = {item.key: item for item in found}
        return GroupPage(
            [self._group(members, entries, items) for members in fold.groups()],
            fold.next(position, None),
            position,
        )

    def _to_group(self, what: FeedOf | ActivityOf, want: FeedFilter) -> Sequence[FeedItem]:
        if isinstance(what, ActivityOf):
            return list(self._activity(*what, want))
        return [item for entry, item in self._feed(what.user) if fits(entry, item, want)]

    def _group(
        self, members: Members[str], entries: dict[int, LogEntry], items: dict[int, FeedItem]
    ) -> FeedGroup:
        all_of_it = [items[row[0]] for row in members.rows]
        read = [item.read_at for item in all_of_it if item.read_at is not None]
        actors = list(dict.fromkeys(row[2] for row in members.rows))
        newest = entries[all_of_it[0].key]
        return FeedGroup(
            newest.verb,
            newest.object_type,
            newest.object_id,
            len(all_of_it),
            len(read),
            max(read) if len(read) == len(all_of_it) else None,
            tuple(actors[:ACTORS]),
            len(actors),
            tuple(all_of_it[:ITEMS]),
            members.segment.top,
            members.segment.end,
            tuple(map(self._display_name, actors[:ACTORS])),
        )


def _row(entry: LogEntry, item: FeedItem) -> tuple[int, int, str, str, str, str]:
    thing = f"{entry.object_type}:{entry.object_id}"
    return item.key, item.position, entry.actor_id, entry.verb, thing, item.reason
