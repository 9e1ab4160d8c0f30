"""Writes that wait for a transaction, in a fair order.

Publications come first, as much of them as one transaction takes, and small ones before larger ones. Users, and all other
work of the application and of the server, take turns with the rest. However much one user submits, others wait for one
submission of it at most, and each has a bound on those in progress. Submissions of one user stay in their order, and each
stays whole.

A submission that has to be prepared is deferred, and with it the later ones of its user: no write of the user comes between
its preparation and its transaction. Others are written meanwhile.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidings.endpoint_commands import (
    AddEndpoint,
    EnableEndpoint,
    RemoveEndpoint,
    ReserveConfirmation,
    RotateSecret,
)
from tidings.errors import KeyReused, TooManyRequests
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
    UndoMarkAllRead,
)
from tidings.model import (
    ActOnNotification,
    CancelReminder,
    Command,
    FireReminder,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    MaterializeBroadcasts,
    Outcome,
    Publish,
    RecordDeliveryResults,
    SetBlock,
    SetMute,
    SetPreferences,
    SetReminder,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.personal_data import NAMED_AT_ONCE, Reminder

RETRY_S = 1
"""Seconds after which a refused user may retry: their writes take tenths of a second at most."""
SMALL_EVENTS = 50
"""The most events of a small publication, which takes a few milliseconds. Publications have no turns by user, so that in one
queue a single event would wait for each large array of other requests."""
APPLICATION = ""
"""The asker of writes without a user. No user has an empty name."""


@dataclass(slots=True, eq=False)
class Submission:
    """One submission: commands that share a transaction, and the future of their outcomes. ``ready``: it is prepared, or
    need not be."""

    asker: str
    commands: Sequence[Command]
    done: asyncio.Future[list[Outcome | KeyReused]]
    weight: int
    publishes: bool
    ready: bool


def submission_of(commands: Sequence[Command], done: asyncio.Future[list[Outcome | KeyReused]]) -> Submission:
    """These commands as they are queued."""
    if len(commands) == 1 and isinstance(first := commands[0], Publish):  # nearly always
        return Submission(APPLICATION, commands, done, len(first.events), True, True)
    if all(isinstance(command, Publish) for command in commands):
        weight = sum(len(command.events) for command in commands if isinstance(command, Publish))
        return Submission(APPLICATION, commands, done, weight, publishes=True, ready=True)
    users = {_user(command) for command in commands}
    asker = users.pop() if len(users) == 1 else APPLICATION
    return Submission(
        asker,
        commands,
        done,
        sum(map(_weight, commands)),
        False,
        asker == APPLICATION or not any(map(_counts, commands)),
    )


def _counts(command: Command) -> bool:
    """Whether a command returns the number of items that it changes without naming them: a store may count them before."""
    return isinstance(command, UndoMarkFeedRead) or (
        isinstance(command, MarkFeedRead) and command.event_ids is None
    )


def _user(command: Command) -> str:
    match command:
        case Publish():  # by far the most frequent, so it is not compared with all others first
            return APPLICATION
        case (
            Follow()
            | Unfollow()
            | SetMute()
            | SetBlock()
            | MarkFeedRead()
            | MarkFeedUnread()
            | UndoMarkFeedRead()
            | SetNotificationState()
            | SnoozeNotifications()
            | MarkAllNotificationsRead()
            | MarkAllNotificationsSeen()
            | UndoMarkAllRead()
            | SetPreferences()
            | EnableEndpoint()
            | RotateSecret()
            | ReserveConfirmation()
            | RemoveEndpoint()
        ):
            return command.user
        case AddEndpoint():
            return command.endpoint.user
        case ActOnNotification():
            return command.record.user
    return APPLICATION


def _weight(command: Command) -> int:
    """About how many rows a command touches, known before it is applied; a store ends what takes longer than this says."""
    match command:
        case Publish():
            return len(command.events)
        case SetNotificationState() | SnoozeNotifications() | ReturnSnoozed():
            return max(1, len(command.ids))
        case MarkFeedRead() if command.event_ids is not None:
            return max(1, len(command.event_ids))
        case MarkFeedUnread():
            return max(1, len(command.event_ids))
        case SetPreferences() if command.muted is not None:
            return 1 + len(command.muted)
        case SetReminder():
            return _reminder_rows(command.reminder)
        case CancelReminder():
            return 1 + NAMED_AT_ONCE if command.only is None else _reminder_rows(command.only)
        case ActOnNotification() if command.event is not None:
            return 1 + len(command.event.targets)
        case FireReminder():
            return len(command.event.targets) + _reminder_rows(command.reminder)
        case RecordDeliveryResults():
            return max(1, len(command.handled))
        case MaterializeBroadcasts():
            return max(1, len(command.users))
    return 1


def _reminder_rows(reminder: Reminder) -> int:
    return reminder.weight + min(len(reminder.users), NAMED_AT_ONCE)


class FairQueue:
    """The waiting submissions. ``per_user``: submissions of one user in progress; None: any number."""

    def __init__(self, per_user: int | None) -> None:
        self._per_user = per_user
        self._small: deque[Submission] = deque()
        self._large: deque[Submission] = deque()
        """Publications, by their weight."""
        self._queues: OrderedDict[str, deque[Submission]] = OrderedDict()
        self._held: dict[str, deque[Submission]] = {}
        self._unprepared: list[Submission] = []
        self._under_way: Counter[str] = Counter()
        self.depth = 0

    def __bool__(self) -> bool:
        """Whether any submission waits."""
        return bool(self._small or self._large or self._queues or self._held)

    def add(self, waiting: Submission) -> None:
        """Queue a submission. Raises TooManyRequests if its user has the maximum number in progress."""
        mine = self._under_way[waiting.asker]
        if waiting.asker != APPLICATION and self._per_user is not None and mine >= self._per_user:
            raise TooManyRequests(f"{mine} writes of this user are in progress", retry_after=RETRY_S)
        self._under_way[waiting.asker] += 1
        self.depth += len(waiting.commands)
        if waiting.publishes:
            self._publications(waiting).append(waiting)
        elif waiting.asker in self._held:
            self._held[waiting.asker].append(waiting)
        else:
            self._queues.setdefault(waiting.asker, deque()).append(waiting)

    def take(self, most: int) -> list[Submission]:
        """The next transaction: publications, up to a weight of ``most``, then as much of all else in turns. Small
        publications have up to half of it while larger ones wait. The first small one, the first larger one and the first of
        all else are taken whatever their weight. Empty if all waiting submissions are to be prepared first."""
        small = list(_taken(self._small, most // 2 if self._large else most))
        left = most - sum(each.weight for each in small)
        taken = [*small, *_taken(self._large, left), *self._turns(most)]
        self.depth -= sum(len(each.commands) for each in taken)
        return taken

    def _publications(self, waiting: Submission) -> deque[Submission]:
        return self._small if waiting.weight <= SMALL_EVENTS else self._large

    def _turns(self, most: int) -> list[Submission]:
        weight, taken, askers = 0, list[Submission](), set[str]()
        later: list[tuple[str, deque[Submission]]] = []
        while self._queues:
            asker, queue = next(iter(self._queues.items()))
            first = queue[0]
            if first.ready and taken and weight + first.weight > most:
                break
            del self._queues[asker]
            if not first.ready:
                # Not before earlier submissions of its user are written: it may depend on them.
                if asker in askers:
                    later.append((asker, queue))
                else:
                    self._held[asker] = queue
                    self._unprepared.append(first)
                continue
            taken.append(queue.popleft())
            askers.add(asker)
            weight += first.weight
            if queue:
                self._queues[asker] = queue  # after all others
        self._queues.update(later)
        return taken

    def unprepared(self) -> list[Submission]:
        """The submissions that were deferred since the last call, each to be ``prepared``, or ``dropped``."""
        found, self._unprepared = self._unprepared, []
        return found

    def prepared(self, waiting: Submission) -> None:
        """A submission is written next, and the later ones of its user in their turn."""
        waiting.ready = True
        self._release(waiting.asker)

    def dropped(self, waiting: Submission) -> None:
        """A deferred submission is not written at all."""
        self._held[waiting.asker].popleft()
        self.depth -= len(waiting.commands)
        self._release(waiting.asker)

    def _release(self, asker: str) -> None:
        queue = self._held.pop(asker)
        if queue:
            self._queues[asker] = queue
            self._queues.move_to_end(asker, last=False)  # it had its turn, except for the preparation

    def put_back(self, unwritten: Sequence[Submission]) -> None:
        """Submissions that did not fit into their transaction are the first of the next, in the same order."""
        behind, self._queues = self._queues, OrderedDict()
        for each in reversed(unwritten):
            if each.publishes:
                self._publications(each).appendleft(each)
        for each in unwritten:
            self.depth += len(each.commands)
            if not each.publishes:
                self._queues.setdefault(each.asker, deque()).append(each)
        for asker, queue in behind.items():
            self._queues.setdefault(asker, deque()).extend(queue)

    def ended(self, waiting: Submission) -> None:
        """A submission has its outcome."""
        self._under_way[waiting.asker] -= 1
        if not self._under_way[waiting.asker]:
            del self._under_way[waiting.asker]


def _taken(queue: deque[Submission], most: int) -> Iterator[Submission]:
    weight = 0
    while queue:
        weight += queue[0].weight
        if weight > most and weight > queue[0].weight:
            return
        yield queue.popleft()
