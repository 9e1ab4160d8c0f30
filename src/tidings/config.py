"""The one table of settings. It feeds the command line, the environment (``TIDINGS_*``), ``tidings.toml``, the reference
page and every bound in the code: a limit that is not here, or a named constant with its reason, is a bug."""

import difflib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from tidings.feed_changes import ACTIVITY_HISTORY, FEED_HISTORY, RETRACTION_HISTORY
from tidings.field_errors import MAX_FIELD_ERRORS, find
from tidings.rules import (
    MAX_BLOCKS,
    MAX_MUTES,
    MAX_TYPES,
    READ_ALL_HISTORY,
    DuplicateWindow,
    Locale,
    Name,
    Rule,
    Rules,
)
from tidings.setting_checks import LARGEST, accepted, check_text, masked, shown
from tidings.visibility import VisibilityName

KIB = 1024
MIB = 1024 * KIB

LEAST_QUEUE = 1_000
"""Commands of the shortest write queue: a part of an import has 500, and a queue without room for them refuses it always."""
Positive = Annotated[int, Meta(ge=1, le=LARGEST)]
Natural = Annotated[int, Meta(ge=0, le=LARGEST)]
SecretOverlap = Annotated[int, Meta(ge=0, le=30 * 86_400)]
"""A month at most: whoever has read a secret can sign with it until then."""
Confirmed = Literal["none", "users", "all"]
"""Whose mail addresses are confirmed before the first mail: nobody's, those that users register, all."""
Network = IPv4Network | IPv6Network
MAX_GROUP_WINDOW_S = 366 * 86_400
"""A year: each page of groups reads a whole window, or the maximum number of items in it."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting with its default; :data:`HELP` describes each, with its unit."""

    dev: bool = False
    dev_hosts: str = ""
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
    public_reads: Literal["off", "activity"] = "off"
    public_reads_per_min: Positive = 600

    max_event_bytes: Positive = 64 * KIB
    max_metadata_bytes: Positive = 16 * KIB
    max_metadata_depth: Annotated[int, Meta(ge=1, le=256)] = 16
    max_batch_events: Positive = 1_000
    max_batch_bytes: Positive = 4 * MIB
    max_import_bytes: Positive = 64 * MIB
    max_targets: Positive = 10_000
    max_topics: Positive = 32
    max_follows_batch: Positive = 10_000
    max_backfill: Positive = 1_000
    max_future_s: Positive = 300
    idempotency_hours: Annotated[int, Meta(ge=24, le=LARGEST)] = 168

    max_streams_per_user: Positive = 8
    max_streams_per_address: Positive = 1_000
    max_streams: Positive = 15_000
    max_public_streams: Positive = 10_000
    max_public_streams_per_address: Positive = 100
    max_stream_s: Positive = 600
    stream_opens_per_s: Positive = 1_000
    cors_origins: str = ""
    allowed_origins: str = ""
    heartbeat_s: Annotated[int, Meta(ge=1, le=25)] = 20
    max_wait_s: Annotated[int, Meta(ge=1, le=60)] = 60

    fan_out: Literal["inline", "worker"] = "inline"
    fanout_sync_max_followers: Positive = 2_000
    fanout_read_threshold_followers: Positive = 10_000
    fanout_read_threshold_rows_per_s: Positive = 5_000
    dormant_days: Positive = 30
    feed_max_scanned_rows: Positive = 20_000
    unseen_count_cap: Positive = 1_000
    feed_group_window_s: Annotated[int, Meta(ge=1, le=MAX_GROUP_WINDOW_S)] = 86_400
    max_mutes_per_user: Positive = MAX_MUTES
    max_blocks_per_user: Positive = MAX_BLOCKS
    feed_history: Positive = FEED_HISTORY
    activity_history: Positive = ACTIVITY_HISTORY
    retraction_history: Positive = RETRACTION_HISTORY
    read_all_history: Positive = READ_ALL_HISTORY
    naive_times: Literal["utc", "refuse"] = "refuse"

    reader_threads: Annotated[int, Meta(ge=1, le=16)] = 2
    max_reads_per_user: Positive = 16
    max_reads: Positive = 2_000

    write_queue: Annotated[int, Meta(ge=LEAST_QUEUE, le=LARGEST)] = 20_000
    max_writes_per_user: Positive = 64
    group_commit_events: Positive = 1_000
    sqlite_cache_mib: Annotated[int, Meta(ge=1, le=1_048_576)] = 256
    sqlite_partition_rows: Positive = 16_000
    sqlite_event_partition_rows: Positive = 1_000_000
    trends_max_exact_keys: Positive = 1_000_000
    trends_max_scanned_events: Positive = 1_000_000
    trends_count_followers: bool = False
    default_visibility: VisibilityName = "public"
    notify_max_age_s: Positive = 86_400
    duplicate_window_s: DuplicateWindow = 3_600

    public_url: str = ""
    server_url: str = ""
    smtp_url: str = ""
    mail_from: str = ""
    mail_templates: str = ""
    confirm_addresses: Confirmed = "users"
    vapid_private_key: str = ""
    vapid_subject: str = ""
    webhook_allow_http: bool = False
    webhook_allow_networks: str = ""
    webhook_secret_overlap_s: SecretOverlap = 86_400

    request_header_timeout_s: Positive = 10
    body_timeout_s: Positive = 30
    reply_timeout_s: Positive = 30
    max_connections: Positive = 17_000
    max_connections_per_address: Positive = 2_000
    max_body_mib: Positive = 128
    max_body_mib_per_address: Positive = 32
    max_unsent_mib: Positive = 256
    max_unsent_mib_per_address: Positive = 32
    shutdown_s: Positive = 30

    locale: Locale = "en"
    types: dict[Name, Rule] = {}


HELP: Mapping[str, str] = {
    "dev": "No credentials, loopback only, any user_id is accepted. Never for production.",
    "dev_hosts": "With --dev: other hosts, as host or host:port, comma-separated, that may be the Host and serve pages. "
    "For a private network only, such as that of docker compose.",
    "host": "Address to listen on.",
    "port": "Port to listen on; 0 picks a free one.",
    "prefix": "Path under which everything is served, such as /api.",
    "trusted_proxies": "Reverse proxies whose X-Forwarded-For is accepted: addresses or networks (CIDR), comma-separated.",
    "store": "The store: sqlite:///FILE, or memory:// for one that ends with the server.",
    "bus": "How processes notify each other of changes; a file has one process, so only local.",
    "roles": "The tasks of this process; a file has one process, so all of them: api,worker,live.",
    "api_keys": "Keys of your servers, comma-separated; they may act for any user. Set it in the environment.",
    "jwt_secret": "Secret (at least 32 bytes) of HS256 tokens. Set it in the environment.",
    "jwt_public_key": "PEM file or text of the public key of RS256, ES256 or EdDSA tokens.",
    "jwks": "File or URL of a JSON Web Key Set.",
    "jwt_issuer": "Required iss of tokens; empty accepts any.",
    "jwt_audience": "Required aud of tokens; empty accepts any.",
    "jwt_leeway_s": "Seconds by which clocks may differ when a token's times are checked.",
    "public_reads": "What is answered without a credential. activity: public events of all users and of topics, and trends.",
    "public_reads_per_min": "Requests without a credential from one address, or one /64 of IPv6, in a minute; more get 429. "
    "Behind trusted_proxies, that which they name.",
    "max_event_bytes": "Bytes of one event without its targets, which have a limit of their own.",
    "max_metadata_bytes": "Bytes of one event's metadata.",
    "max_metadata_depth": "Levels of nesting in metadata.",
    "max_batch_events": "Events in one array.",
    "max_batch_bytes": "Bytes of one array.",
    "max_import_bytes": "Bytes of one NDJSON import.",
    "max_targets": "Targets of one event. Their list has up to 132 bytes for each of this number.",
    "max_topics": "Extra topics of one event.",
    "max_follows_batch": "Pairs in one bulk follow.",
    "max_backfill": "Past events that a new follow can add to the feed.",
    "max_future_s": "Seconds that created_at may lie ahead.",
    "idempotency_hours": "Hours for which an idempotency key is remembered, at least 24.",
    "max_streams_per_user": "Open streams and waiting polls of one user.",
    "max_streams_per_address": "Open streams and waiting polls of one address, or one /64 of IPv6; "
    "behind trusted_proxies, that which they name.",
    "max_streams": "Open streams and waiting polls of one process; leaves room under a limit of 20,000 open files.",
    "max_public_streams": "Open streams without a credential, if public_reads permits them; they count as streams, too.",
    "max_public_streams_per_address": "The same of one address, counted as max_streams_per_address is.",
    "max_stream_s": "Seconds after which a stream is ended, so that its client returns; a fifth more or less for each.",
    "stream_opens_per_s": "Streams opened a second, and twice as many at once; others get a retry time of 2 to 15 s.",
    "cors_origins": "Origins whose pages may use the server from a browser, WebSockets included, comma-separated.",
    "allowed_origins": "Origins whose pages may only open a WebSocket besides our own host's, comma-separated.",
    "heartbeat_s": "Seconds between heartbeats of a stream, at most 25: proxies cut silent connections.",
    "max_wait_s": "Seconds that a long poll may wait.",
    "fan_out": "When a publisher gets the response. inline: when feeds have the event; worker: when it is durable.",
    "fanout_sync_max_followers": "Followers whose feeds one transaction writes; more are written in chunks of this size.",
    "fanout_read_threshold_followers": "Followers of a topic at which it changes to fan-out on read; back at half.",
    "fanout_read_threshold_rows_per_s": "Feed rows a second at which a topic changes to fan-out on read; back at half.",
    "dormant_days": "Days without a visit after which a user's feed changes to fan-out on read.",
    "feed_max_scanned_rows": "Entries examined to fill one filtered page; beyond, the page is partial.",
    "unseen_count_cap": "The maximum count of new items; beyond, it is capped.",
    "feed_group_window_s": "Seconds of a window within which group=true groups similar events, from 1970 on: a UTC day.",
    "reader_threads": "Threads for reads that may be long; one user has all but one of them at most.",
    "max_reads_per_user": "Long reads of one user that wait or run; identical requests count once.",
    "max_reads": "Long reads of all users together that wait or run before more get 503.",
    "max_mutes_per_user": "Topics that one user may mute; each item is compared with them.",
    "max_blocks_per_user": "Other users that one user may block.",
    "feed_history": "Changes of a feed's read state kept for streams that resume; older than the kept ones is a reset.",
    "retraction_history": "Retractions kept for the same.",
    "activity_history": "Positions of the log within which a stream of activity continues; an older cursor is a reset.",
    "read_all_history": "Read-alls of one inbox, or feed, that are kept one by one; at so many, the older half is merged.",
    "naive_times": "The zone of a time without one in from, to and since. utc: it is in UTC; refuse: an error.",
    "write_queue": "Commands waiting to be written before new ones get 503.",
    "max_writes_per_user": "Requests of one user, or for one, that wait to be written; more get 429.",
    "group_commit_events": "Events in one transaction.",
    "sqlite_cache_mib": "MiB of page cache, once for writing and once for reading pages.",
    "sqlite_partition_rows": "Rows of timelines and inboxes after which a new partition begins; old ones are merged.",
    "sqlite_event_partition_rows": "Events after which a new partition begins.",
    "trends_max_exact_keys": "Distinct keys counted exactly by trends; beyond, a sketch with a stated error.",
    "trends_max_scanned_events": "Events read for one reply about trends; more are a 400.",
    "trends_count_followers": "Count events that only followers see in trends, which everybody sees.",
    "default_visibility": "Visibility of events if neither they nor their type have one: public, followers or recipients.",
    "notify_max_age_s": "Seconds; notifications of events that are older when they are published arrive read.",
    "duplicate_window_s": "Seconds in which the same verb by one actor on one object notifies a user once; 0: each time.",
    "public_url": "Address of your page where users see their notifications and set their preferences; mails link to it.",
    "server_url": "Address at which browsers reach this server, prefix included; confirmation mails lead there.",
    "smtp_url": "Mail server, smtp://user:password@host:587?starttls or smtps://…; empty sends no mail.",
    "mail_from": "Sender of mails: an address, or Name <address>.",
    "mail_templates": "Folder with templates of mails, TYPE.html and TYPE.txt; empty sends the default form.",
    "confirm_addresses": "Mail addresses to be confirmed before the first mail: all, those that users register, or none.",
    "vapid_private_key": "PEM file or text of the P-256 key that web pushes are signed with; empty sends none.",
    "vapid_subject": "A mailto: or https: address at which push services can reach you.",
    "webhook_allow_http": "Whether webhooks may go to http:// addresses, unencrypted.",
    "webhook_allow_networks": "Networks (CIDR, comma-separated) for endpoints of the application, though not public.",
    "webhook_secret_overlap_s": "Seconds for which the secret before a rotation signs as well; 0: no more.",
    "request_header_timeout_s": "Seconds to receive a request's head.",
    "body_timeout_s": "Seconds to receive a request's body.",
    "reply_timeout_s": "Seconds in which a client must read 4 KiB, or a tenth, of what waits for it; "
    "otherwise its connection is closed.",
    "max_connections": "Open connections, streams included; above it only health checks get a response. "
    "Never more than the limit of open files leaves room for.",
    "max_connections_per_address": "Open connections from one address, or one /64 of IPv6; "
    "those of trusted_proxies are counted in all only.",
    "max_body_mib": "MiB of bodies of requests without a response yet, before further large ones get 503; "
    "what waits to be written takes up to four times as much memory.",
    "max_body_mib_per_address": "The same of one address, or one /64 of IPv6; further ones get 429. "
    "Behind trusted_proxies, of that which they name.",
    "max_unsent_mib": "MiB of responses that wait for clients that do not read, before further ones get 503.",
    "max_unsent_mib_per_address": "The same of one address, counted as connections are; further ones get 429.",
    "shutdown_s": "Seconds to end streams and requests at a stop.",
    "locale": "Language of messages for users without a preference, such as en or pt-BR.",
    "types": "Types of notifications and their rules, as tables: [types.like]. In the file only.",
}

AREAS: Mapping[str, str] = {
    "dev": "Essentials",
    "api_keys": "Authentication (secrets: in the environment or the file only)",
    "max_event_bytes": "Publishing",
    "max_streams_per_user": "Live delivery",
    "fan_out": "Feeds",
    "write_queue": "Storage and trends",
    "public_url": "E-mail, Web Push and webhooks",
    "request_header_timeout_s": "Connections",
    "locale": "Notifications",
}
"""The areas of the table. Each begins with the setting that is named here and ends before the next."""

FILE_ONLY = frozenset({"types"})
"""Settings that are tables, and so neither flags nor in the environment."""

NETWORKS = ("trusted_proxies", "webhook_allow_networks")
"""Settings that are lists of networks."""

SQLITE = "sqlite:///"
"""Begins the address of a store in a file; the path follows."""
PEM = "-----BEGIN"
"""Begins the text of a key, in the settings that take a file or a text."""

PATHS = frozenset({"store", "jwt_public_key", "jwks", "mail_templates", "vapid_private_key"})
"""Settings that can name a file. In the file of settings, a relative path is relative to its folder: the current folder of a
service is another one than that of the operator who runs ``tidings doctor``."""

SECRET = frozenset({"api_keys", "jwt_secret", "smtp_url", "vapid_private_key"})
"""Settings that are refused on the command line, where every user of the machine could read them."""

ENV_PREFIX = "TIDINGS_"
CONFIG_ENV = "TIDINGS_CONFIG"
"""The variable that names the file of settings."""

CLIENT_VARIABLES: Mapping[str, str] = {
    "TIDINGS_URL": "Address of the server with its prefix, for `top`, `tail`, `replay` and examples; `--url` overrides it.",
    "TIDINGS_API_KEY": "An API key. The commands and the examples read it; `--key-env` names another variable.",
    "TIDINGS_TOKEN": "A user's token. The examples for one user read it, before `TIDINGS_API_KEY`.",
}
"""Variables of clients, which may be set where a server starts. They are no settings, and the server ignores them."""

SERVICE_LINK = re.compile(
    r"TIDINGS_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)",
    re.ASCII,
)
SERVICE_PORT = re.compile(r"TIDINGS_(?:\w+_)?PORT", re.ASCII)
SERVICE_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://\S+")
"""Kubernetes sets these for every Service whose name is ``tidings`` or begins with ``tidings-``: names of the first form
with any value, and the second form with an address, where a setting has a port."""


class ConfigError(Exception):
    """A setting is unknown or invalid; the message names it.

    ``setting``: one that was found invalid at its use, so that the message lacks the source of its value; "" if the message
    has that already, or is about no single setting.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class _Given(NamedTuple):
    """A value of a setting, its source, and the setting's name as it is written there."""

    value: Any
    source: str
    name: str


def load(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> Settings:
    """Settings from the command line over the environment over the file over the defaults.

    A value that another source overrides is not checked. Raises ConfigError for an unknown name in any source, and for an
    invalid value.
    """
    given = _given(flags, environ, file)
    kinds = {field.name: field.type for field in msgspec.structs.fields(Settings)}
    settings = Settings(**{name: _checked(name, kinds[name], one) for name, one in given.items()})
    _check_types(settings.types)
    return settings


def located(
    error: ConfigError, flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None
) -> str:
    """The message of an error, after the source of its setting."""
    given = _given(flags, environ, file).get(error.setting)
    return f"{given.source}: {error}" if given else str(error)


def service_links(environ: Mapping[str, str]) -> list[str]:
    """The variables that Kubernetes sets for a Service of this name: addresses, not settings."""
    return sorted(
        name
        for name, value in environ.items()
        if SERVICE_LINK.fullmatch(name) or (SERVICE_PORT.fullmatch(name) and SERVICE_ADDRESS.fullmatch(value))
    )


def _given(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> dict[str, _Given]:
    """The effective value of each setting that a source has."""
    given: dict[str, _Given] = {}
    if file is not None:
        values = _from_file(file).items()
        given |= {
            name: _Given(_in_folder(file.parent, name, value), str(file), name) for name, value in values
        }
    given |= _from_environ(environ)
    for name, value in flags.items():
        if value is not None:
            given[name] = _Given(value, "the command line", "--" + name.replace("_", "-"))
    return given


def _from_file(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: it is not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: it is not TOML: {error or 'too many brackets'}") from None
    _refuse(
        f"{file}: {shown(name)} is no setting{_meant(name, Settings.__struct_fields__)}"
        for name in sorted(values.keys() - set(Settings.__struct_fields__))
    )
    types = values.get("types")
    _refuse(
        line
        for name, rule in (types.items() if isinstance(types, dict) else ())
        for line in _rule_errors(rule, f"{file}: types.{name}")
    )
    return values


def _refuse(errors: Iterable[str]) -> None:
    """Raises ConfigError with these errors, a line each, if there are any."""
    if lines := list(islice(errors, MAX_FIELD_ERRORS)):
        raise ConfigError("\n".join(lines))


def _in_folder(folder: Path, name: str, value: Any) -> Any:
    """A value of the file of settings in this folder; a path in it that is relative is relative to the folder."""
    if name not in PATHS or not isinstance(value, str):
        return value
    scheme = SQLITE if name == "store" else ""
    path = value.removeprefix(scheme)
    if not value.startswith(scheme) or not path or "://" in path or path.lstrip().startswith(PEM):
        return value
    return f"{scheme}{folder / path}"


def _rule_errors(rule: object, where: str) -> list[str]:
    """The errors of one type, a line each."""
    try:
        msgspec.convert(rule, Rule, strict=False)
    except msgspec.ValidationError as error:
        found = find(Rule, _as_json(rule), strict=False).errors
        return [f"{where}{pointer.replace('/', '.')}: {detail}" for pointer, detail in found] or [
            f"{where}: {error}"
        ]
    return []


def _as_json(rule: object) -> bytes:
    """A table as JSON. A value that only TOML has, such as a date or infinity, becomes a text, which is valid nowhere in a
    type."""
    return json.dumps(_without_infinity(rule), default=str).encode()


def _without_infinity(value: object) -> object:
    match value:
        case dict():
            return {name: _without_infinity(one) for name, one in value.items()}
        case list():
            return list(map(_without_infinity, value))
        case float() if not math.isfinite(value):
            return str(value)
    return value


def _from_environ(environ: Mapping[str, str]) -> dict[str, _Given]:
    ignored = {CONFIG_ENV, *CLIENT_VARIABLES, *service_links(environ)}
    names = sorted(name for name in environ if name.startswith(ENV_PREFIX) and name not in ignored)
    _refuse(filter(None, map(_variable_error, names)))
    return {
        variable.removeprefix(ENV_PREFIX).lower(): _Given(environ[variable], "the environment", variable)
        for variable in names
    }


def _variable_error(variable: str) -> str:
    """Why a variable of the environment gives no setting; "" if it gives one."""
    name = variable.removeprefix(ENV_PREFIX).lower()
    if name in FILE_ONLY:
        return f"the environment: {variable} is a table: it goes into the file"
    if name in Settings.__struct_fields__ and variable.isupper():
        return ""
    clients = (one.removeprefix(ENV_PREFIX).lower() for one in CLIENT_VARIABLES)
    meant = _meant(name, (*Settings.__struct_fields__, *clients), _variable)
    return f"the environment: {shown(variable)} is no setting{meant}"


def _meant(name: str, known: Iterable[str], written: Callable[[str], str] = str) -> str:
    """A question at the end of the refusal of a name, if a known one is similar."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {written(near[0])}?" if near else ""


def _variable(name: str) -> str:
    return ENV_PREFIX + name.upper()


def _check_types(types: Mapping[str, Rule]) -> None:
    if len(types) > MAX_TYPES:
        raise ConfigError(f"types: more than {MAX_TYPES}")
    try:
        Rules(types)
    except ValueError as error:
        raise ConfigError(f"types: {error}") from None


@lru_cache(maxsize=8)  # each stream reads its own when it is opened
def networks(name: str, text: str) -> tuple[Network, ...]:
    """The networks in a setting. Raises ConfigError that names it for an invalid one."""
    try:
        return tuple(map(_network, filter(None, map(str.strip, text.split(",")))))
    except ValueError as error:
        raise ConfigError(f"{name}: {error}", name) from None


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            raise
        raise ValueError(f"{shown(text)} is neither an address nor a network such as 10.0.0.0/8") from None


def _checked(name: str, kind: Any, given: _Given) -> Any:
    """The value converted to the setting's type. Raises ConfigError that states the accepted values."""
    where = f"{given.source}: {given.name}"
    try:
        if isinstance(given.value, str):
            check_text(name, given.value)
        value = msgspec.convert(given.value, kind, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        why = "" if isinstance(error, msgspec.ValidationError) else f", but {error}"
        found = masked(given.value) if isinstance(given.value, str) else given.value
        what = "" if name in SECRET else f", not {shown(found)}"
        raise ConfigError(f"{where} takes {accepted(name, kind)}{what or why}") from None
    if name in NETWORKS:
        networks(where, value)
    return value
