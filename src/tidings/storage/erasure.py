"""How an event reads after somebody in it was erased: one rule, for every back-end."""

import msgspec

from tidings.model import LogEntry, user_topic

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Fields stay raw, so that what is not about the person keeps its exact bytes: numbers above all."""


def names(entry: LogEntry, user: str) -> bool:
    """Whether the event names the person: as actor, as object, among the targets or as a topic."""
    return user in entry.targets or user_topic(user) in entry.topics


def without(entry: LogEntry, user: str, alias: str) -> LogEntry:
    """The entry with ``user`` replaced by ``alias`` as actor, object and topic, and gone from the targets.

    ``actor_name`` empties with the actor and ``object_title`` with the object, for there they are the
    person's name. Metadata and texts belong to the publisher and stay.
    """
    old, new = user_topic(user), user_topic(alias)
    return entry._replace(
        actor_id=alias if entry.actor_id == user else entry.actor_id,
        object_id=alias if _is_object(entry, user) else entry.object_id,
        body=_body(entry, user, alias),
        targets=tuple(target for target in entry.targets if target != user),
        topics=tuple(new if topic == old else topic for topic in entry.topics),
    )


def _is_object(entry: LogEntry, user: str) -> bool:
    return (entry.object_type, entry.object_id) == ("user", user)


def _body(entry: LogEntry, user: str, alias: str) -> bytes:
    fields: dict[str, object] = dict(_FIELDS.decode(entry.body))
    if entry.actor_id == user:
        fields |= {"actor_id": alias, "actor_name": None}
    if _is_object(entry, user):
        fields |= {"object_id": alias, "object_title": None}
    old, new = user_topic(user), user_topic(alias)
    listed = fields.get("topics")
    if isinstance(listed, msgspec.Raw):
        topics = msgspec.json.decode(listed, type=list[str])
        fields["topics"] = [new if topic == old else topic for topic in topics]
    return msgspec.json.encode(fields)
