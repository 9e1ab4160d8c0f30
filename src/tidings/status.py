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
