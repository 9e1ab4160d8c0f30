"""Users' preferences, and the types of notifications with their rules. They are checked and managed here."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast
from weakref import WeakValueDictionary

import msgspec

from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.display_names import SetDisplayName
from tidings.errors import FieldError, InvalidFields, NotFound, Unavailable
from tidings.field_errors import MAX_FIELD_ERRORS, escape
from tidings.model import CommandResult, SetNotificationType, SetPreferences
from tidings.personal_data import Preferences
from tidings.ports import Store
from tidings.projections.templates import known_locale
from tidings.rules import MAX_TYPES, Rule, Rules
from tidings.visibility import NAMES

MAX_MERGES = 100
"""Times that a patch is merged, each after another change of the same preferences: a replacement or an unsubscription. A
user has fewer of these in progress (``max_writes_per_user``), so it succeeds unless others never stop."""
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


Wanted = tuple[Preferences, Sequence[str] | None]
"""Preferences, and the muted topics if they are to be replaced."""


def merge(target: object, patch: object) -> object:
    """A JSON value after a merge patch (RFC 7396): null removes a member, objects are merged, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


class PreferencesService:
    """The service of preferences and notification types."""

    def __init__(
        self,
        store: Store,
        log: GroupCommitQueue,
        settings: Settings,
        unsendable: Callable[[Mapping[str, Rule]], Iterable[str]],
    ) -> None:
        """``unsendable`` returns the declared channels on which the settings do not permit delivery."""
        self._unsendable = unsendable
        self._store = store
        self._log = log
        self._settings = settings
        self._declaring = asyncio.Lock()
        self._patching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By user: patches take turns, since each of many would be merged again after each of the others."""

    async def preferences(self, user: str) -> bytes:
        """What a user wants, as JSON that can be set again. A preference that no longer applies, because the type has
        become critical, or the verb of another type, is left out."""
        return await self._json(user, await self._store.preferences(user))

    async def _json(self, user: str, kept: Preferences) -> bytes:
        rules = self._store.rules
        shown = {
            "types": {
                type: _possible(choices, rules.rule(type))
                for type, choices in kept.types.items()
                if not rules.is_verb_alone(type)
            },
            "quiet_hours": kept.quiet_hours,
            "locale": kept.locale,
            "digest_s": kept.digest_s,
            "muted_topics": await self._store.muted(user),
        }
        return _encode(shown)

    async def set_display_name(self, user: str, name: str) -> None:
        """Give a user a display name."""
        await self._log.submit(SetDisplayName(user, name))

    async def display_name(self, user: str) -> str | None:
        """The newest known display name of a user."""
        return await self._store.display_name(user)

    async def prefer(
        self, user: str, wanted: Preferences, muted: Sequence[str] | None, only: Preferences | None = None
    ) -> bool:
        """Replace a user's preferences and, unless they are None, the topics that they mute, in one transaction; with
        ``only`` if the user's preferences are still these. Returns whether it did.

        Raises InvalidFields for what :meth:`errors` finds.
        """
        if errors := tuple(self.errors(wanted, len(muted or ()))):
            raise InvalidFields(errors=errors[:MAX_FIELD_ERRORS])
        command = SetPreferences(user, wanted, None if muted is None else tuple(muted), only)
        outcome = await self._log.submit(command)
        return isinstance(outcome, CommandResult) and outcome.updated > 0

    async def patch(self, user: str, patch: Mapping[str, object], check: Callable[[bytes], Wanted]) -> None:
        """Change a user's preferences by a JSON merge patch (RFC 7396); ``check`` reads the merged ones. Raises
        InvalidFields with pointers into the merged preferences, of ``check`` and of :meth:`prefer`; Unavailable if others
        change them each time."""
        async with self._patching.setdefault(user, asyncio.Lock()):
            for _ in range(MAX_MERGES):
                kept = await self._store.preferences(user)
                merged = merge(msgspec.json.decode(await self._json(user, kept)), patch)
                wanted, muted = check(_encode(merged))
                if await self.prefer(user, wanted, muted if "muted_topics" in patch else None, only=kept):
                    return
        raise Unavailable("the preferences of this user are changed all the time")

    def errors(self, wanted: Preferences, muted: int) -> Iterator[FieldError]:
        """The errors of preferences: an unknown locale, a verb in place of its type, a critical type that would be switched
        off, and more ``muted`` topics than a user may have."""
        limit = self._settings.max_mutes_per_user
        if muted > limit:
            yield FieldError(
                "/muted_topics",
                f"expected a list of up to {limit:,} topics (max_mutes_per_user), got one of {muted:,}",
            )
        if wanted.locale and not known_locale(wanted.locale):
            yield FieldError(
                "/locale",
                f"expected a language such as de or pt-BR, got {wanted.locale!r}, which is not known here",
            )
        rules = self._store.rules
        for type, choices in wanted.types.items():
            if rules.is_verb_alone(type):
                detail = f"expected the name of a type, got a verb of the type {rules.type_of(type)!r}"
                yield FieldError(f"/types/{escape(type)}", detail)
            for channel in choices.keys() - _possible(choices, rules.rule(type)).keys():
                yield FieldError(
                    f"/types/{escape(type)}/{channel}",
                    "expected true, got false: this type is critical, and cannot be switched off",
                )

    def types(self) -> bytes:
        """All declared types by name, each with its rule and the source of that, as JSON."""
        declared = sorted(self._store.rules.declared.items())
        return b'{"items":[' + b",".join(self._shown(type, rule) for type, rule in declared) + b"]}"

    async def declare(self, type: str, rule: Rule) -> bytes:
        """Declare a type, above the one of the settings if there is one; returns it in the form of :meth:`types`. A channel
        that is not set up is no error: an application may declare its types first. The response and the log warn of it.

        Raises InvalidFields if another type has claimed one of its verbs, or there are too many.
        """
        async with self._declaring:  # or two could claim one verb after both were checked
            _check_claims(type, rule, self._store.rules.declared)
            await self._log.submit(SetNotificationType(type, rule))
        for warning in self._warnings(type, rule):
            _log.warning("%s", warning)
        return self._shown(type, rule)

    def claim_errors(self, type: str, rule: Rule) -> list[FieldError]:
        """The verbs of a rule that another type has claimed."""
        return _claim_errors(type, rule, self._store.rules.declared)

    async def withdraw(self, type: str) -> None:
        """Delete a declaration; the one of the settings is in force again if there is one.

        Raises NotFound if it was never declared here, InvalidFields if the one of the settings claims a verb that another
        type has claimed meanwhile.
        """
        async with self._declaring:
            rest = {name: rule for name, rule in self._store.rules.declared.items() if name != type}
            if (again := self._settings.types.get(type)) is not None:
                _check_claims(type, again, rest, in_body=False)
            if not cast(CommandResult, await self._log.submit(SetNotificationType(type, None))).updated:
                raise NotFound("no such type was declared over the API")

    def _shown(self, type: str, rule: Rule) -> bytes:
        source = "settings" if self._settings.types.get(type) == rule else "api"
        warnings = list(self._warnings(type, rule))
        return _encode({"type": type, "source": source, "rule": rule, "warnings": warnings})

    def _warnings(self, type: str, rule: Rule) -> Iterator[str]:
        yield from self._unsendable({type: rule})
        default, of_file = self._settings.default_visibility, self._settings.types.get(type)
        if of_file is not None:
            before, now = of_file.visibility or default, rule.visibility or default
            if NAMES.index(now) < NAMES.index(before):
                yield (
                    f"the type {type!r} has the visibility {now}, but {before} in the settings, "
                    "which this declaration overrides as a whole"
                )


def _check_claims(type: str, rule: Rule, declared: Mapping[str, Rule], *, in_body: bool = True) -> None:
    """Raises InvalidFields if this type would claim a verb of another one. ``in_body``: the rule is that of the request, so
    the errors have pointers to its verbs."""
    if len(declared.keys() - {type}) >= MAX_TYPES:
        raise InvalidFields(errors=(FieldError("", f"expected up to {MAX_TYPES:,} types, got one more"),))
    if errors := _claim_errors(type, rule, declared, in_body=in_body):
        raise InvalidFields(errors=tuple(errors[:MAX_FIELD_ERRORS]))


def _claim_errors(
    type: str, rule: Rule, declared: Mapping[str, Rule], *, in_body: bool = True
) -> list[FieldError]:
    others = Rules({name: one for name, one in declared.items() if name != type})
    errors = []
    for i, verb in enumerate(rule.verbs or (type,)):
        if (owner := others.claimant(verb)) is not None:
            detail = f"expected a verb that no other type has, got {verb!r}, which {owner!r} has"
            errors.append(FieldError(f"/verbs/{i}" if in_body and rule.verbs else "", detail))
    return errors


def _possible(choices: Mapping[str, bool], rule: Rule) -> dict[str, bool]:
    return {channel: wanted for channel, wanted in choices.items() if wanted or not rule.critical}
