"""The reference back-end: dictionaries, and every feed computed from the visibility rules in ``tidings.ports``.

It is small rather than fast: other back-ends, with their indexes, chunks and watermarks, are compared with it. Where the
port permits several results, it has these:

- An event's counter within its millisecond is the number of events that this millisecond has had before.
- Unfollow without ``keep`` hides everything that the topic added, earlier follows that were kept included.
- ``SetBlock.topic`` is the user's topic, ``user:bob``.
- Feed items are marked read by id only if they are in the feed, the user's own events included; a read-all covers positions,
  so events below it that a later follow adds count as read.
- An erased user's random name replaces the old one in the mutes and blocks of others: a block continues to hide the events.
  A user who returns under the old name is another user: no event joins the groups of that actor or object, and duplicates of
  that object are not counted.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from itertools import islice

import msgspec

from tidings.backfills import Backfill
from tidings.display_names import SetDisplayName
from tidings.endpoint_commands import (
    AddEndpoint,
    BoundDeliveries,
    ConfirmEndpoint,
    EnableEndpoint,
    RemoveEndpoint,
    ResendDelivery,
    ReserveConfirmation,
    RotateSecret,
    Unsubscribe,
)
from tidings.errors import KeyReused
from tidings.filters import FeedFilter
from tidings.ids import MAX_KEY, EventIds, key_at
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
    UndoMarkAllRead,
)
from tidings.model import (
    ActionResult,
    ActOnNotification,
    CancelReminder,
    Command,
    CommandResult,
    EraseUser,
    Erasures,
    FeedItem,
    FeedSummary,
    FireReminder,
    Follow,
    FollowRow,
    LogEntry,
    LogPosition,
    MarkFeedRead,
    MarkFeedUnread,
    MaterializeBroadcasts,
    NewEvent,
    Outcome,
    Page,
    Publish,
    Published,
    RebuildFeeds,
    Receipt,
    RecordDeliveryResults,
    Retract,
    RetryDeadLetters,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    SetReminder,
    TopicInfo,
    UndoMarkFeedRead,
    Unfollow,
    user_topic,
)
from tidings.personal_data import alias_of
from tidings.rules import Rule, Rules
from tidings.status import Status
from tidings.storage import anonymize
from tidings.storage.memory.backfills import MemoryBackfills
from tidings.storage.memory.event_counts import MemoryEventCounts
from tidings.storage.memory.feeds import fits
from tidings.storage.memory.state import IdempotencyRecord
from tidings.storage.memory.streams import MemoryStreams
from tidings.storage.memory.user_merges import MemoryUserMerges
from tidings.user_merges import MergeUsers
from tidings.visibility import Visibility

RECENT = 5
"""Items that a summary shows."""


class MemoryStore(MemoryUserMerges, MemoryBackfills, MemoryStreams, MemoryEventCounts):
    """A complete :class:`tidings.ports.Store` in memory.

    ``clock`` gives the times; ``salt`` (64 bits) and ``epoch`` identify this store; ``idempotency_ms`` is how long an
    idempotency key is kept, in milliseconds; ``types`` are those that the settings declare. So many changes of a feed's read
    state (``feed_history``) and retractions (``retraction_history``) are kept for clients that resume, and so many read-alls
    of an inbox or a feed are kept separate (``read_all_history``). Streams of activity continue within ``activity_history``
    positions. A user mutes at most ``max_mutes_per_user`` topics and blocks at most ``max_blocks_per_user`` others.
    ``duplicate_window_s``: as the setting, but 0 by default, so that a test can notify often.
    """

    # --- the log --------------------------------------------------------------------------------------------

    @property
    def ids(self) -> EventIds:
        """The encoding of event ids of this store."""
        return self._ids

    @property
    def rules(self) -> Rules:
        """The current declarations of types."""
        return self._rules

    async def write(
        self, commands: Sequence[Command], ends: Collection[int] = ()
    ) -> list[Outcome | KeyReused]:
        """Apply the commands in order, all or none. Raises ValueError for a time out of the range of keys, and for types
        that claim the same verb."""
        self._check(commands)  # nothing after this line can fail, so no change is applied in part
        self._forget_old_keys()
        self._writes += 1
        return [self._apply(command) for command in commands]

    async def prepare(self, command: Command) -> Command:
        """Nothing to prepare."""
        return command

    async def head(self, at: int | None = None) -> LogPosition:
        """The last position, or that of a time, and the epoch."""
        if at is not None:
            later = (position for position, key in self._appended if key >= key_at(at + 1))
            return LogPosition(next(later, self._position + 1) - 1, self._epoch)
        return LogPosition(self._position, self._epoch)

    async def tail(self, after: int, limit: int) -> list[LogEntry]:
        """Entries after a position, in order."""
        return list(islice((e for e in self._log.values() if e.position > after), limit))

    async def event(self, event_id: str, viewer: str | None = None) -> LogEntry | None:
        """One event by its public id, if the viewer may look it up."""
        entry = self._entry(event_id)
        if entry is None or viewer is None:
            return entry
        return entry._replace(targets=()) if self._may_look_up(viewer, entry) else None

    # --- feeds ----------------------------------------------------------------------------------------------

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        """A page of a feed, by the visibility rules."""
        items = (item for entry, item in self._feed(user, before=before) if fits(entry, item, want))
        return self._page(items, limit)

    def reasons(self, user: str, event_id: str) -> list[tuple[str, str]]:
        """Every (reason, topic) for which this event is in the user's feed, by the visibility rules; for tests of other
        stores."""
        entry = self._entry(event_id)
        return [] if entry is None else list(self._reasons(user, entry))

    async def feed_version(self, user: str) -> int:
        """Any write may change any feed."""
        return self._writes

    async def activity(
        self,
        topic: str | None,
        want: FeedFilter,
        limit: int,
        before: int | None,
        viewer: str | None = None,
        narrowest: Visibility = Visibility.PUBLIC,
    ) -> Page:
        """A page of all events, or of those of one topic, that the viewer may see."""
        return self._page(self._activity(topic, viewer, want, narrowest, before=before), limit)

    async def summary(self, user: str, include_own: bool = False) -> FeedSummary:
        """Totals over a whole feed."""
        feed = [(entry, item) for entry, item in self._feed(user) if include_own or item.reason != "own"]
        verbs: dict[str, int] = {}
        for entry, _ in feed:
            verbs[entry.verb] = verbs.get(entry.verb, 0) + 1
        unread = sum(item.read_at is None for _, item in feed)
        return FeedSummary(len(feed), unread, verbs, [item for _, item in feed[:RECENT]])

    # --- the graph ------------------------------------------------------------------------------------------

    async def follows(self, user: str, limit: int, after: str | None) -> list[FollowRow]:
        """The topics followed now, by name."""
        person = self._peek(user)
        lasting = ((topic, person.follow_of(topic)) for topic in sorted(person.follows))
        rows = (FollowRow(topic, span.created_at) for topic, span in lasting if span is not None)
        return list(islice((r for r in rows if after is None or r.topic > after), limit))

    async def topic(self, topic: str, viewer: str | None = None) -> TopicInfo:
        """The number of followers of a topic. Nothing is fanned out on write here, so no topic is merged on read."""
        followers = sum(person.follow_of(topic) is not None for person in self._people.values())
        followed = viewer is not None and self._peek(viewer).follow_of(topic) is not None
        return TopicInfo(
            topic,
            followers,
            "write",
            "write" if followed else "",
            "a store in memory computes each feed when it is read",
        )

    # --- maintenance ----------------------------------------------------------------------------------------

    async def work(self, budget: int) -> int:
        """There are no fan-out jobs."""
        return 0

    async def fanned_out(self, positions: Sequence[range]) -> list[bool]:
        """The transaction of an event writes it into all feeds and inboxes."""
        return [True] * len(positions)

    async def export(self, user: str) -> AsyncIterator[bytes]:
        """All stored data of a user, as JSON objects."""
        for record in self._records(user):
            yield msgspec.json.encode(record)

    @property
    def erasures(self) -> Erasures:
        """Each erasure is one step here."""
        return Erasures({}, begun=self._erasures)

    async def check(self) -> None:
        """Memory can always be written."""

    async def status(self) -> Status:
        """The sizes of the store."""
        people = self._people.values()
        sizes = {
            "events": len(self._log),
            "follows": sum(len(p.follows) for p in people),
            "notifications": sum(len(p.inbox.groups) for p in people),
            "deliveries": len(self._pending),
            "reminders": len(self._reminders),
        }
        return Status(await self.head(), *await self.backlog(), sizes)

    async def close(self) -> None:
        """There is nothing to release."""

    # --- writing --------------------------------------------------------------------------------------------

    def _apply(self, command: Command) -> Outcome | KeyReused:
        match command:
            case Publish():
                return self._publish(command)
            case FireReminder():
                return self._fire(command)
            case Retract():
                gone = self._retract(command.event_id)
                return CommandResult(int(gone is not None), self._position, gone)
            case SetNotificationState() | SnoozeNotifications() | ReturnSnoozed():
                return self._mark(command)
            case ActOnNotification():
                return self._act(command)
            case MarkAllNotificationsRead():
                return self._read_inbox(command)
            case MarkAllNotificationsSeen():
                return self._see_inbox(command)
            case UndoMarkAllRead():
                return self._undo_read(command)
            case MarkFeedRead() | MarkFeedUnread() | UndoMarkFeedRead():
                return self._mark_feed(command)
            case SetMute() | SetBlock() | SetPreferences() if limit := self._limit(command):
                return CommandResult(0, self._position, limit=limit)
            case Backfill():
                return self._changed(self._backfill(command))
            case MergeUsers():
                return self._changed(self._merge_users(command))
            case EraseUser():
                return self._erase(command.user)
            case Follow() | Unfollow() | SetMute() | SetBlock():
                return self._changed(self._update(command))
            case _:
                return self._changed(self._update_personal(command))

    def _update(self, command: Follow | Unfollow | SetMute | SetBlock) -> int:
        match command:
            case Follow():
                return self._follow(command)
            case Unfollow():
                return self._unfollow(command)
            case SetMute() | SetBlock():
                return self._mask(command)

    def _update_personal(
        self,
        command: MaterializeBroadcasts
        | SetNotificationType
        | SetPreferences
        | SetDisplayName
        | Unsubscribe
        | AddEndpoint
        | ConfirmEndpoint
        | EnableEndpoint
        | RotateSecret
        | ReserveConfirmation
        | RemoveEndpoint
        | SetReminder
        | CancelReminder
        | RecordDeliveryResults
        | RebuildFeeds
        | RetryDeadLetters
        | ResendDelivery
        | BoundDeliveries,
    ) -> int:
        match command:
            case MaterializeBroadcasts():
                return self._materialize(command)
            case SetNotificationType():
                return self._declare(command)
            case SetPreferences():
                return self._prefer(command)
            case SetDisplayName():
                return self._set_display_name(command)
            case Unsubscribe():
                return self._unsubscribe(command)
            case (
                AddEndpoint()
                | ConfirmEndpoint()
                | EnableEndpoint()
                | RotateSecret()
                | ReserveConfirmation()
                | RemoveEndpoint()
            ):
                return self._change_endpoints(command)
            case SetReminder():
                return self._remind(command.reminder)
            case CancelReminder():
                return self._cancel(command)
            case RecordDeliveryResults():
                return sum(self._settle(handled) for handled in command.handled)
            case RebuildFeeds():
                return 0
            case RetryDeadLetters():
                return self._replay()
            case ResendDelivery():
                return self._resend(command)
            case BoundDeliveries():
                return self._bound(command.latest)

    def _changed(self, updated: int) -> CommandResult:
        return CommandResult(updated, self._position)

    def _publish(self, publish: Publish) -> Published | KeyReused:
        reused = self._reuses_a_key(publish.events)
        if reused is not None:
            return KeyReused(reused)
        repeats: list[int] = []
        receipts: list[Receipt] = []
        for index, event in enumerate(publish.events):
            first = self._remembered.get(event.key) if event.key is not None else None
            if first is not None:
                repeats.append(index)
            receipts.append(self._append(event) if first is None else self._as_it_stands(first.receipt))
        return Published(tuple(receipts), tuple(repeats))

    def _as_it_stands(self, receipt: Receipt) -> Receipt:
        return receipt._replace(retracted=self._entry(receipt.event_id) is None)

    def _reuses_a_key(self, events: Sequence[NewEvent]) -> int | None:
        """The first event whose idempotency key has another fingerprint too, from an earlier event or one of the same
        command."""
        seen: dict[bytes, bytes] = {}
        for index, event in enumerate(events):
            if event.key is not None:
                first = self._remembered.get(event.key)
                known = event.fingerprint if first is None else first.fingerprint
                if seen.setdefault(event.key, known) != event.fingerprint:
                    return index
        return None

    def _append(self, event: NewEvent) -> Receipt:
        self._position += 1
        self._logged = self._position
        key = self._mint(event.created_at)
        event_id = self._ids.text(key)
        body = b'{"event_id":"%s","position":%d,' % (event_id.encode(), self._position) + event.body
        entry = LogEntry(
            self._position,
            key,
            event.actor_id,
            event.verb,
            event.object_type,
            event.object_id,
            body,
            tuple(dict.fromkeys(event.targets)),
            event.all_topics(),
            event.visibility,
            event.notify,
        )
        self._log[key] = entry
        self._name_actor(event)
        self._appended.append((self._position, key))
        self._announce(entry, event)
        receipt = Receipt(event_id, self._position, event.created_at)
        if event.key is not None:
            self._remembered[event.key] = IdempotencyRecord(self._clock.now(), event.fingerprint, receipt)
        return receipt

    def _mint(self, ms: int) -> int:
        key = self._next_key.get(ms, key_at(ms))
        while key in self._minted:  # by an overflow of the previous millisecond
            key += 1
        self._minted.add(key)
        self._next_key[ms] = key + 1
        return key

    def _fire(self, fire: FireReminder) -> Published | KeyReused:
        reminder = fire.reminder
        if self._reminders.get(reminder.key) != reminder:
            return Published(())
        outcome = self._publish(Publish((fire.event,)))
        if isinstance(outcome, KeyReused):
            return outcome
        if fire.next_at is not None:
            self._reminders[reminder.key] = msgspec.structs.replace(reminder, due_at=fire.next_at)
        else:
            del self._reminders[reminder.key]
        return outcome

    def _act(self, act: ActOnNotification) -> ActionResult:
        marked = self._mark(act.record)
        if act.event is None or not marked.updated:
            return ActionResult(marked)
        published = self._publish(Publish((act.event,)))
        assert isinstance(published, Published)  # the event has no idempotency key
        return ActionResult(marked, published)

    def _declare(self, declare: SetNotificationType) -> int:
        before = self._rules.declared
        self._declared = _declaring(self._declared, declare)
        self._rules = Rules(self._settings_types | self._declared)
        return int(self._rules.declared != before)

    def _retract(self, event_id: str) -> LogEntry | None:
        entry = self._entry(event_id)
        if entry is None:
            return None
        del self._log[entry.key]
        for person in self._people.values():
            person.inbox.retract(entry.key)
        self._position += 1
        self._retracted.append((self._position, entry))
        for position, _ in self._retracted[: -self._retraction_history]:
            self._retractions_forgotten = max(self._retractions_forgotten, position)
        self._retracted = self._retracted[-self._retraction_history :]
        return entry

    def _erase(self, user: str) -> CommandResult:
        alias = alias_of(self._aliases.getrandbits(32))
        self._erasures += 1
        self._erased[hash(user)] = self._erasures
        named = [entry for entry in self._log.values() if anonymize.mentions(entry, user)]
        for entry in named:
            self._log[entry.key] = anonymize.anonymize_event(entry, user, alias)
        self._retracted = [
            (at, anonymize.anonymize_event(entry, user, alias) if anonymize.mentions(entry, user) else entry)
            for at, entry in self._retracted
        ]
        known = self._forget_agenda(user, alias) or bool(named)
        self._backfills = [job._replace(user=alias) if job.user == user else job for job in self._backfills]
        self._merges = [None if one is None or user in one[1:3] else one for one in self._merges]
        inbox = self._peek(user).inbox
        if inbox.seq > inbox.born:
            self._places[hash(user)] = inbox.seq + 1
        known = self._people.pop(user, None) is not None or known
        known = self._display_names.pop(user, None) is not None or known
        old, new = user_topic(user), user_topic(alias)
        shown = {entry.key for entry in named if old in entry.topics}
        for person in self._people.values():
            known = known or old in {*person.follows, *person.muted, *person.blocked}
            person.follows.pop(old, None)
            person.feed.rename(old, new)
            person.inbox.part(old)
            person.inbox.reword(shown)
            person.muted = {new if topic == old else topic for topic in person.muted}
            person.blocked = {new if topic == old else topic for topic in person.blocked}
        marked = self._restart_streams() if shown else 0
        return CommandResult(int(known), self._position, marked=marked)

    def _restart_streams(self) -> int:
        """Streams from before now start again: they have sent events that show an erased user. Returns the position of
        that, a new one."""
        self._position += 1
        self._retractions_forgotten = self._position
        return self._position

    def _forget_old_keys(self) -> None:
        oldest = self._clock.now() - self._idempotency_ms
        while self._remembered and next(iter(self._remembered.values())).at <= oldest:
            del self._remembered[next(iter(self._remembered))]

    # --- look-ups -------------------------------------------------------------------------------------------

    def _page(self, items: Iterator[FeedItem], limit: int) -> Page:
        found = list(islice(items, limit + 1))
        return Page(found[:limit], found[limit - 1].key if len(found) > limit else None, self._position)

    def _check(self, commands: Sequence[Command]) -> None:
        declared = self._declared
        for command in commands:
            match command:
                case Publish():
                    _check_times(command.events)
                case FireReminder() | ActOnNotification() if command.event is not None:
                    _check_times((command.event,))
                case SetNotificationType():
                    declared = _declaring(declared, command)
                    Rules(self._settings_types | declared)


def _check_times(events: Sequence[NewEvent]) -> None:
    for event in events:
        if not 0 <= key_at(event.created_at) <= MAX_KEY:
            raise ValueError(f"no key can carry the time {event.created_at}")


def _declaring(declared: dict[str, Rule], declare: SetNotificationType) -> dict[str, Rule]:
    """The declarations including this one."""
    others = {type: rule for type, rule in declared.items() if type != declare.type}
    return others if declare.rule is None else others | {declare.type: declare.rule}
