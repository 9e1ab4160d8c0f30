"""The read API of inboxes: lists, changes, counts, and why a user was notified of an event or was not.

Whatever is asked first, broadcasts that the inbox lacks come to it before it is answered.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import msgspec

from tidings.cursors import Cursors
from tidings.errors import NotFound
from tidings.feeds import Reply, continuation, join, key_of_event
from tidings.filters import Choice, Since, SinceTime
from tidings.ids import key_at
from tidings.model import InboxChanges, InboxCounters, InboxFilter, InboxRow, ReadWatermark
from tidings.ports import Store
from tidings.projections.explain import ExplainInput, channels, checks, for_user
from tidings.projections.notification_rendering import (
    NOTIFICATION_FIELDS,
    NotificationRenderer,
    counted,
    watermark,
)
from tidings.projections.pending_broadcasts import Materialize, inbox_heads, read_with_materialization
from tidings.timeutil import Clock

__all__ = ["NOTIFICATION_FIELDS", "NotificationReader"]


class NewInboxEntries(Protocol):
    """The event for which a long poll waits."""

    async def wait(self) -> bool:
        """Returns True if the inbox may have changed, False if there will be no more changes."""
        ...


Newsroom = Callable[[str, str], AbstractContextManager[NewInboxEntries]]
"""The waiter for a user's inbox, for a client at a network address."""

_encode = msgspec.json.Encoder().encode


class _Thread(msgspec.Struct, gc=False):
    object_type: str
    object_id: str


class _Counted(Protocol):
    """A part of an inbox, with the counts of the same moment."""

    @property
    def counts(self) -> InboxCounters: ...


_C = TypeVar("_C", bound=_Counted)


class NotificationReader:
    """The service that reads inboxes."""

    def __init__(
        self,
        store: Store,
        cursors: Cursors,
        clock: Clock,
        epoch: str,
        wording: NotificationRenderer,
        news: Newsroom,
        materialize: Materialize,
        duplicate_window_s: int = 0,
    ) -> None:
        self._duplicate_window_s = duplicate_window_s
        self._store = store
        self._cursors = cursors
        self._clock = clock
        self._epoch = epoch
        self._wording = wording
        self._news = news
        self._materialize = materialize

    async def page(
        self,
        user: str,
        limit: int,
        cursor: str | None,
        unread_only: bool = False,
        type: Choice[str] | None = None,
        state: InboxFilter = "inbox",
        fields: tuple[str, ...] = (),
    ) -> Reply:
        """A page of notifications with the exact counts of the same moment. Raises BadParameter."""
        question = f"inbox|{user}|{unread_only}|{type}|{state}"
        before = self._cursors.read(cursor, question)
        tag = await self._wording.tag(user)
        page = await self._taken_up(
            user, lambda: self._store.inbox(user, limit, before, unread_only, type, state)
        )
        head, kept = join(await self._wording.items(user, page.rows), fields)
        at = page.next_order if kept == len(page.rows) else page.rows[kept - 1].order
        following = None if at is None else self._cursors.make(at, question)
        body = head + continuation(following)
        return Reply(body + self._heads(page.counts) + b"}", following, self._etag(page.counts, tag))

    async def one(self, user: str, id: str) -> Reply:
        """One notification, archived or not. Raises NotFound if it is not this user's, or a tombstone."""
        tag = await self._wording.tag(user)
        page = await self._taken_up(user, lambda: self._store.inbox(user, 1, None, state="all", id=id))
        if not page.rows:
            raise NotFound("no such notification")
        (item,) = await self._wording.items(user, page.rows)
        return Reply(item, None, self._etag(page.counts, tag))

    async def thread(self, user: str, id: str) -> str:
        """The topic of a notification's object, which a user mutes to get no more of it. Raises NotFound as ``one``."""
        item = msgspec.json.decode((await self.one(user, id)).body, type=_Thread)
        return f"{item.object_type}:{item.object_id}"

    async def since(
        self, user: str, beginning: Since, limit: int, wait_s: float = 0, address: str = ""
    ) -> Reply:
        """The changes of an inbox after a seq, an event or a time, oldest first; without any it waits for up to ``wait_s``
        seconds, for a client at a network address. Raises TooManyRequests, Deferred if the request may not wait, and
        BadParameter for the id of an event of another server."""
        erasures = self._store.erasures.begun
        since = beginning if isinstance(beginning, int) else await self._seq(user, beginning)

        tag = ""

        async def read() -> InboxChanges:
            nonlocal tag
            tag = await self._wording.tag(user)
            return await self._taken_up(user, lambda: self._store.inbox_since(user, since, limit), erasures)

        changes = await read()
        if wait_s and changes.counts.seq == since:
            with self._news(user, address) as news:
                changes = await _awaited(news, since, read, wait_s)
        head, kept = join(await self._wording.items(user, changes.rows), ())
        body = head + _progress(_first(changes, kept))
        return Reply(body + self._heads(changes.counts) + b"}", None, self._etag(changes.counts, tag))

    async def _seq(self, user: str, since: str | SinceTime) -> int:
        await self._counts(user)  # materialises a pending broadcast
        if isinstance(since, SinceTime):
            return await self._store.inbox_seq(user, key_at(since.ms + 1) - 1)
        return await self._store.inbox_seq(user, key_of_event(self._store.ids, since))

    async def etag(self, user: str) -> str:
        """The entity tag of the current inbox."""
        tag = await self._wording.tag(user)
        return self._etag(await self._counts(user), tag)

    async def count_etag(self, user: str) -> str:
        """The entity tag of the current counts: a rename, a template and a language do not change it."""
        return self._etag(await self._counts(user), "")

    async def unread_count(self, user: str, type: Choice[str] | None = None) -> Reply:
        """The exact unread counts, of some types or of all, and their seq."""
        counts = await self._counts(user)
        if type is not None:
            (counts,) = await self._store.counts([user], type)
        return Reply(b"{" + counted(counts, counts.seq) + b"}", None, self._etag(counts, ""))

    async def explain(self, user: str, event_id: str, full: bool) -> Reply:
        """Why a user was notified of an event, or was not; who blocked them only in ``full``. Raises NotFound."""
        await self._counts(user)  # materialises a pending broadcast
        facts = await self._store.explain_facts(user, event_id)
        if facts is None or not (full or await self._store.event(event_id, user)):
            raise NotFound("no such event")
        case = ExplainInput(
            user,
            facts,
            self._store.rules,
            await self._store.preferences(user),
            await self._store.endpoints(user),
            await self._row(user, facts.notification),
            self._clock.now(),
            self._duplicate_window_s,
        )
        case = case if full else for_user(case)
        shown = {
            "event_id": event_id,
            "user_id": user,
            "type": case.type,
            "notified": bool(facts.notification),
            "notification_id": facts.notification or None,
            "checks": [check._asdict() for check in checks(case)],
            "channels": {channel: decision._asdict() for channel, decision in channels(case).items()},
        }
        return Reply(_encode(shown))

    async def _row(self, user: str, id: str) -> InboxRow | None:
        """A user's notification, None if it was retracted; "": there is none."""
        rows = (await self._store.inbox(user, 1, None, state="all", id=id)).rows if id else ()
        return rows[0] if rows else None

    async def _counts(self, user: str) -> InboxCounters:
        erasures = self._store.erasures.begun
        (counts,) = await self._store.counts([user])
        if not counts.lacking:  # nearly always
            return counts
        return (await inbox_heads(self._store, [user], self._materialize, erasures))[user]

    async def _taken_up(
        self, user: str, read: Callable[[], Awaitable[_C]], erasures: int | None = None
    ) -> _C:
        """The result of a read of an inbox, for a request that began after so many erasures (None: now)."""
        if erasures is None:
            erasures = self._store.erasures.begun
        return await read_with_materialization(
            read, lambda found: [user] if found.counts.lacking else [], self._materialize, erasures
        )

    def _heads(self, counts: InboxCounters) -> bytes:
        epoch = _encode(self._epoch)
        return b',%b,"read_up_to":%d,"epoch":%b' % (counted(counts, counts.seq), counts.read_up_to, epoch)

    def _etag(self, counts: InboxCounters, tag: str) -> str:
        return f'W/"{self._epoch}.{counts.seq}{tag}"'


async def _awaited(
    news: NewInboxEntries, since: int, read: Callable[[], Awaitable[InboxChanges]], wait_s: float
) -> InboxChanges:
    """The first changes. One more read at the beginning: there may be changes from before ``news``; and at the end: the user
    may have been erased."""
    changes = await read()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            goes_on = True
            while goes_on and changes.counts.seq == since:
                goes_on = await news.wait()
                changes = await read()
    return changes


def _first(changes: InboxChanges, count: int) -> InboxChanges:
    """The first changes, so many of them, and the read-alls among them."""
    if count == len(changes.rows):
        return changes
    rows = changes.rows[:count]
    marks = tuple(mark for mark in changes.marks if mark.seq <= rows[-1].seq)
    return changes._replace(rows=rows, more=True, marks=marks)


def _progress(changes: InboxChanges) -> bytes:
    """The read-alls and seen-alls among the changes, and the seq to continue from."""
    marks = b",".join(map(_mark, changes.marks))
    flags = (_bool(changes.more), changes.next_since, _bool(changes.reset))
    return b',"marks":[' + marks + b'],"has_more":%b,"next_since":%d,"reset":%b' % flags


def _mark(mark: ReadWatermark) -> bytes:
    return b'{"seq":%d,"type":%b,%b}' % (mark.seq, _encode(mark.type or None), watermark(mark))


def _bool(value: bool) -> bytes:
    return b"true" if value else b"false"
