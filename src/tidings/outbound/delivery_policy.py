"""What becomes of deliveries that are due, before anything is sent: the rules, without any I/O."""

from collections.abc import Sequence
from typing import NamedTuple

from tidings.model import Delivery
from tidings.personal import DeliveryResult
from tidings.projections.quiet_hours import quiet_until
from tidings.rules import Rules


class Plan(NamedTuple):
    """What to do about the deliveries to one endpoint: ``handled`` without an attempt, and ``parcels``, each of which
    goes out as one."""

    handled: list[DeliveryResult]
    parcels: list[list[Delivery]]


def decide(due: Sequence[Delivery], rules: Rules, now: int) -> Plan:
    """Decide about all that is due to one endpoint. ``now`` in milliseconds since 1970."""
    handled: list[DeliveryResult] = []
    going: list[Delivery] = []
    for delivery in due:
        decided = defer_or_drop(delivery, rules, now)
        if decided is None:
            going.append(delivery)
        else:
            handled.append(decided)
    if not going or going[0].endpoint.channel != "email":
        return Plan(handled, [[delivery] for delivery in going])
    held, parcels = batch_digest(going, rules, now)
    return Plan(handled + held, parcels)


def defer_or_drop(delivery: Delivery, rules: Rules, now: int) -> DeliveryResult | None:
    """Why a delivery does not go out now, or None: its endpoint is disabled, it is about nothing any more, was muted
    meanwhile, is not wanted, or comes at a quiet hour. Critical types pass the last two."""
    row = delivery.row
    if not delivery.endpoint.is_usable:
        return DeliveryResult(delivery.id, "dropped")
    if row is None or delivery.muted or row.deleted or row.read_at is not None or row.archived_at is not None:
        return DeliveryResult(delivery.id, "dropped")
    if rules.rule(delivery.type).critical:
        return None
    preferences = delivery.preferences
    if not preferences.wants(delivery.type, delivery.endpoint.channel, True):
        return DeliveryResult(delivery.id, "dropped")
    hours = preferences.quiet_hours
    quiet = quiet_until(hours, now) if hours is not None else None
    return None if quiet is None else DeliveryResult(delivery.id, "held", quiet)


def batch_digest(going: Sequence[Delivery], rules: Rules, now: int) -> Plan:
    """How mails to one address go out: with a digest, the first at once and the rest together when its time has come.

    Without one each alone, but what had to wait, for the end of quiet hours or of a failure, goes together as well.
    What is critical goes alone and at once.
    """
    alone = [[delivery] for delivery in going if rules.rule(delivery.type).critical]
    rest = [delivery for delivery in going if not rules.rule(delivery.type).critical]
    digest_ms = going[0].preferences.digest_s * 1_000
    if digest_ms:
        next_at = going[0].endpoint.sent_at + digest_ms
        if now < next_at:
            return Plan([DeliveryResult(delivery.id, "held", next_at) for delivery in rest], alone)
        together = rest
    else:
        together = [delivery for delivery in rest if delivery.due_at > delivery.created_at]
        alone += [[delivery] for delivery in rest if delivery.due_at <= delivery.created_at]
    return Plan([], alone + ([together] if together else []))
