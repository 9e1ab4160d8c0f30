"""The data of the reference back-end, and the look-ups in it."""

import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from tidings.backfills import BackfillJob
from tidings.delivery_priority import DeliveryPriority
from tidings.display_names import SetDisplayName
from tidings.feed_changes import ACTIVITY_HISTORY, FEED_HISTORY, RETRACTION_HISTORY
from tidings.ids import EventIds, ms_of, notification_id
from tidings.model import SAMPLE_ACTORS, SAMPLE_ITEMS, InboxRow, LogEntry, NewEvent, Receipt, user_topic
from tidings.personal_data import Reminder
from tidings.rules import CHANNELS, MAX_BLOCKS, MAX_MUTES, READ_ALL_HISTORY, Rule, Rules
from tidings.storage.memory.inbox import Group, Inbox
from tidings.storage.memory.user import UserState
from tidings.timeutil import HOUR_MS, Clock
from tidings.user_merges import UserMerge

IDEMPOTENCY_MS = 168 * HOUR_MS
"""The default time for which an idempotency key is kept."""


class IdempotencyRecord(NamedTuple):
    """The request of an idempotency key: its time (milliseconds), the fingerprint of its body, and its result."""

    at: int
    fingerprint: bytes
    receipt: Receipt


class Broadcast(NamedTuple):
    """One row for a whole audience: the event's key, the audience, and the expiry (milliseconds)."""

    number: int
    key: int
    audience: str
    expires_at: int


@dataclass(slots=True)
class PendingDelivery:
    """A delivery about the group ``number`` of ``user`` to one of their endpoints. ``dead``: it is a dead letter. ``held``:
    quiet hours, a digest or a snooze of its user defers it."""

    id: int
    user: str
    endpoint: str
    number: int
    type: str
    due_at: int
    created_at: int
    attempts: int = 0
    error: str = ""
    dead: bool = False
    held: bool = False
    priority: DeliveryPriority = DeliveryPriority.ORDINARY


class Confirmation(NamedTuple):
    """A confirmation mail that counts towards the limits ``until`` a time (milliseconds), by digests of the user who caused
    it and of its address."""

    until: int
    user_digest: bytes
    address_digest: bytes


class MemoryState:
    """The log, the users, the declarations, reminders and deliveries, with no rules but those of mutes and blocks."""

    def __init__(
        self,
        clock: Clock,
        *,
        salt: int = 0,
        epoch: str = "memory",
        idempotency_ms: int = IDEMPOTENCY_MS,
        types: Mapping[str, Rule] | None = None,
        channels: Collection[str] = CHANNELS,
        feed_history: int = FEED_HISTORY,
        retraction_history: int = RETRACTION_HISTORY,
        activity_history: int = ACTIVITY_HISTORY,
        read_all_history: int = READ_ALL_HISTORY,
        max_mutes_per_user: int = MAX_MUTES,
        max_blocks_per_user: int = MAX_BLOCKS,
        duplicate_window_s: int = 0,
    ) -> None:
        self._channels = channels
        self._clock = clock
        self._ids = EventIds(salt)
        self._epoch = epoch
        self._idempotency_ms = idempotency_ms
        self._aliases = random.Random(salt)
        self._numbers = count(1)
        self._position = 0
        self._logged = 0  # the position of the last event
        self._feed_history = feed_history
        self._max_mutes = max_mutes_per_user
        self._duplicate_window_s = duplicate_window_s
        self._max_blocks = max_blocks_per_user
        self._retraction_history = retraction_history
        self._activity_history = activity_history
        self._read_all_history = read_all_history
        self._retracted: list[tuple[int, LogEntry]] = []
        self._retractions_forgotten = 0
        self._places: dict[int, int] = {}  # by hash of an erased user's name: the last seq of the inbox
        self._erasures = 0
        self._erased: dict[int, int] = {}  # by hash of the name: the number of the last erasure
        self._writes = 0
        self._display_names: dict[str, tuple[str, int]] = {}  # and the time of what gave it
        self._renames = 0
        self._log: dict[int, LogEntry] = {}
        self._appended: list[tuple[int, int]] = []  # (position, key), of retracted events too
        self._next_key: dict[int, int] = {}
        self._minted: set[int] = set()
        self._people: dict[str, UserState] = {}
        self._confirmations: list[Confirmation] = []
        self._remembered: dict[bytes, IdempotencyRecord] = {}
        self._settings_types = dict(types or {})
        self._declared: dict[str, Rule] = {}
        self._rules = Rules(self._settings_types)
        self._broadcasts: list[Broadcast] = []
        self._backfills: list[BackfillJob] = []
        self._merges: list[UserMerge | None] = []  # None in the place of one that was forgotten
        self._reminders: dict[str, Reminder] = {}
        self._pending: dict[int, PendingDelivery] = {}
        self._delivery_ids = count(1)
        self._registered: dict[str, int] = {}  # the order in which endpoints came, by id

    def _person(self, user: str) -> UserState:
        """The user, who is created if unknown."""
        if user not in self._people:
            self._people[user] = self._unknown(user, next(self._numbers))
        return self._people[user]

    def _peek(self, user: str) -> UserState:
        """The user, or for an unknown name an empty one that is not stored."""
        return self._people.get(user) or self._unknown(user, 0)

    def _unknown(self, user: str, number: int) -> UserState:
        """An unknown user, with the last seq of the inbox if a user of this name was erased."""
        seq = self._places.get(hash(user), 0)
        return UserState(number, inbox=Inbox(seq, seq))

    def _entry(self, event_id: str) -> LogEntry | None:
        key = self._ids.key(event_id)
        return None if key is None else self._log.get(key)

    def _newest(self, after: int = 0, before: int | None = None) -> list[LogEntry]:
        """The events with a position over ``after`` and a key below ``before``, newest first."""
        some = (
            entry
            for entry in self._log.values()
            if entry.position > after and (before is None or entry.key < before)
        )
        return sorted(some, key=lambda entry: entry.key, reverse=True)

    def _masked(self, viewer: str, entry: LogEntry) -> bool:
        return next(self._masks(viewer, entry), None) is not None

    def _masks(self, viewer: str, entry: LogEntry) -> Iterator[str]:
        """The topics that hide the event from the viewer: muted ones, and the topic of a blocked actor."""
        yield from self._blocks(viewer, entry.actor_id)
        yield from self._mutes(viewer, entry)

    def _blocks(self, viewer: str, actor: str) -> list[str]:
        """The blocks between the two users, by the topic of the blocked one."""
        found = []
        for who, whom in ((viewer, actor), (actor, viewer)):
            person = self._people.get(who)
            if person is not None and person.blocked and user_topic(whom) in person.blocked:
                found.append(user_topic(whom))
        return found

    def _mutes(self, viewer: str, entry: LogEntry) -> list[str]:
        """The topics of the event that the viewer has muted."""
        person = self._people.get(viewer)
        return [topic for topic in entry.topics if topic in person.muted] if person is not None else []

    def _is_muted(self, user: str, group: Group) -> bool:
        """Whether the newest event of a group belongs to a topic that its user has muted."""
        return not group.deleted and bool(self._mutes(user, self._log[group.items[max(group.items)]]))

    @property
    def renames(self) -> int:
        """Changes of display names so far."""
        return self._renames

    async def display_name(self, user: str) -> str | None:
        """The newest known display name of a user."""
        return self._display_name(user)

    def _display_name(self, user: str) -> str | None:
        """The newest known display name of a user."""
        name, _ = self._display_names.get(user, (None, 0))
        return name

    def _name_actor(self, event: NewEvent) -> None:
        _, at = self._display_names.get(event.actor_id, ("", 0))
        if event.actor_name and event.created_at >= at:
            self._rename(event.actor_id, event.actor_name, event.created_at)

    def _rename(self, user: str, name: str, at: int) -> int:
        changed = self._display_name(user) != name
        self._display_names[user] = name, at
        self._renames += changed
        return int(changed)

    def _set_display_name(self, command: SetDisplayName) -> int:
        _, at = self._display_names.get(command.user, ("", 0))
        return self._rename(command.user, command.name, max(at, self._clock.now()))

    def _row(self, person: UserState, group: Group) -> InboxRow:
        """A group as a row of the port; a tombstone has no content."""
        events = [self._log[group.items[seq]] for seq in sorted(group.items, reverse=True)]
        sample = events[:SAMPLE_ITEMS]
        by_actor: dict[str, bytes] = {}
        for entry in sample:
            by_actor.setdefault(entry.actor_id, entry.body)
        body, *others = list(by_actor.values())[:SAMPLE_ACTORS] or [b""]
        state = person.inbox.state(group)
        return InboxRow(
            notification_id(person.number, group.number),
            group.order,
            group.seq,
            group.unread_seq,
            group.type,
            body,
            state.seen_at,
            state.read_at,
            state.archived_at,
            group.deleted,
            group.opened_at,
            len(events),
            len({entry.actor_id for entry in events}),
            tuple(self._ids.text(entry.key) for entry in sample),
            tuple(others),
            state.snoozed_until,
            state.pinned_at,
            state.acted,
            tuple(map(self._display_name, list(by_actor)[:SAMPLE_ACTORS])),
        )


def created_at(entry: LogEntry) -> int:
    """The ``created_at`` of an event in milliseconds, exactly as in its key."""
    return ms_of(entry.key)


def thing(entry: LogEntry) -> str:
    """The topic that is the event's object."""
    return f"{entry.object_type}:{entry.object_id}"
