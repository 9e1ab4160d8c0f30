"""Help for tests, also of applications that use Tidings: a clock that tests set, events in one line."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from tidings.actions import Action
from tidings.events import EventBody
from tidings.model import NewEvent, split_topic
from tidings.notify_mode import NotifyMode
from tidings.storage.memory import MemoryStore
from tidings.timeutil import rfc3339
from tidings.visibility import NAMES, Visibility

__all__ = ["START_MS", "FakeClock", "MemoryStore", "event"]

START_MS = 1_700_000_000_000
"""The start of a FakeClock: 2023-11-14, so that tests can go a long way back."""


class FakeClock:
    """Time that stands still until it is moved.

    ``ms``, milliseconds since 1970, can be set to any value, earlier ones included, as a machine's clock can be. The
    monotonic time counts only forward moves.
    """

    def __init__(self, ms: int = START_MS) -> None:
        self._ms = ms
        self._elapsed_ms = 0

    @property
    def ms(self) -> int:
        """Milliseconds since 1970."""
        return self._ms

    @ms.setter
    def ms(self, ms: int) -> None:
        self._elapsed_ms += max(0, ms - self._ms)
        self._ms = ms

    def advance(self, ms: int) -> None:
        """Let ``ms`` milliseconds pass."""
        self.ms += ms

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        return self._ms

    def monotonic(self) -> float:
        """Seconds since this clock was made, never going back."""
        return self._elapsed_ms / 1000


def event(
    actor: str,
    verb: str = "post",
    obj: str = "item:1",
    *,
    targets: tuple[str, ...] = (),
    topics: tuple[str, ...] = (),
    at: int = START_MS,
    name: str | None = None,
    visibility: Visibility = Visibility.PUBLIC,
    notify: NotifyMode = NotifyMode.UNREAD,
    key: bytes | None = None,
    fingerprint: bytes = b"",
    actions: Sequence[str] = (),
) -> NewEvent:
    """An event as the write API passes it to a store.

    ``obj`` is the object, written ``type:id``; ``at`` the ``created_at`` in milliseconds since 1970; ``name`` the
    ``actor_name``; ``actions`` the ids of its actions; ``key`` and ``fingerprint`` those of idempotency. Raises ValueError
    when ``obj`` has no colon.
    """
    kind, obj_id = split_topic(obj)
    restricted = NAMES[visibility] if visibility else UNSET
    body = EventBody(
        actor,
        verb,
        kind,
        obj_id,
        topics,
        rfc3339(at),
        name,
        None,
        UNSET,
        UNSET,
        UNSET,
        UNSET,
        UNSET,
        UNSET,
        tuple(Action(id=id, label=id) for id in actions) or UNSET,
        restricted,
        msgspec.Raw(b"{}"),
    )
    encoded = msgspec.json.encode(body)[1:]
    return NewEvent(
        actor,
        verb,
        kind,
        obj_id,
        at,
        encoded,
        targets,
        topics,
        key,
        fingerprint,
        visibility=visibility,
        notify=NotifyMode.SINGLE if actions and notify is NotifyMode.UNREAD else notify,
        actor_name=name,
    )
