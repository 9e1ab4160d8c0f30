"""Delivery endpoints of users."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tidings.config import SecretOverlap
from tidings.delivery_endpoints import EndpointInput
from tidings.errors import FieldError, Forbidden
from tidings.http import schemas_delivery as shapes
from tidings.http.params import ForUser
from tidings.http.routing import Access, RequestContext, Response, Route
from tidings.personal_data import Endpoint
from tidings.timeutil import rfc3339


class _Addressed(msgspec.Struct):
    """The members with checks beyond their types."""

    channel: str = ""
    address: str = ""


class RotationQuery(ForUser):
    """The user, and how long the present secret signs beside the new one."""

    overlap_s: (
        Annotated[
            SecretOverlap,
            Meta(
                description="Seconds for which the present secret signs as well; by default the server's setting."
            ),
        ]
        | None
    ) = None


def setup_errors(call: RequestContext[Any, None], fitting: bytes) -> Iterable[FieldError]:
    """The errors of a valid channel and address while other members are invalid."""
    given = msgspec.json.decode(fitting, type=_Addressed)
    vouched = call.principal.may_administer
    return call.services.endpoints.setup_errors(given.channel, given.address, vouched=vouched)


async def add(call: RequestContext[ForUser, EndpointInput]) -> Response:
    """Register an endpoint, or enable the one of this channel and address again: a webhook keeps its secret, which is not
    shown again, and a push subscription gets the new keys. A mail address that a user registers gets a confirmation mail
    first; one that the application registers is confirmed."""
    given = call.body
    if given.channel == "apprise" and not call.principal.may_administer:
        # The address may contain a password of the application, or reach any host that this machine can reach.
        raise Forbidden(
            "An endpoint of the channel apprise needs an API key, or a token with the scope admin."
        )
    vouched = call.principal.may_administer
    endpoint, new = await call.services.endpoints.add(call.user, given, vouched=vouched)
    shown = _shown(call, endpoint)
    if new and endpoint.channel == "webhook":
        shown.secret = endpoint.secret
    return Response(msgspec.json.encode(shown), 201)


async def listed(call: RequestContext[ForUser, None]) -> Response:
    """The user's endpoints."""
    found = await call.services.endpoints.of(call.user)
    items = [_shown(call, one) for one in found]
    return Response(msgspec.json.encode(shapes.Endpoints(items=items)))


async def enable(call: RequestContext[ForUser, None]) -> Response:
    """Send to a disabled endpoint again, or to one that asked for a pause."""
    endpoint = await call.services.endpoints.enable(call.user, call.path["id"])
    return Response(msgspec.json.encode(_shown(call, endpoint)))


async def rotate_secret(call: RequestContext[RotationQuery, None]) -> Response:
    """Give a webhook a new secret, and show it."""
    given = call.query.overlap_s
    overlap_s = call.services.settings.webhook_secret_overlap_s if given is None else given
    endpoint = await call.services.endpoints.rotate_secret(call.user, call.path["id"], overlap_s)
    shown = _shown(call, endpoint)
    shown.secret = endpoint.secret
    shown.previous_secret_until = rfc3339(endpoint.previous_until) if endpoint.previous_until else None
    return Response(msgspec.json.encode(shown))


async def remove(call: RequestContext[ForUser, None]) -> Response:
    """Delete an endpoint and its queued deliveries."""
    await call.services.endpoints.remove(call.user, call.path["id"])
    return Response(status=204)


async def push_key(call: RequestContext[ForUser, None]) -> Response:
    """The key that a browser subscribes with."""
    return Response(msgspec.json.encode(shapes.PushKey(public_key=call.services.endpoints.push_key())))


def _shown(call: RequestContext[Any, Any], endpoint: Endpoint) -> shapes.Endpoint:
    """The endpoint without its secret; of an address that the application set, users see the service only."""
    full, paused_until = call.principal.may_administer, call.services.endpoints.paused_until(endpoint)
    return shapes.Endpoint(
        id=endpoint.id,
        channel=endpoint.channel,
        address=endpoint.address if full else endpoint.user_address,
        created_at=rfc3339(endpoint.created_at),
        sent_at=rfc3339(endpoint.sent_at) if endpoint.sent_at else None,
        confirmed=endpoint.confirmed,
        disabled_at=rfc3339(endpoint.disabled_at) if endpoint.disabled_at else None,
        disabled_reason=endpoint.disabled_reason or None,
        paused_until=rfc3339(paused_until) if paused_until else None,
        last_error=endpoint.last_error or None,
        last_error_at=rfc3339(endpoint.last_error_at) if endpoint.last_error_at else None,
    )


_PATH = "/v1/endpoints"
_TAG = "Outside the application"

ROUTES = (
    Route(
        method="GET",
        path=_PATH,
        handler=listed,
        access=Access.SELF,
        summary="The endpoints of a user",
        tag=_TAG,
        query=ForUser,
        reply=shapes.Endpoints,
    ),
    Route(
        method="POST",
        path=_PATH,
        handler=add,
        access=Access.SELF,
        summary="Register a mail address, a push subscription or a URL; again, it keeps its id and a webhook its secret",
        tag=_TAG,
        query=ForUser,
        body=EndpointInput,
        fitting_errors=setup_errors,
        reply=shapes.Endpoint,
        status=201,
        fails=(429,),
    ),
    Route(
        method="POST",
        path="/v1/endpoints/{id}/enable",
        handler=enable,
        access=Access.SELF,
        summary="Enable an endpoint that was disabled because it refused deliveries",
        tag=_TAG,
        query=ForUser,
        reply=shapes.Endpoint,
    ),
    Route(
        method="POST",
        path="/v1/endpoints/{id}/rotate-secret",
        handler=rotate_secret,
        access=Access.SELF,
        summary="Give a webhook a new secret, which signs from the next attempt on, beside the old one for some time",
        tag=_TAG,
        query=RotationQuery,
        reply=shapes.Endpoint,
    ),
    Route(
        method="DELETE",
        path="/v1/endpoints/{id}",
        handler=remove,
        access=Access.SELF,
        summary="Delete an endpoint",
        tag=_TAG,
        query=ForUser,
        status=204,
    ),
    Route(
        method="GET",
        path="/v1/web-push/key",
        handler=push_key,
        access=Access.ANYONE,
        summary="The public key with which browsers subscribe to Web Push",
        tag=_TAG,
        query=ForUser,
        reply=shapes.PushKey,
        fails=(404,),
    ),
)
