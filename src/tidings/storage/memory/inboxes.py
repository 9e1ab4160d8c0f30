"""The rules of ``tidings.ports.InboxViews`` and ``PreferencesViews`` in memory: the recipients of events, and the views of
inboxes."""

from collections.abc import Iterable, Iterator, Sequence

from tidings.endpoint_commands import Unsubscribe
from tidings.filters import Choice
from tidings.ids import notification_id, notification_ref
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    NotificationCommand,
    NotificationState,
    RecordAction,
    SetNotificationState,
    Snooze,
    UndoMarkAllRead,
    effect_on_deliveries,
)
from tidings.model import (
    EVERYONE,
    InboxChanges,
    InboxCounters,
    InboxFilter,
    InboxPage,
    InboxUpdateResult,
    LogEntry,
    MaterializeBroadcasts,
    NewEvent,
    SetPreferences,
    split_topic,
    user_topic,
)
from tidings.notification_facts import FailedDelivery, RecipientFacts
from tidings.notify_mode import NotifyMode
from tidings.personal_data import Preferences
from tidings.rules import ALONE, IN_APP, SET_BACK_MS, Rule, duplicate_key, duplicate_window, grouping
from tidings.storage.memory.deliveries import MemoryDeliveries
from tidings.storage.memory.inbox import ItemDraft
from tidings.storage.memory.state import Broadcast, created_at, thing
from tidings.storage.memory.user import UserState
from tidings.visibility import VISITOR, LookUpFacts, may_look_up


class MemoryInboxes(MemoryDeliveries):
    """Recipients of events, and their inboxes."""

    # --- reading --------------------------------------------------------------------------------------------

    async def inbox(
        self,
        user: str,
        limit: int,
        before: int | None,
        unread_only: bool = False,
        type: Choice[str] | None = None,
        state: InboxFilter = "inbox",
        id: str | None = None,
    ) -> InboxPage:
        """A page of an inbox, newest content first."""
        person = self._peek(user)
        inbox = person.inbox
        wanted = [
            group
            for group in inbox.newest(state)
            if (before is None or group.order < before)
            and (inbox.state(group).read_at is None or not unread_only)
            and (type is None or type.admits((group.type,)))
            and id in (None, notification_id(person.number, group.number))
        ]
        more = wanted[limit - 1].order if len(wanted) > limit else None
        return InboxPage([self._row(person, group) for group in wanted[:limit]], more, self._counts(user))

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        """The changes after a seq, each notification once, and the read-alls among them."""
        person, counts = self._peek(user), self._counts(user)
        inbox = person.inbox
        if since > inbox.seq or since < inbox.undone or since < inbox.born:
            return InboxChanges([], counts, reset=True)
        changed, marks = inbox.changed_after(since), [mark for mark in inbox.marks if mark.seq > since]
        seqs = sorted([*(group.seq for group in changed), *(mark.seq for mark in marks)])
        more = len(seqs) > limit
        upto = seqs[limit - 1] if more else inbox.seq
        rows = [self._row(person, group) for group in changed if group.seq <= upto]
        return InboxChanges(rows, counts, more, marks=tuple(mark for mark in marks if mark.seq <= upto))

    async def inbox_seq(self, user: str, key: int) -> int:
        """The last seq before the first notification with a later event."""
        inbox = self._peek(user).inbox
        later = (one.order for one in inbox.newest("all") if one.items[max(one.items)] > key)
        return min(later, default=inbox.seq + 1) - 1

    async def counts(self, users: Sequence[str], type: Choice[str] | None = None) -> list[InboxCounters]:
        """The counters of these inboxes."""
        return [self._counts(user, type) for user in users]

    async def preferences(self, user: str) -> Preferences:
        """The preferences of a user."""
        return self._peek(user).preferences

    async def muted(self, user: str, limit: int | None = None, after: str | None = None) -> list[str]:
        """The muted topics, by name."""
        return sorted(topic for topic in self._peek(user).muted if topic > (after or ""))[:limit]

    async def blocked(self, user: str, limit: int, after: str | None = None) -> list[str]:
        """The blocked users, by name."""
        others = (split_topic(topic)[1] for topic in self._peek(user).blocked)
        return sorted(other for other in others if other > (after or ""))[:limit]

    async def explain_facts(self, user: str, event_id: str) -> RecipientFacts | None:
        """The facts about one event and one user. A follower is a user who follows one of the topics whose followers are
        notified since before the event, or is in the audience of a broadcast."""
        entry = self._entry(event_id)
        if entry is None:
            return None
        person = self._peek(user)
        group = person.inbox.holder(entry.key)
        broadcast = next((each for each in self._broadcasts if each.key == entry.key), None)
        target = user in entry.targets
        follower = any(is_in_audience(person, topic, entry) for topic in self._audiences(entry, broadcast))
        may_repeat = (target or follower) and broadcast is None and group is None
        return RecipientFacts(
            entry,
            target,
            follower,
            next(self._masks(user, entry), ""),
            "" if group is None else notification_id(person.number, group.number),
            broadcast is not None,
            () if group is None else self._endpoints_waiting(user, group.number),
            group is not None and self._is_muted(user, group),
            () if group is None else self._failed_deliveries(user, group.number),
            self._repeated(user, entry) if may_repeat else "",
        )

    def _audiences(self, entry: LogEntry, broadcast: Broadcast | None) -> Sequence[str]:
        """The topics whose followers are notified: that of a broadcast, those of the rule, or without one the object."""
        if broadcast is not None:
            return (broadcast.audience,)
        topics = self._rule(entry).follower_topics(user_topic(entry.actor_id), thing(entry), entry.topics)
        return topics or (thing(entry),)

    def _may_look_up(self, viewer: str, entry: LogEntry) -> bool:
        if viewer == VISITOR:
            return may_look_up(entry.visibility, LookUpFacts())
        person = self._peek(viewer)
        broadcast = next((each for each in self._broadcasts if each.key == entry.key), None)
        follows = [span for topic in entry.topics for span in person.follows.get(topic, ())]
        facts = LookUpFacts(
            own=entry.actor_id == viewer,
            target=viewer in entry.targets,
            in_audience=broadcast is not None and is_in_audience(person, broadcast.audience, entry),
            notified=person.inbox.holder(entry.key) is not None,
            follows=any(span.ended_at is None for span in follows),
            covered=any(span.covers(entry) for span in follows),
            blocked=bool(self._blocks(viewer, entry.actor_id)),
        )
        return may_look_up(entry.visibility, facts)

    def _endpoints_waiting(self, user: str, number: int) -> tuple[str, ...]:
        """The endpoints for which a delivery of a group is queued, oldest first."""
        pending = (
            one for one in self._pending.values() if not one.dead and (one.user, one.number) == (user, number)
        )
        waiting = {one.endpoint for one in pending}
        return tuple(id for id in self._peek(user).endpoints if id in waiting)

    def _failed_deliveries(self, user: str, number: int) -> tuple[FailedDelivery, ...]:
        """The unsent deliveries of a group that had attempts, by endpoint."""
        order = {id: place for place, id in enumerate(self._peek(user).endpoints)}
        tried = (
            one for one in self._pending.values() if (one.user, one.number) == (user, number) and one.attempts
        )
        return tuple(
            FailedDelivery(one.endpoint, one.attempts, None if one.dead else one.due_at, one.error)
            for one in sorted(tried, key=lambda one: (order[one.endpoint], one.id))
        )

    def _counts(self, user: str, type: Choice[str] | None = None) -> InboxCounters:
        lacking = next(self._lacking(user), None) is not None
        return self._peek(user).inbox.counts(type)._replace(lacking=lacking)

    # --- notifying ------------------------------------------------------------------------------------------

    def _announce(self, entry: LogEntry, event: NewEvent) -> None:
        """Notify the recipients of an event; a broadcast is materialised later instead, but for those who have an endpoint
        on a channel of its type."""
        if event.audience:
            number = len(self._broadcasts) + 1
            self._broadcasts.append(Broadcast(number, entry.key, event.audience, event.expires_at))
            self._deliver_broadcast(entry)
            return
        rule = self._rule(entry)
        whom = () if entry.notify is NotifyMode.NONE else self._addressed(entry, rule)
        for user in dict.fromkeys(whom):
            if self._wanted(user, entry) and not self._repeats(user, entry, rule):
                self._bring(user, entry)

    def _rule(self, entry: LogEntry) -> Rule:
        return self._rules.of_verb(entry.verb)

    def _addressed(self, entry: LogEntry, rule: Rule) -> Iterator[str]:
        if rule.to_targets:
            yield from entry.targets
        if rule.notifies_followers(entry.visibility):
            topics = rule.follower_topics(user_topic(entry.actor_id), thing(entry), entry.topics)
            yield from [user for user, person in self._people.items() if any(map(person.follow_of, topics))]

    def _wanted(self, user: str, entry: LogEntry) -> bool:
        """Whether this recipient is notified of the event: it is not their own, not hidden, and its type is not switched
        off."""
        if user == entry.actor_id or self._masked(user, entry):
            return False
        type = self._rules.type_of(entry.verb)
        return self._rules.rule(type).critical or self._peek(user).preferences.wants(type, IN_APP, True)

    def _repeats(self, user: str, entry: LogEntry, rule: Rule) -> bool:
        """Whether a duplicate that stands notified the user within the window; if not, the window begins now."""
        window_s = duplicate_window(rule, self._duplicate_window_s, entry.notify)
        if not window_s:
            return False
        notified_at, now = self._person(user).inbox.notified_at, self._clock.now()
        key = self._duplicate_key(entry, rule)
        at, event = notified_at.get(key, (0, 0))
        # An object that was erased meanwhile is another one than a new object of its name.
        same = event in self._log and thing(self._log[event]) == thing(entry)
        if same and -SET_BACK_MS <= now - at < window_s * 1_000:
            return True
        notified_at[key] = now, entry.key
        return False

    def _duplicate_key(self, entry: LogEntry, rule: Rule) -> tuple[str, int]:
        type, about = self._rules.type_of(entry.verb), thing(entry)
        return about, duplicate_key(rule, type, entry.verb, entry.actor_id, about)

    def _repeated(self, user: str, entry: LogEntry) -> str:
        """The event that notified the user within the duplicate window before this one, by id; "" without one."""
        rule = self._rule(entry)
        window_s = duplicate_window(rule, self._duplicate_window_s, entry.notify)
        at, key = self._peek(user).inbox.notified_at.get(self._duplicate_key(entry, rule), (0, 0))
        earlier = self._log.get(key)
        if earlier is None or thing(earlier) != thing(entry) or earlier.position >= entry.position:
            return ""
        return self._ids.text(key) if created_at(entry) - at < window_s * 1_000 else ""

    def _bring(self, user: str, entry: LogEntry, broadcast: bool = False) -> None:
        """Add an item of the event to the user's inbox. One of a ``broadcast`` does not group."""
        type, rule, now = self._rules.type_of(entry.verb), self._rule(entry), self._clock.now()
        read = entry.notify is NotifyMode.READ
        single = broadcast or not entry.notify.groups
        how = ALONE if single else grouping(type, rule, entry.actor_id, thing(entry), now)
        about = {"object": thing(entry), "actor": user_topic(entry.actor_id), "type": ""}[rule.group_by]
        item = ItemDraft(entry.key, created_at(entry), type, about, how, read, rule.read_together)
        number = self._person(user).inbox.arrive(item, now)
        if not read:
            self._enqueue_deliveries(user, number, type, rule, bulk=broadcast)

    def _lacking(self, user: str) -> Iterator[LogEntry]:
        """The pending broadcasts of this user, oldest first."""
        person = self._peek(user)
        for broadcast in self._broadcasts[person.broadcast_cursor :]:
            entry = self._log.get(broadcast.key)
            if entry is not None and self._meant(person, broadcast, entry) and self._wanted(user, entry):
                yield entry

    def _meant(self, person: UserState, broadcast: Broadcast, entry: LogEntry) -> bool:
        return self._clock.now() < broadcast.expires_at and is_in_audience(person, broadcast.audience, entry)

    def _deliver_broadcast(self, entry: LogEntry) -> None:
        channels = set(self._rule(entry).channels).intersection(self._channels)
        if entry.notify is NotifyMode.READ:
            return
        for user, person in self._people.items():
            reached = any(one.is_usable and one.channel in channels for one in person.endpoints.values())
            if reached and any(one is entry for one in self._lacking(user)):
                self._catch_up(user)

    def _materialize(self, take: MaterializeBroadcasts) -> int:
        return sum(self._catch_up(user) for user in take.users if not self._is_outdated(user, take))

    def _is_outdated(self, user: str, take: MaterializeBroadcasts) -> bool:
        """Whether the user of this name was erased after the pending broadcasts were read."""
        erased = self._erased.get(hash(user), 0)
        return take.erasures is not None and erased > take.erasures and user not in self._people

    def _catch_up(self, user: str) -> int:
        lacking = list(self._lacking(user))
        for entry in lacking:
            self._bring(user, entry, broadcast=True)
        self._person(user).broadcast_cursor = len(self._broadcasts)
        return len(lacking)

    # --- state and preferences ------------------------------------------------------------------------------

    async def snoozed(self, due_by: int, limit: int) -> list[Snooze]:
        """The snoozes that end by a time, soonest first."""
        found = [
            Snooze(user, notification_id(person.number, group.number), group.own.snoozed_until)
            for user, person in self._people.items()
            for group in person.inbox.groups.values()
            if group.own.snoozed_until is not None and group.own.snoozed_until <= due_by
        ]
        return sorted(found, key=lambda one: one.until)[:limit]

    def _mark(self, mark: NotificationCommand) -> InboxUpdateResult:
        person = self._peek(mark.user)
        own = list(own_numbers(person, mark.ids))
        outdated = isinstance(mark, RecordAction) and not self._is_newest(person, own, mark.event_id)
        changing = () if outdated else own
        updated = sum(self._mark_one(person, mark, number) for number in changing)
        found = sum(number in person.inbox.groups for number in own)
        return _marked(person, updated, found)

    def _mark_one(self, person: UserState, mark: NotificationCommand, number: int) -> int:
        group = person.inbox.groups.get(number)
        if group is None or group.deleted:
            return 0
        effect = effect_on_deliveries(mark, group.own.snoozed_until is not None)
        updated = person.inbox.mark(number, mark, self._clock.now())
        if effect and (updated or isinstance(mark, SetNotificationState)):
            self._on_snooze(mark.user, group, effect)
        return updated

    def _set_state(self, user: str, number: int, state: NotificationState) -> None:
        """Set the state of one group, and of nothing else."""
        self._mark_one(self._peek(user), SetNotificationState(user, (), state), number)

    def _is_newest(self, person: UserState, own: Sequence[int], event_id: str) -> bool:
        """Whether the newest event of a notification is this one."""
        groups = [person.inbox.groups[number] for number in own if number in person.inbox.groups]
        entry = self._entry(event_id)
        return any(
            entry is not None and entry.key == group.items[max(group.items)]
            for group in groups
            if group.items
        )

    def _read_inbox(self, read: MarkAllNotificationsRead) -> InboxUpdateResult:
        person = self._peek(read.user)
        head = person.inbox.seq
        up_to = head if read.up_to is None else min(read.up_to, head)
        updated = person.inbox.read_all(read.type or "", up_to, self._clock.now(), self._read_all_history)
        return _marked(person, updated)

    def _see_inbox(self, seen: MarkAllNotificationsSeen) -> InboxUpdateResult:
        person = self._peek(seen.user)
        head = person.inbox.seq
        up_to = head if seen.up_to is None else min(seen.up_to, head)
        return _marked(person, person.inbox.seen_all(up_to, self._clock.now(), self._read_all_history))

    def _undo_read(self, undo: UndoMarkAllRead) -> InboxUpdateResult:
        person = self._peek(undo.user)
        return _marked(person, person.inbox.undo(undo.seq))

    def _prefer(self, prefer: SetPreferences) -> int:
        if prefer.only not in (None, self._peek(prefer.user).preferences):
            return 0
        person = self._person(prefer.user)
        if not person.preferences.holds_alike(prefer.preferences):
            self._release_held(prefer.user)
        person.preferences = prefer.preferences
        if prefer.muted is not None:
            person.muted.clear()
            person.muted.update(prefer.muted)
        return 1

    def _unsubscribe(self, command: Unsubscribe) -> int:
        holding = [
            (user, person.endpoints[command.id])
            for user, person in self._people.items()
            if command.id in person.endpoints
        ]
        for user, endpoint in holding:
            refused = self._person(user).preferences.without(endpoint.channel, command.type)
            self._prefer(SetPreferences(user, refused))
        return len(holding)


def is_in_audience(person: UserState, audience: str, entry: LogEntry) -> bool:
    """Whether a user is in an audience: all users, or the followers of a topic since before an event."""
    return audience == EVERYONE or person.followed_before(audience, entry.position)


def own_numbers(person: UserState, ids: Iterable[str]) -> Iterator[int]:
    """The numbers of those of these ids that name a notification of this user."""
    for id in ids:
        ref = notification_ref(id)
        if ref is not None and ref[0] == person.number:
            yield ref[1]


def _marked(person: UserState, updated: int, found: int = 0) -> InboxUpdateResult:
    counts = person.inbox.counts()
    return InboxUpdateResult(
        updated, counts.unread_count, counts.seq, found, counts.unread_items, counts.unseen_count
    )
