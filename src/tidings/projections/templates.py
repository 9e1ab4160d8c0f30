"""What a notification says, in a language of the one who reads it.

A template is taken apart once; to render it is to join strings, so nothing that a user wrote, no name and no title, is
ever read as a template. Which plural form a number takes and how names are listed is CLDR's, by Babel; the words of "3
others" are a small table here, as CLDR has none, and a language that is not in it shows ``+3``.
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
from tidings.rules import METADATA, Rules

FALLBACK = "en"
"""The language of last resort: of templates, and of the words in this module."""
LANGUAGES_KEPT = 256
"""Languages held ready, a few KiB each: more than any one server is likely to speak."""
GROUPED_FROM = 1_000
"""Numbers below are written alike in all languages that use these digits, so Babel need not be asked."""

MOST_OF_A_VALUE = 500
"""Characters of one value of metadata in a message; as many as a title has."""

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
"""How "n others" is said after a list of names, by language and plural category."""
_UNNAMED = {"other": "+{}"}


class TemplateContext(msgspec.Struct, frozen=True, gc=False):
    """What can be said of a notification. ``actors`` are the names to be listed, ``others`` how many actors are not
    among them; ``object`` is the newest event's object in words, ``title`` that event's own, or else again the object.
    ``headline`` is its own title alone, "" without one, ``metadata`` its JSON object."""

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
"""Whose lists a language takes. English of no region is written as most of the world does, "A, B and C"; en-US keeps the
comma before the last."""


class Language:
    """How one language counts and lists. A locale that CLDR does not know is taken for the nearest that it does."""

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
        """A number as it is written."""
        return str(n) if n < GROUPED_FROM else format_decimal(n, locale=self._locale)

    def people(self, names: Sequence[str], others: int) -> str:
        """These names, and so many others, as a list."""
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


_SAID: Mapping[str, Callable[[TemplateContext, Language], str]] = {
    "actors": lambda facts, language: language.people(facts.actors, facts.others),
    "count": lambda facts, language: language.number(facts.count),
    "actor_count": lambda facts, language: language.number(facts.actor_count),
    "object": lambda facts, _: facts.object,
    "object_type": lambda facts, _: facts.object_type,
    "object_id": lambda facts, _: facts.object_id,
    "title": lambda facts, _: facts.title,
    "verb": lambda facts, _: facts.verb,
    "type": lambda facts, _: facts.type,
}
"""What stands for each placeholder of ``rules.PLACEHOLDERS``."""

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_NULL = msgspec.Raw(b"null")

_Template = Sequence[tuple[str, Callable[[TemplateContext, Language], str] | None]]
"""Literal text, each followed by what fills the placeholder after it."""


class _Forms(NamedTuple):
    """The templates of one type in one language, by plural category."""

    language: Language
    templates: Mapping[str, _Template]


class Templates:
    """The templates of all types, compiled as they are needed.

    ``default`` is the locale of whoever prefers none. ``multilingual``: it matters which a user prefers. ``mark`` changes
    when what is said may change; "" while there is nothing but the sentences of this module.
    """

    def __init__(self, rules: Rules, default: str) -> None:
        self._rules = rules
        self._default = default
        self._compiled: dict[str, dict[str, _Forms]] = {}
        locales = {name for rule in rules.declared.values() for name in rule.messages}
        self.multilingual = len(locales) > 1
        declared = msgspec.json.encode(rules.declared, order="deterministic")
        self.mark = hashlib.blake2b(declared, digest_size=4).hexdigest() if rules.declared else ""

    def say(self, facts: TemplateContext, locale: str) -> str:
        """The message, by the type's template in this locale, in its language without the region, in the server's
        locale, in English or in whatever there is; a plain sentence when the type has no template, in this language if
        its words are known here, else in the server's. What others wrote is in it without control characters and without
        those that turn the direction of writing round."""
        forms = self._forms(facts.type, locale)
        if forms is None:
            one_object = self._rules.rule(facts.type).group_by == "object"
            return neutral(_plain(facts, language(self._plain_locale(locale)), one_object))
        templates = forms.templates
        template = templates.get(forms.language.plural(facts.count)) or templates["other"]
        return "".join(
            [
                text + neutral(fill(facts, forms.language)) if fill is not None else text
                for text, fill in template
            ]
        )

    def _plain_locale(self, locale: str) -> str:
        # Only languages that are in the table: Babel keeps each one that it has read, about 1 MiB, and there are a
        # thousand that users could prefer.
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
        for name in (*chain(locale), *chain(self._default), FALLBACK):
            if name in compiled:
                return compiled[name]
        return next(iter(compiled.values()))


def known_locale(locale: str) -> bool:
    """Whether Babel has data of a locale, such as ``de`` or ``pt-BR``."""
    return _known(_normal(locale)) is not None


@lru_cache(maxsize=LANGUAGES_KEPT)
def language(locale: str) -> Language:
    """The language of a locale."""
    return Language(locale)


@lru_cache(maxsize=LANGUAGES_KEPT)
def chain(locale: str) -> tuple[str, ...]:
    """A locale and the wider ones that stand for it where it is missing: pt_br, pt (RFC 4647, look-up)."""
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


def _filling(name: str) -> Callable[[TemplateContext, Language], str]:
    """What fills a placeholder."""
    found = METADATA.match(name)
    if found is None:
        return _SAID[name]
    path = found[1].split(".")[1:]
    return lambda facts, _: metadata_text(facts.metadata, path)


def metadata_text(metadata: bytes | msgspec.Raw, path: Sequence[str]) -> str:
    """The value at a path of keys as text: a string as it is, a number or a truth as JSON writes it; "" for null, an object,
    an array, or where there is none. Nothing but the path is decoded, so no number is ever too large."""
    value: bytes | msgspec.Raw = metadata
    for key in path:
        try:
            value = _object(value).get(key, _NULL)
        except msgspec.DecodeError:
            return ""
    raw = bytes(value)
    if raw[:1] == b'"':
        return str(msgspec.json.decode(raw))[:MOST_OF_A_VALUE]
    return "" if raw[:1] in b"n{[" else raw.decode()[:MOST_OF_A_VALUE]


def _plain(facts: TemplateContext, spoken: Language, one_object: bool) -> str:
    """The newest event's own title, and how many there are. Without one: who, what, on what if that is one thing, and how
    often where that is not plain from who."""
    if facts.headline:
        return facts.headline if facts.count == 1 else f"{facts.headline} ({spoken.number(facts.count)})"
    who = spoken.people(facts.actors, facts.others)
    what = (facts.verb if facts.count == 1 else facts.type).replace("_", " ")
    about = f" · {facts.object}" if one_object or facts.count == 1 else ""
    often = f" ({spoken.number(facts.count)})" if facts.count > facts.actor_count else ""
    return f"{who}: {what}{about}{often}"
