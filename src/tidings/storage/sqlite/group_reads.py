"""The part of the SQLite back-end that reads groups of similar events."""

from typing import Protocol

from tidings.filters import ActivityOf, FeedFilter, FeedOf
from tidings.grouping import GroupCursor, GroupPage, GroupRule
from tidings.storage.sqlite import feed_groups, readers
from tidings.storage.sqlite.activity import ActivityViewer
from tidings.storage.sqlite.feed_groups import Asked
from tidings.storage.sqlite.read_snapshot import LoopSnapshot
from tidings.storage.sqlite.readers import APPLICATION, ReadingStore


class _Store(ReadingStore, Protocol):
    """What the store has for these reads."""

    _near: LoopSnapshot

    def _number(self, user: str) -> int | None: ...
    def _visited(self, user: str, stale: bool) -> None: ...
    def _activity_viewer(self, topic: str | None, viewer: str | None) -> ActivityViewer: ...


class GroupReads:
    """The port FeedGroups."""

    async def feed_groups(
        self: _Store,
        what: FeedOf | ActivityOf,
        want: FeedFilter,
        limit: int,
        at: GroupCursor | None,
        rule: GroupRule,
    ) -> GroupPage:
        """A page of groups."""
        asked = Asked(want, limit, at, rule)
        if isinstance(what, ActivityOf):
            viewer = self._activity_viewer(*what)
            asker = APPLICATION if what.viewer is None else readers.user(what.viewer)
            return await self._now(
                asker,
                ("activity_groups", what.topic, viewer, asked),
                lambda r: feed_groups.of_activity(r, what.topic, viewer, asked),
            )
        number = self._number(what.user)
        if number is None:
            return GroupPage([], None, self._near.head())
        question = ("feed_groups", asked)
        page, stale = await self._now(
            readers.user(what.user), question, lambda r: feed_groups.of_feed(r, number, asked)
        )
        self._visited(what.user, stale)
        return page
