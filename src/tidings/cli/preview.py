"""``tidings preview``: what a notification would look like outside the application."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from email.headerregistry import Address
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from tidings.cli.options import config_option, refusal, settings_from
from tidings.config import ConfigError, Settings
from tidings.errors import TidingsError
from tidings.events import accept, read_event
from tidings.ids import notification_id
from tidings.model import InboxRow
from tidings.outbound.channel import OutboundMessage
from tidings.outbound.email import sender, site_name
from tidings.outbound.mail_templates import MailParts, MailTemplates
from tidings.outbound.payload import outbound_message
from tidings.outbound.web_push import payload
from tidings.outbound.webhook import body
from tidings.personal_data import DEFAULT_PREFERENCES, Preferences
from tidings.plain_text import escaped
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.rules import Rules
from tidings.timeutil import SystemClock
from tidings.unsubscribing import PATH as UNSUBSCRIBE
from tidings.validation import BOM

FORMS = ("message", "mail", "push", "webhook")
USER = "you"
STDIN = "-"
MOST = 60
"""Notifications in one mail: some more than a mail lists."""
DATA: Mapping[str, Any] = {
    "actor_id": "alice",
    "actor_name": "Alice",
    "object_type": "market",
    "object_id": "42",
    "object_title": "Will it rain tomorrow?",
    "description": "A sample: give your own event with --data.",
    "url": "https://example.com/markets/42",
    "metadata": {"city": "Berlin"},
}
"""The members of an event that the given data does not have."""


class _Types(NamedTuple):
    """The types of the settings, in the place of a store."""

    rules: Rules

    @property
    def renames(self) -> int:
        """Nobody has another name than in the event."""
        return 0

    async def preferences(self, user: str) -> Preferences:
        """Those of a user without any."""
        return DEFAULT_PREFERENCES


@click.command("preview", short_help="Show what a notification looks like as a mail or a push.")
@click.argument("type", required=False)
@click.option("--data", metavar="FILE", help="An event as JSON, or a part of one; - reads standard input.")
@click.option(
    "--as", "forms", type=click.Choice(FORMS), multiple=True, help="Only this form; may be repeated."
)
@click.option("--several", type=click.IntRange(1, MOST), default=1, help="Notifications in the mail.")
@click.option(
    "--html", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the mail's HTML."
)
@click.option("--locale", help="The language, such as de or pt-BR; that of the settings without it.")
@config_option
def command(
    type: str | None,
    data: str | None,
    forms: tuple[str, ...],
    several: int,
    html: Path | None,
    locale: str | None,
    config: Path | None,
) -> None:
    """Show a notification of a TYPE: its message, its mail, and what Web Push and a webhook send.

    The rules and texts are those of [types.TYPE] in the settings file, and the form of the mail is that of the
    setting mail_templates. Nothing is sent, and no server or store is opened: types that were declared over the API
    are unknown here. Without --data the event is a sample; members that the data lacks are those of the sample.

    \b
    Examples:
      tidings preview reply                                  all forms of a sample
      tidings preview reply --locale de --as message         its message in German
      tidings preview reply --html mail.html                 the mail, to open in a browser
      tidings preview reply --data event.json                your own event
      tidings preview reply --several 3 --as mail            a mail with three of them
      tidings preview reply --config /etc/tidings.toml       with the types and templates of a server
    """
    flags = {"locale": locale}
    settings = settings_from(flags, config)
    try:
        given = _given(data)
        notes = [message(settings, type, given, number) for number in range(several, 0, -1)]
        mail = _mail(settings, notes)
    except ConfigError as error:
        raise refusal(error, flags, config) from None
    except TidingsError as error:
        raise click.ClickException(_said(error)) from None
    shown = [text for form in forms or FORMS for text in _shown(form, notes, mail)]
    for line in "\n".join(shown).splitlines():
        click.echo(escaped(line))
    if html is not None:
        _write(html, mail.html)


def message(settings: Settings, type: str | None, given: Mapping[str, Any], number: int) -> OutboundMessage:
    """What the server would send about such an event. Raises InvalidFields, TooLarge, ConfigError."""
    rules, now = Rules(settings.types), SystemClock().now()
    verb = given.get("verb") or (next(iter(rules.rule(type).verbs), type) if type else "comment")
    raw = msgspec.json.encode({**DATA, "verb": verb, **given})
    event = accept(read_event(raw, now, settings), now)
    type = type or rules.type_of(event.verb)
    stored = b'{"event_id":"00000000-0000-7000-8000-000000000000","position":1,' + event.body
    row = InboxRow(notification_id(1, number), number, number, number, type, stored, opened_at=now)
    renderer = NotificationRenderer(_Types(rules), settings.locale)
    note = outbound_message(renderer, row, settings.locale, f"msg_{number}", now, rules.rule(type).critical)
    linked = settings.server_url and not note.critical
    link = f"{settings.server_url.rstrip('/')}{UNSUBSCRIBE}?token=sample" if linked else ""
    return note._replace(unsubscribe=link)


def _mail(settings: Settings, notes: Sequence[OutboundMessage]) -> MailParts:
    by = sender(settings.mail_from) if settings.mail_from else Address("Tidings", "tidings", "localhost")
    templates = MailTemplates(settings.mail_templates)
    return templates.render(notes, settings.public_url, site_name(by, settings.public_url))


def _shown(form: str, notes: Sequence[OutboundMessage], mail: MailParts) -> Iterator[str]:
    yield f"--- {form} ---"
    match form:
        case "message":
            yield notes[0].text
        case "mail":
            yield f"Subject: {mail.subject}\n\n{mail.text}"
        case "push":
            yield _indented(payload(notes[0]))
        case "webhook":
            yield _indented(body(USER, notes[0]))
    yield ""


def _indented(document: bytes) -> str:
    return msgspec.json.format(document, indent=2).decode()


def _given(path: str | None) -> dict[str, Any]:
    """The members of the event in a file. Raises click.ClickException if it has none."""
    if path is None:
        return {}
    name = "standard input" if path == STDIN else path
    try:
        raw = sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
        return msgspec.json.decode(raw.removeprefix(BOM), type=dict[str, Any])
    except OSError as error:
        raise click.ClickException(f"{name}: {error.strerror}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{name}: expected an event as a JSON object: {error}") from None


def _said(error: TidingsError) -> str:
    return (
        "\n".join(f"{pointer or 'the event'}: {detail}" for pointer, detail in error.errors) or error.detail
    )


def _write(path: Path, html: str) -> None:
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    click.echo(f"written: {path}", err=True)
