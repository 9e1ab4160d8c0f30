"""The facts of a store about the delivery of a notification, and about an event and one of its recipients."""

from typing import NamedTuple

from tidings.delivery_priority import DeliveryPriority
from tidings.model import InboxRow, LogEntry
from tidings.personal_data import Endpoint, Preferences


class Delivery(NamedTuple):
    """A due delivery: of ``row`` (None: it is deleted) to ``endpoint``, whose user has these ``preferences``. ``id`` is the
    same at each of its ``attempts``. Times in milliseconds. ``muted``: the newest event of ``row`` belongs to a topic that
    the user has muted by now."""

    id: int
    endpoint: Endpoint
    type: str
    row: InboxRow | None
    preferences: Preferences
    due_at: int
    created_at: int
    attempts: int = 0
    muted: bool = False
    priority: DeliveryPriority = DeliveryPriority.ORDINARY


class FailedDelivery(NamedTuple):
    """A delivery to an ``endpoint`` (its id) after so many failed ``attempts``, with the ``error`` of the last. ``due_at``:
    when the next one is due (milliseconds), None if there is none: it is a dead letter."""

    endpoint: str
    attempts: int
    due_at: int | None
    error: str


class RecipientFacts(NamedTuple):
    """The facts of a store about one event and one user. ``notification``: the id of the item or group of the event.
    ``follower``: the user follows its object, or a topic whose followers the rule notifies, since before it; of a
    ``broadcast``, the user is in its audience. ``masked_by``: the muted topic or blocked user that hides it ("" none).
    ``waiting``: the ids of the endpoints for which a delivery of the notification is queued. ``muted``: the newest event of
    the notification belongs to a topic that the user muted, as in Delivery. ``failed``: the unsent deliveries of the
    notification that had attempts. ``repeats``: the id of the event that notified the user and of which this one is a
    duplicate; "" if there is none or it is not known any more, if this one notified the user, and for a user who is
    neither a target nor a follower."""

    entry: LogEntry
    target: bool
    follower: bool
    masked_by: str
    notification: str = ""
    broadcast: bool = False
    waiting: tuple[str, ...] = ()
    muted: bool = False
    failed: tuple[FailedDelivery, ...] = ()
    repeats: str = ""
