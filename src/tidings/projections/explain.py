"""The explanation why an event notified a user or did not, and on which channels: the notification rules of
``ports.InboxViews`` for one event and one user.

It uses the current facts. A user who muted the topic after the event was notified all the same, and the reply states both.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tidings.model import InboxRow
from tidings.notification_facts import FailedDelivery, RecipientFacts
from tidings.notify_mode import NotifyMode
from tidings.personal_data import Endpoint, Preferences
from tidings.projections.delivery_policy import DeliveryFacts, Obstacle, is_unsettled, is_wanted, obstacle
from tidings.rules import CHANNELS, IN_APP, Rule, Rules, duplicate_window
from tidings.timeutil import rfc3339


class Condition(NamedTuple):
    """One condition of a notification, and whether it holds."""

    check: str
    passed: bool
    detail: str


class Decision(NamedTuple):
    """Whether the notification is delivered on a channel, and the reason."""

    wanted: bool
    why: str


class ExplainInput(NamedTuple):
    """The facts about one event and one user. ``endpoints``: all of the user's; ``row``: the notification, None without
    one; ``now`` in milliseconds since 1970; ``duplicate_window_s``: the setting."""

    user: str
    facts: RecipientFacts
    rules: Rules
    preferences: Preferences
    endpoints: Sequence[Endpoint]
    row: InboxRow | None
    now: int
    duplicate_window_s: int = 0

    @property
    def type(self) -> str:
        """The notification type of the event."""
        return self.rules.type_of(self.facts.entry.verb)

    @property
    def rule(self) -> Rule:
        """The rule of that type."""
        return self.rules.rule(self.type)


def for_user(case: ExplainInput) -> ExplainInput:
    """The case as its user may see it: without blocks of this user by others, and without the errors of deliveries, which
    may name hosts of the application. A failed check without a name would reveal such a block too, since the user knows
    their own mutes and blocks."""
    facts = case.facts
    by_other = facts.masked_by == f"user:{case.user}"
    failed = tuple(one._replace(error="") for one in facts.failed)
    return case._replace(facts=facts._replace(masked_by="" if by_other else facts.masked_by, failed=failed))


def checks(case: ExplainInput) -> list[Condition]:
    """All conditions in the order of their evaluation, then the result."""
    found = [Condition(name, *check(case)) for name, check in _CHECKS.items()]
    found += _repeated(case)
    found += _unexplained(case, found)
    return [*found, Condition("result", bool(case.facts.notification), _result(case, found))]


def channels(case: ExplainInput) -> dict[str, Decision]:
    """The decision about the event on each channel."""
    return {IN_APP: _in_app(case)} | {channel: _outside(case, channel) for channel in CHANNELS}


_SOURCE_TEXTS: Mapping[str, str] = {
    "targets": "its targets",
    "followers": "followers of its object",
    "actor_followers": "followers of its actor",
    "topic_followers": "followers of its other topics",
}


def _recipients(rule: Rule) -> str:
    return " and ".join(_SOURCE_TEXTS[source] for source in rule.sources) or "nobody"


def _followed(rule: Rule) -> str:
    """What a user follows who is notified without being a target."""
    others = [source for source in rule.sources if source not in ("targets", "followers")]
    return "one of its topics" if others else "its object"


def _rule(case: ExplainInput) -> tuple[bool, str]:
    declared = "as declared" if case.type in case.rules.declared else "by default"
    if case.facts.broadcast:
        return (
            True,
            f"{case.facts.entry.verb!r} brings the type {case.type!r}; a broadcast notifies its audience",
        )
    return True, (
        f"{case.facts.entry.verb!r} brings the type {case.type!r}, which {declared} notifies {_recipients(case.rule)}"
    )


def _notify(case: ExplainInput) -> tuple[bool, str]:
    match case.facts.entry.notify:
        case NotifyMode.NONE:
            return False, "published with notify: false, which notifies nobody"
        case NotifyMode.READ:
            return True, f"published as {_ARRIVES_READ}"
    return True, "published to notify as usual"


_ARRIVES_READ = "an old or an imported event, so it arrives read and no channel delivers it"


def _addressed(case: ExplainInput) -> tuple[bool, str]:
    facts, rule = case.facts, case.rule
    followed = _followed(rule)
    if facts.broadcast:
        return facts.follower, "among its audience" if facts.follower else "not among its audience"
    if facts.target and rule.to_targets:
        return True, "among its targets"
    if facts.follower and rule.notifies_followers(facts.entry.visibility):
        return True, f"followed {followed} before"
    if facts.follower and rule.to_followers:
        return False, f"followed {followed} before, but the event is for its recipients only"
    if facts.target:
        return False, "among its targets, but the type does not notify those"
    if facts.follower:
        return False, f"followed {followed} before, but the type does not notify followers"
    return False, f"neither among its targets nor a follower of {followed} since before it"


def _own_act(case: ExplainInput) -> tuple[bool, str]:
    own = case.facts.entry.actor_id == case.user
    return not own, "the user is the actor" if own else f"the actor is {case.facts.entry.actor_id!r}"


def _masked(case: ExplainInput) -> tuple[bool, str]:
    by = case.facts.masked_by
    return not by, f"hidden by {by!r}, muted or blocked" if by else "nothing that was muted or blocked"


def _preference(case: ExplainInput) -> tuple[bool, str]:
    if case.preferences.wants(case.type, IN_APP, True):
        return True, "wanted in the application"
    if case.rule.critical:
        return True, "not wanted, but the type is critical"
    return False, "not wanted in the application"


_CHECKS: Mapping[str, Callable[[ExplainInput], tuple[bool, str]]] = {
    "rule": _rule,
    "addressed": _addressed,
    "own_act": _own_act,
    "masked": _masked,
    "preference": _preference,
    "notify": _notify,
}


def _repeated(case: ExplainInput) -> Iterator[Condition]:
    """The check that states that the event is a duplicate, whatever else prevents its notification."""
    facts = case.facts
    if facts.repeats and not facts.notification:
        window = duplicate_window(case.rule, case.duplicate_window_s, facts.entry.notify)
        detail = f"within {window} s of {facts.repeats!r}, the same by the same actor on the same object, which notified"
        yield Condition("duplicate", False, detail)


def _unexplained(case: ExplainInput, found: list[Condition]) -> Iterator[Condition]:
    """The check that states why an event did not notify although all other checks passed. That a duplicate was suppressed
    is concluded if its window was stored again, or deleted, since then."""
    if case.facts.notification or not all(check.passed for check in found):
        return
    window = duplicate_window(case.rule, case.duplicate_window_s, case.facts.entry.notify)
    if case.facts.broadcast:
        yield Condition("in_time", False, "the broadcast had expired before this inbox was next read")
    elif window:
        yield Condition(
            "duplicate", False, f"within {window} s of the same by the same actor on the same object"
        )


def _result(case: ExplainInput, found: list[Condition]) -> str:
    passed = all(check.passed for check in found)
    if case.facts.notification:
        return "notified" if passed else "notified, before the conditions that prevent it now"
    return "not notified yet, or not under the conditions at its publication" if passed else "not notified"


def _in_app(case: ExplainInput) -> Decision:
    notified = bool(case.facts.notification)
    return Decision(notified, "notified" if notified else "not notified")


def _outside(case: ExplainInput, channel: str) -> Decision:
    """The decision that the dispatcher makes when a delivery is due. The reason for a deferral is stated only while a
    delivery waits: after the first mail of a digest, the digest defers the next ones, not the one that was sent."""
    if not case.facts.notification:
        return Decision(False, "did not notify in the application, so no channel delivers it")
    if case.facts.entry.notify is NotifyMode.READ:
        return Decision(False, f"published as {_ARRIVES_READ}")
    if channel not in case.rule.channels:
        return Decision(False, "the type is not delivered on this channel")
    usable = [one for one in case.endpoints if one.channel == channel and one.is_usable]
    if not usable:
        return Decision(False, "the user has no endpoint on this channel that is confirmed and enabled")
    waiting = [one for one in usable if one.id in case.facts.waiting]
    if not waiting and _snoozed_until(case) is not None:
        return Decision(False, _NOT_AT_RETURN)
    if not waiting:
        dead = {one.endpoint: one for one in case.facts.failed if one.due_at is None}
        if dead.keys() >= {one.id for one in usable}:
            return Decision(False, f"given up: {_failures(dead[usable[0].id])}")
        wanted = is_wanted(_facts(case, usable[0]), case.rules)
        return _in_words(case, None if wanted else Obstacle("not_wanted"))
    retried = {one.endpoint: one for one in case.facts.failed if one.due_at is not None}
    first = min((_Waiting.of(case, one, retried.get(one.id)) for one in waiting), key=_Waiting.decided_at)
    decision = _in_words(case, first.obstacle)
    return decision if first.failed is None else _retried(decision, first.obstacle, first.failed)


def _facts(case: ExplainInput, endpoint: Endpoint) -> DeliveryFacts:
    unsettled, until = is_unsettled(case.row), _snoozed_until(case)
    return DeliveryFacts(endpoint, case.type, case.preferences, unsettled, case.facts.muted, until)


def _snoozed_until(case: ExplainInput) -> int | None:
    return case.row.snoozed_until if case.row is not None else None


class _Waiting(NamedTuple):
    """A queued delivery: what holds it, and its failures."""

    obstacle: Obstacle | None
    failed: FailedDelivery | None

    @classmethod
    def of(cls, case: ExplainInput, endpoint: Endpoint, failed: FailedDelivery | None) -> "_Waiting":
        """The delivery to one endpoint."""
        return cls(obstacle(_facts(case, endpoint), case.rules, case.now), failed)

    def decided_at(self) -> float:
        """When it is sent or decided again (milliseconds): of several endpoints, the first gets the message first. Those to
        which it is dropped come last."""
        if self.obstacle is not None:
            return math.inf if self.obstacle.until is None else self.obstacle.until
        return -math.inf if self.failed is None or self.failed.due_at is None else self.failed.due_at


def _retried(decision: Decision, held: Obstacle | None, failed: FailedDelivery) -> Decision:
    """The decision with the attempts so far, and with the next one unless an obstacle states when that is."""
    why = f"{decision.why}; {_failures(failed)}"
    if held is None and failed.due_at is not None:
        why += f"; the next attempt is due at {rfc3339(failed.due_at)}"
    return decision._replace(why=why)


def _failures(failed: FailedDelivery) -> str:
    count = f"{failed.attempts} attempt{'s' if failed.attempts > 1 else ''} failed"
    return f"{count}, the last with {failed.error!r}" if failed.error else count


def _in_words(case: ExplainInput, found: Obstacle | None) -> Decision:
    if found is None and case.rule.critical:
        return Decision(True, "critical: preferences, quiet hours and digests do not apply")
    if found is None:
        return Decision(True, "wanted")
    if found.until is None:
        return Decision(False, _DROPPED[found.reason])
    return Decision(True, f"wanted, but {_HELD[found.reason]} until {rfc3339(found.until)}")


_NOT_AT_RETURN = (
    "its return from the snooze is not delivered: it was marked read, or the endpoint was added later"
)
_DROPPED: Mapping[str, str] = {
    "settled": "read, archived or retracted before it was sent",
    "muted": "muted before it was sent",
    "not_wanted": "not wanted here",
}
_HELD: Mapping[str, str] = {
    "quiet_hours": "quiet hours defer it",
    "digest": "a digest defers it",
    "snoozed": "a snooze defers it",
}
