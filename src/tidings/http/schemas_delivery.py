"""The JSON of reminders and delivery endpoints."""

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from tidings.http.schemas import Count, Schema, Time
from tidings.visibility import VisibilityName


class Reminder(Schema, kw_only=True):
    """A future event. ``due_at``: the next time at which it is published, null after the last one."""

    key: str
    due_at: Time | None
    every: str | None
    time_zone: str
    user_ids: list[str]
    topic: str | None
    type: str
    object_type: str
    object_id: str
    actor_id: str
    actor_name: str | None
    object_title: str | None
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    actor_image: str | UnsetType = UNSET
    object_image: str | UnsetType = UNSET
    visibility: VisibilityName | UnsetType = UNSET
    metadata: dict[str, Any]


class ReminderResult(Reminder, kw_only=True):
    """A reminder that was just set. ``fired``: it was due already, so it was published."""

    fired: bool


class RemindersPage(Schema):
    """A page of the reminders that are due next, soonest first."""

    items: list[Reminder]
    next_cursor: str | None
    has_more: bool


class Endpoint(Schema):
    """A delivery endpoint of a user. ``confirmed``: the user confirmed it, or the application registered it; nothing is sent
    to it before. ``disabled_at``: since when nothing is sent because it refused everything, and ``disabled_reason`` its
    response, both null while it is enabled. ``paused_until``: nothing is sent before this time because it answered with
    ``Retry-After``, null otherwise; a registration, ``enable`` or a new secret ends the pause. ``last_error``: why the last
    attempt failed, at ``last_error_at``, both null if it succeeded: a status or a word of the server's, never the answer of
    the receiver. ``secret``: the key that
    signs for a webhook, shown when it is created (first registration or rotation) and never again; with that of a rotation,
    ``previous_secret_until``: the time until which the secret before it signs as well, null if it does no more."""

    id: str
    channel: str
    address: str
    created_at: Time
    sent_at: Time | None
    confirmed: bool
    disabled_at: Time | None
    disabled_reason: str | None
    paused_until: Time | None
    last_error: str | None
    last_error_at: Time | None
    secret: str | UnsetType = UNSET
    previous_secret_until: Time | UnsetType | None = UNSET


class Endpoints(Schema):
    """A user's endpoints, oldest first."""

    items: list[Endpoint]


class UnsentDelivery(Schema):
    """A delivery that was not sent: ``queued``, tried at ``due_at``, which is not before the end of its endpoint's pause;
    ``held`` until then by quiet hours, a digest or a snooze; or ``dead``, a dead letter. ``error`` is that of the last
    attempt. ``message_id`` is the id that a receiver sees (``webhook-id``)."""

    id: str
    message_id: str
    endpoint_id: str
    user_id: str
    channel: str
    type: str
    notification_id: str
    state: Literal["queued", "held", "dead"]
    attempts: Count
    error: str | None
    due_at: Time | None
    created_at: Time


class UnsentDeliveriesPage(Schema):
    """A page of deliveries that were not sent. Of one endpoint: those about the newest notification first."""

    items: list[UnsentDelivery]
    next_cursor: str | None
    has_more: bool


class PushKey(Schema):
    """The key with which browsers subscribe to this server's pushes: ``applicationServerKey``, in base64url."""

    public_key: str
