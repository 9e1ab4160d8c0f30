"""The read API of feeds, activity and topics. Pages are joined from JSON that the store keeps encoded."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import msgspec

from tidings.config import KIB, Settings
from tidings.cursors import Cursors
from tidings.errors import BadParameter, FieldError, NotFound
from tidings.event_json import activity_item, event_with_targets, feed_item, with_members
from tidings.events import EventBody
from tidings.filters import EVERYTHING, ActivityOf, FeedFilter, FeedOf, Since, SinceTime
from tidings.first_pages import FirstPages, MadePage
from tidings.ids import EventIds, ms_of, ms_of_uuid7
from tidings.model import FeedItem, Page, UnseenCount
from tidings.ports import Store
from tidings.public_head import PublicHead
from tidings.timeutil import rfc3339
from tidings.visibility import VISITOR

ITEM_FIELDS = frozenset(EventBody.__struct_fields__) | {"event_id", "position", "read_at", "reason"}
PAGE_BYTES = 512 * KIB
"""Bytes of the items of one page, the first one whatever its size: a page ends before the item that would exceed them, and
the next one continues there. A hundred items of 5 KiB fit; a hundred of the largest would be 6.4 MB for each request."""

_encode = msgspec.json.Encoder().encode
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Reply(NamedTuple):
    """A complete JSON body, the cursor of the next page if there is one, an entity tag if it is cheap, and the position of a
    page of events."""

    body: bytes
    next_cursor: str | None = None
    etag: str = ""
    position: int = 0


class FeedReader:
    """The service that reads feeds, activity and topics."""

    def __init__(self, store: Store, cursors: Cursors, settings: Settings, public: PublicHead) -> None:
        self._store = store
        self._public = public
        self._cursors = cursors
        self._settings = settings
        self._first_pages = FirstPages()

    async def feed(
        self, user: str, want: FeedFilter, limit: int, cursor: str | None, fields: tuple[str, ...] = ()
    ) -> Reply:
        """A page of a user's feed. Raises BadParameter for a cursor of another request."""
        if cursor is None and not fields and want == EVERYTHING:
            return await self._first_page(user, limit)
        question = question_of("feed", user, want)
        page = await self._store.feed(user, want, limit, self._cursors.read(cursor, question))
        return reply_of(self._made(page, question, [feed_item(item) for item in page.items], fields))

    async def _first_page(self, user: str, limit: int) -> Reply:
        """The most frequent page, which is cached."""

        async def make() -> MadePage:
            page = await self._store.feed(user, EVERYTHING, limit, None)
            question = question_of("feed", user, EVERYTHING)
            return self._made(page, question, [feed_item(item) for item in page.items], ())

        store = self._store
        return reply_of(await self._first_pages.current(user, limit, store.head, store.feed_version, make))

    async def activity(
        self,
        topic: str | None,
        want: FeedFilter,
        limit: int,
        cursor: str | None,
        fields: tuple[str, ...] = (),
        viewer: str = "",
    ) -> Reply:
        """A page of the activity of a topic, or (None) of all; for a viewer ("": none) with the read state of events, and
        without those that a block hides. Raises BadParameter."""
        question = question_of(f"activity|{viewer}", topic, want)
        before = self._cursors.read(cursor, question)
        position = self._public.position  # before the page is read: it has all public events up to this one
        page = await self._store.activity(topic, want, limit, before, viewer or None)
        if viewer == VISITOR:
            page = page._replace(position=max((position, *(item.position for item in page.items))))
        items = activity_items(page.items, viewer)
        return reply_of(self._made(page, question, items, fields))

    def _made(self, page: Page, question: str, items: list[bytes], fields: tuple[str, ...]) -> MadePage:
        """The page, ended at PAGE_BYTES."""
        head, kept = join(items, fields)
        if kept < len(items):
            page = Page(page.items[:kept], page.items[kept - 1].key, page.position)
        following = None if page.next_key is None else self._cursors.make(page.next_key, question)
        return MadePage(head + continuation(following), following, page.position, page.partial)

    async def new_count(self, what: FeedOf | ActivityOf, want: FeedFilter, since: Since) -> Reply:
        """The number of new items of a feed or of activity. Raises BadParameter."""
        found = await self._new(what, want, since)
        oldest = None if found.oldest_at is None else rfc3339(found.oldest_at)
        shown = {"count": found.new, "capped": found.capped, "position": found.position}
        return Reply(_encode(shown | {"oldest_new_at": oldest}))

    async def with_new_count(
        self, page: Reply, what: FeedOf | ActivityOf, want: FeedFilter, since: Since
    ) -> Reply:
        """A page of a feed or of activity, with the number of items that were new when it was read. Raises BadParameter."""
        found = await self._new(what, want, since, page.position)
        capped = b',"new_count_capped":true' if found.capped else b""
        return page._replace(body=with_members(page.body, b',"new_count":%d%b' % (found.new, capped)))

    async def _new(
        self, what: FeedOf | ActivityOf, want: FeedFilter, since: Since, up_to: int | None = None
    ) -> UnseenCount:
        viewer = what.user if isinstance(what, FeedOf) else what.viewer
        position = await self._position(since, viewer)
        return await self._store.new_count(what, position, self._settings.unseen_count_cap, want, up_to)

    async def _position(self, since: Since, viewer: str | None) -> int:
        """The position after which something is new. Raises BadParameter for an id that this store did not make; that of an
        event that was retracted, never was, or that the viewer (None: anybody) may not look up, is the position of its
        time: the same for all three, so that no count says which it is. A visitor's may be of any server: a refusal would
        show which ids are of this one."""
        if isinstance(since, int):
            return since
        if isinstance(since, SinceTime):
            return (await self._store.head(since.ms)).position
        if (entry := await self._store.event(since, viewer)) is not None:
            return entry.position
        made = ms_of_uuid7(since) if viewer == VISITOR else ms_of(key_of_event(self._store.ids, since))
        return (await self._store.head(made - 1)).position

    async def summary(self, user: str, include_own: bool) -> Reply:
        """Totals of a feed and its five newest items."""
        found = await self._store.summary(user, include_own)
        head = {
            "total": found.total,
            "unread_count": found.unread,
            "read_count": found.total - found.unread,
            "verbs": dict(found.verbs),
        }
        recent = b",".join(feed_item(item) for item in found.recent)
        return Reply(with_members(_encode(head), b',"recent":[' + recent + b"]"))

    async def event(self, event_id: str, viewer: str | None) -> Reply:
        """One event, if this viewer may look it up; without a viewer any event, with its targets. Raises NotFound."""
        entry = await self._store.event(event_id, viewer)
        if entry is None:
            raise NotFound("no such event")
        return Reply(event_with_targets(entry) if viewer is None else entry.body)

    async def follows(self, user: str, limit: int, cursor: str | None) -> Reply:
        """The topics a user follows, by name. Raises BadParameter."""
        question = f"follows|{user}"
        rows = await self._store.follows(user, limit + 1, self._cursors.read_named(cursor, question))
        items = {row.topic: {"topic": row.topic, "created_at": rfc3339(row.created_at)} for row in rows}
        return self._named(question, items, limit)

    async def mutes(self, user: str, limit: int, cursor: str | None) -> Reply:
        """The topics that a user muted, by name. Raises BadParameter."""
        question = f"mutes|{user}"
        topics = await self._store.muted(user, limit + 1, self._cursors.read_named(cursor, question))
        return self._named(question, {topic: {"topic": topic} for topic in topics}, limit)

    async def blocks(self, user: str, limit: int, cursor: str | None) -> Reply:
        """The users whom a user blocked, by name. Raises BadParameter."""
        question = f"blocks|{user}"
        others = await self._store.blocked(user, limit + 1, self._cursors.read_named(cursor, question))
        return self._named(question, {other: {"user_id": other} for other in others}, limit)

    def _named(self, question: str, items: Mapping[str, object], limit: int) -> Reply:
        """A page of a list by name, from one item more than it may have, if there are so many."""
        names = list(items)[:limit]
        following = self._cursors.make_named(names[-1], question) if len(items) > limit else None
        head, _ = join([_encode(items[name]) for name in names], ())  # a hundred names are never too large
        return Reply(head + continuation(following) + b"}", following)

    async def topic(self, topic: str, viewer: str | None) -> Reply:
        """A topic, its fan-out mode, and the reason."""
        info = await self._store.topic(topic, viewer)
        shown: dict[str, object] = {
            "topic": info.topic,
            "followers": info.followers,
            "fan_out": info.fan_out,
            "reason": info.reason,
        }
        if viewer is not None:
            shown["viewer"] = {
                "user_id": viewer,
                "follows": bool(info.viewer),
                "fan_out": info.viewer or None,
            }
        return Reply(_encode(shown))

    async def export(self, user: str) -> AsyncIterator[bytes]:
        """All stored data of a user, one JSON line each."""
        async for one in self._store.export(user):
            yield one + b"\n"

    async def dead_letters(self, limit: int) -> Reply:
        """The dead letters, oldest first."""
        letters = [letter._asdict() for letter in await self._store.dead_letters(limit)]
        return Reply(_encode({"items": letters}))

    async def status(self) -> Reply:
        """The state of the server for operators."""
        status = await self._store.status()
        return Reply(
            _encode(
                {
                    "position": status.head.position,
                    "epoch": status.head.epoch,
                    "pending_fanout_jobs": status.pending_fanout_jobs,
                    "dead_letters": status.dead_letters,
                    "sizes": dict(status.sizes),
                }
            )
        )


def reads(viewer: str | None) -> bool:
    """Whether a viewer of activity has a read state."""
    return viewer not in (None, "", VISITOR)


def activity_items(items: Sequence[FeedItem], viewer: str | None) -> list[bytes]:
    """The JSON of items of activity: with the read state of a viewer who has one."""
    return [activity_item(item) for item in items] if reads(viewer) else [item.body for item in items]


def key_of_event(ids: EventIds, since: str) -> int:
    """The key of an event. Raises BadParameter if it was never in this store."""
    if (key := ids.key(since)) is not None:
        return key
    detail = "expected a number, the id of an event of this server, or a time, got another id"
    raise BadParameter(f"since: {detail}", (FieldError("since", detail),))


def question_of(kind: str, about: str | None, want: FeedFilter) -> str:
    """The binding of a cursor: the kind of list, what it is about, and the filter."""
    return f"{kind}|{about}|{_words(want)}"


@lru_cache(maxsize=256)
def _words(want: FeedFilter) -> str:
    return str(want)


def reply_of(page: MadePage) -> Reply:
    """A page as it is sent."""
    partial = b',"partial":true' if page.partial else b""
    tail = b',"position":%d%b}' % (page.position, partial)
    return Reply(page.body + tail, page.next_cursor, "", page.position)


def join(items: Sequence[bytes], fields: tuple[str, ...]) -> tuple[bytes, int]:
    """The beginning of a page, and how many it has of these items, or of only these fields of them: as many as fit into
    PAGE_BYTES, and one at least."""
    kept = items if not fields else [trimmed(item, fields) for item in items]
    if sum(map(len, kept)) > PAGE_BYTES:
        kept = kept[: _fitting(kept)]
    return b'{"items":[' + b",".join(kept) + b"]", len(kept)


def _fitting(items: Sequence[bytes]) -> int:
    """How many of the first items fit into PAGE_BYTES, at least one."""
    return max(1, bisect_right(list(accumulate(map(len, items))), PAGE_BYTES))


def trimmed(item: bytes, fields: tuple[str, ...]) -> bytes:
    """An item with only these fields of it."""
    whole = _raw_object.decode(item)
    return _encode({name: whole[name] for name in fields if name in whole})


def continuation(cursor: str | None) -> bytes:
    """The members of a page that name the next one."""
    if cursor is None:
        return b',"next_cursor":null,"has_more":false'
    return b',"next_cursor":' + _encode(cursor) + b',"has_more":true'
