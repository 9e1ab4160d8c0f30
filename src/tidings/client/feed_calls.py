"""The calls about feeds and activity as methods, as in ``api``."""

from collections.abc import Sequence
from typing import Any, Unpack

from tidings.client import replies
from tidings.client.descriptors import listing, operation
from tidings.client.filters import ActivityFilters, FeedFilters, Since, filter_parameters, moment
from tidings.client.request import Call, Series, call, part
from tidings.client.shapes import FeedGroupPage, FeedPage, NewCount
from tidings.client.user_calls import UserCalls, pages


def _page(cursor: str | None, limit: int, since: Since | None) -> dict[str, Any]:
    """The parameters of a page."""
    return {"cursor": cursor, "limit": limit, "since": moment(since)}


class FeedCalls(UserCalls):
    """The calls about feeds and activity."""

    # --- feeds ------------------------------------------------------------------------------------------------

    @operation
    def feed_page(
        self,
        /,
        *,
        user: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
        since: Since | None = None,
        **filters: Unpack[FeedFilters],
    ) -> Call[FeedPage]:
        """A page of a user's feed, newest first; with ``since`` also the number of new items."""
        query = self._about(user) | _page(cursor, limit, since) | filter_parameters(filters)
        return call("GET", "/v1/feed", FeedPage, query=query)

    @listing
    def feed(self, /, *, user: str | None = None, **filters: Unpack[FeedFilters]) -> Series[FeedPage]:
        """All of a user's feed, newest first; iteration fetches page by page."""
        return pages("/v1/feed", FeedPage, self._about(user) | filter_parameters(filters))

    @operation
    def feed_groups_page(
        self,
        /,
        *,
        user: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
        since: Since | None = None,
        **filters: Unpack[FeedFilters],
    ) -> Call[FeedGroupPage]:
        """A page of a user's feed in groups of similar items: of one verb and one object, within a window."""
        page = {"group": True} | _page(cursor, limit, since)
        query = self._about(user) | page | filter_parameters(filters)
        return call("GET", "/v1/feed", FeedGroupPage, query=query)

    @listing
    def feed_groups(
        self, /, *, user: str | None = None, **filters: Unpack[FeedFilters]
    ) -> Series[FeedGroupPage]:
        """All groups of a user's feed, newest first."""
        query = self._about(user) | {"group": True} | filter_parameters(filters)
        return pages("/v1/feed", FeedGroupPage, query)

    @operation
    def feed_new(
        self, /, since: Since, *, user: str | None = None, **filters: Unpack[FeedFilters]
    ) -> Call[NewCount]:
        """Count the items of a feed after a position, an event (its id) or a time."""
        query = self._about(user) | {"since": moment(since)} | filter_parameters(filters)
        return call("GET", "/v1/feed/new", NewCount, query=query)

    @operation
    def feed_summary(self, *, user: str | None = None, include_own: bool = False) -> Call[replies.Summary]:
        """Count the items of a feed, in all, unread, and by verb."""
        query = self._about(user) | {"include_own": include_own or None}
        return call("GET", "/v1/feed/summary", replies.Summary, query=query)

    @operation
    def mark_feed_read(
        self,
        event_ids: Sequence[str] | None = None,
        *,
        user: str | None = None,
        up_to: int | None = None,
    ) -> Call[replies.FeedReadResult]:
        """Mark these items of a feed read; or, without any, all items up to a position (default: its end). The token
        ``undo`` in the response to the latter can undo it for ten minutes."""
        return self._read("/v1/feed/read", event_ids, user, up_to)

    @operation
    def mark_feed_unread(
        self, event_ids: Sequence[str], *, user: str | None = None
    ) -> Call[replies.UpdateResult]:
        """Mark these items of a feed unread, whether a mark or a read-all read them."""
        query, body = self._about(user), {"event_ids": list(event_ids)}
        return call("POST", "/v1/feed/unread", replies.UpdateResult, query=query, body=body)

    @operation
    def undo_feed_read(self, token: str, *, user: str | None = None) -> Call[replies.UpdateResult]:
        """Undo a read-all of a feed."""
        query, body = self._about(user), {"undo": token}
        return call("POST", "/v1/feed/undo", replies.UpdateResult, query=query, body=body)

    @operation
    def mark_activity_read(
        self,
        event_ids: Sequence[str] | None = None,
        *,
        of_topic: str | None = None,
        user: str | None = None,
        up_to: int | None = None,
    ) -> Call[replies.FeedReadResult]:
        """Mark these events read, in the feed of the user or not; or, without any, all activity of a topic, or of all users,
        up to a position (default: its end). The token ``undo`` in the response to the latter can undo it for ten
        minutes."""
        return self._read("/v1/activity/read", event_ids, user, up_to, of_topic)

    @operation
    def mark_activity_unread(
        self, event_ids: Sequence[str], *, of_topic: str | None = None, user: str | None = None
    ) -> Call[replies.UpdateResult]:
        """Mark these events unread, whether a mark or a read-all read them."""
        query, body = self._about(user), {"event_ids": list(event_ids)} | _topic(of_topic)
        return call("POST", "/v1/activity/unread", replies.UpdateResult, query=query, body=body)

    @operation
    def undo_activity_read(self, token: str, *, user: str | None = None) -> Call[replies.UpdateResult]:
        """Undo a read-all of activity."""
        query, body = self._about(user), {"undo": token}
        return call("POST", "/v1/activity/undo", replies.UpdateResult, query=query, body=body)

    @operation
    def activity_page(
        self,
        /,
        of_topic: str | None = None,
        *,
        user: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
        since: Since | None = None,
        **filters: Unpack[ActivityFilters],
    ) -> Call[replies.ActivityPage]:
        """A page of the activity of a topic, or of all users, newest first, as the user sees it; with ``since`` also the
        number of new events."""
        query = self._about(user) | _page(cursor, limit, since) | filter_parameters(filters)
        return call("GET", _activity(of_topic), replies.ActivityPage, query=query)

    @listing
    def activity(
        self, /, of_topic: str | None = None, *, user: str | None = None, **filters: Unpack[ActivityFilters]
    ) -> Series[replies.ActivityPage]:
        """All activity of a topic, or of all users, newest first, as the user sees it."""
        query = self._about(user) | filter_parameters(filters)
        return pages(_activity(of_topic), replies.ActivityPage, query)

    @operation
    def activity_groups_page(
        self,
        /,
        of_topic: str | None = None,
        *,
        user: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
        since: Since | None = None,
        **filters: Unpack[ActivityFilters],
    ) -> Call[replies.ActivityGroupPage]:
        """A page of the activity of a topic, or of all users, in groups of similar events, as the user sees it."""
        page = {"group": True} | _page(cursor, limit, since)
        query = self._about(user) | page | filter_parameters(filters)
        return call("GET", _activity(of_topic), replies.ActivityGroupPage, query=query)

    @listing
    def activity_groups(
        self, /, of_topic: str | None = None, *, user: str | None = None, **filters: Unpack[ActivityFilters]
    ) -> Series[replies.ActivityGroupPage]:
        """All activity of a topic, or of all users, in groups of similar events, newest first, as the user sees it."""
        query = self._about(user) | {"group": True} | filter_parameters(filters)
        return pages(_activity(of_topic), replies.ActivityGroupPage, query)

    @operation
    def activity_new(
        self,
        /,
        since: Since,
        of_topic: str | None = None,
        *,
        user: str | None = None,
        **filters: Unpack[ActivityFilters],
    ) -> Call[NewCount]:
        """Count the events of a topic, or of all users, after a position, an event (its id) or a time, as the user sees
        them."""
        path = "/v1/activity/new" if of_topic is None else f"/v1/topics/{part(of_topic)}/new"
        query = self._about(user) | {"since": moment(since)} | filter_parameters(filters)
        return call("GET", path, NewCount, query=query)

    def _read(
        self,
        path: str,
        event_ids: Sequence[str] | None,
        user: str | None,
        up_to: int | None,
        of_topic: str | None = None,
    ) -> Call[replies.FeedReadResult]:
        """Mark these events read, or all up to a position; all up to the end, which moves, is not safe to be repeated."""
        body: dict[str, object] = {"all": True} if event_ids is None else {"event_ids": list(event_ids)}
        body |= {} if up_to is None else {"up_to": up_to}
        safe = event_ids is not None or up_to is not None
        query, body = self._about(user), body | _topic(of_topic)
        return call("POST", path, replies.FeedReadResult, query=query, body=body, repeatable=safe)


def _topic(topic: str | None) -> dict[str, object]:
    return {} if topic is None else {"topic": topic}


def _activity(topic: str | None) -> str:
    return "/v1/activity" if topic is None else f"/v1/topics/{part(topic)}/activity"
