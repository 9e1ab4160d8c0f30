"""What the core asks of a store, a bus and a clock. Each sentence of a docstring here is a promise with a test in
``tests/conformance``; every back-end keeps all of them. Ask for what the domain needs, never for SQL.

The law of a feed, which every back-end obeys however it stores things. An event *e* (actor *a*, topics *T*,
position *p*, key *k*) is in the feed of viewer *V* when *a* is not *V* and

- *V* is among its targets (reason ``target``), or
- *V* has a follow of a topic in *T* (reason ``follow``) that covers it: ``k >= since_key or p > since_position``, and
  not ended by a keeping unfollow at a position before *p*. ``since_key`` is the key of the last event that the
  backfill showed, ``since_position`` the head of the log when the follow was made;

and no mask of *V* hides it: a muted topic in *T*, or a block between *V* and *a*. With ``include_own`` the
viewer's own acts are in it as well (reason ``own``). Where several reasons hold, any one of them is given.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from tidings.errors import KeyReused
from tidings.ids import EventIds
from tidings.model import (
    Command,
    Counts,
    DeadLetter,
    FeedFilter,
    FeedSummary,
    FollowRow,
    Head,
    InboxChanges,
    InboxPage,
    LogEntry,
    NewCount,
    Outcome,
    Page,
    Status,
    TopicInfo,
)


class Clock(Protocol):
    """Time, passed in so that tests and simulations own it."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class EventLog(Protocol):
    """The log, and the one way to change anything."""

    @property
    def ids(self) -> EventIds:
        """How this store names events."""
        ...

    async def write(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        """Apply the commands in order, in one transaction; when it returns, they are durable and every reader sees them.

        One outcome per command. Positions are dense from 1 in the order of the commands. If it raises, nothing was
        applied. An event's key is minted from its ``created_at``; keys of one millisecond keep the order of the log.
        """
        ...

    async def head(self) -> Head:
        """The last position (0 when empty) and the epoch."""
        ...

    async def tail(self, after: int, limit: int) -> list[LogEntry]:
        """The entries with a position over ``after``, in order, at most ``limit``. Retracted ones are left out."""
        ...

    async def event(self, event_id: str) -> LogEntry | None:
        """One event, or None when it never was, or was retracted."""
        ...


class FeedViews(Protocol):
    """Feeds and activity pages."""

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        """A page of the user's feed, by key downwards from ``before`` (exclusive), as the law above says.

        A page has ``limit`` items, or is the last, or says ``partial``. An unknown user has an empty feed.
        """
        ...

    async def feed_version(self, user: str) -> object:
        """A token of the user's feed as it is now: while it stays equal, so does the first page, but for
        ``Page.position``. Whatever changes the feed changes the token before the writer is answered."""
        ...

    async def activity(self, topic: str | None, want: FeedFilter, limit: int, before: int | None) -> Page:
        """The same for all events of one topic, or (None) of everyone. Read state and masks play no part."""
        ...

    async def feed_since(self, user: str, after: int, limit: int) -> Page:
        """Items of the user's feed with a position over ``after``, in the order of positions, at most ``limit``;
        ``next_key`` is then the position to go on from, None when there is no more."""
        ...

    async def new_count(self, user: str, since: int, cap: int) -> NewCount:
        """How many items of the user's feed have a position over ``since``; stops counting at ``cap``."""
        ...

    async def summary(self, user: str) -> FeedSummary:
        """Exact totals over the user's feed, and its five newest items."""
        ...


class InboxViews(Protocol):
    """Inboxes. A target of an event, unless it is the actor or has masked the event, gets one notification.

    Every change of an inbox takes the next seq of its user: dense, from 1. A mark takes one seq for each row that it
    really changes; a read-all without type takes one seq in all, when it changes anything, and touches no row: it moves
    the watermark ``Counts.read_up_to``, under which whatever became unread at or before that seq is read. Marking READ
    sets ``seen_at`` too where it was empty; UNREAD empties ``read_at``. A retracted event leaves a tombstone, which
    takes a seq. Only rows that are unread and neither archived nor tombstones are counted as unread.
    """

    async def inbox(
        self, user: str, limit: int, before: int | None, unread_only: bool = False, type: str | None = None
    ) -> InboxPage:
        """A page, newest content first, downwards from ``before`` (exclusive); archived ones are left out.

        The type of a notification is the verb of its event. Filtered pages are filled to the limit or are the last.
        """
        ...

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        """Each notification changed after ``since`` once, by its last change, tombstones and archived ones included."""
        ...

    async def counts(self, users: Sequence[str]) -> list[Counts]:
        """The head of each of these inboxes, in the order asked; zeros for an unknown user."""
        ...


class Graph(Protocol):
    """Who follows what."""

    async def follows(self, user: str, limit: int, after: str | None) -> list[FollowRow]:
        """The topics the user follows now, by name, beginning after ``after``."""
        ...

    async def topic(self, topic: str, viewer: str | None = None) -> TopicInfo:
        """A topic and how its events travel; unknown topics have no followers and are pushed."""
        ...


class Upkeep(Protocol):
    """What goes on behind the requests."""

    async def work(self, budget: int) -> int:
        """Do at most about ``budget`` rows of owed fan-out and clean-up, in a transaction of its own; returns the rows
        done, 0 when nothing is owed. A crash between two calls loses and doubles nothing."""
        ...

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """What was set aside, oldest first. Nothing else waits for it; Replay puts it back in line."""
        ...

    def export(self, user: str) -> AsyncIterator[bytes]:
        """All that is kept about a person, one JSON object at a time, each with a ``kind``."""
        ...

    async def status(self) -> Status:
        """Sizes, lag and dead letters."""
        ...

    async def close(self) -> None:
        """Release files and threads; everything acknowledged stays durable."""
        ...


class Store(EventLog, FeedViews, InboxViews, Graph, Upkeep, Protocol):
    """A complete back-end."""
