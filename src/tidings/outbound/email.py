"""E-mail over SMTP: a mail has one notification or several, as plain text and as HTML."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import aiosmtplib
from aiosmtplib import (
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from tidings import mail_addresses
from tidings.config import ConfigError, Settings
from tidings.outbound.channel import AT_ONCE, SENT, OutboundMessage, SendResult
from tidings.outbound.mail_content import MAX_SUBJECT
from tidings.outbound.mail_templates import MailTemplates
from tidings.outbound.payload import one_line
from tidings.personal_data import Endpoint
from tidings.setting_checks import mailbox
from tidings.timeutil import Clock

TIMEOUT_S = 30
"""Seconds for a whole mail, with its connection: relays that verify a recipient are slow."""
PERMANENT = 500
"""The first code of the SMTP replies that are permanent failures (RFC 5321)."""
QUESTION = """Somebody, probably you, asked for notifications of {site} by e-mail to this address.

To get them, open this page and confirm the address:

{link}

If it was not you, do nothing: no notifications are sent to an address that was not confirmed.
"""
_PORTS = {"smtp": 25, "smtps": 465}


class Relay(NamedTuple):
    """The mail server that gets the mails. ``tls``: from the first byte; ``starttls``: required before anything is sent."""

    host: str
    port: int
    tls: bool
    starttls: bool
    username: str | None
    password: str | None


def relay(url: str) -> Relay:
    """The relay of ``smtp://user:password@host:587?starttls``. Raises ConfigError, which does not repeat the URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.scheme not in _PORTS or parts.path.strip("/") or parts.query not in ("", "starttls"):
        raise ConfigError(
            "smtp_url is written smtp://user:password@host:587?starttls, or smtps://…", "smtp_url"
        )
    tls, starttls = parts.scheme == "smtps", parts.query == "starttls"
    if parts.password and not (tls or starttls):
        raise ConfigError(
            "smtp_url has a password, which only smtps://… or ?starttls keeps from being read", "smtp_url"
        )
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Relay(host, port or _PORTS[parts.scheme], tls, starttls, username, password)


def sender(mail_from: str) -> Address:
    """The sender of ``Name <address>``. Raises ConfigError when it is none."""
    if not mail_from:
        raise ConfigError(
            "smtp_url needs mail_from, the sender of mails: an address, or Name <address>", "mail_from"
        )
    try:
        return mailbox(mail_from)
    except ValueError:
        raise ConfigError("mail_from is an address, or written Name <address>", "mail_from") from None


class _Unfolded(UnstructuredHeader, BaseHeader):
    """A header whose value is written as it is. RFC 2369 and RFC 8058 allow no encoded words in it, and the library turns
    each word of text beyond 78 characters into some: a mail program then finds no address."""

    def fold(self, *, policy: Policy) -> str:
        """The line of the header."""
        return f"{self.name}: {self}{policy.linesep}"


_headers = HeaderRegistry()
for _name in ("list-unsubscribe", "list-unsubscribe-post"):
    _headers.map_to_type(_name, _Unfolded)
WIRE = SMTP.clone(header_factory=_headers)
"""The form of mails."""


class Email:
    """Sends mails through one relay."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises ConfigError for settings that do not fit."""
        self._relay = relay(settings.smtp_url)
        self._sender = sender(settings.mail_from)
        self._public_url = settings.public_url
        self._templates = MailTemplates(settings.mail_templates)
        self._clock = clock
        self._free = asyncio.Semaphore(AT_ONCE["email"])

    def host(self, endpoint: Endpoint) -> str:
        """All mail goes through the one relay."""
        return self._relay.host

    async def send(self, endpoint: Endpoint, notes: Sequence[OutboundMessage]) -> SendResult:
        """Send one mail with all these messages."""
        now_s = self._clock.now() // 1000
        to, page = endpoint.address, self._public_url
        return await self._write(lambda: compose(self._sender, to, notes, page, now_s, self._templates))

    async def ask(self, address: str, link: str) -> SendResult:
        """Send the mail that asks an address for its confirmation. It contains no text that a user chose."""
        sender, now_s = self._sender, self._clock.now() // 1000
        return await self._write(lambda: question(sender, address, link, self._public_url, now_s))

    async def close(self) -> None:
        """Does nothing: each mail has a connection of its own."""

    async def _write(self, make: Callable[[], EmailMessage]) -> SendResult:
        """Compose a mail and send it, unless its recipient is no valid address."""
        try:
            letter = make()
        except ValueError:
            return SendResult("dead", "the address is not one of e-mail")
        async with self._free:
            return await self._hand_over(letter)

    async def _hand_over(self, letter: EmailMessage) -> SendResult:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._connection() as smtp:
                await smtp.send_message(letter)
        except (SMTPRecipientsRefused, SMTPRecipientRefused, SMTPDataError) as refusal:
            return refused(refusal)
        except SMTPNotSupported:
            return SendResult("dead", "the mail server refuses this address")
        except SMTPResponseException as refusal:  # of this server, not of the mail: a wrong password
            return SendResult("failed", f"the mail server says {refusal.code}", down=True)
        except (SMTPException, OSError, TimeoutError):
            return SendResult("failed", "no connection to the mail server", down=True)
        return SENT

    def _connection(self) -> aiosmtplib.SMTP:
        return _connection(self._relay, TIMEOUT_S)


class _Connection(aiosmtplib.SMTP):
    """A connection whose socket is closed at once. One with TLS waits for the relay's end of TLS otherwise, and stays open
    when it does not come, or when the loop of the caller ends before it does."""

    def close(self) -> None:
        """End it, after QUIT or a failure: nothing that was written is left to be sent."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


def _connection(place: Relay, timeout_s: float) -> aiosmtplib.SMTP:
    return _Connection(
        hostname=place.host,
        port=place.port,
        use_tls=place.tls,
        start_tls=True if place.starttls else None if not place.tls else False,
        username=place.username,
        password=place.password,
        timeout=timeout_s,
    )


async def relay_fault(place: Relay, timeout_s: float) -> str:
    """Connect and authenticate as for a mail, but send none; returns the fault, "" without one."""
    at = f"{place.host}:{place.port}"
    try:
        async with asyncio.timeout(timeout_s), _connection(place, timeout_s) as smtp:
            await smtp.noop()
    except SMTPAuthenticationError as refusal:
        return f"{at} refuses the user and password of smtp_url: {refusal.code} {refusal.message!a}"
    except SMTPResponseException as refusal:
        return f"{at} answers {refusal.code} {refusal.message!a}"
    except TimeoutError:
        return f"{at} does not answer within {timeout_s:g} s"
    except OSError as error:
        return f"no connection to {at}: {str(error.__cause__ or error)!a}"
    except SMTPException as error:  # it has no STARTTLS, or no way to authenticate
        return f"{at} does not do what smtp_url asks for: {error.message!a}"
    return ""


def refused(refusal: SMTPRecipientsRefused | SMTPResponseException) -> SendResult:
    """The result of an attempt whose mail or recipient was refused. Only the code of the reply is stored, because its text
    often repeats the address."""
    code = refusal.recipients[0].code if isinstance(refusal, SMTPRecipientsRefused) else refusal.code
    return SendResult("dead" if code >= PERMANENT else "failed", f"the mail server says {code}")


def compose(
    sender: Address,
    recipient: str,
    notes: Sequence[OutboundMessage],
    public_url: str,
    now_s: int,
    templates: MailTemplates,
) -> EmailMessage:
    """The mail with these messages, newest first. Raises ValueError for a recipient that is no valid address.

    ``now_s``: its date, in seconds since 1970. Its id is that of the oldest message, so that receivers recognise repeats.
    """
    parts = templates.render(notes, public_url, site_name(sender, public_url))
    letter = _addressed(sender, recipient, parts.subject, notes[-1].id, now_s)
    if notes[0].unsubscribe:
        letter["List-Unsubscribe"] = f"<{_ascii(notes[0].unsubscribe)}>"
        letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    elif public_url:
        letter["List-Unsubscribe"] = f"<{_ascii(public_url)}>"
    letter.set_content(parts.text)
    letter.add_alternative(parts.html, subtype="html")
    return letter


def _ascii(url: str) -> str:
    """An address in the form of RFC 3986, which has no other characters."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~")


def question(sender: Address, recipient: str, link: str, public_url: str, now_s: int) -> EmailMessage:
    """The mail with the link that confirms its recipient. Raises ValueError for a recipient that is no valid address.

    It contains no text that a user chose: with one, a user could have a text of their own sent to any address.
    """
    site = site_name(sender, public_url)
    asks = one_line(f"{site}: confirm your e-mail address", MAX_SUBJECT)
    id = hashlib.blake2b(link.encode(), digest_size=16).hexdigest()
    letter = _addressed(sender, recipient, asks, id, now_s)
    letter.set_content(QUESTION.format(site=site, link=link))
    return letter


def site_name(sender: Address, public_url: str) -> str:
    """The name of the application for recipients."""
    return sender.display_name or urlsplit(public_url).hostname or sender.domain


def _addressed(sender: Address, recipient: str, subject: str, id: str, now_s: int) -> EmailMessage:
    """A mail with its headers and without content. ``id``: the part of its Message-ID before the sender's domain."""
    letter = EmailMessage(policy=WIRE)
    letter["From"] = sender
    letter["To"] = mail_addresses.recipient(recipient)
    letter["Subject"] = subject
    letter["Date"] = format_datetime(datetime.fromtimestamp(now_s, UTC))
    letter["Message-ID"] = f"<{id}@{sender.domain}>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
    return letter
