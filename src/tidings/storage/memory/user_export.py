"""The export of one user's stored data from the reference back-end."""

from collections.abc import Iterator

import msgspec

from tidings.ids import notification_id
from tidings.personal_data import Preferences
from tidings.storage import anonymize, records
from tidings.storage.memory.inboxes import MemoryInboxes
from tidings.storage.memory.user import UserState
from tidings.storage.records import Record
from tidings.timeutil import rfc3339


class MemoryExports(MemoryInboxes):
    """The export of one user."""

    def _records(self, user: str) -> Iterator[Record]:
        person = self._peek(user)
        unread = person.inbox.counts().unread_count  # this store does not record visits
        yield {"kind": "profile", "user_id": user, "unread_count": unread, "last_visit": None}
        yield from records.display_name(self._display_name(user))
        for entry in self._log.values():
            if entry.actor_id == user:
                yield {"kind": "event", "event": msgspec.Raw(entry.body)}
        yield from self._notification_records(person)
        yield from self._wish_records(user, person)
        for topic, spans in person.follows.items():
            for span in spans:
                yield records.follow(topic, span.created_at, span.ended_at)
        for block, topics in ((False, person.muted), (True, person.blocked)):
            yield from ({"kind": "mask", "topic": topic, "block": block} for topic in sorted(topics))

    def _notification_records(self, person: UserState) -> Iterator[Record]:
        for group in person.inbox.groups.values():
            event_ids = [self._ids.text(key) for key in group.items.values()]
            yield records.notification(self._row(person, group), event_ids)
        yield from map(records.read_all, person.inbox.marks)
        for key, marked in person.feed.marked.items():
            read_at = None if marked.at is None else rfc3339(marked.at)
            yield {"kind": "feed_read", "event_id": self._ids.text(key), "read_at": read_at}
        for one in person.feed.read_alls:
            yield records.feed_read_all(one.up_to, one.at, one.activity)

    def _wish_records(self, user: str, person: UserState) -> Iterator[Record]:
        if person.preferences != Preferences():
            yield {"kind": "preferences", "preferences": person.preferences}
        yield from map(records.endpoint, person.endpoints.values())
        for pending in self._pending.values():
            if pending.user == user:
                about, times = (
                    notification_id(person.number, pending.number),
                    (pending.due_at, pending.created_at),
                )
                yield records.delivery(
                    about, pending.endpoint, times, pending.attempts, pending.dead, pending.error
                )
        for reminder in self._reminders.values():
            if user in anonymize.people(reminder):
                yield records.reminder(reminder)
