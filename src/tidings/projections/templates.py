"""The text of a notification, in the user's language.

A template is parsed once, and rendering joins strings, so that names and titles, which users write, are never parsed as
templates. Plural forms and lists of names follow CLDR, through Babel. CLDR has no text for "3 others", so this module has a
small table; a language that is not in it shows ``+3``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from string import Formatter
from typing import Any, NamedTuple

import msgspec
from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal

from tidings.plain_text import neutral
from tidings.rules import METADATA, Rules, TypeAction

FALLBACK = "en"
"""The last fallback language of templates, and of the texts in this module."""
LANGUAGES_KEPT = 256
"""Languages that are cached, a few KiB each: more than a server is likely to use."""
GROUPED_FROM = 1_000
"""Smaller numbers have the same form in all languages with these digits, so they are formatted without Babel."""

MOST_OF_A_VALUE = 500
"""Characters of one value of metadata in a message: the limit of a title."""

_OTHERS: Mapping[str, Mapping[str, str]] = {
    "cs": {"one": "1 další", "few": "{} další", "other": "{} dalších"},
    "da": {"one": "1 anden", "other": "{} andre"},
    "de": {"one": "1 weitere Person", "other": "{} weitere"},
    "en": {"one": "1 other", "other": "{} others"},
    "es": {"one": "1 persona más", "other": "{} personas más"},
    "fi": {"one": "1 muu", "other": "{} muuta"},
    "fr": {"one": "1 autre personne", "other": "{} autres personnes"},
    "it": {"one": "un'altra persona", "other": "altre {} persone"},
    "ja": {"other": "他{}人"},
    "ko": {"other": "외 {}명"},
    "nl": {"one": "1 ander", "other": "{} anderen"},
    "pl": {"one": "1 inna osoba", "few": "{} inne osoby", "other": "{} innych osób"},
    "pt": {"one": "mais 1 pessoa", "other": "mais {} pessoas"},
    "ru": {"other": "ещё {}"},
    "sv": {"one": "1 till", "other": "{} till"},
    "tr": {"other": "{} kişi daha"},
    "uk": {"other": "ще {}"},
    "zh": {"other": "其他{}人"},
}
"""The text for "n others" after a list of names, by language and plural category."""
_UNNAMED = {"other": "+{}"}


class TemplateContext(msgspec.Struct, frozen=True, gc=False):
    """The values for a template. ``actors`` are the names to be listed, ``others`` the number of the other actors;
    ``object`` is the object of the newest event as text, ``title`` the title of that event, or the object without one.
    ``headline`` is the title alone, "" without one, ``metadata`` the event's JSON object."""

    type: str
    verb: str
    actors: tuple[str, ...]
    others: int
    actor_count: int
    count: int
    object: str
    object_type: str
    object_id: str
    title: str
    headline: str = ""
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


_LISTS = {"en": "en_GB"}
"""The locale whose list format a language uses. English without a region uses "A, B and C", as most regions do; en-US has a
comma before "and"."""


class Language:
    """The plural forms, numbers and lists of one language. For a locale that CLDR lacks, the nearest wider one is used."""

    def __init__(self, locale: str) -> None:
        self._locale = next(found for name in (*chain(locale), FALLBACK) if (found := _known(name)))
        lists = _known(_LISTS.get(str(self._locale), "")) or self._locale
        patterns: Mapping[str, str] = lists.list_patterns["standard"]
        self._two, self._first = patterns["2"], patterns["start"]
        self._next, self._last = patterns["middle"], patterns["end"]
        self._others = _OTHERS.get(self._locale.language, _UNNAMED)

    def plural(self, n: int) -> str:
        """The plural category of a number."""
        return str(self._locale.plural_form(n))

    def number(self, n: int) -> str:
        """A number in the format of the language."""
        return str(n) if n < GROUPED_FROM else format_decimal(n, locale=self._locale)

    def people(self, names: Sequence[str], others: int) -> str:
        """The list of these names, and of so many others."""
        if not others:
            return self.listed(names)
        words = self._others.get(self.plural(others)) or self._others["other"]
        return self.listed((*names, words.format(self.number(others))))

    def listed(self, parts: Sequence[str]) -> str:
        """``A, B and C``."""
        if len(parts) < 3:
            return self._two.format(*parts) if len(parts) == 2 else "".join(parts)
        text = self._first.format(parts[0], parts[1])
        for part in parts[2:-1]:
            text = self._next.format(text, part)
        return self._last.format(text, parts[-1])


_Objects = dict[tuple[str, ...], Mapping[str, msgspec.Raw]]
"""The objects of one event's metadata that were decoded for one text, by their path."""
_Fill = Callable[[TemplateContext, Language, _Objects], str]
_SAID: Mapping[str, _Fill] = {
    "actors": lambda facts, language, _: language.people(facts.actors, facts.others),
    "count": lambda facts, language, _: language.number(facts.count),
    "actor_count": lambda facts, language, _: language.number(facts.actor_count),
    "object": lambda facts, *_: facts.object,
    "object_type": lambda facts, *_: facts.object_type,
    "object_id": lambda facts, *_: facts.object_id,
    "title": lambda facts, *_: facts.title,
    "verb": lambda facts, *_: facts.verb,
    "type": lambda facts, *_: facts.type,
}
"""The value of each placeholder in ``rules.PLACEHOLDERS``."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NULL = msgspec.Raw(b"null")

_Template = Sequence[tuple[str, _Fill | None]]
"""Literal texts, each with the function for the value of the placeholder after it."""


class _Forms(NamedTuple):
    """The templates of one type in one language, by plural category."""

    language: Language
    templates: Mapping[str, _Template]


class Templates:
    """The templates of all types, compiled at their first use.

    ``default`` is the locale of users without a preference. ``multilingual``: the preference of a user changes the text.
    ``mark`` changes when texts may change; "" while no type is declared.
    """

    def __init__(self, rules: Rules, default: str) -> None:
        self._rules = rules
        self._default = default
        self._compiled: dict[str, dict[str, _Forms]] = {}
        locales = {name for rule in rules.declared.values() for name in (*rule.messages, *rule.labels)}
        if any(rule.labels for rule in rules.declared.values()):
            locales.add(default)  # that of the labels of the actions themselves
        self._labels: dict[tuple[str, str], dict[str, _Forms]] = {}
        self.multilingual = len(locales) > 1
        declared = msgspec.json.encode(rules.declared, order="deterministic")
        self.mark = hashlib.blake2b(declared, digest_size=4).hexdigest() if rules.declared else ""

    def say(self, facts: TemplateContext, locale: str) -> str:
        """The message. The template is the first that the type has of: this locale, its language without a region, the
        server's locale, English, any. A type without templates has a plain sentence, in this language if the table of this
        module has it, else in the server's. Texts of users are inserted without control characters and without those that
        change the direction of writing."""
        forms = self._forms(facts.type, locale)
        if forms is None:
            one_object = self._rules.rule(facts.type).group_by == "object"
            return neutral(_plain(facts, language(self._plain_locale(locale)), one_object))
        return _filled(facts, forms)

    def label(self, facts: TemplateContext, action: TypeAction, locale: str) -> str:
        """The label of an action of the type; its template is chosen as that of the message. That of the action itself is in
        the server's locale, unless there is another one."""
        at = facts.type, action.id
        compiled = self._labels.get(at)
        if compiled is None:
            by_locale = self._rules.rule(facts.type).labels
            texts = [(name, ids[action.id]) for name, ids in by_locale.items() if action.id in ids]
            compiled = self._labels[at] = {
                _normal(name): _compile(name, {"other": text})
                for name, text in ((self._default, action.label), *texts)
            }
        return _filled(facts, self._chosen(compiled, locale))

    def _plain_locale(self, locale: str) -> str:
        # Only languages in the table: Babel caches each locale that it has loaded, about 1 MiB, and users could prefer
        # a thousand of them.
        own = (name for name in chain(locale) if name in _OTHERS)
        return self._default if locale == self._default else next(own, self._default)

    def _forms(self, type: str, locale: str) -> _Forms | None:
        messages = self._rules.rule(type).messages
        if not messages:
            return None
        compiled = self._compiled.get(type)
        if compiled is None:
            compiled = self._compiled[type] = {
                _normal(name): _compile(name, messages[name]) for name in messages
            }
        return self._chosen(compiled, locale)

    def _chosen(self, compiled: Mapping[str, _Forms], locale: str) -> _Forms:
        """The templates of the first of these locales that there are, else any."""
        for name in (*chain(locale), *chain(self._default), FALLBACK):
            if name in compiled:
                return compiled[name]
        return next(iter(compiled.values()))


def _filled(facts: TemplateContext, forms: _Forms) -> str:
    """The text of a template."""
    template = forms.templates.get(forms.language.plural(facts.count)) or forms.templates["other"]
    language, objects = forms.language, _Objects()
    return "".join(
        [
            text + neutral(fill(facts, language, objects)) if fill is not None else text
            for text, fill in template
        ]
    )


def known_locale(locale: str) -> bool:
    """Whether Babel has data of a locale, such as ``de`` or ``pt-BR``."""
    return _known(_normal(locale)) is not None


@lru_cache(maxsize=LANGUAGES_KEPT)
def language(locale: str) -> Language:
    """The language of a locale."""
    return Language(locale)


@lru_cache(maxsize=LANGUAGES_KEPT)
def chain(locale: str) -> tuple[str, ...]:
    """A locale and the wider ones that replace it if it is missing: pt_br, pt (RFC 4647, lookup)."""
    parts = _normal(locale).split("_")
    return tuple("_".join(parts[:size]) for size in range(len(parts), 0, -1))


def _normal(locale: str) -> str:
    return locale.replace("-", "_").lower()


def _known(normal: str) -> Locale | None:
    try:
        return Locale.parse(normal)
    except (UnknownLocaleError, ValueError):
        return None


def _compile(locale: str, forms: Mapping[Any, str]) -> _Forms:
    templates = {form: _parts(template) for form, template in forms.items()}
    return _Forms(language(locale), templates)


def _parts(template: str) -> _Template:
    parsed = Formatter().parse(template)
    return [(text, None if name is None else _filling(name)) for text, name, _, _ in parsed]


def _filling(name: str) -> _Fill:
    """The function for the value of a placeholder."""
    found = METADATA.match(name)
    if found is None:
        return _SAID[name]
    path = tuple(found[1].split(".")[1:])
    return lambda facts, _, objects: metadata_text(facts.metadata, path, objects)


def metadata_text(
    metadata: bytes | msgspec.Raw, path: tuple[str, ...], objects: _Objects | None = None
) -> str:
    """The value at a path of keys as text: a string unchanged, a number or a boolean as in JSON; "" for null, an object, an
    array and a missing value. Only the path is decoded, so no number is too large, and each object once for all texts of
    these ``objects``: a template of forty values took half a second for a page."""
    known = {} if objects is None else objects
    value: bytes | msgspec.Raw = metadata
    for depth, key in enumerate(path):
        members = known.get(path[:depth])
        if members is None:
            members = known[path[:depth]] = _members(value)
        value = members.get(key, _NULL)
    raw = bytes(value)
    if raw[:1] == b'"':
        return str(msgspec.json.decode(raw))[:MOST_OF_A_VALUE]
    return "" if raw[:1] in b"n{[" else raw.decode()[:MOST_OF_A_VALUE]


def _members(value: bytes | msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    """The members of an object; of anything else none."""
    try:
        return _object(value)
    except msgspec.DecodeError:
        return {}


def _plain(facts: TemplateContext, spoken: Language, one_object: bool) -> str:
    """The title of the newest event, and the number of events. Without a title: the actors, the verb or the type, the
    object if there is one object, and the number of events if it is larger than that of the actors."""
    if facts.headline:
        return facts.headline if facts.count == 1 else f"{facts.headline} ({spoken.number(facts.count)})"
    who = spoken.people(facts.actors, facts.others)
    what = (facts.verb if facts.count == 1 else facts.type).replace("_", " ")
    about = f" · {facts.object}" if one_object or facts.count == 1 else ""
    often = f" ({spoken.number(facts.count)})" if facts.count > facts.actor_count else ""
    return f"{who}: {what}{about}{often}"
