"""Merges of users: what the store has of one user id becomes part of another's."""

from typing import NamedTuple

import msgspec

from tidings.backfills import JobState
from tidings.personal_data import Preferences


class MergeUsers(msgspec.Struct, frozen=True):
    """Move what the store has of ``user`` to ``into``, another user."""

    user: str
    into: str


class MergeCounts(msgspec.Struct, frozen=True):
    """What a merge moved. ``follows``, ``mutes`` and ``blocks``: those that the destination did not have;
    ``over_limit``: mutes, blocks and endpoints that were not added, because a user has as many as are allowed.
    ``followers``: those who follow the destination because they follow the source. ``targeted``: the events that addressed
    the source. ``notifications``: those that arrived in the inbox of the destination; ``duplicates``: those of the source of
    which the destination had all events."""

    follows: int = 0
    followers: int = 0
    mutes: int = 0
    blocks: int = 0
    over_limit: int = 0
    targeted: int = 0
    notifications: int = 0
    duplicates: int = 0
    endpoints: int = 0
    reminders: int = 0

    def plus(self, **more: int) -> "MergeCounts":
        """The counts with more of some."""
        return msgspec.structs.replace(self, **{name: getattr(self, name) + n for name, n in more.items()})


class UserMerge(NamedTuple):
    """The merges of ``user`` into ``into`` so far, and the state of the last of them."""

    id: int
    user: str
    into: str
    state: JobState
    counts: MergeCounts


def united(own: Preferences, others: Preferences) -> Preferences:
    """A user's own preferences, with those of another user where the user has none."""
    types = {
        name: others.types.get(name, {}) | own.types.get(name, {}) for name in (*others.types, *own.types)
    }
    quiet_hours = own.quiet_hours or others.quiet_hours
    locale, digest_s = own.locale or others.locale, own.digest_s or others.digest_s
    return Preferences(types, quiet_hours, locale, digest_s)
