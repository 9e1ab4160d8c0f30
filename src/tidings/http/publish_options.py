"""The options of a publish request and its response: the same for events and broadcasts."""

from typing import Any, NamedTuple

from tidings.commands import PublishResponse
from tidings.config import Settings
from tidings.http.auth import Principal
from tidings.http.headers import Header
from tidings.http.request import idempotency_key, preference
from tidings.http.routing import RequestContext, Response

NO_WAIT = b"respond-async"
APPLICATION = "app"
"""The scope of idempotency keys for all API keys: a request may be repeated with another key."""


class PublishOptions(NamedTuple):
    """The headers of a request about publishing: its idempotency ``key`` and the ``scope`` of that, whether to ``wait`` for
    feeds and inboxes, and the ``prefer`` that said so, empty if there is none."""

    key: str | None
    scope: str
    wait: bool
    prefer: bytes

    def answer(self, posted: PublishResponse) -> Response:
        """The response to the publisher."""
        replayed = ((b"idempotency-replayed", b"true"),) if posted.replayed else ()
        return Response(posted.body, 201, (*replayed, *self.applied))

    @property
    def applied(self) -> tuple[Header, ...]:
        """The header that states which preference was applied."""
        return ((b"preference-applied", self.prefer),) if self.prefer else ()


def publish_options(call: RequestContext[Any, Any]) -> PublishOptions:
    """The options of this request. Raises BadParameter."""
    prefer = preference(call.request)
    wait = _waits(call.services.settings, prefer)
    return PublishOptions(idempotency_key(call.request), _scope(call.principal), wait, prefer)


def _waits(settings: Settings, prefer: bytes) -> bool:
    """Whether the publisher waits for feeds and inboxes: by its preference, or else by the setting."""
    return bool(prefer != NO_WAIT) if prefer else settings.fan_out == "inline"


def _scope(principal: Principal) -> str:
    return APPLICATION if principal.is_server else f"user:{principal.user_id}"
