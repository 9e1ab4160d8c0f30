"""The write API: validates each request, enqueues its commands, and waits until they are committed."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, cast

import msgspec
from msgspec import UNSET

from tidings.batches import LineSplitter, prepare, split
from tidings.commit_queue import GroupCommitQueue
from tidings.config import KIB, MIB, Settings
from tidings.cursors import Cursors
from tidings.errors import (
    BadParameter,
    Expired,
    FieldError,
    InvalidFields,
    KeyInFlight,
    KeyReused,
    NotFound,
    TidingsError,
    TooLarge,
    TooManyRequests,
    problem_document,
)
from tidings.events import (
    EventDefaults,
    EventInput,
    accept,
    accept_broadcast,
    are_within_bounds,
    bound_errors,
    check_size,
    fingerprint,
    key_digest,
    meaning,
    read_at_once,
    read_broadcast,
    read_event,
)
from tidings.field_errors import MAX_FIELD_ERRORS
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import (
    Command,
    CommandResult,
    EraseUser,
    Follow,
    InboxUpdateResult,
    MarkFeedRead,
    MarkFeedUnread,
    NewEvent,
    Publish,
    Published,
    RebuildFeeds,
    Receipt,
    Retract,
    RetryDeadLetters,
    SetBlock,
    SetMute,
    UndoMarkFeedRead,
    Unfollow,
    user_topic,
)
from tidings.ports import Store
from tidings.projections.runner import Runner
from tidings.timeutil import Clock, rfc3339
from tidings.turns import TakeTurn, Turn, next_pass

IMPORT_LINES = 500
"""Lines of an import that share one transaction: enough to amortise the fsync, few enough to report progress."""
IMPORT_BYTES = 4 * MIB
"""Bytes of such lines: the default maximum of an array."""
RESULT_BYTES = 64 * KIB
"""Bytes of result lines that are sent at once: a connection accepts as many without waiting."""
FOLLOWS = 500
"""Follows or unfollows of a bulk request that share one transaction, about 20 ms: other requests get their turn between
two."""

DEFAULT_BACKFILL = 100
"""Events of its topic that a new follow adds to the feed: several pages, so that a feed is never empty after a follow."""
MAX_LIVE_BROADCASTS = 1_000
"""Maximum number of active broadcasts. An unread count checks each of them: measured, 0.1 to 0.3 ms at this number.
Reminders to topics are exempt, because there is no client that could get the refusal."""
LIVE_RETRY_S = 3_600
"""Seconds after which another broadcast may be tried: they are active for days."""
UNDO_MS = 600_000
"""How long a read-all can be undone: ten minutes, as long as its user may still look at the list."""

CHECKED_AT_ONCE = 4
"""Events of an array that are checked between two looks at the clock: one of the largest takes a millisecond."""
OWN_KEY = "/idempotency_key"
"""The place of an event's own key."""


class PublishResponse(NamedTuple):
    """A response to a publisher: complete JSON, and whether it repeats an earlier one."""

    body: bytes
    replayed: bool


class Commands:
    """The service that writes. The caller authenticates the request and passes users and topics."""

    def __init__(
        self,
        log: GroupCommitQueue,
        runner: Runner,
        settings: Settings,
        clock: Clock,
        cursors: Cursors,
        store: Store,
    ) -> None:
        self._log = log
        self._runner = runner
        self._settings = settings
        self._clock = clock
        self._cursors = cursors
        self._store = store
        self._in_flight: set[bytes] = set()
        for most in (settings.max_batch_events, settings.max_follows_batch):
            prepare(most)

    async def publish(
        self, raw: bytes, *, scope: str, key: str | None = None, wait: bool = True
    ) -> PublishResponse:
        """Publish one event; ``raw`` is its JSON object. ``wait``: return after feeds and inboxes have it too.

        Raises Malformed, InvalidFields, TooLarge, KeyReused, KeyInFlight, Unavailable.
        """
        given, event = self._accepted(raw, self._clock.now(), scope, key)
        published = await self._publish((event,), (given,), scope, key, wait)
        return PublishResponse(_receipt(published.receipts[0]), bool(published.repeats))

    async def publish_array(
        self,
        raw: bytes,
        *,
        scope: str,
        key: str | None = None,
        wait: bool = True,
        take_turn: TakeTurn = next_pass,
    ) -> PublishResponse:
        """Publish a JSON array of events, all or none; pointers of errors begin with the index. Long work is done in turns,
        each after ``take_turn``. Raises the errors of publish."""
        check_size(raw, self._settings.max_batch_bytes, "the batch")
        turn = Turn(self._clock.monotonic, take_turn)
        given = read_at_once(raw, self._settings)
        accepted = None if given is None else await self._accepted_at_once(given, scope, key, turn)
        if given is None or accepted is None:
            given, accepted = await self._accepted_one_by_one(raw, scope, key, turn)
        published = await self._publish(accepted, given, scope, key, wait, turn, in_array=True)
        receipts = b",".join(_receipt(receipt) for receipt in published.receipts)
        return PublishResponse(b'{"events":[' + receipts + b"]}", len(published.repeats) == len(given))

    async def broadcast(
        self, raw: bytes, *, scope: str, key: str | None = None, wait: bool = True
    ) -> PublishResponse:
        """Publish one event to an audience: all users, or the followers of a topic.

        Raises the errors of publish, and TooManyRequests if there are MAX_LIVE_BROADCASTS active broadcasts.
        """
        check_size(raw, self._settings.max_batch_bytes, "the event")
        now = self._clock.now()
        given = read_broadcast(raw, now, self._settings, key)
        accepted = accept_broadcast(given, now, scope, self._defaults_of(given.verb))
        if await self._store.count_active_broadcasts() >= MAX_LIVE_BROADCASTS:
            detail = f"{MAX_LIVE_BROADCASTS} broadcasts are active: wait until some expire, or retract them"
            raise TooManyRequests(detail, LIVE_RETRY_S)
        published = await self._publish((accepted,), (given,), scope, key, wait)
        return PublishResponse(_receipt(published.receipts[0]), bool(published.repeats))

    def _accepted(
        self, raw: bytes, now: int, scope: str, key: str | None = None, *, imported: bool = False
    ) -> tuple[EventInput, NewEvent]:
        check_size(raw, self._settings.max_batch_bytes, "the event")
        given = read_event(raw, now, self._settings, key)
        return given, accept(given, now, scope, self._defaults_of(given.verb, imported))

    def _defaults_of(self, verb: str, imported: bool = False) -> EventDefaults:
        """The values for an event of this verb that does not state its own."""
        rule, settings = self._store.rules.of_verb(verb), self._settings
        max_age_s = settings.notify_max_age_s if rule.notify_max_age_s is None else rule.notify_max_age_s
        return EventDefaults(rule.visibility or settings.default_visibility, max_age_s * 1000, imported)

    async def _accepted_at_once(
        self, given: Sequence[EventInput], scope: str, key: str | None, turn: Turn
    ) -> list[NewEvent] | None:
        """The events of an array; None if one of them exceeds a bound. All are accepted at one time, after which none of
        another request gets in before they are submitted: it would have a later time and an earlier position."""
        if not are_within_bounds(given, self._settings, key):
            now = self._clock.now()
            for i, one in enumerate(given):
                if any(bound_errors(one, now, self._settings, key)):
                    return None
                if not i % CHECKED_AT_ONCE and turn.is_long():
                    await turn.next()
        if turn.is_long():
            await turn.next()
        now = self._clock.now()
        defaults = {verb: self._defaults_of(verb) for verb in {one.verb for one in given}}
        return [accept(one, now, scope, defaults[one.verb]) for one in given]

    async def _accepted_one_by_one(
        self, raw: bytes, scope: str, key: str | None, turn: Turn
    ) -> tuple[list[EventInput], list[NewEvent]]:
        """The events of an array. Raises InvalidFields with the field errors of all, TooLarge."""
        items = split(raw, self._settings.max_batch_events)
        if not items:
            detail = f"expected a list of 1 to {self._settings.max_batch_events:,} events, got an empty one"
            raise InvalidFields(errors=(FieldError("", detail),))
        now = self._clock.now()
        given: list[EventInput] = []
        accepted: list[NewEvent] = []
        errors: list[FieldError] = []
        for i, item in enumerate(items):
            try:
                one, event = self._accepted(bytes(item), now, scope, key)
            except InvalidFields as error:
                errors += _below(f"/{i}", error.errors)
                if len(errors) >= MAX_FIELD_ERRORS:
                    break
            except TooLarge as error:
                raise TooLarge(f"item {i}: {error.detail}", _below(f"/{i}", error.errors)) from None
            else:
                given.append(one)
                accepted.append(event)
            if turn.is_long():
                await turn.next()
        if errors:
            raise InvalidFields(errors=tuple(errors[:MAX_FIELD_ERRORS]))
        return given, accepted

    async def _publish(
        self,
        events: Sequence[NewEvent],
        given: Sequence[EventInput],
        scope: str,
        key: str | None,
        wait: bool,
        turn: Turn | None = None,
        *,
        in_array: bool = False,
    ) -> Published:
        """Store the events of one request, many of them in turns. Raises KeyReused with the pointer of the key, which has an
        index if they are ``in_array``."""
        try:
            return await self._published(await self._keyed(events, given, scope, key, turn), wait)
        except KeyReused as error:
            if given[error.index].idempotency_key is UNSET:
                raise error.at("Idempotency-Key") from None
            at = f"/{error.index}" if in_array else ""
            raise error.at(at + OWN_KEY) from None

    async def _keyed(
        self,
        events: Sequence[NewEvent],
        given: Sequence[EventInput],
        scope: str,
        key: str | None,
        turn: Turn | None,
    ) -> Sequence[NewEvent]:
        """The events of one request under its idempotency key: each gets a key derived from it and its index, and the
        fingerprint of the whole request, so that any other body is refused at its first event."""
        if key is None:
            return events
        meanings = []
        for one in given:
            meanings.append(meaning(one))
            if turn is not None and turn.is_long():
                await turn.next()
        print_ = fingerprint(*meanings)
        return [
            event
            if event.key is not None
            else msgspec.structs.replace(event, key=key_digest(scope, f"{i}\0{key}"), fingerprint=print_)
            for i, event in enumerate(events)
        ]

    async def _published(self, events: Sequence[NewEvent], wait: bool) -> Published:
        keys = {event.key for event in events if event.key is not None}
        if not self._in_flight.isdisjoint(keys):
            raise KeyInFlight()
        self._in_flight |= keys
        try:
            published = cast(Published, await self._log.submit(Publish(tuple(events))))
        finally:
            self._in_flight -= keys
        if published.pending and wait:
            await self._runner.fanned_out(published.pending)
        return published

    async def import_lines(
        self,
        chunks: AsyncIterator[bytes],
        *,
        scope: str,
        wait: bool = True,
        take_turn: TakeTurn = next_pass,
    ) -> AsyncIterator[bytes]:
        """Publish NDJSON, a line at a time; yields one JSON result line per line, in order. Each chunk, its long work, and
        the results are done in turns, each after ``take_turn``.

        Notifications of imported events arrive read, unless a line has ``notify``. A bad line gets its error in its place
        and does not stop the import: ``{"line":3,"error":{…}}``."""
        lines, turn = LineSplitter(self._settings.max_batch_bytes), Turn(self._clock.monotonic, take_turn)
        batch = _Batch(1)
        async for chunk in chunks:
            await turn.next()
            for line in lines.feed(chunk):
                batch.add(self._prepared(line, scope), len(line))
                if batch.full:
                    async for results in self._import(batch, wait, turn):
                        yield results
                    batch = _Batch(batch.first + len(batch.prepared))
                if turn.is_long():
                    await turn.next()
        for line in lines.end():
            batch.add(self._prepared(line, scope), len(line))
        if batch.prepared:
            async for results in self._import(batch, wait, turn):
                yield results

    def _prepared(self, line: bytes, scope: str) -> Publish | bytes:
        """The command that publishes a line; or its problem as JSON: an exception keeps much more memory alive."""
        try:
            return Publish((self._accepted(line, self._clock.now(), scope, imported=True)[1],))
        except TidingsError as error:
            return _problem(error)

    async def _import(self, batch: "_Batch", wait: bool, turn: Turn) -> AsyncIterator[bytes]:
        commands = [one for one in batch.prepared if isinstance(one, Publish)]
        outcomes = iter(await self._log.submit_all(commands) if commands else ())
        results = [next(outcomes) if isinstance(one, Publish) else one for one in batch.prepared]
        if wait and (pending := [r.pending for r in results if isinstance(r, Published) and r.pending]):
            await self._runner.fanned_out(*pending)
        await turn.next()
        lines = bytearray()
        for number, result in enumerate(results, batch.first):
            lines += _result_line(number, result)
            if len(lines) >= RESULT_BYTES:
                yield bytes(lines)
                lines.clear()
                await turn.next()
        if lines:
            yield bytes(lines)

    async def retract(self, event_id: str) -> None:
        """Retract an event from the log, every feed and every inbox. Raises NotFound."""
        await self._change(Retract(event_id), missing="no such event")

    async def follow(self, user: str, topic: str, backfill: int | None = None) -> bool:
        """Make a user follow a topic and add the ``backfill`` newest of its events to the feed, also if the user follows it
        already; None: the default number, to a new follow alone. True if the follow is new."""
        if backfill is None:
            command = Follow(user, topic, self._default_backfill)
        else:
            command = Follow(user, topic, backfill, extend=True)
        return bool((await self._change(command)).updated)

    async def follow_many(self, pairs: Sequence[tuple[str, str]], backfill: int | None = None) -> int:
        """Follow many topics at once, (user, topic) each; a new follow adds ``backfill`` events (None: the default number).
        Returns how many are new."""
        count = self._default_backfill if backfill is None else backfill
        return await self._change_many(pairs, lambda user, topic: Follow(user, topic, count))

    @property
    def _default_backfill(self) -> int:
        return min(DEFAULT_BACKFILL, self._settings.max_backfill)

    async def unfollow_many(self, pairs: Sequence[tuple[str, str]], keep: bool) -> int:
        """End many follows at once, (user, topic) each, as ``unfollow`` does; returns how many there were."""
        return await self._change_many(pairs, lambda user, topic: Unfollow(user, topic, keep))

    async def _change_many(
        self, pairs: Sequence[tuple[str, str]], command: Callable[[str, str], Command]
    ) -> int:
        """Write a command for each (user, topic), in several transactions; returns how many had an effect."""
        changed = 0
        for at in range(0, len(pairs), FOLLOWS):
            outcomes = await self._log.submit_all([command(*pair) for pair in pairs[at : at + FOLLOWS]])
            changed += sum(cast(CommandResult, outcome).updated for outcome in outcomes)
        return changed

    async def unfollow(self, user: str, topic: str, keep: bool) -> bool:
        """End a follow; ``keep`` the events that it added, or hide them. True if there was one."""
        return bool((await self._change(Unfollow(user, topic, keep))).updated)

    async def mute(self, user: str, topic: str, on: bool) -> bool:
        """Hide a topic's events from a user, past ones too, or show them again; True if that changed anything. Raises
        InvalidFields over the maximum number of mutes of a user."""
        changed = await self._change(SetMute(user, topic, on=on))
        _check_limit(changed, "topic", "muted topics", "max_mutes_per_user")
        return bool(changed.updated)

    async def block(self, user: str, other: str, on: bool) -> bool:
        """Hide the events of two users from each other, or show them again; True if that changed anything. Raises
        InvalidFields for the user themselves, and over the maximum number of blocks of a user."""
        if on and user == other:
            error = FieldError("other_id", "expected another user than the one who blocks, got the same")
            raise InvalidFields("a user cannot block themselves", (error,))
        changed = await self._change(SetBlock(user, user_topic(other), on=on))
        _check_limit(changed, "other_id", "blocked users", "max_blocks_per_user")
        return bool(changed.updated)

    async def read_feed(
        self, user: str, event_ids: Sequence[str], activity: str | None = None
    ) -> CommandResult:
        """Mark feed items read, or events of ``activity``, as in MarkFeedRead. Ids that are not in it are skipped."""
        return await self._change(MarkFeedRead(user, tuple(event_ids), None, activity))

    async def read_all_of_feed(
        self, user: str, up_to: int | None, activity: str | None = None
    ) -> tuple[CommandResult, str | None]:
        """Mark a feed, or ``activity``, read up to a position. Also returns the token that undoes it, None if nothing
        changed. Raises InvalidFields over the maximum number of topics with a read-all of a user."""
        changed = await self._change(MarkFeedRead(user, None, up_to, activity))
        if changed.limit:
            wrong = (
                f"expected read-alls of up to {changed.limit:,} topics by one user, got one of another topic; "
                "event_ids marks its events"
            )
            raise InvalidFields(errors=(FieldError("/topic", wrong),))
        if not changed.marked:
            return changed, None
        return changed, self._token(changed.marked, _undoing_feed(user))

    async def unread_feed(
        self, user: str, event_ids: Sequence[str], activity: str | None = None
    ) -> CommandResult:
        """Mark feed items, or events of ``activity``, unread, whether a mark or a read-all read them. Ids that are not in it
        are skipped."""
        return await self._change(MarkFeedUnread(user, tuple(event_ids), activity))

    async def undo_feed(self, user: str, token: str) -> CommandResult:
        """Undo the read-all, of a feed or of activity, of this token, as :meth:`undo` does that of an inbox, with the
        same errors."""
        return await self._change(UndoMarkFeedRead(user, self._undone(token, _undoing_feed(user))))

    async def mark(self, user: str, ids: Sequence[str], state: NotificationState) -> InboxUpdateResult:
        """Set the state of these notifications; ids of other users' notifications are skipped."""
        return cast(InboxUpdateResult, await self._log.submit(SetNotificationState(user, tuple(ids), state)))

    async def mark_one(self, user: str, id: str, state: NotificationState) -> InboxUpdateResult:
        """Set the state of one notification. Raises NotFound if it is not this user's."""
        marked = await self.mark(user, (id,), state)
        if not marked.found:
            raise NotFound("no such notification")
        return marked

    async def read_all(
        self, user: str, up_to: int | None, type: str | None
    ) -> tuple[InboxUpdateResult, str | None]:
        """Mark all notifications read that became unread up to seq ``up_to``; later ones stay unread. Also returns the token
        that undoes it, None if nothing changed."""
        marked = cast(InboxUpdateResult, await self._log.submit(MarkAllNotificationsRead(user, up_to, type)))
        if not marked.updated:
            return marked, None
        return marked, self._token(marked.seq, _undoing(user))

    async def seen_all(self, user: str, up_to: int | None) -> InboxUpdateResult:
        """Mark all notifications seen that became unread up to seq ``up_to``; later ones stay unseen."""
        return cast(InboxUpdateResult, await self._log.submit(MarkAllNotificationsSeen(user, up_to)))

    async def undo(self, user: str, token: str) -> InboxUpdateResult:
        """Undo the read-all of this token; notifications that it alone marked read are unread again. A second time changes
        nothing.

        Raises BadParameter for a token that is damaged or another user's, Expired UNDO_MS after the read-all.
        """
        return cast(
            InboxUpdateResult,
            await self._log.submit(UndoMarkAllRead(user, self._undone(token, _undoing(user)))),
        )

    def _token(self, made: int, bound_to: str) -> str:
        return self._cursors.make_named(f"{made}.{self._clock.now()}", bound_to)

    def _undone(self, token: str, bound_to: str) -> int:
        """The seq or position of the read-all that a token undoes."""
        try:
            said = self._cursors.read_named(token, bound_to) or ""
        except BadParameter:
            error = FieldError(
                "/undo",
                "expected the undo of a reply to this user, got a damaged one or that of another user",
            )
            raise BadParameter(f"undo: {error.detail}", (error,)) from None
        made, _, at = said.partition(".")
        if self._clock.now() > int(at) + UNDO_MS:
            raise Expired(f"a read-all can be undone for {UNDO_MS // 60_000} minutes")
        return int(made)

    async def reconcile(self) -> CommandResult:
        """Enqueue a rebuild of every feed from the log; the runner does it in the background."""
        return await self._change(RebuildFeeds())

    async def replay_dead_letters(self) -> CommandResult:
        """Retry the dead letters; returns how many there are."""
        return await self._change(RetryDeadLetters())

    async def erase(self, user: str) -> None:
        """Erase a user; the store has no data of the user when this returns. Raises Unavailable if that needs an
        operator."""
        await self._change(EraseUser(user))
        await self._runner.erased(user)

    async def _change(self, command: Command, missing: str = "") -> CommandResult:
        outcome = cast(CommandResult, await self._log.submit(command))
        if missing and not outcome.updated:
            raise NotFound(missing)
        return outcome


def _check_limit(changed: CommandResult, field: str, what: str, setting: str) -> None:
    """Raises InvalidFields if a command was refused over a limit of its user."""
    if changed.limit:
        wrong = f"expected up to {changed.limit:,} {what} of one user ({setting}), got one more"
        raise InvalidFields(errors=(FieldError(field, wrong),))


def _undoing(user: str) -> str:
    """The binding of the token of a read-all."""
    return f"undo|{user}"


def _undoing_feed(user: str) -> str:
    """The same of a feed."""
    return f"undo-feed|{user}"


class _Batch:
    """Lines of an import that share a transaction: the result of each, from line ``first`` on."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.prepared: list[Publish | bytes] = []
        self._size = 0

    def add(self, prepared: Publish | bytes, size: int) -> None:
        """Add a line of ``size`` bytes."""
        self.prepared.append(prepared)
        self._size += size

    @property
    def full(self) -> bool:
        """Whether the batch is to be written now."""
        return len(self.prepared) >= IMPORT_LINES or self._size >= IMPORT_BYTES


def _below(at: str, errors: tuple[FieldError, ...]) -> tuple[FieldError, ...]:
    return tuple(FieldError(at + field.pointer, field.detail) for field in errors)


def _receipt(receipt: Receipt) -> bytes:
    event_id, position, created_at, retracted = receipt
    more = ',"retracted":true' if retracted else ""
    return f'{{"event_id":"{event_id}","position":{position},"created_at":"{rfc3339(created_at)}"{more}}}'.encode()


def _result_line(number: int, result: object) -> bytes:
    if isinstance(result, Published):
        replayed = b',"replayed":true' if result.repeats else b""
        return b'{"line":%d,' % number + _receipt(result.receipts[0])[1:-1] + replayed + b"}\n"
    problem = result if isinstance(result, bytes) else _problem(cast(KeyReused, result).at(OWN_KEY))
    return b'{"line":%d,"error":%b}\n' % (number, problem)


def _problem(error: TidingsError) -> bytes:
    """A failure as the JSON of a problem document. Unlike that of a response it always has ``errors``."""
    return problem_document(error.code, error.title, error.status, error.detail, error.errors)
