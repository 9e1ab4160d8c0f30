"""Writes that wait for a transaction, in a fair order.

What is published comes first, as much of it as one transaction takes; users, and all other work of the application and of
the server, take turns with the rest. Whatever one user asks for, others wait for one submission of it at most, and each
has a bound on what may be under way. Submissions of one asker stay in their order, and each stays whole.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tidings.errors import KeyReused, TooManyRequests
from tidings.model import (
    AddEndpoint,
    Command,
    EnableEndpoint,
    Follow,
    MarkInbox,
    Mask,
    Outcome,
    Prefer,
    Publish,
    ReadFeed,
    ReadInbox,
    RemoveEndpoint,
    Settle,
    TakeUp,
    UndoRead,
    Unfollow,
)

RETRY_S = 1
"""Seconds after which a refused user is asked to return: their writes take tenths of a second at most."""
APPLICATION = ""
"""Whoever writes for nobody in particular. No user has an empty name."""


class Waiting(NamedTuple):
    """One submission: commands that share a transaction, and who waits for their outcomes."""

    asker: str
    commands: Sequence[Command]
    done: asyncio.Future[list[Outcome | KeyReused]]
    weight: int
    publishes: bool


def submission(commands: Sequence[Command], done: asyncio.Future[list[Outcome | KeyReused]]) -> Waiting:
    """These commands as they are queued."""
    users = {_user(command) for command in commands}
    return Waiting(
        users.pop() if len(users) == 1 else APPLICATION,
        commands,
        done,
        sum(map(_weight, commands)),
        all(isinstance(command, Publish) for command in commands),
    )


def _user(command: Command) -> str:
    match command:
        case (
            Follow()
            | Unfollow()
            | Mask()
            | ReadFeed()
            | MarkInbox()
            | ReadInbox()
            | UndoRead()
            | Prefer()
            | EnableEndpoint()
            | RemoveEndpoint()
        ):
            return command.user
        case AddEndpoint():
            return command.endpoint.user
    return APPLICATION


def _weight(command: Command) -> int:
    """About how many rows a command touches, known before it is applied; a store ends what takes longer than this says."""
    match command:
        case Publish():
            return len(command.events)
        case MarkInbox():
            return max(1, len(command.ids))
        case ReadFeed() if command.event_ids is not None:
            return max(1, len(command.event_ids))
        case Settle():
            return max(1, len(command.handled))
        case TakeUp():
            return max(1, len(command.users))
    return 1


class Writes:
    """What waits. ``per_user``: submissions of one user that may be under way; None: any number."""

    def __init__(self, per_user: int | None) -> None:
        self._per_user = per_user
        self._publishing: deque[Waiting] = deque()
        self._queues: dict[str, deque[Waiting]] = {}
        self._under_way: Counter[str] = Counter()
        self.depth = 0

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._publishing or self._queues)

    def add(self, waiting: Waiting) -> None:
        """Queue a submission. Raises TooManyRequests when its user has as many under way as they may."""
        mine = self._under_way[waiting.asker]
        if waiting.asker != APPLICATION and self._per_user is not None and mine >= self._per_user:
            raise TooManyRequests(f"{mine} writes of this user are under way", retry_after=RETRY_S)
        self._under_way[waiting.asker] += 1
        self.depth += len(waiting.commands)
        if waiting.publishes:
            self._publishing.append(waiting)
        else:
            self._queues.setdefault(waiting.asker, deque()).append(waiting)

    def take(self, most: int) -> list[Waiting]:
        """The next transaction: what is published, up to a weight of ``most``, then as much of all else in turns. The first
        of each is taken whatever it weighs."""
        taken = [*_taken(self._publishing, most), *self._turns(most)]
        self.depth -= sum(len(each.commands) for each in taken)
        return taken

    def _turns(self, most: int) -> Iterator[Waiting]:
        weight = 0
        while self._queues:
            asker, queue = next(iter(self._queues.items()))
            weight += queue[0].weight
            if weight > most and weight > queue[0].weight:
                return
            del self._queues[asker]
            first = queue.popleft()
            if queue:
                self._queues[asker] = queue  # behind everybody else
            yield first

    def put_back(self, unwritten: Sequence[Waiting]) -> None:
        """What did not fit into its transaction is the first of the next, in the same order."""
        behind, self._queues = self._queues, {}
        self._publishing.extendleft(each for each in reversed(unwritten) if each.publishes)
        for each in unwritten:
            self.depth += len(each.commands)
            if not each.publishes:
                self._queues.setdefault(each.asker, deque()).append(each)
        for asker, queue in behind.items():
            self._queues.setdefault(asker, deque()).extend(queue)

    def ended(self, waiting: Waiting) -> None:
        """A submission has its outcome."""
        self._under_way[waiting.asker] -= 1
        if not self._under_way[waiting.asker]:
            del self._under_way[waiting.asker]


def _taken(queue: deque[Waiting], most: int) -> Iterator[Waiting]:
    weight = 0
    while queue:
        weight += queue[0].weight
        if weight > most and weight > queue[0].weight:
            return
        yield queue.popleft()
