"""The accepted values of settings, in words, and the checks of their text that a type cannot state."""

import re
from collections.abc import Callable, Mapping
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from msgspec import Meta

from tidings.hosts import host_port

LARGEST = 2**31 - 1
"""The maximum of any number. It fits a C int, so no timer, socket option or column of a table overflows."""
SHOWN = 200
"""Characters of a refused value that its error repeats."""
HIDDEN = "…"
"""The replacement of a part of an address that may be a secret."""
QUERY = re.compile("[?#]")
"""Where the query or the fragment of an address begins."""
MULTILINE = frozenset({"jwt_public_key", "vapid_private_key"})
"""Settings that may be a PEM, whose text has several lines."""

HOST = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*(?!\d+\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
"""A host name. A last label of digits alone would be half an address."""
PREFIX = re.compile(r"(?:(?:/[\w.~-]+)+/?)?", re.ASCII)

FORMS: Mapping[str, str] = {
    "host": "an IP address or a host name",
    "prefix": "nothing, or a path such as /api",
    "public_url": "nothing, or an http:// or https:// address",
    "server_url": "nothing, or an http:// or https:// address",
    "mail_from": "nothing, an address, or Name <address>",
    "vapid_subject": "nothing, or a mailto: or https:// address",
    "allowed_origins": "origins such as https://app.example.com, comma-separated",
    "cors_origins": "origins such as https://app.example.com, comma-separated",
    "dev_hosts": "hosts such as tidings or web:3000, comma-separated",
    "jwt_public_key": "a public key in PEM form, or a file with one",
    "vapid_private_key": "a private key in PEM form, or a file with one",
    "jwks": "a file, an https:// URL, or an http:// URL of this machine",
    "locale": "a language such as en or pt-BR",
}
"""The accepted form of texts with a form of their own."""


def accepted(name: str, kind: Any) -> str:
    """The accepted values of a setting of this name and type, as the end of a sentence."""
    if name in FORMS:
        return FORMS[name]
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if get_origin(kind) is Annotated:
        plain, limits = get_args(kind)[0], [one for one in get_args(kind)[1:] if isinstance(one, Meta)]
        return _numbers(limits[0]) if plain in (int, float) and limits else accepted(name, plain)
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text on one line"}
    return words.get(kind, "a table")


def check_text(name: str, text: str) -> None:
    """Raises ValueError with the reason for text that no setting, or not this one, can use."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it is not valid UTF-8")
    breaks = "\r\n\t" if name in MULTILINE else ""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text if character not in breaks):
        raise ValueError("it has a control character in it")
    if name in _FITS and not _FITS[name](text):
        raise ValueError("it has another form")


def masked(address: str) -> str:
    """A URL as a line may show it: without its user, password, query and fragment, each of which may be a secret. Any other
    text stays as it is."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    # A password may have an unescaped slash or question mark: all text before the last @ is removed.
    _, at, rest = rest.rpartition("@")
    place = QUERY.split(rest, maxsplit=1)[0]
    return f"{scheme}://{HIDDEN if at else ''}{at}{place}" + (f"?{HIDDEN}" if place != rest else "")


def shown(value: object) -> str:
    """A value as an error repeats it: quoted, on one line, not longer than needed to recognise it."""
    if not isinstance(value, str):
        return str(value)[:SHOWN]
    return repr(value) if len(value) <= SHOWN else f"{value[:SHOWN]!r}… ({len(value):,} characters)"


def _numbers(limits: Meta) -> str:
    if limits.le in (None, LARGEST):
        return f"a whole number, {limits.ge} or more" + ("" if limits.le is None else f" (at most {LARGEST})")
    return f"a whole number from {limits.ge} to {limits.le}"


def _host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return bool(HOST.fullmatch(text))
    return True


def _url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _mailbox(text: str) -> bool:
    try:
        mailbox(text)
    except ValueError:
        return False
    return True


def mailbox(text: str) -> Address:
    """The address of ``Name <address>``. Raises ValueError when it is none, or lacks its domain."""
    name, address = parseaddr(text)
    try:
        found = Address(name, addr_spec=address)
    except (MessageError, IndexError):
        raise ValueError("it is no mail address") from None
    if not (text.isprintable() and found.username and found.domain):
        raise ValueError("it is no mail address with a domain")
    return found


def _contact(text: str) -> bool:
    """Whether a push service could write to it, or call it up (RFC 8292)."""
    if text.startswith("mailto:"):
        return _mailbox(text.removeprefix("mailto:").partition("?")[0])
    return text.startswith("https://") and _url(text)


def _origins(text: str) -> bool:
    given = [part.strip() for part in text.split(",") if part.strip()]
    return all(_url(part) and part.count("/") == 2 and not set(part) & set("?#@ ") for part in given)


def _hosts(text: str) -> bool:
    found = [host_port(part.strip()) for part in text.split(",") if part.strip()]
    return all(one is not None and _host(one.host) for one in found)


_FITS: Mapping[str, Callable[[str], bool]] = {
    "host": _host,
    "prefix": lambda text: bool(PREFIX.fullmatch(text)),
    "public_url": lambda text: not text or _url(text),
    "server_url": lambda text: not text or _url(text),
    "mail_from": lambda text: not text or _mailbox(text),
    "vapid_subject": lambda text: not text or _contact(text),
    "allowed_origins": _origins,
    "cors_origins": _origins,
    "dev_hosts": _hosts,
    "jwks": lambda text: "://" not in text or _url(text),
}
