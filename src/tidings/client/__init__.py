"""The Python client: every call of the API, and subscriptions that survive whatever happens to a connection.

:class:`Client` waits, :class:`AsyncClient` is awaited; both have the same methods. It needs nothing of the server's code.
"""

from tidings.client.asynchronous import AsyncClient, AsyncSubscription
from tidings.client.errors import ProblemError, TidingsClientError, Unreachable
from tidings.client.fold import FeedFold, InboxFold
from tidings.client.items import Activity, Changed, Connection, Counts, FeedRead, Item, Read, Reset, Retracted
from tidings.client.pace import Pace
from tidings.client.place import place
from tidings.client.replies import NewEvent, NewReminder, Preferences, QuietHours
from tidings.client.session import Session
from tidings.client.shapes import Event, FeedItem, Notification
from tidings.client.sync import Client, Subscription

__all__ = [
    "Activity",
    "AsyncClient",
    "AsyncSubscription",
    "Changed",
    "Client",
    "Connection",
    "Counts",
    "Event",
    "FeedFold",
    "FeedItem",
    "FeedRead",
    "InboxFold",
    "Item",
    "NewEvent",
    "NewReminder",
    "Notification",
    "Pace",
    "Preferences",
    "ProblemError",
    "QuietHours",
    "Read",
    "Reset",
    "Retracted",
    "Session",
    "Subscription",
    "TidingsClientError",
    "Unreachable",
    "place",
]
