"""The Python client: every call of the API, and subscriptions that resume after every failure of a connection.

:class:`Client` is synchronous, :class:`AsyncClient` is awaited; both have the same methods. It uses nothing of the server's
code.
"""

from tidings.client.asynchronous import AsyncClient, AsyncSubscription
from tidings.client.cursor import cursor_of
from tidings.client.errors import ProblemError, TidingsClientError, Unreachable
from tidings.client.filters import Excluded
from tidings.client.inbox_state import FeedState, InboxState
from tidings.client.items import (
    Activity,
    Changed,
    Connection,
    Counts,
    FeedRead,
    Item,
    Read,
    Reset,
    Retracted,
    Seen,
)
from tidings.client.replies import NewAction, NewEvent, NewReminder, Preferences, QuietHours
from tidings.client.shapes import ActivityGroup, ActivityItem, Event, FeedGroup, FeedItem, Notification
from tidings.client.subscription import SubscriptionMachine
from tidings.client.sync import Client, Subscription
from tidings.client.timeouts import SubscriptionTimeouts

__all__ = [
    "Activity",
    "ActivityGroup",
    "ActivityItem",
    "AsyncClient",
    "AsyncSubscription",
    "Changed",
    "Client",
    "Connection",
    "Counts",
    "Event",
    "Excluded",
    "FeedGroup",
    "FeedItem",
    "FeedRead",
    "FeedState",
    "InboxState",
    "Item",
    "NewAction",
    "NewEvent",
    "NewReminder",
    "Notification",
    "Preferences",
    "ProblemError",
    "QuietHours",
    "Read",
    "Reset",
    "Retracted",
    "Seen",
    "Subscription",
    "SubscriptionMachine",
    "SubscriptionTimeouts",
    "TidingsClientError",
    "Unreachable",
    "cursor_of",
]
