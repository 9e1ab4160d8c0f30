"""What notifications say: templates, languages, lists of names."""

import msgspec
import pytest
from babel import Locale
from babel.lists import format_list
from hypothesis import given
from hypothesis import strategies as st

from tidings.plain_text import neutral
from tidings.projections.templates import _OTHERS, Language, TemplateContext, Templates, known_locale
from tidings.rules import PLACEHOLDERS, Rule, Rules

FACTS = TemplateContext("like", "love", ("Ann", "Bo"), 3, 5, 7, "Rain?", "market", "42", "A title")
LOCALES = ("en-US", "en", "en-GB", "de", "fr", "pt-BR", "ja", "zh-Hant-TW", "th", "ar", "he", "pl")


def say(
    facts: TemplateContext = FACTS, locale: str = "en", default: str = "en", **messages: dict[str, str]
) -> str:
    """The message of a type with these templates."""
    rule = msgspec.convert({"messages": messages}, Rule)
    return Templates(Rules({"like": rule}), default).say(facts, locale)


def of(count: int) -> TemplateContext:
    """So many events."""
    return msgspec.structs.replace(FACTS, count=count)


def test_every_placeholder_is_filled() -> None:
    template = "|".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
    expected = "5|Ann, Bo and 3 others|7|Rain?|42|market|A title|like|love"
    assert say(en={"other": template}) == expected


def test_the_plain_sentence_is_the_title_where_there_is_one() -> None:
    """The fault: it named the actor, the verb and the object of an event that said itself how it reads."""
    titled = msgspec.structs.replace(FACTS, headline="Version 2 is out")
    assert say(msgspec.structs.replace(titled, count=1)) == "Version 2 is out"
    assert say(titled) == "Version 2 is out (7)"


DATA = msgspec.Raw(
    b'{"plan":"Pro","order":{"total":12.50,"lines":[1],"gift":true},"none":null,"a b":"{count}","big":1e999,"long":"%s"}'
    % (b"x" * 9_000)
)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("plan", "Pro"),
        ("order.total", "12.50"),
        ("order.gift", "true"),
        ("a b", "{count}"),
        ("big", "1e999"),
        ("long", "x" * 500),
        *(
            (key, "")
            for key in ("none", "order", "order.lines", "order.none", "plan.more", "nothing", "order.lines.0")
        ),
    ],
)
def test_a_template_names_metadata(key: str, text: str) -> None:
    """By its keys; what is not there, or is no single value, is nothing. It is never read as a template."""
    facts = msgspec.structs.replace(FACTS, metadata=DATA)
    assert say(facts, en={"other": f"<{{metadata.{key}}}>"}) == f"<{text}>"


@pytest.mark.parametrize(
    "name", ["metadata", "metadata.", "metadata.a[0]", "metadata.a!r", "metadata.a:9", "meta.a"]
)
def test_a_template_that_names_no_metadata_is_refused(name: str) -> None:
    """A placeholder needs at least one key, and has neither indexes nor formats."""
    with pytest.raises(msgspec.ValidationError):
        say(en={"other": f"{{{name}}}"})


def test_braces_are_written_twice() -> None:
    assert say(en={"other": "{{count}} is {count}"}) == "{count} is 7"


@given(name=st.text(), title=st.text())
def test_what_users_wrote_is_never_a_template(name: str, title: str) -> None:
    facts = msgspec.structs.replace(FACTS, actors=(name,), others=0, title=title, object=title)
    assert say(facts, en={"other": "{actors}: {title}"}) == f"{neutral(name)}: {neutral(title)}"
    assert say(facts) == f"{neutral(name)}: like · {neutral(title)} (7)"


@pytest.mark.parametrize(
    ("count", "said"), [(1, "one"), (2, "few"), (5, "many"), (12, "many"), (22, "few"), (1_000, "many")]
)
def test_the_plural_form_is_that_of_the_language(count: int, said: str) -> None:
    forms = {"one": "one", "few": "few", "many": "many", "other": "other"}
    assert say(of(count), "pl", pl=forms) == said


def test_a_form_that_is_missing_is_the_other() -> None:
    assert say(of(1), "pl", pl={"other": "other"}) == "other"
    assert say(of(0), "ar", ar={"zero": "zero", "other": "other"}) == "zero"


@pytest.mark.parametrize(
    ("locale", "default", "found"),
    [
        ("de-AT", "fr", "de-AT"),
        ("de_at", "fr", "de-AT"),
        ("de-CH", "fr", "de"),
        ("it", "fr", "fr"),
        ("it", "fr-CA", "fr"),
        ("it", "es", "en"),
    ],
)
def test_the_nearest_language_is_taken(locale: str, default: str, found: str) -> None:
    messages = {name: {"other": name} for name in ("de-AT", "de", "fr", "en")}
    assert say(FACTS, locale, default, **messages) == found


def test_any_language_is_better_than_none() -> None:
    assert say(locale="it", default="es", fi={"other": "fi"}, pl={"other": "pl"}) == "fi"


def test_a_template_lists_names_in_its_own_language() -> None:
    """Whoever reads it: half a sentence in another language would be worse."""
    assert say(locale="fr", de={"other": "{actors} mögen {title}"}) == "Ann, Bo und 3 weitere mögen A title"


def test_numbers_are_written_as_in_the_language() -> None:
    assert say(of(1_234_567), "de", de={"other": "{count}"}) == "1.234.567"
    assert say(of(1_234_567), "en", en={"other": "{count}"}) == "1,234,567"


@pytest.mark.parametrize("locale", LOCALES)
@given(names=st.lists(st.text(min_size=1), min_size=1, max_size=6))
def test_names_are_listed_as_cldr_says(locale: str, names: list[str]) -> None:
    """English of no region as in Britain: "A, B and C"."""
    known = Locale.parse("en_GB" if locale == "en" else locale, sep="-" if "-" in locale else "_")
    assert Language(locale).listed(names) == format_list(names, locale=known)


@pytest.mark.parametrize("language", sorted(_OTHERS))
def test_the_table_of_others_fits_its_languages(language: str) -> None:
    """It has no form that the language lacks, and each but that of one, for one only, shows its number."""
    rule = Locale.parse(language).plural_form
    assert set(_OTHERS[language]) <= {*rule.tags, "other"}
    for form, words in _OTHERS[language].items():
        assert words.count("{}") == (0 if form == "one" else 1)
    assert [n for n in range(2, 1_000) if rule(n) == "one" and "one" in _OTHERS[language]] == []


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", "Ann, Bo and 3 others"),
        ("ja", "Ann、Bo、他3人"),
        ("pl", "Ann, Bo i 3 inne osoby"),
        ("eu", "Ann, Bo eta +3"),
    ],
)
def test_others_are_counted_in_words_or_else_in_signs(locale: str, said: str) -> None:
    assert Language(locale).people(("Ann", "Bo"), 3) == said


@pytest.mark.parametrize("locale", ["tlh", "zz-ZZ", "xx_yy"])
def test_an_unknown_language_is_spoken_as_english(locale: str) -> None:
    assert not known_locale(locale)
    assert Language(locale).people(("Ann",), 1) == "Ann and 1 other"


def test_an_unknown_region_is_its_language() -> None:
    assert Language("de-XX").people(("Ann",), 2) == "Ann und 2 weitere"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"actors": ("Ann",), "others": 0, "actor_count": 1, "count": 1}, "Ann: was seen · Rain?"),
        ({"actors": ("Ann",), "others": 0, "actor_count": 1, "count": 3}, "Ann: like · Rain? (3)"),
        ({"count": 5}, "Ann, Bo and 3 others: like · Rain?"),
    ],
)
def test_without_a_template_it_is_a_plain_sentence(changed: dict[str, object], said: str) -> None:
    facts = msgspec.structs.replace(FACTS, verb="was_seen", **changed)
    assert say(facts) == said


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en-GB", "Ann, Bo and 3 others: like · Rain? (7)"),
        ("pt-BR", "Ann, Bo e mais 3 pessoas: like · Rain? (7)"),
        ("sw", "Ann, Bo und 3 weitere: like · Rain? (7)"),
    ],
)
def test_a_plain_sentence_is_in_a_language_of_ours_or_the_servers(locale: str, said: str) -> None:
    """Never in one of the thousand that would have to be read, and kept, for whoever prefers it."""
    assert say(FACTS, locale, "de") == said


def test_a_server_may_speak_any_language() -> None:
    assert say(FACTS, "eu", "eu") == "Ann, Bo eta +3: like · Rain? (7)"


def test_a_group_about_several_things_names_none() -> None:
    rules = Rules({"like": Rule(group_by="actor")})
    facts = msgspec.structs.replace(FACTS, actors=("Ann",), others=0, actor_count=1)
    assert Templates(rules, "en").say(facts, "en") == "Ann: like (7)"
    one = msgspec.structs.replace(facts, count=1)
    assert Templates(rules, "en").say(one, "en") == "Ann: love · Rain?"


def test_the_mark_changes_with_the_rules_alone() -> None:
    """And not with the order in which they were declared."""
    a, b = Rule(), Rule(messages={"en": {"other": "b"}})
    mark = Templates(Rules({"a": a, "b": b}), "en").mark
    assert Templates(Rules({"b": b, "a": a}), "en").mark == mark
    assert Templates(Rules({"a": b, "b": b}), "en").mark != mark
    assert Templates(Rules(), "en").mark == ""


EVIL = "\u202ecte\x1b[2J\r\n\u2028Alice\u2069\x9b"


def test_what_users_wrote_steers_nothing() -> None:
    """Names and titles are in it without control characters and without those that turn the direction of writing."""
    facts = msgspec.structs.replace(FACTS, actors=(EVIL,), others=0, object=EVIL, title=EVIL)
    plain = "cte [2J   Alice "
    assert say(facts, en={"other": "{actors}|{object}|{title}"}) == "|".join([plain] * 3)
    assert say(facts).startswith(plain)
    # A declared template is left as it is written.
    assert say(FACTS, en={"other": "a\nb\u200f"}) == "a\nb\u200f"


def test_each_object_of_metadata_is_decoded_once_for_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: forty values of large metadata took five milliseconds for each message, half a second for a page."""
    decoded: list[bytes] = []

    def count(value: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
        decoded.append(bytes(value))
        return msgspec.json.decode(value, type=dict[str, msgspec.Raw])

    monkeypatch.setattr("tidings.projections.templates._object", count)
    rule = Rule(messages={"en": {"other": "{metadata.a.b}{metadata.a.c}{metadata.d}" * 10}})
    templates = Templates(Rules({"like": rule}), "en")
    metadata = b'{"a":{"b":1,"c":2},"d":3}'
    shown = templates.say(msgspec.structs.replace(FACTS, metadata=msgspec.Raw(metadata)), "en")
    assert shown == "123" * 10
    assert decoded == [metadata, b'{"b":1,"c":2}']
