"""Jobs that an administrator has begun: their ids, and the replies about their progress."""

import re
from typing import NamedTuple

from tidings.errors import NotFound

_NUMBER = re.compile(r"[1-9][0-9]{0,17}\Z")
"""The number of a job that a store can hold."""


class JobReply(NamedTuple):
    """The JSON of a job, and whether it is done."""

    body: bytes
    done: bool


def number_of(prefix: str, id: str) -> int:
    """The number of a job with such an id. Raises NotFound for an id of another form."""
    number = id.removeprefix(prefix)
    if number == id or not _NUMBER.match(number):
        raise no_such_job()
    return int(number)


def no_such_job() -> NotFound:
    """The error of an id that no stored job has."""
    return NotFound("no such job; jobs that ended long ago are forgotten")
