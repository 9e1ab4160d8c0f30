"""All that the reference back-end keeps about one person."""

from collections.abc import Iterator

import msgspec

from tidings.personal import Preferences
from tidings.storage import erasure
from tidings.storage.memory_inboxes import Inboxes
from tidings.storage.memory_person import Person
from tidings.times import rfc3339

Record = dict[str, object]
"""One line of an export, with its ``kind``."""


class Exports(Inboxes):
    """What a person may ask for."""

    def _records(self, user: str) -> Iterator[Record]:
        person = self._peek(user)
        yield {"kind": "profile", "user_id": user, "unread_count": person.inbox.counts().unread_count}
        for entry in self._log.values():
            if entry.actor_id == user:
                yield {"kind": "event", "event": msgspec.Raw(entry.body)}
        yield from self._told_records(person)
        yield from self._wish_records(user, person)
        for topic, spans in person.follows.items():
            for span in spans:
                yield {"kind": "follow", "topic": topic, "created_at": rfc3339(span.created_at)}
        for topic in sorted(person.muted | person.blocked):
            yield {"kind": "mask", "topic": topic, "block": topic in person.blocked}

    def _told_records(self, person: Person) -> Iterator[Record]:
        for group in person.inbox.groups.values():
            shown = self._row(person, group)
            event = msgspec.Raw(shown.body or b"null")
            yield {
                "kind": "notification",
                "id": shown.id,
                "seq": shown.seq,
                "event": event,
                "event_ids": [self._ids.text(key) for key in group.items.values()],
            }
        for key, at in person.read.items():
            yield {"kind": "feed_read", "event_id": self._ids.text(key), "read_at": rfc3339(at)}
        for position, at in person.floors:
            yield {"kind": "feed_read", "up_to": position, "read_at": rfc3339(at)}

    def _wish_records(self, user: str, person: Person) -> Iterator[Record]:
        if person.preferences != Preferences():
            yield {"kind": "preferences", "preferences": person.preferences}
        for endpoint in person.endpoints.values():
            at = rfc3339(endpoint.created_at)
            place = {"channel": endpoint.channel, "address": endpoint.address}
            yield {"kind": "endpoint", "id": endpoint.id, **place, "created_at": at}
        for reminder in self._reminders.values():
            if user in erasure.people(reminder):
                yield {"kind": "reminder", "key": reminder.key, "due_at": rfc3339(reminder.due_at)}
