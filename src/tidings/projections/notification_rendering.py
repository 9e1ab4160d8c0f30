"""The rendering of notifications: a row, its events and its text become one JSON item."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from tidings.actions import Acted, Offer
from tidings.config import ConfigError
from tidings.model import SAMPLE_ACTORS, InboxCounters, InboxRow, ReadWatermark
from tidings.personal_data import Preferences
from tidings.plain_text import neutral
from tidings.projections.templates import TemplateContext, Templates, known_locale, language
from tidings.rules import Rules
from tidings.timeutil import rfc3339

NAMED_BEFORE_OTHERS = 2
"""Actors named when not all of them are: "Alice, Bob and 3 others"."""


class _Actor(msgspec.Struct, gc=False):
    actor_id: str
    actor_name: str | None = None
    actor_image: str | None = None


class _ShownAction(msgspec.Struct, gc=False):
    id: str
    label: str
    style: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


class _RenderedEvent(msgspec.Struct, gc=False):
    event_id: str
    actor_id: str
    verb: str
    object_type: str
    object_id: str
    created_at: str
    actor_name: str | None = None
    object_title: str | None = None
    title: str = ""
    description: str = ""
    message: str = ""
    url: str | None = None
    actor_image: str | None = None
    object_image: str | None = None
    actions: tuple[_ShownAction, ...] | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class _Person(msgspec.Struct, gc=False):
    id: str
    name: str | None
    image: str | None


class _Object(msgspec.Struct, gc=False):
    type: str
    id: str
    title: str | None
    image: str | None


class _Parts(msgspec.Struct, gc=False):
    actors: list[_Person]
    others: int
    object: _Object
    count: int


class _ShownActed(msgspec.Struct, gc=False):
    action_id: str
    at: str
    by: str


class _Notification(msgspec.Struct, gc=False):
    id: str
    seq: int
    order: int
    unread_seq: int
    type: str
    message: str
    title: str | None
    description: str | None
    url: str | None
    actor_name: str | None
    actor_image: str | None
    object_title: str | None
    object_image: str | None
    parts: _Parts
    count: int
    actors: list[str]
    actor_count: int
    object_type: str
    object_id: str
    event_ids: tuple[str, ...]
    metadata: msgspec.Raw
    created_at: str
    updated_at: str
    seen_at: str | None
    read_at: str | None
    archived_at: str | None
    snoozed_until: str | None
    pinned_at: str | None
    actions: Sequence[_ShownAction]
    acted: _ShownActed | None


NOTIFICATION_FIELDS = frozenset(_Notification.__struct_fields__)

_event = msgspec.json.Decoder(_RenderedEvent).decode
_actor = msgspec.json.Decoder(_Actor).decode
_encode = msgspec.json.Encoder().encode


class Text(NamedTuple):
    """The text of a notification: its message, and the title, description and address of its newest event, "" without."""

    message: str
    title: str
    description: str
    url: str = ""


class RenderingFacts(Protocol):
    """The part of a store that the renderer uses."""

    @property
    def rules(self) -> Rules:
        """The types of notifications as declared now."""
        ...

    @property
    def renames(self) -> int:
        """Changes of display names so far that rows may show."""
        ...

    async def preferences(self, user: str) -> Preferences:
        """The preferences of a user."""
        ...


def check_locale(locale: str) -> None:
    """Raises ConfigError for an unknown locale."""
    if not known_locale(locale):
        raise ConfigError(f"locale: no language is known by the name {locale!r}", "locale")


class NotificationRenderer:
    """Renders rows of inboxes as items and texts, in the user's language.

    ``locale`` is the default for users without a preference. Raises ConfigError for an unknown one.
    """

    def __init__(self, store: RenderingFacts, locale: str) -> None:
        check_locale(locale)
        language(locale)  # loaded now, some 30 ms, and not at the first request
        self._store = store
        self._locale = locale
        self._rules = store.rules
        self._messages = Templates(self._rules, locale)

    async def items(self, user: str, rows: Sequence[InboxRow]) -> list[bytes]:
        """The JSON items of these rows of a user."""
        if not rows:
            return []
        locale = await self.locale(user)
        return [self.item(row, locale) for row in rows]

    async def locale(self, user: str) -> str:
        """The locale of a user. The preference is read only if there are templates in several languages."""
        if not self._current().multilingual:
            return self._locale
        return self.preferred(await self._store.preferences(user))

    def preferred(self, preferences: Preferences) -> str:
        """The locale of a user with these preferences."""
        return preferences.locale or self._locale

    async def tag(self, user: str) -> str:
        """A tag that changes when the text of a user's rows may change while the rows do not; "" while it cannot. Read
        before the rows: after them, it could be that of a later text."""
        renames, mark = self._store.renames, self._current().mark
        named = f".n{renames}" if renames else ""
        return f"{named}.{mark}.{await self.locale(user)}" if mark else named

    def item(self, row: InboxRow, locale: str) -> bytes:
        """The JSON item of a row; that of a retracted one is ``{"id", "seq", "deleted": true}``."""
        if row.deleted:
            return _encode({"id": row.id, "seq": row.seq, "deleted": True})
        event = _event(row.body)
        people = _people(row, event)
        named, others = _named(row, people)
        return _encode(
            _Notification(
                row.id,
                row.seq,
                row.order,
                row.unread_seq,
                row.type,
                self._say(row, event, named, others, locale),
                event.title or None,
                event.description or None,
                event.url,
                people[0].name,
                event.actor_image,
                event.object_title,
                event.object_image,
                _parts(row, event, named, others),
                row.size,
                [person.id for person in people],
                row.actor_count,
                event.object_type,
                event.object_id,
                row.event_ids,
                event.metadata,
                rfc3339(row.opened_at),
                event.created_at,
                _moment(row.seen_at),
                _moment(row.read_at),
                _moment(row.archived_at),
                _moment(row.snoozed_until),
                _moment(row.pinned_at),
                self._actions(row, event, named, others, locale),
                _acted(row.acted),
            )
        )

    def text(self, row: InboxRow, locale: str) -> Text:
        """The plain text of a row that is no tombstone."""
        event = _event(row.body)
        message = self._say(row, event, *_named(row, _people(row, event)), locale)
        return Text(
            message, neutral(event.title), neutral(event.description, keep_lines=True), event.url or ""
        )

    def _say(
        self, row: InboxRow, event: _RenderedEvent, named: list[_Person], others: int, locale: str
    ) -> str:
        if event.message:
            return neutral(event.message)
        return self._current().say(self._context(row, event, named, others), locale)

    def _actions(
        self, row: InboxRow, event: _RenderedEvent, named: list[_Person], others: int, locale: str
    ) -> list[_ShownAction]:
        """The actions of the newest event or, without them, those of the type."""
        if event.actions is not None:
            return [_action(action, neutral(action.label)) for action in event.actions]
        actions = self._store.rules.rule(row.type).actions
        if not actions:
            return []
        facts, templates = self._context(row, event, named, others), self._current()
        return [_action(action, templates.label(facts, action, locale)) for action in actions]

    def _context(
        self, row: InboxRow, event: _RenderedEvent, named: list[_Person], others: int
    ) -> TemplateContext:
        thing = event.object_title or f"{event.object_type} {event.object_id}"
        return TemplateContext(
            row.type,
            event.verb,
            tuple([person.name or person.id for person in named]),
            others,
            row.actor_count,
            row.size,
            thing,
            event.object_type,
            event.object_id,
            event.title or thing,
            event.title,
            event.metadata,
        )

    def _current(self) -> Templates:
        rules = self._store.rules
        if rules is not self._rules:
            self._rules, self._messages = rules, Templates(rules, self._locale)
        return self._messages


def counted(counts: InboxCounters, seq: int) -> bytes:
    """The members of an object with the counters of an inbox at a seq."""
    return b'%b,"seq":%d' % (unread(counts), seq)


def unread(counts: InboxCounters) -> bytes:
    """The same without the seq."""
    numbers = (counts.unread_count, counts.unread_items, counts.unseen_count)
    return b'"unread_count":%d,"unread_items":%d,"unseen_count":%d' % numbers


def watermark(mark: ReadWatermark) -> bytes:
    """The members of an object that describe a read-all or a seen-all, without its type."""
    state = b"seen_at" if mark.seen_only else b"read_at"
    return b'"up_to":%d,"%b":"%b"' % (mark.up_to, state, rfc3339(mark.at).encode())


def _action(offer: Offer | _ShownAction, label: str) -> _ShownAction:
    return _ShownAction(offer.id, label, offer.style, offer.url)


def _acted(acted: Acted | None) -> _ShownActed | None:
    return None if acted is None else _ShownActed(acted.action_id, rfc3339(acted.at), acted.by)


def _people(row: InboxRow, event: _RenderedEvent) -> list[_Person]:
    """The newest actors of a row, newest first, with their newest names. Those without one have that of the event."""
    actors: list[_RenderedEvent | _Actor] = [event, *map(_actor, row.others[: SAMPLE_ACTORS - 1])]
    names = row.actor_names or (None,) * len(actors)
    return [
        _Person(one.actor_id, name or one.actor_name, one.actor_image)
        for one, name in zip(actors, names, strict=False)
    ]


def _named(row: InboxRow, people: list[_Person]) -> tuple[list[_Person], int]:
    """(the actors that a text names, the number of the others): all, or the newest two and the others."""
    if row.actor_count > len(people):
        people = people[:NAMED_BEFORE_OTHERS]
    return people, row.actor_count - len(people)


def _parts(row: InboxRow, event: _RenderedEvent, named: list[_Person], others: int) -> _Parts:
    thing = _Object(event.object_type, event.object_id, event.object_title, event.object_image)
    return _Parts(named, others, thing, row.size)


def _moment(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
