"""Why somebody was told of an event, or was not, and what leaves the application: the law of ``ports.InboxViews``, read
aloud for one event and one user.

It is told from the facts as they are now. Who muted the topic since then was told all the same, and the answer says both.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from tidings.model import RecipientFacts
from tidings.personal import Preferences
from tidings.projections.quiet_hours import quiet_until
from tidings.rules import CHANNELS, IN_APP, Rule, Rules
from tidings.timeutil import rfc3339


class Check(NamedTuple):
    """One condition of being told, and whether it holds."""

    check: str
    passed: bool
    detail: str


class Decision(NamedTuple):
    """Whether something goes out on a channel, and why."""

    wanted: bool
    why: str


class ExplainInput(NamedTuple):
    """All that bears on one event and one user. ``reached``: the channels on which they have a usable endpoint;
    ``now`` in ms."""

    user: str
    told: RecipientFacts
    rules: Rules
    preferences: Preferences
    reached: Collection[str]
    now: int

    @property
    def type(self) -> str:
        """The type that the event brings."""
        return self.rules.type_of(self.told.entry.verb)

    @property
    def rule(self) -> Rule:
        """The rule of that type."""
        return self.rules.rule(self.type)


def for_user(case: ExplainInput) -> ExplainInput:
    """The case as its user may read it: as if nobody had blocked them. A check that fails without a name would tell it as
    well, by what the user knows of their own mutes and blocks."""
    by_other = case.told.masked_by == f"user:{case.user}"
    return case._replace(told=case.told._replace(masked_by="")) if by_other else case


def checks(case: ExplainInput) -> list[Check]:
    """Every condition in the order in which it is decided, and at last the result."""
    found = [Check(name, *check(case)) for name, check in _CHECKS.items()]
    found += _unexplained(case, found)
    return [*found, Check("result", bool(case.told.notification), _result(case, found))]


def channels(case: ExplainInput) -> dict[str, Decision]:
    """What becomes of the event on each channel."""
    return {IN_APP: _in_app(case)} | {channel: _outside(case, channel) for channel in CHANNELS}


def _rule(case: ExplainInput) -> tuple[bool, str]:
    declared = "as declared" if case.type in case.rules.declared else "by default"
    whom = {
        "targets": "its targets",
        "followers": "followers of its object",
        "both": "its targets and followers",
    }
    if case.told.broadcast:
        return True, f"{case.told.entry.verb!r} brings the type {case.type!r}; a broadcast tells its audience"
    return True, (
        f"{case.told.entry.verb!r} brings the type {case.type!r}, which {declared} tells {whom[case.rule.notify]}"
    )


def _addressed(case: ExplainInput) -> tuple[bool, str]:
    told, rule = case.told, case.rule
    if told.broadcast:
        return told.follower, "among its audience" if told.follower else "not among its audience"
    if told.target and rule.to_targets:
        return True, "among its targets"
    if told.follower and rule.to_followers:
        return True, "followed its object before"
    if told.target or told.follower:
        return False, "among its targets" if told.target else "followed its object before"
    return False, "neither among its targets nor a follower of its object since before it"


def _own_act(case: ExplainInput) -> tuple[bool, str]:
    own = case.told.entry.actor_id == case.user
    return not own, "their own act" if own else f"the act of {case.told.entry.actor_id!r}"


def _masked(case: ExplainInput) -> tuple[bool, str]:
    by = case.told.masked_by
    return not by, f"hidden by {by!r}, muted or blocked" if by else "nothing that was muted or blocked"


def _preference(case: ExplainInput) -> tuple[bool, str]:
    if case.preferences.wants(case.type, IN_APP, True):
        return True, "wanted in the application"
    if case.rule.critical:
        return True, "not wanted, but types that are critical pass"
    return False, "not wanted in the application"


_CHECKS: Mapping[str, Callable[[ExplainInput], tuple[bool, str]]] = {
    "rule": _rule,
    "addressed": _addressed,
    "own_act": _own_act,
    "masked": _masked,
    "preference": _preference,
}


def _unexplained(case: ExplainInput, found: list[Check]) -> Iterator[Check]:
    """What no check tells: what was not told although it should have been."""
    if case.told.notification or not all(check.passed for check in found):
        return
    window = case.rule.duplicate_window_s
    if case.told.broadcast:
        yield Check("in_time", False, "the broadcast had expired before this inbox was next read")
    elif window:
        yield Check("duplicate", False, f"within {window} s of the same by the same actor on the same object")


def _result(case: ExplainInput, found: list[Check]) -> str:
    passed = all(check.passed for check in found)
    if case.told.notification:
        return "told" if passed else "told, before what speaks against it now"
    return "not yet told, or not by what held when it was published" if passed else "not told"


def _in_app(case: ExplainInput) -> Decision:
    told = bool(case.told.notification)
    return Decision(told, "told" if told else "not told")


def _outside(case: ExplainInput, channel: str) -> Decision:
    """As the courier decides when it is due."""
    if not case.told.notification:
        return Decision(False, "not told in the application, and so nowhere else")
    if channel not in case.rule.channels:
        return Decision(False, "this type does not leave the application here")
    if channel not in case.reached:
        return Decision(False, "they have no endpoint here that is confirmed and enabled")
    if case.rule.critical:
        return Decision(True, "critical: neither preferences nor quiet hours hold it back")
    if not case.preferences.wants(case.type, channel, True):
        return Decision(False, "not wanted here")
    hours = case.preferences.quiet_hours
    until = None if hours is None else quiet_until(hours, case.now)
    return Decision(
        True,
        "wanted" if until is None else f"wanted, but it waits for quiet hours to end at {rfc3339(until)}",
    )
