"""Bad input of every kind: told with the right status, problem type and pointer, and nothing is stored."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.attack.probe import attacked_server
from tests.wire.people import SETTINGS, event

KIB = 1024
GROWTH_MIB = 64
"""Bodies of up to 4 MiB, read whole and decoded."""
JSON = {"content-type": "application/json"}


class Case(NamedTuple):
    """A request that must fail: with this status, problem code and, unless it is None, pointer; or pointers, if there
    are several."""

    name: str
    status: int
    code: str
    pointer: str | tuple[str, ...] | None
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


Pointers = str | tuple[str, ...]
PLAIN = re.compile("expected |missing; expected |no such (field|name|parameter)|nested too deeply")
"""How what is said of a field begins: it tells what is accepted."""
TECHNICAL = re.compile(r"`|regex|\\x|\\A|Object |Expected |Python|[Ii]nvalid")


def parameter(name: str, query: str, path: str = "/v1/feed", pointer: Pointers | None = None) -> Case:
    """A GET whose query is bad in this parameter."""
    query = query if "user_id=" in query or path.startswith("/v1/users") else f"user_id=u&{query}"
    return Case(name, 400, "bad-parameter", pointer, "GET", f"{path}?{query}")


def posted(name: str, pointer: Pointers, body: Any, path: str = "/v1/events", method: str = "POST") -> Case:
    """A JSON body that does not fit its schema there."""
    encoded = json.dumps(body).encode()
    return Case(name, 422, "invalid-fields", pointer, method, path, encoded, JSON)


def field(name: str, pointer: Pointers, **changed: Any) -> Case:
    """An event with a bad field."""
    return posted(name, pointer, event(**changed))


def header(name: str, status: int, code: str, pointer: str | None = None, **headers: str) -> Case:
    """A good event under a bad header."""
    named = JSON | {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(name, status, code, pointer, "POST", "/v1/events", json.dumps(event()).encode(), named)


def raw(
    name: str, body: bytes, status: int = 400, code: str = "malformed-body", pointer: str | None = None
) -> Case:
    """Bytes that are no JSON."""
    return Case(name, status, code, pointer, "POST", "/v1/events", body, JSON)


def fields(name: str, pointer: Pointers, text: str, path: str = "/v1/events", method: str = "POST") -> Case:
    """JSON as it is written, in a body that does not fit its schema there."""
    return Case(name, 422, "invalid-fields", pointer, method, path, text.encode(), JSON)


def with_metadata(name: str, pointer: Pointers, text: str) -> Case:
    """An event with metadata as they are written."""
    whole = json.dumps(event())
    return fields(name, pointer, f'{whole[:-1]}, "metadata": {text}}}')


def nested(levels: int) -> dict[str, Any]:
    """An object that nests this many levels deep."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


ACTOR = "x" * 128
WIDE = "\U0001d11e"
LARGE = event(
    actor_name=WIDE * 500,
    object_title=WIDE * 500,
    title=WIDE * 500,
    description=WIDE * 5_000,
    topics=[f"{WIDE * 64}:{WIDE * 128}"] * 32,
    metadata={"a": "x" * 16_000},
)
"""Each field as long as it may be, in characters of four bytes: together they are too large all the same."""
READ = "/v1/feed/read?user_id=u"
MARK = "/v1/notifications/read?user_id=u"
ALL = "/v1/notifications/read-all?user_id=u"
FOLLOW = "/v1/users/u/follows/market%3A1"
INBOX = "/v1/notifications"
STREAM = "/v1/notifications/stream"
POLL = "/v1/notifications/poll"

NEEDED = ("/actor_id", "/verb", "/object_type", "/object_id")
FUTURE = "2200-01-01T00:00:00Z"
REMINDER = "/v1/reminders/r"
WISHES = "/v1/preferences?user_id=u"
TYPE = "/v1/admin/types/t"
ENDPOINTS = "/v1/endpoints?user_id=u"
ROTATION = "/v1/endpoints/none/rotate-secret?user_id=u"
DELIVERIES = "/v1/admin/deliveries"
BROADCAST = "/v1/broadcasts"
BACKFILL = "/v1/admin/backfill"
REMIND = {"type": "t", "object_type": "o", "object_id": "1", "user_ids": ["u"], "after_s": 3_600}
QUIET = {"start": "22:00", "end": "07:00"}

CASES = (
    # --- query parameters
    parameter("unknown parameter", "nonsense=1", pointer="nonsense"),
    parameter("unknown parameter without value", "nonsense", pointer="nonsense"),
    parameter("parameter in capitals", "LIMIT=1", pointer="LIMIT"),
    parameter("parameter twice", "limit=1&limit=2", pointer="limit"),
    parameter("user twice", "user_id=a&user_id=b", pointer="user_id"),
    parameter("empty user", "user_id=", pointer="user_id"),
    parameter("long user", "user_id=" + "u" * 129, pointer="user_id"),
    parameter("user with a control character", "user_id=a%00b", pointer="user_id"),
    parameter("user with a line end", "user_id=a%0Ab", pointer="user_id"),
    parameter("limit of nothing", "limit=0", pointer="limit"),
    parameter("limit over the cap", "limit=101", pointer="limit"),
    parameter("negative limit", "limit=-1", pointer="limit"),
    parameter("limit is text", "limit=ten", pointer="limit"),
    parameter("limit is empty", "limit=", pointer="limit"),
    parameter("limit is broken", "limit=1.5", pointer="limit"),
    parameter("limit is huge", "limit=" + "9" * 5000, pointer="limit"),
    parameter("damaged cursor", "cursor=abc"),
    parameter("cursor is not base64", "cursor=%FF%FE", pointer=None),
    parameter("empty cursor", "cursor=", pointer="cursor"),
    parameter("long cursor", "cursor=" + "c" * 600, pointer="cursor"),
    parameter("read is neither", "read=maybe", pointer="read"),
    parameter("include_own is neither", "include_own=2", pointer="include_own"),
    parameter("from is a date", "from=2026-01-31", pointer="from"),
    parameter("from without zone", "from=2026-01-31T09:30:00", pointer="from"),
    parameter("from is a number", "from=1700000000", pointer="from"),
    parameter("from is no day", "from=2026-02-30T09:30:00Z", pointer="from"),
    parameter("to is text", "to=tomorrow", pointer="to"),
    parameter("filter by an object type with a colon", "object_type=a:b", pointer="object_type"),
    parameter("filter by a topic without a colon", "topic=market", pointer="topic"),
    parameter("empty verb in a filter", "verb=", pointer="verb"),
    parameter("unknown name in fields", "fields=event_id,nonsense", pointer="fields"),
    parameter("empty field", "fields=event_id,", pointer="fields"),
    parameter("field of feeds in activity", "fields=reason", "/v1/activity", pointer="fields"),
    parameter("read of activity is neither", "read=maybe", "/v1/activity", pointer="read"),
    parameter("filter that is not UTF-8", "verb=%FF"),
    parameter("since is missing", "", "/v1/feed/new", pointer="since"),
    parameter("all parameters are wrong", "x=1&limit=0&read=maybe", pointer=("x", "limit", "read")),
    parameter("unknown and missing", "limit=1", "/v1/feed/new", pointer=("limit", "since")),
    parameter("two times are wrong", "from=x&to=y", pointer=("from", "to")),
    parameter("query too long", "fields=" + "a" * 20_000),
    parameter("too many parameters", "a&" * 64),
    parameter("too many of nothing", "&" * 64, path="/livez"),
    parameter("several twice", "limit=1&read=true&limit=2&read=true", pointer=("limit", "read")),
    parameter("since is text", "since=x", "/v1/feed/new", pointer="since"),
    parameter("since is negative", "since=-1", "/v1/feed/new", pointer="since"),
    parameter("since is huge", "since=" + "9" * 30, "/v1/feed/new", pointer="since"),
    parameter("wait without since", "wait=1", INBOX, pointer="wait"),
    parameter("wait too long", "since=0&wait=61", INBOX, pointer="wait"),
    parameter(
        "since with a cursor", "since=0&cursor=c29tZXdoZXJlc29tZXdoZXJlc29tZXdoZXJl", INBOX, pointer="cursor"
    ),
    parameter("since with unread_only", "since=0&unread_only=true", INBOX, pointer="unread_only"),
    parameter("since with fields", "since=0&fields=id", INBOX, pointer="fields"),
    parameter("fields of another resource", "fields=actor_id", INBOX, pointer="fields"),
    parameter("unknown state", "state=deferred", INBOX, pointer="state"),
    Case("an overlap below 0", 400, "bad-parameter", "overlap_s", "POST", f"{ROTATION}&overlap_s=-1"),
    Case(
        "an overlap over a month", 400, "bad-parameter", "overlap_s", "POST", f"{ROTATION}&overlap_s=2592001"
    ),
    Case("endpoint is empty", 400, "bad-parameter", "endpoint", "GET", f"{DELIVERIES}?endpoint="),
    Case("a damaged cursor of deliveries", 400, "bad-parameter", "cursor", "GET", f"{DELIVERIES}?cursor=abc"),
    Case(
        "a limit of deliveries over the cap", 400, "bad-parameter", "limit", "GET", f"{DELIVERIES}?limit=101"
    ),
    parameter("unknown window", "window=2m", "/v1/top", pointer="window"),
    parameter("unknown by", "by=user", "/v1/top", pointer="by"),
    parameter("top of too many", "limit=101", "/v1/top", pointer="limit"),
    parameter("top of a type with a colon", "object_type=a:b", "/v1/top", pointer="object_type"),
    parameter("top compared with nothing", "compare=next", "/v1/top", pointer="compare"),
    parameter("series of an unknown window", "window=1d", "/v1/top/series", pointer="window"),
    parameter("series of no object", "key=politics", "/v1/top/series", pointer="key"),
    parameter("series of a long actor", "by=actor&key=" + "a" * 129, "/v1/top/series", pointer="key"),
    parameter("series of no key", "key=", "/v1/top/series", pointer="key"),
    parameter("series with a limit", "limit=1", "/v1/top/series", pointer="limit"),
    parameter("top of no topic", "topic=politics", "/v1/top", pointer="topic"),
    parameter("unknown kind in a stream", "include=everything", STREAM, pointer="include"),
    parameter("empty kind in a stream", "include=notifications,", STREAM, pointer="include"),
    parameter("long cursor of a stream", "last_event_id=" + "1" * 300, STREAM, pointer="last_event_id"),
    parameter("unknown kind in a poll", "include=everything", POLL, pointer="include"),
    parameter("long cursor of a poll", "last_event_id=" + "1" * 300, POLL, pointer="last_event_id"),
    parameter("poll that waits too long", "wait=61", POLL, pointer="wait"),
    parameter("poll that waits for nothing", "wait=-1", POLL, pointer="wait"),
    parameter("history in follows", "history=keep", "/v1/users/u/follows", pointer="history"),
    Case("block of oneself", 422, "invalid-fields", "other_id", "PUT", "/v1/users/u/blocks/u"),
    Case("unknown history", 400, "bad-parameter", "history", "DELETE", FOLLOW + "?history=burn"),
    Case("parameter of a route without any", 400, "bad-parameter", "x", "GET", "/livez?x=1"),
    # --- paths and methods
    Case("unknown path", 404, "unknown-path", None, "GET", "/v2/feed"),
    Case("path with a slash at its end", 404, "unknown-path", None, "GET", "/v1/feed/"),
    Case("empty segment", 404, "unknown-path", None, "GET", "/v1/users//follows"),
    Case("unknown method", 405, "method-not-allowed", None, "PATCH", "/v1/feed"),
    Case("method of another path", 405, "method-not-allowed", None, "GET", "/v1/follows"),
    Case("invented method", 405, "method-not-allowed", None, "REPORT", "/v1/feed"),
    Case("topic without a colon in the path", 400, "bad-parameter", "topic", "GET", "/v1/topics/market"),
    Case("topic that is only a colon", 400, "bad-parameter", "topic", "GET", "/v1/topics/%3A"),
    Case("topic with a control character", 400, "bad-parameter", "topic", "GET", "/v1/topics/a%3A%07"),
    Case("long user in the path", 400, "bad-parameter", "user_id", "GET", f"/v1/users/{'u' * 129}/follows"),
    Case("path that is not UTF-8", 400, "bad-parameter", None, "GET", "/v1/users/%FF/follows"),
    Case("long event id", 400, "bad-parameter", "event_id", "GET", "/v1/events/" + "e" * 65),
    Case("unknown event", 404, "not-found", None, "GET", "/v1/events/01890000-0000-7000-8000-000000000000"),
    Case("event id of another form", 404, "not-found", None, "GET", "/v1/events/1"),
    Case("retraction of nothing", 404, "not-found", None, "DELETE", "/v1/events/1"),
    Case("unknown notification", 404, "not-found", None, "POST", "/v1/notifications/n1-zz/read?user_id=u"),
    # --- bodies that are no JSON
    raw("no body", b""),
    raw("half an object", b'{"actor_id":'),
    raw("no JSON", b"actor_id=alice"),
    raw("two objects", b"{}{}"),
    raw("bad event that goes on as no JSON", b'{"actor_id":7,'),
    raw("not UTF-8", b'{"actor_id":"\xff"}'),
    raw("half a surrogate", rb'{"actor_id":"\ud800"}'),
    raw("byte order mark and no JSON", b"\xef\xbb\xbf{"),
    raw("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf{}"),
    raw("byte order mark of UTF-16", b"\xff\xfe{\0}\0"),
    raw("half an array", b"["),
    # --- headers of bodies
    header("form", 415, "unsupported-media-type", content_type="application/x-www-form-urlencoded"),
    header("no content type", 415, "unsupported-media-type", content_type=""),
    header(
        "another charset", 415, "unsupported-media-type", content_type="application/json; charset=latin-1"
    ),
    header("compressed", 415, "unsupported-media-type", content_encoding="gzip"),
    header("empty key", 400, "bad-parameter", "Idempotency-Key", idempotency_key='""'),
    header("long key", 400, "bad-parameter", "Idempotency-Key", idempotency_key="k" * 256),
    field("key with a control character", "/idempotency_key", idempotency_key="0\0k"),
    header("key with a blank", 400, "bad-parameter", "Idempotency-Key", idempotency_key="a b"),
    Case(
        "key over an import",
        400,
        "bad-parameter",
        "Idempotency-Key",
        "POST",
        "/v1/events",
        b"{}\n",
        {"content-type": "application/x-ndjson", "idempotency-key": "k"},
    ),
    Case(
        "lines where an object is meant",
        415,
        "unsupported-media-type",
        None,
        "POST",
        READ,
        b"{}\n",
        {"content-type": "application/x-ndjson"},
    ),
    # --- events
    posted("number for an event", "", 7),
    posted("text for an event", "", "event"),
    posted("no fields", NEEDED, {}),
    field(
        "many are wrong", ("/actor_id", "/verb", "/x", "/topics/0"), actor_id=7, verb="", x=1, topics=["a"]
    ),
    field(
        "types and bounds",
        ("/verb", "/created_at", "/metadata/a"),
        verb=1,
        created_at=FUTURE,
        metadata={"a": 10**309},
    ),
    field("more than are named", tuple(f"/x{i}" for i in range(20)), **{f"x{i}": 1 for i in range(30)}),
    field("name that needs escaping", "/a~1b~0c", **{"a/b~c": 1}),
    fields("byte order mark and no fields", NEEDED, "\ufeff{}"),
    with_metadata("number beyond a double", "/metadata/a", '{"a": 1e999}'),
    with_metadata(
        "numbers beyond a double",
        ("/metadata/a/1", "/metadata/b~1/c"),
        '{"a": [1, -2e400], "b/": {"c": 1e999}}',
    ),
    with_metadata("number beyond a double and its name again", "/metadata/a", '{"a": 1e999, "a": 1}'),
    with_metadata("whole number of 309 digits", "/metadata/a", '{"a": %s}' % ("9" * 309)),
    with_metadata("whole number of 5,000 digits", "/metadata/a", '{"a": -%s}' % ("9" * 5_000)),
    fields("number beyond a double elsewhere", ("/position", *NEEDED), '{"position": 1e999}'),
    fields(
        "number beyond a double in a text's place",
        "/actor_id",
        json.dumps(event()).replace('"alice"', "1e999"),
    ),
    field("unknown field", "/nonsense", nonsense=1),
    field("position is not yours to give", "/position", position=1),
    field("actor is a number", "/actor_id", actor_id=7),
    field("actor is null", "/actor_id", actor_id=None),
    field("actor is empty", "/actor_id", actor_id=""),
    field("actor is long", "/actor_id", actor_id="x" * 129),
    field("actor with a control character", "/actor_id", actor_id="a\x00b"),
    field("verb is empty", "/verb", verb=""),
    field("verb is long", "/verb", verb="v" * 65),
    field("object type with a colon", "/object_type", object_type="a:b"),
    field("object id with a line end", "/object_id", object_id="a\nb"),
    field("targets are text", "/target_user_ids", target_user_ids="bob"),
    field("target is empty", "/target_user_ids/1", target_user_ids=["bob", ""]),
    field("target is a list", "/target_user_ids/0", target_user_ids=[[]]),
    field("too many targets", "/target_user_ids", target_user_ids=["b"] * 10_001),
    field("topic without a colon", "/topics/0", topics=["market"]),
    field("too many topics", "/topics", topics=[f"t:{i}" for i in range(33)]),
    field("time without zone", "/created_at", created_at="2026-01-31T09:30:00"),
    field("time is a number", "/created_at", created_at=1700000000),
    field("time of the future", "/created_at", created_at="2200-01-01T00:00:00Z"),
    field("time before 1970", "/created_at", created_at="1969-12-31T23:59:59Z"),
    field("metadata is a list", "/metadata", metadata=[]),
    field("metadata is text", "/metadata", metadata="{}"),
    field("metadata too deep", "/metadata", metadata=nested(17)),
    field("metadata too large", "/metadata", metadata={"a": "x" * 17 * KIB}),
    field("name too long", "/actor_name", actor_name="x" * 501),
    posted("bad event in an array", "/1/verb", [event(), event(verb="")]),
    posted(
        "missing field in an array",
        ("/2/actor_id", "/2/object_type"),
        [event(), event(), {"verb": "v", "object_id": "1"}],
    ),
    posted(
        "field errors in several events",
        ("/0/verb", "/2/metadata/a"),
        [event(verb=""), event(), event(metadata={"a": 10**400})],
    ),
    posted("more bad events than are named", tuple(f"/{i}/verb" for i in range(20)), [event(verb="")] * 30),
    posted("numbers among events", ("/0", "/1"), [1, 2]),
    fields("byte order mark before an array", "/0/verb", "\ufeff" + json.dumps([event(verb="")])),
    posted("empty array", "", []),
    posted("array in an array", "/0", [[event()]]),
    raw("event over its cap", json.dumps(LARGE, ensure_ascii=False).encode(), 413, "too-large", ""),
    raw("large event in an array", json.dumps([event(), LARGE]).encode(), 413, "too-large", "/1"),
    raw("array over its cap", json.dumps([event()] * 1_001).encode(), 413, "too-large"),
    raw("body over its cap", b"[" + b" " * 4096 * KIB + b"]", 413, "too-large"),
    # --- other bodies
    posted("neither ids nor all", "", {}, READ),
    posted("both ids and all", "", {"event_ids": ["a"], "all": True}, READ),
    posted("up_to without all", "/up_to", {"event_ids": ["a"], "up_to": 1}, READ),
    posted("no ids", "/event_ids", {"event_ids": []}, READ),
    posted("too many ids", "/event_ids", {"event_ids": ["a"] * 1_001}, READ),
    posted("up_to is negative", "/up_to", {"all": True, "up_to": -1}, READ),
    posted("ids are missing", "/ids", {}, MARK),
    posted("ids are numbers", "/ids/0", {"ids": [1]}, MARK),
    posted("unknown field in read-all", "/all", {"all": True}, ALL),
    posted("seq is text", "/up_to", {"up_to": "now"}, ALL),
    posted("backfill over the cap", "/backfill", {"backfill": 1_001}, FOLLOW, "PUT"),
    posted("backfill is negative", "/backfill", {"backfill": -1}, FOLLOW, "PUT"),
    posted("follow without topic", "/0/topic", [{"user_id": "u"}], "/v1/follows"),
    posted("follow of no topic", "/0/topic", [{"user_id": "u", "topic": "x"}], "/v1/follows"),
    posted(
        "field errors in several follows",
        ("/0/topic", "/1/user_id", "/1/x"),
        [{"user_id": "u", "topic": "x"}, {"user_id": 7, "x": 1, "topic": "a:b"}],
        "/v1/follows",
    ),
    posted("unfollow without topic", "/0/topic", [{"user_id": "u"}], "/v1/follows", "DELETE"),
    posted("unfollows are an object", "", {"user_id": "u", "topic": "a:b"}, "/v1/follows", "DELETE"),
    posted("follow that is a list", "/0", [["u", "a:b"]], "/v1/follows"),
    posted("follows are an object", "", {"user_id": "u", "topic": "a:b"}, "/v1/follows"),
    fields("backfill is a huge number", "/backfill", '{"backfill": 1%s}' % ("0" * 5_000), FOLLOW, "PUT"),
    fields("seq beyond a double", "/up_to", '{"up_to": 1e999}', ALL),
    # --- reminders and broadcasts
    posted(
        "reminder of nothing",
        ("/type", "/object_type", "/object_id", "/user_ids", "/deliver_at"),
        {},
        REMINDER,
        "PUT",
    ),
    posted(
        "field errors of a reminder",
        ("/user_ids/1", "/every", "/x"),
        REMIND | {"user_ids": ["u", ""], "every": 7, "x": 1},
        REMINDER,
        "PUT",
    ),
    posted(
        "reminder with a number beyond a double",
        "/metadata/a",
        REMIND | {"metadata": {"a": 10**309}},
        REMINDER,
        "PUT",
    ),
    posted(
        "reminder by the server's own time",
        "/time_zone",
        REMIND | {"time_zone": "localtime"},
        REMINDER,
        "PUT",
    ),
    posted("reminder in no time zone", "/time_zone", REMIND | {"time_zone": "Factory"}, REMINDER, "PUT"),
    posted(
        "reminder in a zone of other case",
        "/time_zone",
        REMIND | {"time_zone": "europe/berlin"},
        REMINDER,
        "PUT",
    ),
    posted("reminder in a file", "/time_zone", REMIND | {"time_zone": "../etc/passwd"}, REMINDER, "PUT"),
    posted(
        "broadcast with a number beyond a double",
        "/metadata/a/0",
        event(audience="*", metadata={"a": [10**309]}),
        BROADCAST,
    ),
    posted(
        "field errors of a broadcast",
        ("/verb", "/audience", "/target_user_ids"),
        event(audience="x", verb="", target_user_ids=["u"]),
        BROADCAST,
    ),
    posted("broadcast without an audience", "/audience", event(), BROADCAST),
    # --- backfills
    posted("backfill of nobody", "", {"days_back": 1}, BACKFILL),
    posted("backfill of one and all", "", {"days_back": 1, "user_id": "u", "all": True}, BACKFILL),
    posted("backfill without days", "/days_back", {"all": True}, BACKFILL),
    posted("backfill of an age", "/days_back", {"all": True, "days_back": 36_501}, BACKFILL),
    posted("fields of a backfill", ("/days_back", "/x"), {"all": True, "days_back": 0, "x": 1}, BACKFILL),
    # --- preferences, types, endpoints
    posted(
        "field errors of preferences",
        ("/types/t~1u/sms", "/types/t~1u/email", "/digest_s"),
        {"types": {"t/u": {"sms": True, "email": 1}}, "digest_s": -1},
        WISHES,
        "PUT",
    ),
    posted(
        "quiet hours by the server's own time",
        "/quiet_hours/time_zone",
        {"quiet_hours": QUIET | {"time_zone": "localtime"}},
        WISHES,
        "PUT",
    ),
    posted(
        "quiet hours in no time zone",
        "/quiet_hours/time_zone",
        {"quiet_hours": QUIET | {"time_zone": "Factory"}},
        WISHES,
        "PUT",
    ),
    posted(
        "field errors of quiet hours",
        ("/quiet_hours/start", "/quiet_hours/days/0", "/quiet_hours/end"),
        {"quiet_hours": {"time_zone": "UTC", "start": "25:00", "days": [0]}},
        WISHES,
        "PUT",
    ),
    posted(
        "field errors of a type",
        ("/notify", "/max_age_s", "/sound"),
        {"notify": "all", "max_age_s": 0, "sound": 1},
        TYPE,
        "PUT",
    ),
    posted(
        "field errors of templates",
        ("/messages/en", "/messages/de/other"),
        {"messages": {"en": {"one": "x"}, "de": {"other": "{nobody}"}}},
        TYPE,
        "PUT",
    ),
    posted(
        "template and bound",
        ("/gap_s", "/messages/en/other"),
        {"gap_s": "x", "messages": {"en": {"other": "{x}"}}},
        TYPE,
        "PUT",
    ),
    posted(
        "plural of no language",
        "/messages/en/several",
        {"messages": {"en": {"other": "x", "several": "y"}}},
        TYPE,
        "PUT",
    ),
    fields("age beyond a double", "/max_age_s", '{"max_age_s": 1e999}', TYPE, "PUT"),
    posted(
        "field errors of an endpoint",
        ("/channel", "/address", "/x"),
        {"channel": "fax", "address": "", "x": 1},
        ENDPOINTS,
    ),
    posted(
        "field errors of push keys, where no pushes are sent",
        ("/keys/p256dh", "/keys/auth", "/channel"),
        {"channel": "web_push", "address": "https://a.example/", "keys": {"p256dh": "x"}},
        ENDPOINTS,
    ),
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of their own under the probe: no bad input stops its loop, or is kept."""
    with attacked_server(tmp_path_factory.mktemp("bad-input"), **SETTINGS) as server:
        yield server.url
        server.assert_bounds(memory_mib=GROWTH_MIB)


@pytest.fixture
def unchanged(app: httpx.Client) -> Iterator[None]:
    """After the test the store holds exactly what it held before."""
    before = app.get("/v1/admin/status").json()
    yield
    after = app.get("/v1/admin/status").json()
    assert (after["position"], after["sizes"]) == (before["position"], before["sizes"])


@pytest.mark.need("IN6")
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bad_input(app: httpx.Client, case: Case) -> None:
    """Each case gets its status, its problem type and the name of what is wrong, and changes nothing."""
    reply = app.request(case.method, case.path, content=case.body, headers=case.headers)
    problem = reply.json()
    assert (reply.status_code, problem["type"]) == (case.status, f"urn:tidings:problem:{case.code}")
    assert reply.headers["content-type"] == "application/problem+json"
    assert problem["status"] == case.status
    assert problem["title"]
    assert problem["detail"]
    if case.pointer is None:
        return
    pointers = (case.pointer,) if isinstance(case.pointer, str) else case.pointer
    assert tuple(error["pointer"] for error in problem["errors"]) == pointers
    for error in problem["errors"]:
        assert PLAIN.match(error["detail"]), f"not in plain words: {error}"
        assert not TECHNICAL.search(error["detail"]), f"not in plain words: {error}"


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/v1/events", b"", "The body is empty."),
        ("POST", "/v1/events", b" \n", "The body is empty."),
        ("POST", READ + "?user_id=u", b"", "The body is empty."),
        ("GET", "/livez?foo=1", None, "foo: no such parameter; there is none"),
        ("GET", "/v1/feed?user_id=u&read=a%0A", None, r'read: expected true or false, got "a\n"'),
        ("GET", "/v1/feed?user_id=u&read=a%00", None, r'read: expected true or false, got "a\u0000"'),
        ("GET", "/v1/feed?user_id=u&read=%E2%80%AE", None, r'read: expected true or false, got "\u202e"'),
    ],
)
def test_what_is_wrong_is_said_as_it_is(
    app: httpx.Client, method: str, path: str, body: bytes | None, said: str
) -> None:
    """An empty body in one way, a parameter by that word, and control characters so that they can be seen: they were shown
    as blanks."""
    reply = app.request(method, path, content=body, headers=JSON)
    assert (reply.status_code, reply.json()["detail"]) == (400, said)


def test_a_large_event_names_the_setting(app: httpx.Client) -> None:
    """Who runs the server can change it."""
    reply = app.post("/v1/events", content=json.dumps(LARGE, ensure_ascii=False).encode(), headers=JSON)
    assert "max_event_bytes" in reply.json()["errors"][0]["detail"]


@pytest.mark.usefixtures("unchanged")
def test_follows_over_the_cap(app: httpx.Client) -> None:
    """A bulk follow of more pairs than the cap is refused as a whole."""
    pairs = [{"user_id": "u", "topic": f"t:{i}"} for i in range(10_001)]
    for method in ("POST", "DELETE"):
        reply = app.request(method, "/v1/follows", json=pairs)
        assert (reply.status_code, reply.json()["type"]) == (413, "urn:tidings:problem:too-large")


@pytest.mark.usefixtures("unchanged")
def test_body_without_length_is_bounded_too(app: httpx.Client) -> None:
    """A body that does not announce its length is cut off at the cap, however long it goes on."""

    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 64 * KIB

    reply = app.post("/v1/events", content=endless(), headers=JSON)
    assert (reply.status_code, reply.json()["type"]) == (413, "urn:tidings:problem:too-large")


@pytest.mark.usefixtures("unchanged")
def test_head_twice(app: httpx.Client) -> None:
    """A header that decides something and is there twice is refused: a proxy may have read the other one."""
    twice = [("idempotency-key", "a"), ("idempotency-key", "b"), ("content-type", "application/json")]
    reply = app.post("/v1/events", content=json.dumps(event()), headers=twice)
    assert reply.status_code == 400


def test_there_are_enough_cases() -> None:
    """The table keeps its breadth, and no name is used twice."""
    assert len({case.name for case in CASES}) == len(CASES) >= 80
