"""The one table of settings. It feeds the command line, the environment (``TIDINGS_*``), ``tidings.toml``, the
reference page and every bound in the code: a limit that is not here, or a named constant with its reason, is a bug.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tidings.rules import MAX_TYPES, Locale, Name, Rule, Rules

KIB = 1024
MIB = 1024 * KIB

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Network = IPv4Network | IPv6Network


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting with its default; :data:`HELP` says what each is for, units included."""

    dev: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8787
    prefix: str = ""
    trusted_proxies: str = "127.0.0.0/8, ::1"
    store: str = "sqlite:///tidings.db"
    bus: Literal["local"] = "local"
    roles: Literal["api,worker,live"] = "api,worker,live"

    api_keys: str = ""
    jwt_secret: str = ""
    jwt_public_key: str = ""
    jwks: str = ""
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_leeway_s: Annotated[int, Meta(ge=0, le=60)] = 30

    max_event_bytes: Positive = 64 * KIB
    max_metadata_bytes: Positive = 16 * KIB
    max_metadata_depth: Positive = 16
    max_batch_events: Positive = 1_000
    max_batch_bytes: Positive = 4 * MIB
    max_import_bytes: Positive = 64 * MIB
    max_targets: Positive = 10_000
    max_topics: Positive = 32
    max_follows_batch: Positive = 10_000
    max_backfill: Positive = 1_000
    max_future_s: Positive = 300
    idempotency_hours: Annotated[int, Meta(ge=24)] = 168

    max_streams_per_user: Positive = 8
    max_streams_per_address: Positive = 1_000
    max_streams: Positive = 15_000
    max_stream_s: Positive = 600
    stream_opens_per_s: Positive = 1_000
    allowed_origins: str = ""
    heartbeat_s: Annotated[int, Meta(ge=1, le=25)] = 20
    max_wait_s: Annotated[int, Meta(ge=1, le=60)] = 60

    fan_out: Literal["inline", "worker"] = "inline"
    fan_out_inline_rows: Positive = 2_000
    hot_followers: Positive = 10_000
    hot_rows_per_s: Positive = 5_000
    dormant_days: Positive = 30
    feed_scan_budget: Positive = 20_000
    new_count_cap: Positive = 1_000

    write_queue: Positive = 20_000
    group_commit_events: Positive = 1_000
    sqlite_cache_mib: Positive = 256
    partition_rows: Positive = 16_000
    event_partition_rows: Positive = 1_000_000
    exact_window_keys: Positive = 1_000_000

    public_url: str = ""
    smtp_url: str = ""
    mail_from: str = ""
    vapid_private_key: str = ""
    vapid_subject: str = ""
    webhook_allow_http: bool = False
    webhook_allow_networks: str = ""

    head_timeout_s: Positive = 10
    body_timeout_s: Positive = 30
    shutdown_s: Positive = 30

    locale: Locale = "en"
    types: dict[Name, Rule] = {}

    def origins(self) -> frozenset[str]:
        """The origins of ``allowed_origins``, in lower case."""
        return frozenset(part.strip().lower() for part in self.allowed_origins.split(",") if part.strip())


HELP: Mapping[str, str] = {
    "dev": "No credentials, loopback only, user_id is believed. Never for production.",
    "host": "Address to listen on.",
    "port": "Port to listen on; 0 picks a free one.",
    "prefix": "Path under which everything is served, such as /api.",
    "trusted_proxies": "Reverse proxies whose X-Forwarded-For is believed: addresses or networks (CIDR), comma-separated.",
    "store": "Where everything is kept: sqlite:///FILE, or memory:// for a server that forgets.",
    "bus": "How processes tell each other that there is news; on one file there is one process, and so: local.",
    "roles": "What this process does; on one file there is one process, and so all: api,worker,live.",
    "api_keys": "Keys of your servers, comma-separated; they may act for any user. Set it in the environment.",
    "jwt_secret": "Secret (at least 32 bytes) of HS256 tokens. Set it in the environment.",
    "jwt_public_key": "PEM file or text of the public key of RS256, ES256 or EdDSA tokens.",
    "jwks": "File or URL of a JSON Web Key Set.",
    "jwt_issuer": "Required iss of tokens; empty accepts any.",
    "jwt_audience": "Required aud of tokens; empty accepts any.",
    "jwt_leeway_s": "Seconds by which clocks may differ when a token's times are checked.",
    "max_event_bytes": "Bytes of one event, its targets not counted: they have a cap of their own.",
    "max_metadata_bytes": "Bytes of one event's metadata.",
    "max_metadata_depth": "Levels of nesting in metadata.",
    "max_batch_events": "Events in one array.",
    "max_batch_bytes": "Bytes of one array.",
    "max_import_bytes": "Bytes of one NDJSON import.",
    "max_targets": "Targets of one event.",
    "max_topics": "Extra topics of one event.",
    "max_follows_batch": "Pairs in one bulk follow.",
    "max_backfill": "Past events that a new follow can bring.",
    "max_future_s": "Seconds that created_at may lie ahead.",
    "idempotency_hours": "Hours for which an idempotency key is remembered, at least 24.",
    "max_streams_per_user": "Open streams of one user.",
    "max_streams_per_address": "Open streams of one network address; what trusted_proxies bring counts for whom they name.",
    "max_streams": "Open streams of one process; leaves room under a limit of 20,000 open files.",
    "max_stream_s": "Seconds after which a stream is ended, so that its client returns; a fifth more or less for each.",
    "stream_opens_per_s": "Streams opened a second, and twice as many at once; others are sent away for 2 to 15 s.",
    "allowed_origins": "Origins whose pages may open a WebSocket besides our own host's, comma-separated.",
    "heartbeat_s": "Seconds between heartbeats of a stream, at most 25: proxies cut silent connections.",
    "max_wait_s": "Seconds that a long poll may wait.",
    "fan_out": "When publishers are answered. inline: when feeds have the event; worker: when it is durable.",
    "fan_out_inline_rows": "Followers reached within the event's own transaction; more are reached in chunks of this size.",
    "hot_followers": "Followers at which a topic is merged at read instead of pushed (it returns at half).",
    "hot_rows_per_s": "Feed rows a second that one topic may cost before it is merged at read (it returns at half).",
    "dormant_days": "Days without a visit after which a user's feed is merged at read instead of written.",
    "feed_scan_budget": "Entries examined to fill one filtered page before it says partial.",
    "new_count_cap": "Where counting new items stops.",
    "write_queue": "Commands waiting to be written before new ones are answered 503.",
    "group_commit_events": "Events in one transaction.",
    "sqlite_cache_mib": "MiB of page cache, once for writing and once for reading pages.",
    "partition_rows": "Rows of timelines and inboxes after which a new partition begins; old ones are merged.",
    "event_partition_rows": "Events after which a new partition begins.",
    "exact_window_keys": "Distinct keys counted exactly by trends; beyond, a sketch with a stated error.",
    "public_url": "Address of your page where people see and choose their notifications; mails lead there.",
    "smtp_url": "Mail server, smtp://user:password@host:587?starttls or smtps://…; empty sends no mail.",
    "mail_from": "Sender of mails: an address, or Name <address>.",
    "vapid_private_key": "PEM file or text of the P-256 key that web pushes are signed with; empty sends none.",
    "vapid_subject": "A mailto: or https: address at which push services can reach you.",
    "webhook_allow_http": "Whether webhooks may go to http:// addresses, unencrypted.",
    "webhook_allow_networks": "Networks (CIDR, comma-separated) that webhooks may reach although they are not public.",
    "head_timeout_s": "Seconds to receive a request's head.",
    "body_timeout_s": "Seconds to receive a request's body.",
    "shutdown_s": "Seconds to end streams and requests when asked to stop.",
    "locale": "Language of messages for whoever prefers none, such as en or pt-BR.",
    "types": "Types of notifications and their rules, as tables: [types.like]. In the file only.",
}

FILE_ONLY = frozenset({"types"})
"""Settings that are tables, and so neither flags nor in the environment."""

NETWORKS = ("trusted_proxies", "webhook_allow_networks")
"""Settings that are lists of networks."""

SECRET = frozenset({"api_keys", "jwt_secret", "smtp_url", "vapid_private_key"})
"""Settings that are refused on the command line, where every user of the machine could read them."""

ENV_PREFIX = "TIDINGS_"


class ConfigError(Exception):
    """A setting is unknown or does not fit; the message names it and where it was found."""


def load(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> Settings:
    """Settings from the command line over the environment over the file over the defaults.

    Raises ConfigError for an unknown name or a value that does not fit, from whichever source.
    """
    merged: dict[str, Any] = {}
    if file is not None:
        merged |= _checked(_from_file(file), str(file))
    merged |= _checked(_from_environ(environ), "the environment")
    merged |= _checked({k: v for k, v in flags.items() if v is not None}, "the command line")
    settings = Settings(**merged)
    _check_types(settings.types)
    return settings


def _from_file(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from None
    types = values.get("types")
    for name, rule in types.items() if isinstance(types, dict) else ():
        _check_rule(rule, f"{file}: types.{name}")  # by itself, so that the message can name it
    return values


def _check_rule(rule: object, where: str) -> None:
    try:
        msgspec.convert(rule, Rule, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from None


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    given = {
        name.removeprefix(ENV_PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(ENV_PREFIX) and name != "TIDINGS_CONFIG"
    }
    for name in sorted(given.keys() - set(Settings.__struct_fields__)):
        raise ConfigError(f"the environment: {ENV_PREFIX}{name.upper()} is no setting")
    for name in sorted(given.keys() & FILE_ONLY):
        raise ConfigError(f"the environment: {ENV_PREFIX}{name.upper()} is a table: it goes into the file")
    return given


def _check_types(types: Mapping[str, Rule]) -> None:
    if len(types) > MAX_TYPES:
        raise ConfigError(f"types: more than {MAX_TYPES}")
    try:
        Rules(types)
    except ValueError as error:
        raise ConfigError(f"types: {error}") from None


@lru_cache(maxsize=8)  # streams ask for theirs when they are opened
def networks(name: str, text: str) -> tuple[Network, ...]:
    """The networks in a setting. Raises ConfigError that names it for what is none."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None


def _checked(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    try:
        settings = msgspec.convert(dict(values), Settings, strict=False)
        for name in NETWORKS:
            networks(name, getattr(settings, name))
    except (msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{source}: {error}") from None
    return {name: getattr(settings, name) for name in values}
