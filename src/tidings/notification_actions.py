"""Actions that are taken on notifications: each is recorded once, and may publish an event.

The record and the event are one transaction, so an action publishes once, however often it is taken and however often the
process is killed in between.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import msgspec
from msgspec import UNSET, UnsetType

from tidings.actions import ActedBy, Offer
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.errors import ActedOtherwise, FieldError, NotFound, Unavailable
from tidings.events import EventDefaults, EventInput, accept
from tidings.inbox_commands import RecordAction
from tidings.model import ActionResult, ActOnNotification, InboxRow, NewEvent
from tidings.ports import Store
from tidings.reminder_input import ACTOR
from tidings.timeutil import Clock
from tidings.visibility import BY_NAME, NAMES, VisibilityName

ATTEMPTS = 10
"""How often an action is tried while items join its notification: each attempt takes a millisecond or two."""

_encode = msgspec.json.Encoder().encode


class _Offered(msgspec.Struct, gc=False):
    """An action as far as the server acts on it; without the checks of a publication, whose limits may have been others."""

    id: str
    verb: str | UnsetType = UNSET


class _NewestEvent(msgspec.Struct, gc=False):
    actor_id: str
    object_type: str
    object_id: str
    object_title: str | None = None
    visibility: VisibilityName = "public"
    actions: tuple[_Offered, ...] | None = None


class _Acting(NamedTuple):
    """The user, with the newest display name that is known at a time in milliseconds: one that is set later stays."""

    id: str
    now: int
    name: str | None


_newest_event = msgspec.json.Decoder(_NewestEvent).decode


class ActionService:
    """The service that takes actions."""

    def __init__(self, store: Store, log: GroupCommitQueue, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._log = log
        self._settings = settings
        self._clock = clock

    async def act(self, user: str, id: str, action_id: str, by: ActedBy) -> None:
        """Take an action on a notification; the same again has no effect.

        Raises NotFound if the notification is not this user's, or has no such action; ActedOtherwise after another one.
        """
        for _ in range(ATTEMPTS):
            rows = (await self._store.inbox(user, 1, None, state="all", id=id)).rows
            if not rows:
                raise NotFound("no such notification")
            (row,) = rows
            if row.acted is not None and row.acted.action_id == action_id:
                return
            acting = _Acting(user, self._clock.now(), await self._store.display_name(user))
            command = self._command(acting, row, action_id, by)
            if row.acted is not None:
                raise ActedOtherwise(f"the action {row.acted.action_id!r} was taken before")
            outcome = cast(ActionResult, await self._log.submit(command))
            if outcome.marked.updated:
                return
        raise Unavailable("other events join the notification all the time")

    def _command(self, user: _Acting, row: InboxRow, action_id: str, by: ActedBy) -> ActOnNotification:
        source = _newest_event(row.body)
        offered: Sequence[_Offered | Offer] | None = source.actions
        if offered is None:
            offered = self._store.rules.rule(row.type).actions
        taken = next((action for action in offered if action.id == action_id), None)
        if taken is None:
            raise NotFound("the notification has no such action", (_unknown(offered),))
        event = None if taken.verb is UNSET else self._event(user, row, source, taken.id, taken.verb)
        return ActOnNotification(RecordAction(user.id, row.id, row.event_ids[0], action_id, by), event)

    def _event(
        self, user: _Acting, row: InboxRow, source: _NewestEvent, action_id: str, verb: str
    ) -> NewEvent:
        """The event of an action: of the user, about the object of the notification, for the actor of its newest event. It
        is as visible as its verb says, and no wider than that event."""
        rule = self._store.rules.of_verb(verb)
        declared = BY_NAME[rule.visibility or self._settings.default_visibility]
        given = EventInput(
            user.id,
            verb,
            source.object_type,
            source.object_id,
            () if source.actor_id in (user.id, ACTOR) else (source.actor_id,),
            actor_name=user.name,
            object_title=source.object_title,
            metadata=msgspec.Raw(_encode({"action_id": action_id, "event_id": row.event_ids[0]})),
        )
        defaults = EventDefaults(NAMES[max(declared, BY_NAME[source.visibility])])
        return accept(given, user.now, defaults=defaults)


def _unknown(offered: Sequence[_Offered | Offer]) -> FieldError:
    there_are = ", ".join(action.id for action in offered) or "none, since the notification has no actions"
    return FieldError("action_id", f"expected the id of an action of the notification: {there_are}")
