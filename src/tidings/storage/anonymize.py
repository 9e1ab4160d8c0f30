"""Anonymisation of an event, past or future, after one of its users was erased: one rule, for every back-end."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tidings.model import LogEntry, user_topic
from tidings.personal_data import Reminder

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Fields stay raw, so that the other parts, numbers above all, keep their exact bytes."""


def mentions(entry: LogEntry, user: str) -> bool:
    """Whether the event names the user: as actor, as object, among the targets or as a topic."""
    return user in entry.targets or user_topic(user) in entry.topics


def anonymize_event(entry: LogEntry, user: str, alias: str) -> LogEntry:
    """The entry with ``user`` replaced by ``alias`` as actor, object and topic, and removed from the targets.

    ``actor_name`` is emptied with the actor and ``object_title`` with the object, because they are the user's name there;
    their images are removed. Metadata and texts belong to the publisher and stay."""
    old, new = user_topic(user), user_topic(alias)
    return entry._replace(
        actor_id=alias if entry.actor_id == user else entry.actor_id,
        object_id=alias if _is_object(entry, user) else entry.object_id,
        body=text_without(entry.body, user, alias),
        targets=tuple(target for target in entry.targets if target != user),
        topics=tuple(new if topic == old else topic for topic in entry.topics),
    )


class Renaming(NamedTuple):
    """Events up to a position, and reminders up to a number, have ``name`` in their text, which readers replace by
    ``alias``. ``probe``: bytes without which a text does not contain the name."""

    name: str
    alias: str
    position: int
    last_reminder: int
    probe: bytes


def renaming(name: str, alias: str, position: int, last_reminder: int) -> Renaming:
    """The replacement that readers apply."""
    return Renaming(name, alias, position, last_reminder, msgspec.json.encode(name)[1:-1])


def renamed(body: bytes, position: int, renamings: Iterable[Renaming]) -> bytes:
    """The JSON of an event with the names replaced."""
    for one in renamings:
        if position <= one.position and one.probe in body:
            body = text_without(body, one.name, one.alias)
    return body


def renamed_text(event: bytes, number: int, renamings: Iterable[Renaming]) -> bytes:
    """The JSON of a reminder's event, with the names replaced as actor, object and topic."""
    for one in renamings:
        if number <= one.last_reminder and one.probe in event:
            event = text_without(event, one.name, one.alias)
    return event


def renamed_reminder(reminder: Reminder, number: int, renamings: Iterable[Renaming]) -> Reminder | None:
    """A reminder with the names replaced; None if it has no recipients left."""
    left: Reminder | None = reminder
    for one in renamings:
        if left is not None and number <= one.last_reminder and _may_name(left, one):
            left = anonymize_reminder(left, one.name, one.alias)
    return left


def _may_name(reminder: Reminder, one: Renaming) -> bool:
    return (
        one.probe in reminder.event or one.name in reminder.users or reminder.audience == user_topic(one.name)
    )


class _StoredEvent(msgspec.Struct):
    actor_id: str = ""
    object_type: str = ""
    object_id: str = ""
    target_user_ids: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


_event = msgspec.json.Decoder(_StoredEvent).decode


def text_without(body: bytes, user: str, alias: str) -> bytes:
    """The JSON of an event with ``user`` replaced as actor, object and topic; unchanged if it does not name the user."""
    event = _event(body)
    is_actor = event.actor_id == user
    is_object = (event.object_type, event.object_id) == ("user", user)
    if not (is_actor or is_object or user_topic(user) in event.topics):
        return body
    fields: dict[str, object] = dict(_FIELDS.decode(body))
    _rename(fields, user, alias, is_actor, is_object)
    return msgspec.json.encode(fields)


def differs_in_actor(body: bytes, stored: bytes) -> bool:
    """Whether the JSON of an event has another actor than the stored one."""
    return _event(body).actor_id != _event(stored).actor_id


def people(reminder: Reminder) -> frozenset[str]:
    """All users whom a reminder names: its recipients, and the actor, the object and the topics of its event."""
    event = _event(reminder.event)
    things = (*event.topics, f"{event.object_type}:{event.object_id}", reminder.audience)
    persons = (thing.removeprefix("user:") for thing in things if thing.startswith("user:"))
    return frozenset(
        name for name in (*reminder.users, *event.target_user_ids, event.actor_id, *persons) if name
    )


def anonymize_reminder(reminder: Reminder, user: str, alias: str) -> Reminder | None:
    """The reminder with ``user`` removed from its recipients and replaced by ``alias`` in the event; None if it has no
    recipients left."""
    users = tuple(name for name in reminder.users if name != user)
    audience = "" if reminder.audience == user_topic(user) else reminder.audience
    if not (users or audience):
        return None
    event = _event(reminder.event)
    fields: dict[str, object] = dict(_FIELDS.decode(reminder.event))
    if event.target_user_ids:
        fields["target_user_ids"] = [target for target in event.target_user_ids if target != user]
    of_object = (event.object_type, event.object_id) == ("user", user)
    _rename(fields, user, alias, event.actor_id == user, of_object)
    return msgspec.structs.replace(
        reminder, users=users, audience=audience, event=msgspec.json.encode(fields)
    )


def readdressed(reminder: Reminder, user: str, into: str) -> Reminder:
    """The reminder with another user in the place of one among its recipients, each once."""

    def renamed_each(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(into if name == user else name for name in names))

    text, targets = reminder.event, _event(reminder.event).target_user_ids
    if user in targets:
        text = msgspec.json.encode(_FIELDS.decode(text) | {"target_user_ids": renamed_each(targets)})
    return msgspec.structs.replace(reminder, users=renamed_each(reminder.users), event=text)


def _is_object(entry: LogEntry, user: str) -> bool:
    return (entry.object_type, entry.object_id) == ("user", user)


def _rename(fields: dict[str, object], user: str, alias: str, is_actor: bool, is_object: bool) -> None:
    """Put ``alias`` for ``user`` in an event's fields of actor, object or topic."""
    if is_actor:
        fields |= {"actor_id": alias, "actor_name": None}
        fields.pop("actor_image", None)
    if is_object:
        fields |= {"object_id": alias, "object_title": None}
        fields.pop("object_image", None)
    listed = fields.get("topics")
    if isinstance(listed, msgspec.Raw):
        old, new = user_topic(user), user_topic(alias)
        topics = msgspec.json.decode(listed, type=list[str])
        fields["topics"] = [new if topic == old else topic for topic in topics]
