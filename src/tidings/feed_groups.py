"""The read API of groups of similar events, in feeds, activity and topics."""

from collections.abc import Awaitable, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.event_json import feed_item
from tidings.feeds import Reply, activity_items, continuation, join, question_of, reads, reply_of, trimmed
from tidings.filters import EVERYTHING, ActivityOf, FeedFilter, FeedOf
from tidings.first_pages import FirstPages, MadePage
from tidings.grouping import FeedGroup, GroupCursor, GroupPage, GroupRule
from tidings.ids import MAX_KEY, ms_of
from tidings.model import FeedItem
from tidings.ports import Store
from tidings.public_head import PublicHead
from tidings.timeutil import rfc3339
from tidings.visibility import VISITOR

_encode = msgspec.json.Encoder().encode


class _Newest(msgspec.Struct):
    """What a group shows of its newest event."""

    created_at: str
    object_title: str | None = None


class _GroupJson(msgspec.Struct, gc=False):
    """The JSON of a group; see ``http.schemas.ActivityGroup``. ``window``: its limits."""

    group_id: str
    verb: str
    object_type: str
    object_id: str
    object_title: str | None
    count: int
    unread_count: int | UnsetType
    read_at: str | UnsetType | None
    actors: tuple[str, ...]
    actor_names: tuple[str | None, ...]
    actor_count: int
    items: list[msgspec.Raw]
    created_at: str
    window: dict[str, str]


_newest = msgspec.json.Decoder(_Newest).decode


class GroupReader:
    """The service that reads groups of similar events."""

    def __init__(self, store: Store, cursors: Cursors, settings: Settings, public: PublicHead) -> None:
        self._store = store
        self._public = public
        self._cursors = cursors
        self._rule = GroupRule(settings.feed_group_window_s * 1_000)
        self._first_pages = FirstPages()

    async def page(
        self,
        what: FeedOf | ActivityOf,
        want: FeedFilter,
        limit: int,
        cursor: str | None,
        fields: tuple[str, ...] = (),
    ) -> Reply:
        """A page of the groups of a feed or of activity; ``fields``: those of the items in the groups. Raises BadParameter
        for a cursor of another request."""
        if isinstance(what, FeedOf) and cursor is None and not fields and want == EVERYTHING:
            return await self._first_page(what, limit)
        return reply_of(await self._made(what, want, limit, cursor, fields))

    async def _first_page(self, what: FeedOf, limit: int) -> Reply:
        """The most frequent page, cached like that of the items (``FeedReader``)."""

        def make() -> Awaitable[MadePage]:
            return self._made(what, EVERYTHING, limit, None, ())

        return reply_of(
            await self._first_pages.current(what.user, limit, self._store.head, self._version, make)
        )

    async def _version(self, user: str) -> object:
        """A token of the first page of a feed and of the names in it, None if it may not be cached."""
        renames = self._store.renames  # before the page
        version = await self._store.feed_version(user)
        return None if version is None else (renames, version)

    async def _made(
        self,
        what: FeedOf | ActivityOf,
        want: FeedFilter,
        limit: int,
        cursor: str | None,
        fields: tuple[str, ...],
    ) -> MadePage:
        """The page, ended at PAGE_BYTES."""
        question = question_of("groups", repr(what), want)
        at = self._cursors.read_integers(cursor, question, len(GroupCursor._fields))
        start = self._beginning(what) if at is None else GroupCursor(*at)
        page = await self._store.feed_groups(what, want, limit, start, self._rule)
        windows: dict[int, dict[str, str]] = {}
        head, kept = join([_json(group, what, fields, windows) for group in page.groups], ())
        if kept < len(page.groups):
            page = GroupPage(page.groups[:kept], page.groups[kept - 1].next(page.position), page.position)
        following = None if page.next is None else self._cursors.make_integers(page.next, question)
        return MadePage(head + continuation(following), following, page.position, page.partial)

    def _beginning(self, what: FeedOf | ActivityOf) -> GroupCursor | None:
        """The beginning of a first page: for visitors at a position that they may know, else (None) at the end of the
        log."""
        if isinstance(what, ActivityOf) and what.viewer == VISITOR:
            return GroupCursor(self._public.position, MAX_KEY, MAX_KEY, MAX_KEY)
        return None


def _json(
    group: FeedGroup, what: FeedOf | ActivityOf, fields: tuple[str, ...], windows: dict[int, dict[str, str]]
) -> bytes:
    """``windows``: the limits of segments that were shown, by their end."""
    newest = _newest(group.items[0].body)
    has_read_state = isinstance(what, FeedOf) or reads(what.viewer)
    items = _items(group.items, what)
    read_at = None if group.read_at is None else rfc3339(group.read_at)
    window = windows.get(group.end)
    if window is None:
        window = windows[group.end] = _window(group)
    return _encode(
        _GroupJson(
            group.id,
            group.verb,
            group.object_type,
            group.object_id,
            newest.object_title,
            group.count,
            group.count - group.read if has_read_state else UNSET,
            read_at if has_read_state else UNSET,
            group.actors,
            group.actor_names,
            group.actor_count,
            [msgspec.Raw(trimmed(item, fields) if fields else item) for item in items],
            newest.created_at,
            window,
        )
    )


def _items(items: Sequence[FeedItem], what: FeedOf | ActivityOf) -> list[bytes]:
    if isinstance(what, FeedOf):
        return [feed_item(item) for item in items]
    return activity_items(items, what.viewer)


def _window(group: FeedGroup) -> dict[str, str]:
    """The times of a segment, as ``from`` and ``to`` of a filter."""
    return {"from": rfc3339(ms_of(group.end)), "to": rfc3339(ms_of(group.top - 1) + 1)}
