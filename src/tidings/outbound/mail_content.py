"""What the templates of mails get: the values of the notifications of one mail, as text that is safe to be shown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

import msgspec

from tidings.outbound.channel import OutboundMessage
from tidings.outbound.payload import one_line
from tidings.plain_text import neutral
from tidings.projections.templates import FALLBACK, chain

MAX_SUBJECT = 120
"""Characters of a subject; mail programs show half of them."""
MAX_LINE = 500
"""Characters of one message in a mail."""
MAX_DESCRIPTION = 2_000
"""Characters of a description, and of a text in metadata, in a mail."""
LISTED = 50
"""Messages that one mail lists, and members of an object or an array in metadata; a mail states the number of the others."""
MAX_LISTED_BYTES = 64_000
"""Bytes that the texts of several listed messages take in HTML: with the markup around fifty, a mail stays below the 100 KB
at which mail programs cut it."""
_RIGHT_TO_LEFT = frozenset({"ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})
_WEB = ("https://", "http://")
_VIEW = {
    "cs": "Zobrazit",
    "da": "Vis",
    "de": "Ansehen",
    "en": "View",
    "es": "Ver",
    "fi": "Näytä",
    "fr": "Voir",
    "it": "Visualizza",
    "ja": "表示",
    "ko": "보기",
    "nl": "Bekijken",
    "pl": "Zobacz",
    "pt": "Ver",
    "ru": "Посмотреть",
    "sv": "Visa",
    "tr": "Görüntüle",
    "uk": "Переглянути",
    "zh": "查看",
}
"""By language."""
_UNSUBSCRIBE = {
    "cs": "Odhlásit odběr",
    "da": "Afmeld",
    "de": "Abbestellen",
    "en": "Unsubscribe",
    "es": "Darse de baja",
    "fi": "Peruuta tilaus",
    "fr": "Se désabonner",
    "it": "Annulla l'iscrizione",
    "ja": "配信停止",
    "ko": "수신 거부",
    "nl": "Afmelden",
    "pl": "Zrezygnuj z subskrypcji",
    "pt": "Cancelar inscrição",
    "ru": "Отписаться",
    "sv": "Avsluta prenumerationen",
    "tr": "Abonelikten çık",  # noqa: RUF001 (the letter is Turkish)
    "uk": "Відписатися",
    "zh": "退订",
}
"""By language."""


class MailNote(msgspec.Struct, frozen=True):
    """One notification in a mail. ``title`` is "" if the message contains it; so is each text that there is none of."""

    type: str
    message: str
    title: str = ""
    description: str = ""
    url: str = ""
    actor_name: str = ""
    actor_image: str = ""
    object_type: str = ""
    object_id: str = ""
    object_title: str = ""
    object_image: str = ""
    count: int = 1
    actor_count: int = 1
    critical: bool = False
    created_at: str = ""
    metadata: Mapping[str, Any] = {}


class Labels(msgspec.Struct, frozen=True):
    """The texts of links, in the recipient's language, or in English if they are not known here."""

    view: str
    unsubscribe: str


class MailContent(msgspec.Struct, frozen=True):
    """The values for the templates of one mail. ``note`` is the first of ``notes``, of which ``more`` are not listed;
    ``summary`` counts their items by type. ``site`` is the name of the sender. Addresses are "" if there is none."""

    subject: str
    note: MailNote
    notes: Sequence[MailNote]
    more: int
    summary: str
    site: str
    lang: str
    dir: str
    public_url: str
    unsubscribe_url: str
    labels: Labels


class _Item(msgspec.Struct):
    """The members of a notification's JSON that mails show, in addition to those of its message."""

    actor_name: str | None = None
    actor_image: str | None = None
    object_type: str = ""
    object_id: str = ""
    object_title: str | None = None
    object_image: str | None = None
    actor_count: int = 1
    created_at: str = ""
    metadata: dict[str, Any] = {}


_item = msgspec.json.Decoder(_Item).decode


def mail_content(notes: Sequence[OutboundMessage], public_url: str, site: str) -> MailContent:
    """The values for a mail with these messages, newest first."""
    first = notes[0]
    lang = first.locale.replace("_", "-")
    listed = _listed(notes)
    return MailContent(
        _subject(notes),
        listed[0],
        listed,
        len(notes) - len(listed),
        _counts(notes),
        one_line(site, MAX_LINE),
        lang,
        "rtl" if chain(first.locale)[-1] in _RIGHT_TO_LEFT else "ltr",
        _address(public_url),
        _address(first.unsubscribe),
        Labels(_in_language(_VIEW, first.locale), _in_language(_UNSUBSCRIBE, first.locale)),
    )


def _listed(notes: Sequence[OutboundMessage]) -> list[MailNote]:
    """The messages that a mail lists: the first, and of the next ones those that fit."""
    listed: list[MailNote] = []
    size = 0
    for note in map(_note, notes[:LISTED]):
        size += sum(
            len(escape(text).encode()) for text in (note.message, note.title, note.description, note.url)
        )
        if listed and size > MAX_LISTED_BYTES:
            break
        listed.append(note)
    return listed


def _subject(notes: Sequence[OutboundMessage]) -> str:
    """The newest message, and the number of the others, which needs no translation."""
    more = f" (+{len(notes) - 1})" if len(notes) > 1 else ""
    return one_line(notes[0].text, MAX_SUBJECT - len(more)) + more


def _counts(notes: Sequence[OutboundMessage]) -> str:
    """The number of items of each type: ``like 3 · comment 1``."""
    found: Counter[str] = Counter()
    for note in notes:
        found[one_line(note.type.replace("_", " "), MAX_LINE)] += note.size
    return " · ".join(f"{type} {n}" for type, n in found.most_common())


def _note(note: OutboundMessage) -> MailNote:
    item = _item(note.item)
    return MailNote(
        one_line(note.type, MAX_LINE),
        one_line(note.text, MAX_LINE),
        one_line(note.heading, MAX_LINE),
        one_line(note.description, MAX_DESCRIPTION),
        _address(note.url),
        one_line(item.actor_name or "", MAX_LINE),
        _address(item.actor_image or ""),
        one_line(item.object_type, MAX_LINE),
        one_line(item.object_id, MAX_LINE),
        one_line(item.object_title or "", MAX_LINE),
        _address(item.object_image or ""),
        note.size,
        item.actor_count,
        note.critical,
        item.created_at,
        {one_line(name, MAX_LINE): _value(value) for name, value in islice(item.metadata.items(), LISTED)},
    )


def _value(value: object) -> Any:
    """A value of metadata as templates get it: short, and without control characters."""
    match value:
        case str():
            return one_line(value, MAX_DESCRIPTION)
        case dict():
            return {one_line(str(name), MAX_LINE): _value(one) for name, one in islice(value.items(), LISTED)}
        case list():
            return [_value(one) for one in value[:LISTED]]
    return value


def _address(url: str) -> str:
    """An address that a link or an image may have; "" for another scheme, such as javascript:."""
    return neutral(url) if url.startswith(_WEB) else ""


def _in_language(texts: Mapping[str, str], locale: str) -> str:
    return texts.get(chain(locale)[-1], texts[FALLBACK])
