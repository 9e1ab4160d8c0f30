"""The definition of a route. Parsing, authorisation, the OpenAPI document and tests use these rows."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from tidings.backfill_jobs import BackfillService
from tidings.commands import Commands
from tidings.config import KIB, Settings
from tidings.delivery_endpoints import EndpointService
from tidings.errors import FieldError
from tidings.feed_groups import GroupReader
from tidings.feeds import FeedReader
from tidings.http.auth import Principal
from tidings.http.compress import CachedBody
from tidings.http.headers import Header
from tidings.http.metrics import Metrics
from tidings.http.params import Params
from tidings.http.request import Request
from tidings.http.stream_connection import StreamConnection
from tidings.live import Encoder, Hub
from tidings.notification_actions import ActionService
from tidings.notifications import NotificationReader
from tidings.preferences import PreferencesService
from tidings.reminders import ReminderService
from tidings.snoozes import SnoozeService
from tidings.timeutil import Clock
from tidings.trends import Trends
from tidings.unsent_deliveries import UnsentDeliveryService
from tidings.unsubscribing import Unsubscriptions
from tidings.user_merge_jobs import UserMergeService

JSON = "application/json"
NDJSON = "application/x-ndjson"
MERGE_PATCH = "application/merge-patch+json"
SMALL_BODY = 256 * KIB
"""Bytes of a body that has only names: a thousand ids of 128 characters, with room."""
MAX_IDS = 1_000
"""Ids in one request that changes their state; as many as one transaction holds."""

Query = TypeVar("Query", bound=Params)
Body = TypeVar("Body")


class Services(NamedTuple):
    """The services that this layer uses. ``ready`` returns the reason why the server is not ready, or None. ``cut`` is for
    the process: it ends the deliveries under way at once."""

    settings: Settings
    clock: Clock
    ingest: Commands
    reader: FeedReader
    groups: GroupReader
    trends: Trends
    inboxes: NotificationReader
    live: Hub
    backfills: BackfillService
    merges: UserMergeService
    reminders: ReminderService
    snoozes: SnoozeService
    actions: ActionService
    endpoints: EndpointService
    deliveries: UnsentDeliveryService
    preferences: PreferencesService
    unsubscriptions: Unsubscriptions
    metrics: Metrics
    ready: Callable[[], str | None]
    cut: Callable[[], None]


class Access(Enum):
    """The clients that may call a route."""

    PUBLIC = "No credential is needed."
    ANYONE = "Any valid credential."
    VISITOR = "Any valid credential, or none if the setting public_reads permits it: then without user_id."
    SELF = "A user for themselves; an API key for any user."
    SELF_OR_ADMIN = "A user for themselves; an API key, or a token with the scope admin, for any user."
    SERVER = "An API key, or a token with the scope admin."


@dataclass(slots=True)
class RequestContext(Generic[Query, Body]):
    """One authorised request with valid parameters.

    ``user`` is the user on whose behalf it is, "" on a route where the user is optional and was not given; ``path`` holds
    its parameters, decoded.
    """

    services: Services
    request: Request
    principal: Principal
    user: str
    path: Mapping[str, str]
    query: Query
    body: Body


class StreamResponse(NamedTuple):
    """The continuation of a response as a stream: its format, and the function that uses the connection."""

    encoder: Encoder
    open: Callable[[StreamConnection], None]


class Response(NamedTuple):
    """A response. ``chunks`` replaces ``body`` if the length is not known before; ``cached`` holds the same body for many
    requests; ``attach`` takes the connection itself, for a stream, after the head."""

    body: bytes = b""
    status: int = 200
    headers: tuple[Header, ...] = ()
    media: bytes = JSON.encode()
    chunks: AsyncGenerator[bytes] | None = None
    cached: CachedBody | None = None
    attach: StreamResponse | None = None


def cached_answer(cached: CachedBody, media: bytes = JSON.encode()) -> Response:
    """The response with a body that many requests share."""
    return Response(cached.body, media=media, cached=cached)


Handler = Callable[[RequestContext[Any, Any]], Awaitable[Response]]


def small_body(settings: Settings) -> int:
    """The cap of bodies that have only names."""
    return SMALL_BODY


def batch_body(settings: Settings) -> int:
    """The cap of bodies that hold a batch."""
    return settings.max_batch_bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """One row of the table.

    ``query`` is the type of its query parameters, ``body`` that of its JSON body (None: it has none), ``reply`` that of its
    JSON response (None: no JSON); a tuple means one of these. ``body_check`` refuses much too large bodies before objects
    are built of them. ``fitting_errors``: the errors that the handler would raise for the valid members of a body with
    invalid ones; its argument is the JSON of an object. ``raw_body``: the handler reads the body itself, whose media types
    are ``consumes``. ``also``: other statuses of a success with the same body. ``fails``: the statuses of failures that
    other routes do not have. ``live``: the response lasts, or waits, for long, so there is no HEAD; ``socket``: it is a
    WebSocket.
    """

    method: str
    path: str
    handler: Handler
    access: Access
    summary: str
    tag: str
    query: type[Params] = Params
    body: Any = None
    body_optional: bool = False
    body_cap: Callable[[Settings], int] = small_body
    body_check: Callable[[bytes, Settings], None] | None = None
    fitting_errors: Callable[[RequestContext[Any, None], bytes], Iterable[FieldError]] | None = None
    raw_body: bool = False
    consumes: tuple[str, ...] = (JSON,)
    reply: Any = None
    status: int = 200
    also: tuple[int, ...] = ()
    produces: str = JSON
    fails: tuple[int, ...] = ()
    live: bool = False
    socket: bool = False
