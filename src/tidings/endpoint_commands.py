"""The commands that change delivery endpoints, what they cause, and the repetition of one delivery."""

import msgspec

from tidings.personal_data import Endpoint


class AddEndpoint(msgspec.Struct, frozen=True):
    """Register an endpoint. One with the same user, channel and address is enabled; it keeps its id and its times, stays
    confirmed if it was, and gets the new secret unless it is a webhook, whose secret RotateSecret alone changes."""

    endpoint: Endpoint


class ConfirmEndpoint(msgspec.Struct, frozen=True):
    """The owner of an endpoint's address has confirmed it. Changes 1 also when repeated, 0 without the endpoint."""

    id: str


class EnableEndpoint(msgspec.Struct, frozen=True):
    """Enable a disabled endpoint, and reset its count of failures. Changes 0 without such an endpoint."""

    user: str
    id: str


class RotateSecret(msgspec.Struct, frozen=True):
    """Sign for a webhook with another secret from the next attempt on; with the present one too until ``keep_until`` (ms), 0
    for no more. Changes 0 without such a webhook of this user."""

    user: str
    id: str
    secret: str
    keep_until: int = 0


class ReserveConfirmation(msgspec.Struct, frozen=True):
    """Count a confirmation mail that a user causes to an address, for ``window_ms``, by digests of the two; an erasure of
    the user does not end it. Changes 0, and counts nothing, when ``per_user`` mails under the one digest or
    ``per_address`` under the other count already."""

    user: str
    user_digest: bytes
    address_digest: bytes
    per_user: int
    per_address: int
    window_ms: int


class RemoveEndpoint(msgspec.Struct, frozen=True):
    """Delete an endpoint and its queued deliveries."""

    user: str
    id: str


class Unsubscribe(msgspec.Struct, frozen=True):
    """The user of an endpoint wants no notifications of ``type`` ("": of any type) on its channel. Changes 1 also when
    repeated, 0 without the endpoint."""

    id: str
    type: str


class ResendDelivery(msgspec.Struct, frozen=True):
    """Make a queued delivery or a dead letter due now, as one that was not tried before. Changes 0 without such a delivery,
    and while its endpoint is disabled."""

    id: int


class BoundDeliveries(msgspec.Struct, frozen=True):
    """Make queued deliveries that are due after ``latest`` (milliseconds) due now, to be decided again: their time comes
    from a clock that was ahead."""

    latest: int
