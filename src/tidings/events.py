"""The JSON of events: the input of publishers, its checks, and the body that every reader gets."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.actions import Actions, EventAddress, action_errors, local_address_error
from tidings.batches import split
from tidings.config import KIB, Settings
from tidings.errors import FieldError, InvalidFields, TooLarge
from tidings.field_errors import MAX_FIELD_ERRORS, UNREADABLE, in_words, visible
from tidings.metadata import are_plain, canonical, metadata_errors
from tidings.model import EVERYONE, NewEvent
from tidings.notify_mode import NotifyMode, notify_mode
from tidings.plain_text import is_visible
from tidings.timeutil import DAY_MS, rfc3339, to_ms
from tidings.validation import decode
from tidings.visibility import BY_NAME, VisibilityName

Id = Annotated[str, visible(128, description="Opaque, 1 to 128 characters, compared exactly.")]
Verb = Annotated[str, visible(64, description="What was done: comment, push, …")]
MAX_TOPIC = 193
"""Characters of the longest topic, type:id; so also of the longest key that trends count."""
# A colon would make market:1 of "2" and market of "1:2" the same topic.
ObjectType = Annotated[
    str,
    in_words(r"\A[^\x00-\x1f\x7f:]+\Z", "no colon, no control characters", min_length=1, max_length=64),
]
Topic = Annotated[
    str,
    in_words(
        r"\A[^\x00-\x1f\x7f:]{1,64}:[^\x00-\x1f\x7f]{1,128}\Z",
        "type:id, such as market:42",
        min_length=3,
        max_length=MAX_TOPIC,
    ),
]
Audience = Annotated[
    str,
    in_words(
        r"\A(?:\*|[^\x00-\x1f\x7f:]{1,64}:[^\x00-\x1f\x7f]{1,128})\Z",
        '"*" or type:id, such as market:42',
        max_length=MAX_TOPIC,
        description="Everybody (*), or those who follow a topic.",
    ),
]
EventKey = Annotated[str, visible(255)]
"""An idempotency key. A control character could make it equal to the digest input of another kind of key."""
MAX_LABEL = 500
"""Characters of a name or a title."""
Label = Annotated[str, Meta(max_length=MAX_LABEL)]
Text = Annotated[str, Meta(max_length=5_000)]
Message = Annotated[str, Meta(min_length=1, max_length=1_000)]
Moment = Annotated[datetime, Meta(tz=True)]

Notify = Annotated[
    bool,
    Meta(
        description="false: nobody is notified, feeds have the event. true: recipients are notified as usual, however old "
        "the event is, and though it is imported."
    ),
]

Metadata = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
EMPTY_OBJECT = msgspec.Raw(b"{}")
EMPTY_LIST = msgspec.Raw(b"[]")
MIN_CREATED_AT_MS = 0
"""1970: before it there is no UUIDv7."""
BROADCAST_DAYS = 30
"""Days for which a broadcast is active by default."""
MAX_BROADCAST_DAYS = 365
"""Maximum days for which a broadcast is active: each request of a user checks every active one, so one without end would
cost time forever."""


class EventInput(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """The body of ``POST /v1/events``. ``idempotency_key`` is for one event of an array or an import; a single event has the
    header for it."""

    actor_id: Id
    verb: Verb
    object_type: ObjectType
    object_id: Id
    target_user_ids: tuple[Id, ...] = ()
    topics: tuple[Topic, ...] = ()
    created_at: Moment | None = None
    actor_name: Label | None = None
    object_title: Label | None = None
    title: Label | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    message: Message | UnsetType = UNSET
    url: EventAddress | UnsetType = UNSET
    actor_image: EventAddress | UnsetType = UNSET
    object_image: EventAddress | UnsetType = UNSET
    actions: Actions | UnsetType = UNSET
    visibility: VisibilityName | UnsetType = UNSET
    notify: Notify | UnsetType = UNSET
    # A factory, because the JSON Schema of the type could not show a raw default.
    metadata: Metadata = msgspec.field(default_factory=lambda: EMPTY_OBJECT)
    idempotency_key: EventKey | UnsetType = UNSET


class BroadcastInput(EventInput, forbid_unknown_fields=True, frozen=True, gc=False, kw_only=True):
    """The body of ``POST /v1/broadcasts``: an event for an ``audience``, materialised for users who make a request until
    ``expires_at`` (default: 30 days from now, at most 365). It has no targets. To followers of a topic it is by default
    visible to its recipients only."""

    audience: Audience
    expires_at: Moment | None = None


class EventBody(msgspec.Struct, frozen=True, gc=False):
    """An event as it is sent to readers, without the id and position that the store puts before it.

    The targets are not part of it, because readers may not see the other targets. ``visibility`` is left out if it is
    "public".
    """

    actor_id: str
    verb: str
    object_type: str
    object_id: str
    topics: tuple[str, ...]
    created_at: str
    actor_name: str | None
    object_title: str | None
    title: str | UnsetType
    description: str | UnsetType
    message: str | UnsetType
    url: str | UnsetType
    actor_image: str | UnsetType
    object_image: str | UnsetType
    actions: Actions | UnsetType
    visibility: VisibilityName | UnsetType
    metadata: msgspec.Raw


class CheckedFields(msgspec.Struct):
    """The fields of an event, or of a broadcast, whose values have bounds in addition to their types."""

    target_user_ids: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    created_at: Moment | None = None
    notify: bool | UnsetType = UNSET
    actions: Actions | UnsetType = UNSET
    metadata: msgspec.Raw = EMPTY_OBJECT
    expires_at: Moment | None = None
    idempotency_key: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    actor_image: str | UnsetType = UNSET
    object_image: str | UnsetType = UNSET


class _Recipients(msgspec.Struct):
    """The recipients of an event, and of a reminder, as they are written: the lists that may be long."""

    target_user_ids: msgspec.Raw = EMPTY_LIST
    user_ids: msgspec.Raw = EMPTY_LIST


RECIPIENT_BYTES = 132
"""Bytes per recipient in a list of as many as an event may have: 128 characters of ASCII, with quotes, comma and blank. To
decode escapes takes several times as long as plain text, and a list of them has no other bound."""
AT_ONCE_BYTES = 128 * KIB
"""Bytes of an array that are decoded at once: usual events take a millisecond or two, short names of recipients 20 ms."""

_UNREAD = NotifyMode.UNREAD

Read = TypeVar("Read", bound=EventInput)
_encode = msgspec.json.Encoder().encode
_event = msgspec.json.Decoder(EventInput)
_events = msgspec.json.Decoder(list[EventInput])
_broadcast = msgspec.json.Decoder(BroadcastInput)
_checked = msgspec.json.Decoder(CheckedFields)
_recipients = msgspec.json.Decoder(_Recipients)


def read_event(raw: bytes, now: int, settings: Settings, key: str | None = None) -> EventInput:
    """The event in a JSON text, completely checked; ``key`` is the idempotency key of its request. Raises Malformed,
    TooLarge, InvalidFields."""
    return _read(_event, raw, settings, lambda given: bound_errors(given, now, settings, key))


def read_at_once(raw: bytes, settings: Settings) -> list[EventInput] | None:
    """The events of an array, without the checks of :func:`bound_errors`. Returns None if it is long, or an event does not
    match its type: it is then read event by event, which takes longer and finds all errors. Raises the errors of split."""
    cap, most = settings.max_event_bytes, settings.max_batch_events
    if len(raw) > AT_ONCE_BYTES or (len(raw) > cap and max(map(len, split(raw, most)), default=0) > cap):
        return None
    try:
        given = _events.decode(raw)
    except UNREADABLE:
        return None
    return given if 0 < len(given) <= most else None


def are_within_bounds(given: Sequence[EventInput], settings: Settings, key: str | None = None) -> bool:
    """Whether one look at these events shows that :func:`bound_errors` finds nothing in them."""
    targets, topics = settings.max_targets, settings.max_topics
    metadata = []
    for one in given:
        if (
            one.created_at is not None
            or one.actions
            or (not settings.dev and _has_local_address(one))
            or len(one.target_user_ids) > targets
            or len(one.topics) > topics
            or (key is not None and one.idempotency_key is not UNSET and one.idempotency_key != key)
        ):
            return False
        if one.metadata is not EMPTY_OBJECT:
            metadata.append(one.metadata)
    max_bytes, max_depth = settings.max_metadata_bytes, settings.max_metadata_depth
    return are_plain(metadata, max_bytes=max_bytes, max_depth=max_depth)


def _has_local_address(one: EventInput) -> bool:
    return any(
        address is not UNSET and address[:5] == "http:"
        for address in (one.url, one.actor_image, one.object_image)
    )


def read_broadcast(raw: bytes, now: int, settings: Settings, key: str | None = None) -> BroadcastInput:
    """The broadcast in a JSON text, completely checked, like read_event."""
    return _read(_broadcast, raw, settings, lambda given: _broadcast_errors(given, now, settings, key))


def _read(
    decoder: msgspec.json.Decoder[Read],
    raw: bytes,
    settings: Settings,
    check: Callable[[Any], Iterable[FieldError]],
) -> Read:
    check_event_size(raw, settings)
    try:
        given = decode(decoder, raw)
    except InvalidFields as error:
        errors = (*error.errors, *check(_checked.decode(error.fitting)))
    else:
        errors = tuple(check(given))
    if errors:
        raise InvalidFields(errors=errors[:MAX_FIELD_ERRORS])
    return given


class EventDefaults(NamedTuple):
    """The values for an event that does not state its own. Events that are older than ``max_age_ms`` when they are
    published, and all of an import (``imported``), arrive read."""

    visibility: VisibilityName = "public"
    max_age_ms: int = DAY_MS
    imported: bool = False


DEFAULTS = EventDefaults()


def accept(given: EventInput, now: int, scope: str = "", defaults: EventDefaults = DEFAULTS) -> NewEvent:
    """A checked event, encoded for its readers.

    ``now`` in milliseconds replaces a missing ``created_at``; ``scope`` separates the idempotency keys of different
    credentials. A name that cannot be seen is none.
    """
    visibility = defaults.visibility if given.visibility is UNSET else given.visibility
    created_at = now if given.created_at is None else to_ms(given.created_at)
    actor_name = given.actor_name if given.actor_name and is_visible(given.actor_name) else None
    body = EventBody(
        given.actor_id,
        given.verb,
        given.object_type,
        given.object_id,
        given.topics,
        rfc3339(created_at),
        actor_name,
        given.object_title,
        given.title,
        given.description,
        given.message,
        given.url,
        given.actor_image,
        given.object_image,
        given.actions,
        UNSET if visibility == "public" else visibility,
        given.metadata,
    )
    return NewEvent(
        given.actor_id,
        given.verb,
        given.object_type,
        given.object_id,
        created_at,
        _encode(body)[1:],
        given.target_user_ids,
        given.topics,
        *_idempotency(given, scope),
        "",
        0,
        BY_NAME[visibility],
        _mode(given, now - created_at, defaults),
        actor_name,
    )


def _mode(given: EventInput, age_ms: int, defaults: EventDefaults) -> NotifyMode:
    is_old = defaults.imported or age_ms > defaults.max_age_ms
    if given.notify is UNSET and not is_old and not given.actions:
        return _UNREAD  # the usual case, without a call that looks up members of an enumeration
    wanted = None if given.notify is UNSET else given.notify
    return notify_mode(wanted, is_old, single=bool(given.actions))


def accept_broadcast(
    given: BroadcastInput, now: int, scope: str = "", defaults: EventDefaults = DEFAULTS
) -> NewEvent:
    """A checked broadcast, encoded like :func:`accept`. One to the followers of a topic is for its recipients only unless it
    says otherwise."""
    if given.audience != EVERYONE:
        defaults = defaults._replace(visibility="recipients")
    return addressed(accept(given, now, scope, defaults), given.audience, _expires_at(given, now))


def _expires_at(given: "BroadcastInput | CheckedFields", now: int) -> int:
    return now + BROADCAST_DAYS * DAY_MS if given.expires_at is None else to_ms(given.expires_at)


def addressed(event: NewEvent, audience: str, expires_at: int) -> NewEvent:
    """The event as a broadcast: to EVERYONE or the followers of a topic, until ``expires_at`` (milliseconds)."""
    return msgspec.structs.replace(event, audience=audience, expires_at=expires_at)


def _idempotency(given: EventInput, scope: str) -> tuple[bytes | None, bytes]:
    if given.idempotency_key is UNSET:
        return None, b""
    return key_digest(scope, given.idempotency_key), fingerprint(meaning(given))


def key_digest(scope: str, key: str) -> bytes:
    """A digest of 16 bytes for an idempotency key of one credential."""
    return hashlib.blake2b(f"{scope}\0{key}".encode(), digest_size=16).digest()


def fingerprint(*meanings: bytes) -> bytes:
    """A digest of 8 bytes that shows whether a repeated request has the same meaning."""
    return hashlib.blake2b(b"\n".join(meanings), digest_size=8).digest()


def meaning(given: EventInput) -> bytes:
    """The canonical form of all bodies with the same meaning: the order of their members, their blanks, escapes and
    spellings of a number or a time, explicit defaults, and whether it notifies make no difference."""
    values = {name: value for name, value in msgspec.structs.asdict(given).items() if value is not UNSET}
    # An import and the relay of an outbox differ in it, and may have the same event.
    values.pop("notify", None)
    values["created_at"] = None if given.created_at is None else to_ms(given.created_at)
    if given.metadata is not EMPTY_OBJECT:
        values["metadata"] = msgspec.Raw(canonical(bytes(given.metadata)))
    if isinstance(given, BroadcastInput):
        values["expires_at"] = None if given.expires_at is None else to_ms(given.expires_at)
    return _encode(values)


def bound_errors(
    given: "EventInput | CheckedFields", now: int, settings: Settings, key: str | None = None
) -> Iterator[FieldError]:
    """The errors of an event with valid types that exceeds a bound, and of a key of its own that differs from that of the
    request: a repetition with a third one would store the event twice."""
    if len(given.target_user_ids) > settings.max_targets:
        yield FieldError(
            "/target_user_ids", _too_many(settings.max_targets, f"{len(given.target_user_ids):,}")
        )
    if len(given.topics) > settings.max_topics:
        yield FieldError("/topics", _too_many(settings.max_topics, f"{len(given.topics):,}"))
    if given.created_at is not None:
        created_at = to_ms(given.created_at)
        if created_at > now + settings.max_future_s * 1000:
            yield FieldError(
                "/created_at",
                f"expected a time at most {settings.max_future_s} seconds ahead, got a later one",
            )
        if created_at < MIN_CREATED_AT_MS:
            yield FieldError("/created_at", "expected a time since 1970, got an earlier one")
    if given.actions:
        yield from action_errors(given.actions)
    if not settings.dev:
        yield from _address_errors(given)
    if given.metadata is not EMPTY_OBJECT:
        yield from metadata_errors(
            bytes(given.metadata),
            "/metadata",
            max_bytes=settings.max_metadata_bytes,
            max_depth=settings.max_metadata_depth,
        )
    if key is not None and given.idempotency_key not in (UNSET, key):
        yield FieldError(
            "/idempotency_key",
            "expected none beside the header Idempotency-Key, or the same key, got another one",
        )


def _address_errors(given: "EventInput | CheckedFields") -> Iterator[FieldError]:
    for name in ("url", "actor_image", "object_image"):
        yield from local_address_error(getattr(given, name), f"/{name}")
    for i, action in enumerate(given.actions or ()):
        yield from local_address_error(action.url, f"/actions/{i}/url")


def _broadcast_errors(
    given: "BroadcastInput | CheckedFields", now: int, settings: Settings, key: str | None
) -> Iterator[FieldError]:
    if given.target_user_ids:
        yield FieldError(
            "/target_user_ids",
            f"expected none, got {len(given.target_user_ids):,}: a broadcast has an audience instead",
        )
    if given.notify is False:
        yield FieldError(
            "/notify", "expected true or nothing, got false: a broadcast is for those it notifies"
        )
    if not now < _expires_at(given, now) <= now + MAX_BROADCAST_DAYS * DAY_MS:
        yield FieldError(
            "/expires_at", f"expected a time within the next {MAX_BROADCAST_DAYS} days, got another"
        )
    yield from bound_errors(given, now, settings, key)


def _too_many(most: int, got: str) -> str:
    return f"expected a list of up to {most:,} items, got {got}"


def check_event_size(raw: bytes, settings: Settings) -> None:
    """Raises TooLarge for the JSON of an event with more than ``max_event_bytes`` without its recipients, whose number has
    its own cap, and InvalidFields for more of those. No objects are built: accepted input takes milliseconds to read."""
    size, cap = len(raw), settings.max_event_bytes
    if size <= cap:
        return
    try:
        lists = _recipients.decode(raw)
    except UNREADABLE:
        return  # the decoder reports it
    for name in ("target_user_ids", "user_ids"):
        listed = bytes(getattr(lists, name))
        size -= len(listed)
        if detail := _list_error(listed, settings.max_targets):
            raise InvalidFields(errors=(FieldError(f"/{name}", detail),))
    if size > cap:
        detail = (
            f"expected up to {cap:,} bytes besides its targets (the setting max_event_bytes), got {size:,}"
        )
        raise TooLarge(f"the event is too large: {detail}", (FieldError("", detail),))


def _list_error(listed: bytes, most: int) -> str:
    """What is wrong with the length of a list of ``most`` recipients, as it is written; empty if nothing is."""
    if _strings(listed) > most:
        return _too_many(most, "more")
    if len(listed) > (cap := most * RECIPIENT_BYTES):
        return f"expected a list of up to {cap:,} bytes, got {len(listed):,}"
    return ""


def _strings(raw: bytes) -> int:
    """The number of strings in a JSON text. To search for each takes ten times as long if they have escapes."""
    unescaped = raw.replace(rb"\\", b"")
    return (unescaped.count(b'"') - unescaped.count(rb"\"")) // 2


def check_size(raw: bytes, cap: int, what: str) -> None:
    """Raises TooLarge if ``raw`` has more than ``cap`` bytes."""
    if len(raw) > cap:
        raise TooLarge(f"{what} has {len(raw)} bytes, over {cap}")
