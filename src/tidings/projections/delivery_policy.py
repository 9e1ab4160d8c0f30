"""The rules for due deliveries: send, defer or drop. Each is stated once, without I/O."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tidings.model import InboxRow
from tidings.notification_facts import Delivery
from tidings.personal_data import DeliveryResult, Endpoint, Preferences
from tidings.projections.quiet_hours import quiet_until
from tidings.rules import Rules

Reason = Literal["disabled", "settled", "snoozed", "muted", "not_wanted", "quiet_hours", "digest"]
BY_PREFERENCES: frozenset[Reason] = frozenset({"not_wanted", "quiet_hours", "digest"})
"""The reasons that depend on the user's preferences."""


SNOOZE_END_MS = 1_000
"""Milliseconds after which a delivery is decided again whose snooze is over, but not ended yet."""


class DeliveryFacts(NamedTuple):
    """The facts that decide about a notification of a type and one endpoint of its user. ``unsettled``: see
    :func:`is_unsettled`; ``muted``: its newest event belongs to a topic that the user muted; ``snoozed_until``: the end of
    its snooze in milliseconds since 1970, None if it is not snoozed."""

    endpoint: Endpoint
    type: str
    preferences: Preferences
    unsettled: bool = True
    muted: bool = False
    snoozed_until: int | None = None


class Obstacle(NamedTuple):
    """The reason why a delivery is not sent now. ``until``: when it is decided again, in milliseconds since 1970; None: it
    is dropped."""

    reason: Reason
    until: int | None = None


class Plan(NamedTuple):
    """The decisions about the deliveries to one endpoint: those ``handled`` without an attempt, and ``batches``, those
    that are each sent as one."""

    handled: list[DeliveryResult]
    batches: list[list[Delivery]]


def is_unsettled(row: InboxRow | None) -> bool:
    """Whether a notification is neither archived nor retracted, nor read unless it is snoozed: it returns unread."""
    if row is None or row.deleted or row.archived_at is not None:
        return False
    return row.snoozed_until is not None or row.read_at is None


def is_wanted(facts: DeliveryFacts, rules: Rules) -> bool:
    """Whether the user wants the type on the endpoint's channel. A user cannot refuse a critical type."""
    wanted = facts.preferences.wants(facts.type, facts.endpoint.channel, True)
    return wanted or rules.rule(facts.type).critical


def obstacle(facts: DeliveryFacts, rules: Rules, now: int) -> Obstacle | None:
    """The first rule that defers or drops a delivery, or None. A snooze defers it first, so that the rest is decided at its
    end. Preferences, quiet hours and the digest do not apply to
    critical types. ``now`` in milliseconds since 1970."""
    if not facts.endpoint.is_usable:
        return Obstacle("disabled")
    if not facts.unsettled:
        return Obstacle("settled")
    if facts.snoozed_until is not None:
        return Obstacle("snoozed", max(facts.snoozed_until, now + SNOOZE_END_MS))
    if facts.muted:
        return Obstacle("muted")
    if not is_wanted(facts, rules):
        return Obstacle("not_wanted")
    if rules.rule(facts.type).critical:
        return None
    hours = facts.preferences.quiet_hours
    if hours is not None and (quiet := quiet_until(hours, now)) is not None:
        return Obstacle("quiet_hours", quiet)
    return _digest(facts.endpoint, facts.preferences, now)


def _digest(endpoint: Endpoint, preferences: Preferences, now: int) -> Obstacle | None:
    """The digest that collects the mails to an endpoint since the last one, if it is not due yet. A last one in the future
    was sent while the clock was ahead: it does not count, since the wait from then on may be years."""
    if endpoint.sent_at > now:
        return None
    sends_at = endpoint.sent_at + preferences.digest_s * 1_000
    collects = endpoint.channel == "email" and preferences.digest_s and now < sends_at
    return Obstacle("digest", sends_at) if collects else None


def decide(due: Sequence[Delivery], rules: Rules, now: int) -> Plan:
    """Decide about all due deliveries to one endpoint. ``now`` in milliseconds since 1970."""
    handled: list[DeliveryResult] = []
    going: list[Delivery] = []
    for delivery in due:
        decided = defer_or_drop(delivery, rules, now)
        if decided is None:
            going.append(delivery)
        else:
            handled.append(decided)
    return Plan(handled, _parcels(going, rules))


def defer_or_drop(
    delivery: Delivery, rules: Rules, now: int, *, in_digest: bool = False
) -> DeliveryResult | None:
    """The result of a delivery that is not sent now, or None. ``in_digest``: no digest defers it, since it is part of one,
    or a mail before it in the same turn began one."""
    unsettled, snoozed_until = is_unsettled(delivery.row), delivery.row and delivery.row.snoozed_until
    facts = DeliveryFacts(
        delivery.endpoint, delivery.type, delivery.preferences, unsettled, delivery.muted, snoozed_until
    )
    found = obstacle(facts, rules, now)
    if found is None or (in_digest and found.reason == "digest"):
        return None
    by = delivery.preferences if found.reason in BY_PREFERENCES else None
    if found.until is None:
        order = delivery.row.order if delivery.row is not None else 0
        return DeliveryResult(delivery.id, "dropped", order=order, by=by, revision=delivery.endpoint.revision)
    return DeliveryResult(delivery.id, "held", found.until, by=by)


def _parcels(going: Sequence[Delivery], rules: Rules) -> list[list[Delivery]]:
    """The batches of deliveries that are sent as one. A digest has all mails; without one each mail is sent alone, but
    those that were deferred, by quiet hours or by a failure, are sent together. A critical delivery is sent alone."""
    if not going or going[0].endpoint.channel != "email":
        return [[delivery] for delivery in going]
    digest = going[0].preferences.digest_s
    alone: list[list[Delivery]] = []
    together: list[Delivery] = []
    for delivery in going:
        waited = digest or delivery.due_at > delivery.created_at
        if waited and not rules.rule(delivery.type).critical:
            together.append(delivery)
        else:
            alone.append([delivery])
    return alone + ([together] if together else [])
