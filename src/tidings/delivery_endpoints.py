"""Delivery endpoints of users: mail addresses, push subscriptions, URLs. They are checked and managed here."""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, ClassVar, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import msgspec
from msgspec import Meta

from tidings.commit_queue import GroupCommitQueue
from tidings.config import Confirmed
from tidings.confirmations import BY_APPLICATION, Confirmations
from tidings.endpoint_commands import AddEndpoint, EnableEndpoint, RemoveEndpoint, RotateSecret
from tidings.errors import FieldError, InvalidFields, NotFound
from tidings.field_errors import FieldCheck, check_own, shown
from tidings.mail_addresses import recipient
from tidings.model import CommandResult
from tidings.pauses import Pauses
from tidings.personal_data import MAX_ENDPOINTS, Endpoint, PushKeys
from tidings.ports import Store
from tidings.rules import Channel
from tidings.timeutil import Clock

MAX_ADDRESS = 2_048
"""Characters of an address: the longest URL that all software between the server and the host accepts."""
URL_CHANNELS = ("webhook", "web_push")
"""Channels whose addresses are URLs for POST requests."""
MAX_MAIL_ADDRESS = 254
"""Characters of a mail address: RFC 5321 leaves it 256 with its angle brackets."""

# The addresses that browsers accept in a form: HTML Living Standard, 4.10.5.1.5 "Email state". No quoted names, no comments.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_MAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*\Z")
_SERVICE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[\x21-\x7e]+\Z")
_VISIBLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+\Z")
"""The characters of a URL. Backslashes are excluded: some readers take them for slashes, and so see another host."""


def _key_errors(channel: str, keys: PushKeys | None) -> Iterator[FieldError]:
    if keys is None and channel == "web_push":
        yield FieldError("/keys", "missing; expected the keys of the subscription for web_push")
    elif keys is not None and channel != "web_push":
        yield FieldError("/keys", f"expected none for {channel}, got keys, which only web_push has")


def _curve_errors(keys: PushKeys | None) -> Iterator[FieldError]:
    try:
        if keys is not None:
            keys.raw()
    except ValueError:
        yield FieldError("/keys/p256dh", "expected a public key of the curve P-256, got other bytes")


def _address_errors(channel: str, address: str) -> Iterator[FieldError]:
    match channel:
        case "email":
            detail = "" if _is_mail_address(address) else "expected a mail address such as bob@example.com"
        case "apprise":
            detail = "" if _SERVICE.match(address) else "expected an address of the form service://…"
        case _:
            detail = _url_error(address)
    if detail:
        yield FieldError("/address", f"{detail}, got {shown(msgspec.json.encode(address))}")


def _is_mail_address(address: str) -> bool:
    """Whether a mail can be sent to an address, judged by its text."""
    if len(address) > MAX_MAIL_ADDRESS or not _MAIL.match(address):
        return False
    try:
        recipient(address)
    except ValueError:
        return False
    return True


def _url_error(address: str) -> str:
    """The reason why an address is no URL for POST requests, or "". Its host is checked when a delivery is sent."""
    try:
        url = urlsplit(address)
        well_formed = _VISIBLE.match(address) and url.hostname and url.port != 0
    except ValueError:
        well_formed = False
    if not well_formed:
        return "expected a URL such as https://example.com/hook"
    if "@" in url.netloc or url.fragment:
        return "expected a URL without a user name, a password or a fragment"
    return ""


class EndpointInput(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The body of ``POST /v1/endpoints``. ``keys`` is for the channel ``web_push`` only."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        FieldCheck(("channel", "keys"), _key_errors),
        FieldCheck(("keys",), _curve_errors),
        FieldCheck(("channel", "address"), _address_errors),
    )

    channel: Channel
    address: Annotated[str, Meta(min_length=1, max_length=MAX_ADDRESS)]
    keys: PushKeys | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for values that CHECKS refuse."""
        check_own(self)


class Registration(NamedTuple):
    """An endpoint as it was registered. ``new``: it did not exist before."""

    endpoint: Endpoint
    new: bool


class EndpointService:
    """The service of delivery endpoints."""

    def __init__(
        self,
        store: Store,
        log: GroupCommitQueue,
        clock: Clock,
        *,
        allow_http: bool,
        new_secret: Callable[[], str],
        push_key: Callable[[], str | None],
        confirmations: Confirmations,
        confirmed: Confirmed,
        refusal: Callable[[str, bool], str],
        missing: Callable[[str], str],
        pauses: Pauses,
    ) -> None:
        """``new_secret`` makes the secret that signs for a webhook; ``push_key`` returns the key that identifies this server
        to push services, or None. ``allow_http``: URLs need not be encrypted. ``confirmations`` confirms the mail
        addresses that ``confirmed`` names; ``refusal`` returns the reason why a URL is never called, or "", by whether the
        application vouches for it, without a name look-up; ``missing`` the settings that this server lacks to send on a
        channel, or ""; ``pauses``: those of the dispatcher."""
        self._store = store
        self._log = log
        self._clock = clock
        self._schemes = {"https", "http"} if allow_http else {"https"}
        self._new_secret = new_secret
        self._push_key = push_key
        self.confirmations = confirmations
        self._confirmed = confirmed
        self._refusal = refusal
        self._missing = missing
        self.pauses = pauses
        self._adding: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By user, while a registration of the user is in progress."""

    async def of(self, user: str) -> list[Endpoint]:
        """A user's endpoints, oldest first."""
        return await self._store.endpoints(user)

    async def add(self, user: str, given: EndpointInput, *, vouched: bool) -> Registration:
        """Register an endpoint. One of the same channel and address keeps its id, and a webhook its secret, or an
        application that registers at each start would refuse deliveries with a new signature; a push subscription gets the
        new keys. It is enabled.

        ``vouched``: the application registers it, and is responsible for the mail address being the user's. A registration
        by the user is not sufficient: a confirmation mail goes to the address, and nothing else before it is confirmed (as
        the setting ``confirm_addresses`` says, which may be stricter or none); and a URL in ``webhook_allow_networks`` is
        refused.
        Raises InvalidFields, also if the channel is not set up or the user has MAX_ENDPOINTS already; TooManyRequests;
        Unavailable.
        """
        if errors := tuple(self.setup_errors(given.channel, given.address, vouched=vouched)):
            raise InvalidFields(errors=errors)
        # Two concurrent registrations could both be the last one that fits.
        async with self._adding.setdefault(user, asyncio.Lock()):
            present = await self._store.endpoints(user)
            known = [one for one in present if (one.channel, one.address) == (given.channel, given.address)]
            if not known and len(present) >= MAX_ENDPOINTS:
                raise InvalidFields(
                    errors=(
                        FieldError(
                            "",
                            f"expected up to {MAX_ENDPOINTS} endpoints of one user, who has as many already",
                        ),
                    )
                )
            # The store keeps the confirmation of an existing address; it is not repeated here, or one that a concurrent
            # erasure deletes would be restored.
            endpoint = self._new(user, given, vouched=vouched)
            if not endpoint.confirmed and not any(one.confirmed for one in known):
                await self._reserve(endpoint)
            await self._log.submit(AddEndpoint(endpoint))
            stored = await self._stored(endpoint)
        self.pauses.end(stored)
        if not stored.confirmed:
            self.confirmations.begin(stored.id, stored.address, partial(self._waits, stored))
        return Registration(stored, stored.id == endpoint.id)

    def setup_errors(self, channel: str, address: str, *, vouched: bool) -> Iterator[FieldError]:
        """The errors of valid members ("": missing) that only the configuration of this server refuses: a channel that is
        not set up, a URL that it does not call."""
        if lacking := self._missing(channel):
            yield FieldError(
                "/channel", f"expected a channel that is set up on this server, got {channel}: {lacking}"
            )
        if not address or channel not in URL_CHANNELS:
            return
        if urlsplit(address).scheme not in self._schemes:
            allowed = " or ".join(sorted(self._schemes))
            got = shown(msgspec.json.encode(address))
            yield FieldError("/address", f"expected a URL with {allowed}, got {got}")
        elif refused := self._refusal(address, vouched):
            yield FieldError("/address", refused)

    async def enable(self, user: str, id: str) -> Endpoint:
        """Enable a disabled endpoint, and end a pause. Raises NotFound if it is not this user's."""
        await self._log.submit(EnableEndpoint(user, id))
        return await self._renewed(user, id)

    def paused_until(self, endpoint: Endpoint) -> int:
        """The time before which nothing is sent to an endpoint because it asked for that, in milliseconds; 0 for none."""
        return self.pauses.until(endpoint)

    async def rotate_secret(self, user: str, id: str, overlap_s: int) -> Endpoint:
        """Give a webhook a new secret, which signs from the next attempt on; the present one signs as well for ``overlap_s``
        seconds, and none before it. Raises NotFound if it is not a webhook of this user."""
        keep_until = self._clock.now() + overlap_s * 1_000 if overlap_s else 0
        outcome = await self._log.submit(RotateSecret(user, id, self._new_secret(), keep_until))
        if not (isinstance(outcome, CommandResult) and outcome.updated):
            raise NotFound("no such webhook")
        return await self._renewed(user, id)

    async def remove(self, user: str, id: str) -> None:
        """Delete an endpoint and its queued deliveries. Raises NotFound if it is not this user's."""
        outcome = await self._log.submit(RemoveEndpoint(user, id))
        if not (isinstance(outcome, CommandResult) and outcome.updated):
            raise NotFound("no such endpoint")

    def push_key(self) -> str:
        """The public key with which browsers subscribe, in base64url. Raises NotFound if there is none."""
        key = self._push_key()
        if key is None:
            raise NotFound("web push is not configured on this server")
        return key

    async def _renewed(self, user: str, id: str) -> Endpoint:
        """An endpoint of a user, which has a new revision. Raises NotFound."""
        for endpoint in await self._store.endpoints(user):
            if endpoint.id == id:
                self.pauses.end(endpoint)
                return endpoint
        raise NotFound("no such endpoint")

    async def _stored(self, endpoint: Endpoint) -> Endpoint:
        """A registered endpoint as stored, which may have existed before; as it was given if it was removed meanwhile."""
        present = await self._store.endpoints(endpoint.user)
        place = (endpoint.channel, endpoint.address)
        return next((one for one in present if (one.channel, one.address) == place), endpoint)

    async def _waits(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint still exists and is not yet confirmed."""
        present = await self._store.endpoints(endpoint.user)
        return any(one.id == endpoint.id and not one.confirmed for one in present)

    async def _reserve(self, endpoint: Endpoint) -> None:
        if self.confirmations.missing:
            way_out = BY_APPLICATION if self._confirmed == "users" else ""
            raise InvalidFields(errors=(FieldError("/channel", self.confirmations.missing + way_out),))
        await self.confirmations.reserve(endpoint.user, endpoint.address)

    def _new(self, user: str, given: EndpointInput, *, vouched: bool) -> Endpoint:
        created_at = self._clock.now()
        return Endpoint(
            secrets.token_hex(8),
            user,
            given.channel,
            given.address,
            self._secret(given),
            created_at=created_at,
            confirmed=given.channel != "email" or not self._is_asked(vouched=vouched),
            vouched=vouched,
        )

    def _is_asked(self, *, vouched: bool) -> bool:
        """Whether the owner of a mail address is asked before the first mail."""
        return self._confirmed == "all" or (self._confirmed == "users" and not vouched)

    def _secret(self, given: EndpointInput) -> str:
        if given.channel == "webhook":
            return self._new_secret()
        return "" if given.keys is None else msgspec.json.encode(given.keys).decode()
