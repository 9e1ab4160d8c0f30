"""Every call of the API as a method, described once for both clients.

``user`` is the user whom a call concerns; without it the client's own ``user_id``, or the user of its token.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from tidings.client import replies
from tidings.client.descriptors import listing, operation
from tidings.client.effects import ClientRequest
from tidings.client.errors import ProblemError
from tidings.client.feed_calls import FeedCalls
from tidings.client.filters import Since, filter_parameters, moment
from tidings.client.replies import LineResult, NewEvent, NewReminder, Preferences
from tidings.client.request import NDJSON, Call, Series, builtins, call, part
from tidings.client.shapes import Event, InboxChanges, InboxPage, Notification
from tidings.client.user_calls import PAGE, pages

LINES = 1_000
"""Events of an import in one request."""
LINES_BYTES = 4 * 1024 * 1024
"""Bytes of them: a retry sends them again."""

State = Literal["read", "unread", "seen", "unseen", "archive", "unarchive", "unsnooze", "pin", "unpin"]
Window = Literal["1m", "5m", "1h"]
By = Literal["object", "verb", "object_type", "actor"]
InboxFilter = Literal["inbox", "archived", "snoozed", "pinned", "all"]
Given = NewEvent | Mapping[str, Any]
_records = msgspec.json.Decoder(dict[str, Any]).decode_lines
_lines = msgspec.json.Decoder(LineResult).decode_lines


class ImportResults(NamedTuple):
    """The results of a part of an import."""

    items: tuple[LineResult, ...]


def new_key() -> str:
    """A unique idempotency key: a publication that is sent again is stored once."""
    return secrets.token_hex(16)


class Api(FeedCalls):
    """The methods that both clients have."""

    # --- events -----------------------------------------------------------------------------------------------

    @operation
    def publish(self, event: Given, *, key: str | None = None) -> Call[replies.Receipt]:
        """Publish an event, once however often it must be sent. ``key``: its idempotency key, with which a later repetition
        returns the same receipt; without it the ``idempotency_key`` of the event, or a random one."""
        (body,), key = _keyed([event], key)
        return call("POST", "/v1/events", replies.Receipt, body=body, key=key)

    @operation
    def publish_many(self, events: Sequence[Given], *, key: str | None = None) -> Call[replies.Receipts]:
        """Publish up to a thousand events, all or none. ``key`` is that of the whole batch; without it events that have an
        ``idempotency_key`` keep it."""
        body, key = _keyed(events, key)
        return call("POST", "/v1/events", replies.Receipts, body=body, key=key)

    @listing
    def import_lines(self, events: Iterable[Given]) -> Series[ImportResults]:
        """Publish any number of events, each by itself; a refused one does not stop the others. Iterate over the results:
        that sends the events. Events without an ``idempotency_key`` get one, so that none is stored twice. Notifications
        arrive read, except those of events with ``notify`` True."""
        done = 0
        for batch in _batches(events):
            lines = yield _import(batch, done)
            done += len(lines.items)

    @operation
    def event(self, event_id: str, *, user: str | None = None) -> Call[Event]:
        """Fetch one event, if the user may see it; an API key without a user sees every event."""
        return call("GET", f"/v1/events/{part(event_id)}", Event, query=self._about(user))

    @operation
    def retract(self, event_id: str) -> Call[None]:
        """Retract an event from the log, every feed and every inbox."""
        return call("DELETE", f"/v1/events/{part(event_id)}", None)

    @operation
    def broadcast(
        self,
        event: Given,
        *,
        audience: str = "*",
        expires_at: datetime | None = None,
        key: str | None = None,
    ) -> Call[replies.Receipt]:
        """Publish an event to all users ("*"), or to all followers of the topic ``audience``."""
        (body,), key = _keyed([event], key)
        body |= {"audience": audience, "expires_at": expires_at}
        return call("POST", "/v1/broadcasts", replies.Receipt, body=body, key=key)

    # --- topics -----------------------------------------------------------------------------------------------

    @operation
    def follow(
        self, topic: str, *, user: str | None = None, backfill: int | None = None
    ) -> Call[replies.Following]:
        """Follow a topic; the ``backfill`` newest of its events are added to the feed, also if it is followed already. By
        default a new follow adds 100."""
        path = self._path(user, "follows", topic)
        return call("PUT", path, replies.Following, body={} if backfill is None else {"backfill": backfill})

    @operation
    def unfollow(self, topic: str, *, user: str | None = None, keep: bool = False) -> Call[None]:
        """Unfollow a topic, and hide the events that it added, or ``keep`` them."""
        query = {"history": "keep" if keep else "hide"}
        return call("DELETE", self._path(user, "follows", topic), None, query=query)

    @operation
    def follow_many(self, pairs: Iterable[tuple[str, str]]) -> Call[replies.Updated]:
        """Make many users follow topics: up to 10,000 pairs of a user and a topic. Existing follows are skipped."""
        return call("POST", "/v1/follows", replies.Updated, body=_pairs(pairs))

    @operation
    def unfollow_many(self, pairs: Iterable[tuple[str, str]], *, keep: bool = False) -> Call[replies.Updated]:
        """End many follows, up to 10,000 pairs of a user and a topic, and hide the events that they added, or ``keep``
        them."""
        query = {"history": "keep" if keep else "hide"}
        return call("DELETE", "/v1/follows", replies.Updated, query=query, body=_pairs(pairs))

    @listing
    def follows(self, *, user: str | None = None) -> Series[replies.FollowsPage]:
        """The topics that a user follows, by name."""
        return pages(self._path(user, "follows"), replies.FollowsPage, {})

    @operation
    def mute(self, topic: str, *, user: str | None = None) -> Call[None]:
        """Hide a topic's events from a user."""
        return call("PUT", self._path(user, "mutes", topic), None)

    @operation
    def unmute(self, topic: str, *, user: str | None = None) -> Call[None]:
        """Show the events of a muted topic again."""
        return call("DELETE", self._path(user, "mutes", topic), None)

    @listing
    def mutes(self, *, user: str | None = None) -> Series[replies.MutesPage]:
        """The topics that a user has muted, by name."""
        return pages(self._path(user, "mutes"), replies.MutesPage, {})

    @operation
    def block(self, other: str, *, user: str | None = None) -> Call[None]:
        """Hide the events of two users from each other."""
        return call("PUT", self._path(user, "blocks", other), None)

    @operation
    def unblock(self, other: str, *, user: str | None = None) -> Call[None]:
        """Remove a block."""
        return call("DELETE", self._path(user, "blocks", other), None)

    @listing
    def blocks(self, *, user: str | None = None) -> Series[replies.BlocksPage]:
        """The users whom a user has blocked, by name."""
        return pages(self._path(user, "blocks"), replies.BlocksPage, {})

    # --- notifications ----------------------------------------------------------------------------------------

    @operation
    def notifications_page(
        self,
        *,
        user: str | None = None,
        cursor: str | None = None,
        limit: int = 20,
        unread_only: bool = False,
        type: str | Sequence[str] | None = None,
        state: InboxFilter | None = None,
    ) -> Call[InboxPage]:
        """A page of a user's inbox, newest content first, with the exact counts of the same moment. ``type``: of one type,
        of several, or without those that are ``Excluded``. ``state``: of the inbox (the default), of those that are
        archived or snoozed, of the pinned ones in the inbox, or of all."""
        query = self._inbox(user, unread_only, type, state) | {"cursor": cursor, "limit": limit}
        return call("GET", "/v1/notifications", InboxPage, query=query)

    @listing
    def notifications(
        self,
        *,
        user: str | None = None,
        unread_only: bool = False,
        type: str | Sequence[str] | None = None,
        state: InboxFilter | None = None,
    ) -> Series[InboxPage]:
        """All notifications of a user, newest content first: those that are not archived unless ``state`` says more."""
        return pages("/v1/notifications", InboxPage, self._inbox(user, unread_only, type, state))

    @operation
    def notification(self, id: str, *, user: str | None = None) -> Call[Notification]:
        """One notification of a user, archived or not."""
        return call("GET", f"/v1/notifications/{part(id)}", Notification, query=self._about(user))

    @operation
    def changes(
        self, since: Since, *, user: str | None = None, wait: int | None = None, limit: int = PAGE
    ) -> Call[InboxChanges]:
        """The changes of an inbox after a seq, oldest first; or from the first notification with a later event than one (its
        id) or a time. The server waits up to ``wait`` seconds for a change."""
        query = self._about(user) | {"since": moment(since), "wait": wait, "limit": limit}
        asked = call("GET", "/v1/notifications", InboxChanges, query=query)
        return asked._replace(held_s=float(wait or 0))

    @operation
    def unread_count(
        self, *, user: str | None = None, type: str | Sequence[str] | None = None
    ) -> Call[replies.Unread]:
        """Fetch the exact unread and unseen counts, of all types or of some."""
        query = self._about(user) | filter_parameters({"type": type})
        return call("GET", "/v1/notifications/unread-count", replies.Unread, query=query)

    @operation
    def mark(self, id: str, state: State, *, user: str | None = None) -> Call[replies.InboxUpdateResult]:
        """Set the state of one notification."""
        path = f"/v1/notifications/{part(id)}/{state}"
        return call("POST", path, replies.InboxUpdateResult, query=self._about(user))

    @operation
    def mark_many(
        self, ids: Sequence[str], state: State, *, user: str | None = None
    ) -> Call[replies.InboxUpdateResult]:
        """Set the state of up to a thousand notifications; ids of other users' notifications are skipped."""
        query, body = self._about(user), {"ids": list(ids)}
        return call("POST", f"/v1/notifications/{state}", replies.InboxUpdateResult, query=query, body=body)

    @operation
    def act(self, id: str, action_id: str, *, user: str | None = None) -> Call[Notification]:
        """Take an action on a notification, which marks it read; the same again changes nothing."""
        path = f"/v1/notifications/{part(id)}/actions/{part(action_id)}"
        return call("POST", path, Notification, query=self._about(user))

    @operation
    def mute_thread(self, id: str, *, user: str | None = None) -> Call[replies.MutedTopic]:
        """Mute the object of a notification: the user gets no more notifications about it."""
        path = f"/v1/notifications/{part(id)}/mute"
        return call("POST", path, replies.MutedTopic, query=self._about(user))

    @operation
    def snooze(self, id: str, until: datetime, *, user: str | None = None) -> Call[replies.InboxUpdateResult]:
        """Take a notification out of the inbox until a time, at which it is the newest there, and unread."""
        path, body = f"/v1/notifications/{part(id)}/snooze", {"until": until}
        return call("POST", path, replies.InboxUpdateResult, query=self._about(user), body=body)

    @operation
    def snooze_many(
        self, ids: Sequence[str], until: datetime, *, user: str | None = None
    ) -> Call[replies.InboxUpdateResult]:
        """The same of up to a thousand notifications; ids of other users' notifications are skipped."""
        path, body = "/v1/notifications/snooze", {"ids": list(ids), "until": until}
        return call("POST", path, replies.InboxUpdateResult, query=self._about(user), body=body)

    @operation
    def read_all(
        self, *, user: str | None = None, up_to: int | None = None, type: str | None = None
    ) -> Call[replies.ReadAllResult]:
        """Mark all notifications read, of one ``type`` or of all. ``up_to``: those that became unread after this seq stay
        unread; pass the ``seq`` of the list that the user saw. The token ``undo`` in the response can undo it for ten
        minutes."""
        given = {"up_to": up_to, "type": type}
        body = {name: value for name, value in given.items() if value is not None}
        path, query, safe = "/v1/notifications/read-all", self._about(user), up_to is not None
        return call("POST", path, replies.ReadAllResult, query=query, body=body, repeatable=safe)

    @operation
    def seen_all(
        self, *, user: str | None = None, up_to: int | None = None
    ) -> Call[replies.InboxUpdateResult]:
        """Mark all notifications seen; they stay unread. ``up_to``: those that became unread after this seq stay unseen;
        pass the ``seq`` of the list that the user saw."""
        body = {} if up_to is None else {"up_to": up_to}
        path, query, safe = "/v1/notifications/seen-all", self._about(user), up_to is not None
        return call("POST", path, replies.InboxUpdateResult, query=query, body=body, repeatable=safe)

    @operation
    def undo(self, token: str, *, user: str | None = None) -> Call[replies.InboxUpdateResult]:
        """Undo a read-all of an inbox."""
        query, body = self._about(user), {"undo": token}
        return call("POST", "/v1/notifications/undo", replies.InboxUpdateResult, query=query, body=body)

    @operation
    def explain(self, event_id: str, *, user: str | None = None) -> Call[replies.Explanation]:
        """Explain why a user was notified of an event, or was not."""
        query = self._about(user) | {"event_id": event_id}
        return call("GET", "/v1/notifications/explain", replies.Explanation, query=query)

    @operation
    def preferences(self, *, user: str | None = None) -> Call[Preferences]:
        """Fetch a user's preferences: notification types, channels and quiet hours."""
        return call("GET", "/v1/preferences", Preferences, query=self._about(user))

    @operation
    def set_preferences(self, wanted: Preferences, *, user: str | None = None) -> Call[Preferences]:
        """Replace a user's preferences."""
        return call("PUT", "/v1/preferences", Preferences, query=self._about(user), body=wanted)

    @operation
    def change_preferences(self, patch: Mapping[str, Any], *, user: str | None = None) -> Call[Preferences]:
        """Change some of a user's preferences by a JSON merge patch: None removes a member, absent ones stay."""
        return call("PATCH", "/v1/preferences", Preferences, query=self._about(user), body=patch)

    # --- reminders and endpoints ------------------------------------------------------------------------------

    @operation
    def set_reminder(
        self, key: str, reminder: NewReminder | Mapping[str, Any]
    ) -> Call[replies.ReminderResult]:
        """Set a reminder, or replace the one of this key."""
        return call("PUT", f"/v1/reminders/{part(key)}", replies.ReminderResult, body=reminder)

    @operation
    def reminder(self, key: str) -> Call[replies.Reminder]:
        """Fetch one reminder."""
        return call("GET", f"/v1/reminders/{part(key)}", replies.Reminder)

    @operation
    def reminders_page(self, *, cursor: str | None = None, limit: int = 20) -> Call[replies.RemindersPage]:
        """A page of the reminders that are due next."""
        query = {"cursor": cursor, "limit": limit}
        return call("GET", "/v1/reminders", replies.RemindersPage, query=query)

    @listing
    def reminders(self) -> Series[replies.RemindersPage]:
        """All reminders, soonest first."""
        return pages("/v1/reminders", replies.RemindersPage, {})

    @operation
    def cancel_reminder(self, key: str) -> Call[None]:
        """Cancel a reminder."""
        return call("DELETE", f"/v1/reminders/{part(key)}", None)

    @operation
    def endpoints(self, *, user: str | None = None) -> Call[replies.Endpoints]:
        """List the delivery endpoints of a user."""
        return call("GET", "/v1/endpoints", replies.Endpoints, query=self._about(user))

    @operation
    def add_endpoint(
        self,
        channel: Literal["email", "web_push", "webhook", "apprise"],
        address: str,
        *,
        user: str | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> Call[replies.Endpoint]:
        """Register a mail address, a push subscription or a URL. The ``secret`` of a webhook is shown when it is registered
        for the first time; registered again it keeps the secret, and the reply has none."""
        body = {"channel": channel, "address": address} | ({} if keys is None else {"keys": dict(keys)})
        return call("POST", "/v1/endpoints", replies.Endpoint, query=self._about(user), body=body)

    @operation
    def enable_endpoint(self, id: str, *, user: str | None = None) -> Call[replies.Endpoint]:
        """Enable an endpoint that was disabled because it refused everything."""
        return call("POST", f"/v1/endpoints/{part(id)}/enable", replies.Endpoint, query=self._about(user))

    @operation
    def rotate_secret(
        self, id: str, *, user: str | None = None, overlap_s: int | None = None
    ) -> Call[replies.Endpoint]:
        """Give a webhook a new ``secret``, which signs from the next attempt on. The present one signs as well for
        ``overlap_s`` seconds, by default those of the server's setting."""
        path = f"/v1/endpoints/{part(id)}/rotate-secret"
        return call("POST", path, replies.Endpoint, query=self._about(user) | {"overlap_s": overlap_s})

    @operation
    def remove_endpoint(self, id: str, *, user: str | None = None) -> Call[None]:
        """Remove an endpoint and its queued deliveries."""
        return call("DELETE", f"/v1/endpoints/{part(id)}", None, query=self._about(user))

    @operation
    def deliveries_page(
        self, *, endpoint: str | None = None, cursor: str | None = None, limit: int = 20
    ) -> Call[replies.UnsentDeliveriesPage]:
        """A page of the queued deliveries and dead letters of an endpoint, or of all. For operators."""
        query = {"endpoint": endpoint, "cursor": cursor, "limit": limit}
        return call("GET", "/v1/admin/deliveries", replies.UnsentDeliveriesPage, query=query)

    @listing
    def deliveries(self, *, endpoint: str | None = None) -> Series[replies.UnsentDeliveriesPage]:
        """All of them."""
        return pages("/v1/admin/deliveries", replies.UnsentDeliveriesPage, {"endpoint": endpoint})

    @operation
    def resend_delivery(self, id: str) -> Call[replies.UnsentDelivery]:
        """Send a queued delivery or a dead letter now. For operators."""
        return call("POST", f"/v1/admin/deliveries/{part(id)}/resend", replies.UnsentDelivery)

    # --- users ------------------------------------------------------------------------------------------------

    @operation
    def display_name(self, *, user: str | None = None) -> Call[replies.DisplayName]:
        """The newest known display name of a user."""
        return call("GET", self._path(user, "name"), replies.DisplayName)

    @operation
    def set_display_name(self, name: str, *, user: str | None = None) -> Call[replies.DisplayName]:
        """Give a user a display name, which notifications show from now on. It needs an API key."""
        return call("PUT", self._path(user, "name"), replies.DisplayName, body={"name": name})

    @operation
    def export(self, *, user: str | None = None) -> Call[list[dict[str, Any]]]:
        """Export all stored data of a user, each record with its ``kind``."""
        return Call(ClientRequest("GET", self._path(user, "export")), _records)

    @operation
    def erase(self, *, user: str | None = None) -> Call[None]:
        """Erase a user; their events stay, under a random name."""
        return call("DELETE", self._path(user), None)

    # --- types and trends -------------------------------------------------------------------------------------

    @operation
    def types(self) -> Call[replies.DeclaredTypes]:
        """The declared types of notifications."""
        return call("GET", "/v1/admin/types", replies.DeclaredTypes)

    @operation
    def declare_type(self, type: str, rule: Mapping[str, Any]) -> Call[replies.DeclaredType]:
        """Declare a type of notifications, or replace its rule."""
        return call("PUT", f"/v1/admin/types/{part(type)}", replies.DeclaredType, body=dict(rule))

    @operation
    def withdraw_type(self, type: str) -> Call[None]:
        """Delete a declaration."""
        return call("DELETE", f"/v1/admin/types/{part(type)}", None)

    @operation
    def top(
        self,
        window: Window = "1h",
        by: By = "object",
        limit: int = 100,
        *,
        object_type: str | None = None,
        topic: str | None = None,
        compare: Literal["previous"] | None = None,
    ) -> Call[replies.Top]:
        """Count the events of a window, or those of an object type and a topic, and list the most frequent keys; with
        ``compare``, each with its count and rank in the window before."""
        query = {"window": window, "by": by, "limit": limit, "object_type": object_type, "topic": topic}
        return call("GET", "/v1/top", replies.Top, query=query | {"compare": compare})

    @operation
    def top_series(
        self,
        window: Window = "1h",
        by: By = "object",
        key: str | None = None,
        *,
        object_type: str | None = None,
        topic: str | None = None,
    ) -> Call[replies.TopSeries]:
        """Count the events of a window in 60 points: those with a key, or all; of an object type and a topic, if given."""
        query = {"window": window, "by": by, "key": key, "object_type": object_type, "topic": topic}
        return call("GET", "/v1/top/series", replies.TopSeries, query=query)

    # --- operation --------------------------------------------------------------------------------------------

    @operation
    def backfill(
        self,
        days_back: int,
        *,
        user: str | None = None,
        all_users: bool = False,
        dry_run: bool = False,
        notify: bool = False,
    ) -> Call[replies.BackfillJob]:
        """Have the follows of a user, or of all users, cover the events of the last ``days_back`` days; ``notify`` adds to
        inboxes what the rules notify of, read. ``dry_run`` only counts. A large one continues as a job."""
        whose = {"all": True} if all_users else {"user_id": user or self.user_id}
        body = whose | {"days_back": days_back, "dry_run": dry_run, "notify": notify}
        return call("POST", "/v1/admin/backfill", replies.BackfillJob, body=body)

    @operation
    def job(self, job_id: str) -> Call[replies.BackfillJob]:
        """The progress of a backfill."""
        return call("GET", f"/v1/admin/jobs/{part(job_id)}", replies.BackfillJob)

    @operation
    def merge_user(self, user: str, into: str) -> Call[replies.MergeJob]:
        """Merge a user, such as a visitor who signs in, into another one: follows, feed, inbox and settings of the first
        become part of the second. A repetition changes nothing. A large one continues as a job."""
        body = {"into": into}
        return call("POST", f"/v1/admin/users/{part(user)}/merge", replies.MergeJob, body=body)

    @operation
    def merge_job(self, job_id: str) -> Call[replies.MergeJob]:
        """The progress of a merge."""
        return call("GET", f"/v1/admin/jobs/{part(job_id)}", replies.MergeJob)

    # --- users and parameters ---------------------------------------------------------------------------------

    def _inbox(
        self,
        user: str | None,
        unread_only: bool,
        type: str | Sequence[str] | None,
        state: InboxFilter | None,
    ) -> dict[str, Any]:
        query = self._about(user) | filter_parameters({"type": type})
        return query | {"unread_only": unread_only or None, "state": state}


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"user_id": user, "topic": topic} for user, topic in pairs]


def _import(batch: Sequence[bytes], done: int) -> Call[ImportResults]:
    body = b"".join(line + b"\n" for line in batch)
    request = ClientRequest("POST", "/v1/events", (), (("Content-Type", NDJSON),), body)
    return Call(request, lambda answer: _numbered(answer, done))


def _numbered(answer: bytes, done: int) -> ImportResults:
    """The results, counted from the beginning of the whole import. Raises ProblemError if the server ended the import."""
    results = _lines(answer)
    for one in results:
        if one.line is None and (error := one.error) is not None:
            raise ProblemError(error.status, error.type, error.title, error.detail, error.errors)
    return ImportResults(tuple(replace(one, line=done + (one.line or 0)) for one in results))


def _batches(events: Iterable[Given]) -> Iterator[list[bytes]]:
    lines = map(_line, events)
    for first in lines:
        batch, size = [first], len(first)
        for line in islice(lines, LINES - 1):
            batch.append(line)
            size += len(line)
            if size >= LINES_BYTES:
                break
        yield batch


def _keyed(events: Sequence[Given], key: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """The events and the key of their request: None if they have their own, beside which a server accepts no other."""
    bodies = [builtins(event) for event in events]
    if key or not any("idempotency_key" in body for body in bodies):
        return bodies, key or new_key()
    for body in bodies:
        body.setdefault("idempotency_key", new_key())
    return bodies, None


def _line(event: Given) -> bytes:
    body = builtins(event)
    body.setdefault("idempotency_key", new_key())
    return msgspec.json.encode(body)
