"""Data of users: preferences, endpoints, reminders, results of deliveries. Frozen values without I/O."""

import base64
import re
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from tidings.field_errors import in_words

NAMED_AT_ONCE = 100
"""The most users of a reminder whose rows one transaction writes or deletes; with more users the rows are written or deleted
in steps. A cancellation, which does not state the number of users, has the weight of so many rows."""
ROW_BYTES = 1024
"""Bytes of a reminder that cost as much as one row: a reminder for ten thousand users takes some 10 ms to write."""
MAX_ENDPOINTS = 20
"""Endpoints of one user: each adds a delivery to every notification."""
ALIAS_PREFIX = "erased-"
_ALIAS = re.compile(ALIAS_PREFIX + r"[0-9a-f]{8}")
ALIAS_GLOB = ALIAS_PREFIX + "[0-9a-f]" * 8
"""The same as a pattern of file names, for statements."""


def alias_of(number: int) -> str:
    """The name under which the events of an erased user remain. ``number``: 32 random bits."""
    return f"{ALIAS_PREFIX}{number:08x}"


def is_alias(user: str) -> bool:
    """Whether an id has the form of the name of an erased user."""
    return _ALIAS.fullmatch(user) is not None


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The times without deliveries: from ``start`` to ``end`` ("22:00"; past midnight if start is later), in windows that
    begin on these ISO ``days`` (1 is Monday), by the local time of an IANA ``time_zone``."""

    time_zone: str
    start: str
    end: str
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


class Preferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The preferences of a user. ``types``: type ("*" for all others) → channel → wanted. ``locale`` of messages ("": the
    server's). ``digest_s``: seconds between e-mails (0: each at once); the first is sent at once, the others are
    collected."""

    types: dict[str, dict[str, bool]] = {}
    quiet_hours: QuietHours | None = None
    locale: str = ""
    digest_s: int = 0

    def wants(self, type: str, channel: str, default: bool) -> bool:
        """Whether a channel is wanted for a type: the preference of the type, else that for all, else the default."""
        for name in (type, "*"):
            if (wanted := self.types.get(name, {}).get(channel)) is not None:
                return wanted
        return default

    def without(self, channel: str, type: str = "") -> "Preferences":
        """The same without a channel for a type ("": for every type)."""
        refused = {
            name: {**wanted, channel: False} for name, wanted in self.types.items() if channel in wanted
        }
        name = type or "*"
        changed = refused if not type else {}
        changed[name] = {**self.types.get(name, {}), channel: False}
        return msgspec.structs.replace(self, types={**self.types, **changed})

    def holds_alike(self, other: "Preferences") -> bool:
        """Whether the other preferences defer deliveries for exactly as long: the same quiet hours, the same digest."""
        return (self.quiet_hours, self.digest_s) == (other.quiet_hours, other.digest_s)


DEFAULT_PREFERENCES = Preferences()
_decode_preferences = msgspec.json.Decoder(Preferences).decode


def decode_preferences(raw: bytes | None) -> Preferences:
    """Stored preferences, which are the JSON of their struct; the defaults of a user who set none."""
    return DEFAULT_PREFERENCES if raw is None else _decode_preferences(raw)


class Endpoint(msgspec.Struct, frozen=True):
    """An address of a user on a channel: a mail address, a push subscription, a URL. ``secret`` signs or encrypts for it.
    ``sent_at``: the time of the last delivery (ms). There are no deliveries before it is ``confirmed``, or from
    ``disabled_at`` (ms, 0: it is enabled) on. ``failures``: consecutive deliveries that were refused permanently.
    ``vouched``: the application registered it, so it may be in a network that is not public. ``revision``: the number of
    times that it was registered again, enabled or given another secret. ``previous_secret``: the one before, which signs as
    well until ``previous_until`` (ms, 0: there is none). ``last_error``: why the last attempt failed, at ``last_error_at``
    (ms); "" and 0 if it succeeded."""

    id: str
    user: str
    channel: str
    address: str
    secret: str = ""
    created_at: int = 0
    sent_at: int = 0
    confirmed: bool = True
    failures: int = 0
    disabled_at: int = 0
    disabled_reason: str = ""
    vouched: bool = False
    revision: int = 0
    previous_secret: str = ""
    previous_until: int = 0
    last_error: str = ""
    last_error_at: int = 0

    @property
    def is_usable(self) -> bool:
        """Whether deliveries are sent to it."""
        return self.confirmed and not self.disabled_at

    @property
    def user_address(self) -> str:
        """The address for its user: the application sets that of ``apprise``, which may have a password of the application,
        so users see the service only."""
        service, _, _ = self.address.partition("://")
        return f"{service}://…" if self.channel == "apprise" else self.address

    def enabled(self) -> "Endpoint":
        """The next revision of the endpoint, enabled and without failures."""
        revision = self.revision + 1
        renewed = msgspec.structs.replace(
            self, failures=0, disabled_at=0, disabled_reason="", revision=revision
        )
        return msgspec.structs.replace(renewed, last_error="", last_error_at=0)


class PushKeys(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of a browser's push subscription, in base64url: its public key (65 bytes) and its secret (16 bytes)."""

    p256dh: Annotated[str, in_words(r"\A[A-Za-z0-9_-]{87}=?\Z", "65 bytes in base64url")]
    auth: Annotated[str, in_words(r"\A[A-Za-z0-9_-]{22}(==)?\Z", "16 bytes in base64url")]

    def raw(self) -> tuple[bytes, bytes]:
        """Both as bytes. Raises ValueError if the first is no public key of the curve P-256."""
        # Padding that is there already does no harm: what stands behind the first is passed over.
        p256dh, auth = (base64.urlsafe_b64decode(text + "==") for text in (self.p256dh, self.auth))
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), p256dh)
        return p256dh, auth


class Reminder(msgspec.Struct, frozen=True):
    """A future event. ``event`` is its JSON as POST /v1/events takes it, without created_at. Due at ``due_at`` (ms);
    ``every`` an ISO 8601 duration after which it is due again ("": once), by the local time of ``time_zone``, counted from
    ``first_at`` (ms). ``audience``: a topic whose followers are the recipients; else the event's targets, who are
    ``users``."""

    key: str
    due_at: int
    event: bytes
    users: tuple[str, ...] = ()
    audience: str = ""
    every: str = ""
    time_zone: str = "UTC"
    first_at: int = 0

    @property
    def size(self) -> int:
        """Bytes of the event and of the names of the users, as JSON."""
        return len(self.event) + len(msgspec.json.encode(self.users))

    @property
    def weight(self) -> int:
        """The cost of writing this reminder, in rows."""
        return 1 + self.size // ROW_BYTES


class DeliveryResult(msgspec.Struct, frozen=True):
    """The result of a delivery: ``sent``, ``dropped`` (no longer wanted), ``held`` (not tried: due again at ``at``, or when
    the quiet hours or the digest of its user change), ``failed`` (tried: due again at ``at``),
    ``dead`` (a dead letter), ``gone`` (the endpoint does not exist any more: it is removed). ``failures``: of a ``dead`` one
    that the endpoint refused, how many it has now refused in a row; ``disables``: that is over the limit, and the endpoint
    is disabled for the reason ``error``. ``order``: of a ``sent``, ``dead`` or ``dropped`` one, the seq of the newest
    item of the attempt or decision: another delivery is enqueued if items joined the group since then (0: none is).
    ``by``: the preferences that decided about one that was not tried, which is decided again if its user has others now.
    ``revision``: that of the endpoint that refused, or by which one was dropped: with a later one the delivery is due
    again, and the endpoint is neither removed nor disabled (None: any). ``tried``: the ``error`` is that of an attempt at
    the endpoint, whose last one it is."""

    id: int
    state: str
    at: int = 0
    error: str = ""
    failures: int = 0
    disables: bool = False
    order: int = 0
    by: Preferences | None = None
    revision: int | None = None
    tried: bool = True
