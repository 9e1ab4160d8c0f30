"""What is wanted: each user's preferences, and the types of notifications with their rules. Checked and kept here."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec

from tidings.config import Settings
from tidings.decode import escape
from tidings.errors import FieldError, InvalidFields, NotFound
from tidings.log import Log
from tidings.model import Changed, Declare, Mask, Prefer
from tidings.personal import Preferences
from tidings.ports import Store
from tidings.projections.messages import known_locale
from tidings.rules import MAX_TYPES, Rule, Rules
from tidings.times import time_zones

_encode = msgspec.json.Encoder().encode


class Wishes:
    """The door of preferences and types."""

    def __init__(self, store: Store, log: Log, settings: Settings) -> None:
        self._store = store
        self._log = log
        self._settings = settings
        self._declaring = asyncio.Lock()

    async def preferences(self, user: str) -> bytes:
        """What a user wants, as JSON that can be set again. A wish that cannot be had any more, because the type has
        become critical, is left out."""
        kept = await self._store.preferences(user)
        rules = self._store.rules
        shown = {
            "types": {type: _possible(wishes, rules.rule(type)) for type, wishes in kept.types.items()},
            "quiet_hours": kept.quiet_hours,
            "locale": kept.locale,
            "digest_s": kept.digest_s,
            "muted_topics": await self._store.muted(user),
        }
        return _encode(shown)

    async def prefer(self, user: str, wanted: Preferences, muted: Sequence[str] | None) -> None:
        """Replace a user's preferences and, unless they are None, the topics that they mute, in one transaction.

        Raises InvalidFields for a time zone or a locale of which nothing is known, and for a critical type that would be
        switched off.
        """
        problems = tuple(_problems(wanted, self._store.rules))
        if problems:
            raise InvalidFields(errors=problems)
        before = set(await self._store.muted(user)) if muted is not None else set()
        after = set(muted or ())
        masks = [Mask(user, topic, on=topic in after) for topic in sorted(before ^ after)]
        await self._log.submit_all([Prefer(user, wanted), *masks])

    def types(self) -> bytes:
        """All declared types by name, each with its rule and where that is from, as JSON."""
        declared = sorted(self._store.rules.declared.items())
        return b'{"items":[' + b",".join(self._shown(type, rule) for type, rule in declared) + b"]}"

    async def declare(self, type: str, rule: Rule) -> bytes:
        """Declare a type, over the one of the settings if there is one; returns it as :meth:`types` tells it.

        Raises InvalidFields when another type has claimed one of its verbs, or there are too many.
        """
        async with self._declaring:  # or two could claim one verb after both were checked
            declared = self._store.rules.declared | {type: rule}
            _check_types(declared)
            await self._log.submit(Declare(type, rule))
        return self._shown(type, rule)

    async def withdraw(self, type: str) -> None:
        """Take a declaration back; the one of the settings holds again if there is one.

        Raises NotFound when it was never declared here, InvalidFields when the one of the settings claims a verb that
        another type has claimed meanwhile.
        """
        async with self._declaring:
            rest = {name: rule for name, rule in self._store.rules.declared.items() if name != type}
            _check_types(rest | {name: rule for name, rule in self._settings.types.items() if name == type})
            if not cast(Changed, await self._log.submit(Declare(type, None))).updated:
                raise NotFound("no such type was declared over the API")

    def _shown(self, type: str, rule: Rule) -> bytes:
        source = "settings" if self._settings.types.get(type) == rule else "api"
        return _encode({"type": type, "source": source, "rule": rule})


def _check_types(declared: Mapping[str, Rule]) -> None:
    if len(declared) > MAX_TYPES:
        raise InvalidFields(errors=(FieldError("", f"more than {MAX_TYPES} types"),))
    try:
        Rules(declared)
    except ValueError as error:
        raise InvalidFields(errors=(FieldError("/verbs", str(error)),)) from None


def _possible(wishes: Mapping[str, bool], rule: Rule) -> dict[str, bool]:
    return {channel: wanted for channel, wanted in wishes.items() if wanted or not rule.critical}


def _problems(wanted: Preferences, rules: Rules) -> Iterator[FieldError]:
    hours = wanted.quiet_hours
    if hours is not None and hours.time_zone not in time_zones():
        yield FieldError("/quiet_hours/time_zone", f"no time zone {hours.time_zone!r} is known here")
    if wanted.locale and not known_locale(wanted.locale):
        yield FieldError("/locale", f"nothing is known of {wanted.locale!r}")
    for type, wishes in wanted.types.items():
        for channel in wishes.keys() - _possible(wishes, rules.rule(type)).keys():
            yield FieldError(
                f"/types/{escape(type)}/{channel}", "this type is critical: it cannot be switched off"
            )
