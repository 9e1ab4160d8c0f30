"""The state of the server for operators: pending work, and dead letters. Values without I/O."""

from collections.abc import Mapping
from typing import NamedTuple

from tidings.model import LogPosition


class DeadLetter(NamedTuple):
    """A fan-out job or a delivery that failed too often: its subject, and the last error. The user and the endpoint are
    those of a delivery, None for a job."""

    id: int
    kind: str
    subject: str
    attempts: int
    error: str
    user_id: str | None = None
    endpoint_id: str | None = None


class Backlog(NamedTuple):
    """Background work: fan-out jobs that have not ended, each of any number of rows, and dead letters, fan-out jobs and
    deliveries."""

    pending_fanout_jobs: int
    dead_letters: int


class Status(NamedTuple):
    """The state of the server. ``pending_fanout_jobs``: see Backlog; ``sizes`` maps names to rows or bytes."""

    head: LogPosition
    pending_fanout_jobs: int
    dead_letters: int
    sizes: Mapping[str, int]


class QueuedDelivery(NamedTuple):
    """A delivery that was not sent yet, for operators: of the group ``number`` of ``user_id``, which is ``notification_id``,
    to an endpoint. ``state``: ``queued``, ``held`` by quiet hours, a digest or a snooze, or ``dead``. ``error`` is that of
    the last attempt, "" without. Times in milliseconds. ``usable``: its endpoint is neither disabled nor unconfirmed."""

    id: int
    endpoint_id: str
    user_id: str
    channel: str
    type: str
    number: int
    notification_id: str
    state: str
    due_at: int
    created_at: int
    attempts: int
    error: str
    usable: bool

    @property
    def place(self) -> "DeliveryPlace":
        """Its place in the list of its endpoint."""
        return (self.number, int(self.state == "dead"), self.id)


DeliveryPlace = tuple[int, int, int]
"""The place of a delivery in a list: the number of its group, whether it is a dead letter, and its id."""
