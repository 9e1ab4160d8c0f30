"""The preferences of users, the notification types that were declared over the API, and the facts about one user and one
event."""

from collections.abc import Iterator, Sequence

import msgspec

from tidings.endpoint_commands import Unsubscribe
from tidings.ids import ms_of, notification_id
from tidings.model import (
    CommandResult,
    LogEntry,
    SetNotificationType,
    SetPreferences,
    split_topic,
    user_topic,
)
from tidings.notification_facts import RecipientFacts
from tidings.personal_data import DEFAULT_PREFERENCES, Preferences, decode_preferences
from tidings.rules import IN_APP, duplicate_key, duplicate_window
from tidings.storage import records
from tidings.storage.sqlite import broadcasts, deliveries, endpoints, inboxes
from tidings.storage.sqlite.events import entry
from tidings.storage.sqlite.graph import mute_only
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.relations import BLOCK, MUTE
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

NO_LIMIT = -1
"""The LIMIT of SQLite that does not limit."""
ALL_TYPES = 0
"""The number that stands for "*" in ``in_app_preference``: no name has it."""


def declare(w: WriteSession, command: SetNotificationType) -> CommandResult:
    """Declare a type, or delete the declaration; the caller checks that no other type claims its verbs."""
    before = w.rules.declared
    if command.rule is None:
        w.db.execute(sql("delete_notification_type"), (command.type,))
    else:
        w.db.execute(sql("set_notification_type"), (command.type, msgspec.json.encode(command.rule)))
    w.declared()
    return CommandResult(int(w.rules.declared != before), w.position)


def prefer(w: WriteSession, r: ReadSnapshot, command: SetPreferences) -> CommandResult:
    """Replace a user's preferences and their in-app copy; their mutes too, if given. The mutes are compared here, or two
    concurrent replacements would leave a mixture."""
    topics, limit = set(command.muted or ()), w.settings.max_mutes_per_user
    if len(topics) > limit:
        return CommandResult(0, w.position, limit=limit)
    present = preferences(r, command.user)
    if command.only not in (None, present):
        return CommandResult(0, w.position)
    if not present.holds_alike(command.preferences):
        deliveries.release_held(w, command.user)
    user, types = w.names.make_user(command.user), command.preferences.types
    if command.muted is not None:
        mute_only(w, user, topics)
    said = msgspec.json.encode(command.preferences)
    w.db.execute(sql("set_preferences"), (user, said))
    w.db.execute(sql("delete_in_app_preferences"), (user,))
    for type, channels in types.items():
        if (wanted := channels.get(IN_APP)) is not None:
            number = ALL_TYPES if type == "*" else w.names.make_verb(type)
            w.db.execute(sql("insert_in_app_preference"), (user, number, wanted))
            w.silenced = True
    return CommandResult(1, w.position)


def unsubscribe(w: WriteSession, r: ReadSnapshot, command: Unsubscribe) -> CommandResult:
    """Refuse a type, or all, on the channel of an endpoint, in the preferences of its user."""
    row = w.db.one(sql("endpoint_by_id"), (command.id,))
    if row is None:
        return CommandResult(0, w.position)
    user = w.names.people((row[0],))[row[0]]
    refused = preferences(r, user).without(endpoints.channel_name(row[1]), command.type)
    return prefer(w, r, SetPreferences(user, refused))


def preferences(r: ReadSnapshot, user: str) -> Preferences:
    """The preferences of a user."""
    row = r.db.one(sql("preferences_of_user"), (r.names.user(user),))
    return decode_preferences(row[0] if row else None)


def muted(r: ReadSnapshot, user: str, limit: int | None, after: str | None) -> list[str]:
    """The topics that a user muted, by name: the first after a name, or (None) all."""
    return _related(r, user, MUTE, limit, after)


def blocked(r: ReadSnapshot, user: str, limit: int, after: str | None) -> list[str]:
    """The users whom a user blocked, by name, beginning after one."""
    topics = _related(r, user, BLOCK, limit, None if after is None else user_topic(after))
    return [split_topic(topic)[1] for topic in topics]


def _related(r: ReadSnapshot, user: str, kind: int, limit: int | None, after: str | None) -> list[str]:
    query = sql("related_topics_by_name")
    values = (r.names.user(user), kind, after or "", NO_LIMIT if limit is None else limit)
    return [name for (name,) in r.db.execute(query, values)]


def explain_facts(r: ReadSnapshot, user: str, event_id: str) -> RecipientFacts | None:
    """The facts of PreferencesViews.explain_facts. A follower is a user who follows one of the topics whose followers
    are notified since before it, or is in the audience of a broadcast. In one snapshot; the search for the notification
    reads the inbox."""
    with r.snapshot():
        return _explain_facts(r, user, event_id)


def _explain_facts(r: ReadSnapshot, user: str, event_id: str) -> RecipientFacts | None:
    key = r.writer.ids.key(event_id)
    found = r.events([key]) if key is not None else []
    if not found:
        return None
    (event,) = found
    number, audience = r.names.user(user), broadcasts.audience(r, event.position)
    everyone = audience == broadcasts.EVERYONE
    facts = RecipientFacts(entry(r, event), False, everyone, "", broadcast=audience is not None)
    if number is None:
        return facts
    notification = inboxes.holder(r, number, event.key, event.position)
    target = event.has_target(number)
    follower = any(
        broadcasts.is_in(r, number, topic, event.position) for topic in _audiences(r, event, audience)
    )
    may_repeat = (target or follower) and not facts.broadcast and not notification
    return facts._replace(
        target=target,
        follower=follower,
        masked_by=_masked_by(r, number, event),
        notification=notification,
        waiting=deliveries.waiting(r, notification),
        muted=deliveries.is_muted(r, notification),
        failed=deliveries.failed(r, notification),
        repeats=_repeated(r, number, event, facts.entry) if may_repeat else "",
    )


def _repeated(r: ReadSnapshot, user: int, event: EventRow, stated: LogEntry) -> str:
    """The event that notified the user within the duplicate window before this one, by id; "" without one."""
    type, actor, about = r.writer.rules.type_of(stated.verb), stated.actor_id, r.names.text(event.object)
    rule = r.writer.rules.rule(type)
    window_s = duplicate_window(rule, r.writer.settings.duplicate_window_s, stated.notify)
    key = duplicate_key(rule, type, stated.verb, actor, about)
    row = r.db.one(sql("dedup_window"), (event.object, key, user)) if window_s else None
    if row is None or ms_of(event.key) - row[0] >= window_s * 1_000:
        return ""
    earlier = r.events([row[1]], "events_without_body")
    return r.writer.ids.text(row[1]) if earlier and earlier[0].position < event.position else ""


def _audiences(r: ReadSnapshot, event: EventRow, audience: int | None) -> Sequence[int]:
    """The topics whose followers are notified: that of a broadcast, those of the rule, or without one the object."""
    if audience is not None:
        return (audience,)
    rule = r.writer.rules.of_verb(r.names.verb_text(event.verb))
    return rule.follower_topics(event.actor, event.object, event.all_topics()) or (event.object,)


def _masked_by(r: ReadSnapshot, user: int, event: EventRow) -> str:
    """The block or mute that hides the event from the user: a block, the user's own before the actor's, else the first muted
    topic."""
    query = sql("relations_with_topics")
    rows = r.db.all(query, (r.writer.carray(event.all_topics()), user))
    if blocks := [kind for topic, kind in rows if kind != MUTE and topic == event.actor]:
        return r.names.text(event.actor if BLOCK in blocks else user)
    return next((r.names.text(topic) for topic, kind in rows if kind == MUTE), "")


def forget(w: WriteSession, user: int) -> None:
    """Delete an erased user's preferences, endpoints and queued deliveries."""
    for (number,) in w.db.all(sql("endpoints_of_user"), (user,)):
        endpoints.forget(w, number)
    w.db.execute(sql("delete_preferences"), (user,))
    w.db.execute(sql("delete_in_app_preferences"), (user,))


def export(r: ReadSnapshot, user: str) -> Iterator[dict[str, object]]:
    """The export of a user's preferences, endpoints and queued deliveries."""
    if (said := preferences(r, user)) != DEFAULT_PREFERENCES:
        yield {"kind": "preferences", "preferences": said}
    yield from map(records.endpoint, endpoints.of(r, user))
    query = sql("deliveries_of_user")
    for owner, number, endpoint, due_at, made_at, tries, dead, error in r.db.all(
        query, (r.names.user(user),)
    ):
        about = notification_id(owner, number)
        yield records.delivery(about, endpoint, (due_at, made_at), tries, bool(dead), error)
