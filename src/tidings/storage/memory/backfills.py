"""Backfills of the reference back-end, each done at once."""

from collections.abc import Iterator

from tidings.backfills import Backfill, BackfillJob
from tidings.ids import key_at
from tidings.model import LogEntry, user_topic
from tidings.notify_mode import NotifyMode
from tidings.storage.memory.feed_groups import MemoryFeedGroups
from tidings.storage.memory.state import thing
from tidings.storage.memory.user import FollowInterval, UserState


class MemoryBackfills(MemoryFeedGroups):
    """The port Backfills."""

    async def backfill(self, id: int) -> BackfillJob | None:
        """A backfill, which ended when it began."""
        return self._backfills[id - 1] if 0 < id <= len(self._backfills) else None

    def _backfill(self, command: Backfill) -> int:
        """Carry out a backfill; returns its id."""
        since = max(0, command.since)
        users = self._users() if command.user is None else [command.user]
        created = notified = read = 0
        for user in users:
            gained, items = self._gains(user, key_at(since)), self._shown(user, key_at(since))
            read += bool(self._standing(user) or (command.notify and items))
            created += len(gained)
            arriving = [entry for entry in [*items, *gained] if self._is_missed(user, entry)]
            if command.notify:
                notified += len(arriving)
            if not command.dry_run:
                self._cover(user, key_at(since))
            if command.notify and not command.dry_run:
                for entry in sorted(arriving, key=lambda one: one.key):
                    self._bring(user, entry._replace(notify=NotifyMode.READ))
        job = BackfillJob(
            len(self._backfills) + 1,
            command.user,
            since,
            self._clock.now(),
            command.dry_run,
            command.notify,
            "done",
            created,
            notified,
            read,
        )
        self._backfills.append(job)
        return job.id

    def _users(self) -> list[str]:
        """Those who follow something, or are targets."""
        return list(
            {**self._people, **{user: None for entry in self._log.values() for user in entry.targets}}
        )

    def _standing(self, user: str) -> dict[str, FollowInterval]:
        """The follows of a user that stand, by topic."""
        person = self._peek(user)
        standing = ((topic, person.follow_of(topic)) for topic in person.follows)
        return {topic: span for topic, span in standing if span is not None}

    def _shown(self, user: str, low: int) -> list[LogEntry]:
        """The events from a key on that are in the feed of a user."""
        return [entry for entry, item in self._feed(user) if entry.key >= low and item.reason != "own"]

    def _gains(self, user: str, low: int) -> list[LogEntry]:
        """Those that the follows of a user would add, if they covered all of their topics."""
        return [
            entry for entry in self._followed(user, low) if next(self._reasons(user, entry), None) is None
        ]

    def _followed(self, user: str, low: int) -> Iterator[LogEntry]:
        topics = self._standing(user).keys()
        for entry in self._newest():
            followed = entry.visibility.reaches_followers and not topics.isdisjoint(entry.topics)
            if entry.key >= low and followed and entry.actor_id != user and not self._masked(user, entry):
                yield entry

    def _cover(self, user: str, low: int) -> None:
        for topic, span in self._standing(user).items():
            theirs = [
                entry.key
                for entry in self._newest()
                if topic in entry.topics and entry.visibility.reaches_followers and entry.key >= low
            ]
            span.extend(min(theirs, default=None))

    def _is_missed(self, user: str, entry: LogEntry) -> bool:
        """Whether a rule notifies the user of an event of the feed that is not in the inbox."""
        person = self._peek(user)
        if entry.notify is NotifyMode.NONE or any(one.key == entry.key for one in self._broadcasts):
            return False
        return (
            self._is_recipient(user, person, entry)
            and self._wanted(user, entry)
            and person.inbox.holder(entry.key) is None
        )

    def _is_recipient(self, user: str, person: UserState, entry: LogEntry) -> bool:
        rule = self._rule(entry)
        if rule.to_targets and user in entry.targets:
            return True
        topics = rule.follower_topics(user_topic(entry.actor_id), thing(entry), entry.topics)
        return entry.visibility.reaches_followers and any(map(person.follow_of, topics))
