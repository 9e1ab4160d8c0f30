"""The event on the wire: what a publisher may send, how it is checked, and the body that every reader gets."""

import hashlib
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tidings.config import Settings
from tidings.errors import FieldError, InvalidFields, TooLarge
from tidings.model import NewEvent
from tidings.times import DAY_MS, rfc3339, to_ms

# Control characters could forge frames, log lines and headers further on, so no id may hold one.
_TEXT = r"\A[^\x00-\x1f\x7f]+\Z"
Id = Annotated[
    str, Meta(min_length=1, max_length=128, pattern=_TEXT, description="Opaque, 1 to 128 characters.")
]
Verb = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=_TEXT, description="What was done: comment, push, …")
]
# A colon would make market:1 of "2" and market of "1:2" the same topic.
ObjectType = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[^\x00-\x1f\x7f:]+\Z")]
Topic = Annotated[
    str, Meta(min_length=3, max_length=193, pattern=r"\A[^\x00-\x1f\x7f:]{1,64}:[^\x00-\x1f\x7f]{1,128}\Z")
]
Audience = Annotated[
    str,
    Meta(
        max_length=193,
        pattern=r"\A(?:\*|[^\x00-\x1f\x7f:]{1,64}:[^\x00-\x1f\x7f]{1,128})\Z",
        description="Everybody (*), or those who follow a topic.",
    ),
]
Label = Annotated[str, Meta(max_length=500)]
Text = Annotated[str, Meta(max_length=5_000)]
Moment = Annotated[datetime, Meta(tz=True)]

Metadata = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
EMPTY_OBJECT = msgspec.Raw(b"{}")
MIN_CREATED_AT_MS = 0
"""1970: before it there is no UUIDv7."""
BROADCAST_DAYS = 30
"""Days for which a broadcast is given to whoever comes, if it does not say."""
MAX_BROADCAST_DAYS = 365
"""Each live broadcast is looked at for every user who comes; one that never ends would be, forever."""


class EventInput(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """The body of ``POST /v1/events``. ``idempotency_key`` does for one event of an array or an import what the header
    does for a single one."""

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
    # A factory, because the JSON Schema of the type could not show a raw default.
    metadata: Metadata = msgspec.field(default_factory=lambda: EMPTY_OBJECT)
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET


class BroadcastInput(EventInput, forbid_unknown_fields=True, frozen=True, gc=False, kw_only=True):
    """The body of ``POST /v1/broadcasts``: an event for an ``audience``, given to those who come until ``expires_at``
    (default: 30 days from now, at most 365). It has no targets."""

    audience: Audience
    expires_at: Moment | None = None


class EventBody(msgspec.Struct, frozen=True, gc=False):
    """An event as it is sent to readers, without the id and position that the store puts before it.

    Whom else it was addressed to is no reader's business, so the targets are not part of it.
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
    metadata: msgspec.Raw


_encode = msgspec.json.Encoder().encode


def accept(given: EventInput, now: int, settings: Settings, pointer: str = "", scope: str = "") -> NewEvent:
    """The event, checked against every cap and encoded for its readers.

    ``now`` in milliseconds stands in for a missing ``created_at``; ``pointer`` is the event's place in its array
    ("/3"); ``scope`` keeps the idempotency keys of different credentials apart. Raises InvalidFields.
    """
    created_at = now if given.created_at is None else to_ms(given.created_at)
    problems = tuple(_problems(given, created_at, now, settings, pointer))
    if problems:
        raise InvalidFields(errors=problems)
    body = EventBody(
        given.actor_id,
        given.verb,
        given.object_type,
        given.object_id,
        given.topics,
        rfc3339(created_at),
        given.actor_name,
        given.object_title,
        given.title,
        given.description,
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
    )


def accept_broadcast(given: BroadcastInput, now: int, settings: Settings, scope: str = "") -> NewEvent:
    """The broadcast, checked and encoded as :func:`accept` does it. Raises InvalidFields."""
    expires_at = now + BROADCAST_DAYS * DAY_MS if given.expires_at is None else to_ms(given.expires_at)
    problems = []
    if given.target_user_ids:
        problems.append(FieldError("/target_user_ids", "a broadcast has an audience instead"))
    if not now < expires_at <= now + MAX_BROADCAST_DAYS * DAY_MS:
        problems.append(FieldError("/expires_at", f"not within the next {MAX_BROADCAST_DAYS} days"))
    if problems:
        raise InvalidFields(errors=tuple(problems))
    return addressed(accept(given, now, settings, scope=scope), given.audience, expires_at)


def addressed(event: NewEvent, audience: str, expires_at: int) -> NewEvent:
    """The event as a broadcast: to EVERYONE or the followers of a topic, until ``expires_at`` (milliseconds)."""
    return msgspec.structs.replace(event, audience=audience, expires_at=expires_at)


def _idempotency(given: EventInput, scope: str) -> tuple[bytes | None, bytes]:
    if given.idempotency_key is UNSET:
        return None, b""
    return key_digest(scope, given.idempotency_key), fingerprint(_encode(given))


def key_digest(scope: str, key: str) -> bytes:
    """16 bytes that stand for an idempotency key of one credential."""
    return hashlib.blake2b(f"{scope}\0{key}".encode(), digest_size=16).digest()


def fingerprint(raw: bytes) -> bytes:
    """8 bytes that tell whether a repeated request has the same body."""
    return hashlib.blake2b(raw, digest_size=8).digest()


def _problems(given: EventInput, created_at: int, now: int, settings: Settings, at: str) -> list[FieldError]:
    found = []
    if len(given.target_user_ids) > settings.max_targets:
        found.append(FieldError(f"{at}/target_user_ids", f"more than {settings.max_targets} targets"))
    if len(given.topics) > settings.max_topics:
        found.append(FieldError(f"{at}/topics", f"more than {settings.max_topics} topics"))
    if created_at > now + settings.max_future_s * 1000:
        found.append(FieldError(f"{at}/created_at", f"more than {settings.max_future_s} seconds ahead"))
    if created_at < MIN_CREATED_AT_MS:
        found.append(FieldError(f"{at}/created_at", "before 1970"))
    if given.metadata is not EMPTY_OBJECT and (wrong := _metadata_problem(bytes(given.metadata), settings)):
        found.append(FieldError(f"{at}/metadata", wrong))
    return found


def _metadata_problem(raw: bytes, settings: Settings) -> str:
    if len(raw) > settings.max_metadata_bytes:
        return f"more than {settings.max_metadata_bytes} bytes"
    if raw[:1] != b"{":
        return "not an object"
    if depth(raw) > settings.max_metadata_depth:
        return f"nested more than {settings.max_metadata_depth} levels"
    try:  # msgspec takes raw values as they are, so broken UTF-8 would reach every reader
        raw.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return ""


def depth(raw: bytes) -> int:
    """How deeply the brackets of a JSON text nest; those inside strings do not count."""
    if raw.count(b"{") + raw.count(b"[") <= 1:
        return 1
    deepest = level = 0
    quoted = escaped = False
    for byte in raw:
        if quoted:
            quoted = escaped or byte != 0x22
            escaped = not escaped and byte == 0x5C
        elif byte == 0x22:
            quoted = True
        elif byte in (0x7B, 0x5B):
            level += 1
            deepest = max(deepest, level)
        elif byte in (0x7D, 0x5D):
            level -= 1
    return deepest


def check_event(given: EventInput, size: int, cap: int) -> None:
    """Raises TooLarge when an event of ``size`` bytes has more than ``cap`` besides its targets, whose number has a
    cap of its own."""
    if size > cap:
        size -= sum(len(target.encode()) + len('"",') for target in given.target_user_ids)
        if size > cap:
            raise TooLarge(f"the event has {size} bytes besides its targets, over {cap}")


def check_size(raw: bytes, cap: int, what: str) -> None:
    """Raises TooLarge when ``raw`` has more than ``cap`` bytes."""
    if len(raw) > cap:
        raise TooLarge(f"{what} has {len(raw)} bytes, over {cap}")
