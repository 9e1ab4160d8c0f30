"""Bodies within the caps that are as laborious as they can be: none keeps the others waiting, none costs much memory."""

import json
from itertools import islice, product
from string import ascii_lowercase

import httpx
import pytest

from tests.attack.probe import LONG, AttackedServer
from tests.wire.people import event

MIB = 1024 * 1024
BODY = 4 * MIB if LONG else 2 * MIB
"""Bytes of a large body: as many as an array may have, or half of it."""
MEMORY_MIB = 160
"""What a body may grow the server by at its peak: some copies of it, its events, and what the store keeps ready."""
JSON = {"content-type": "application/json"}
NDJSON = {"content-type": "application/x-ndjson"}


def metadata(text: str) -> bytes:
    """An event with these metadata."""
    return json.dumps(event())[:-1].encode() + b', "metadata": {"a": ' + text.encode() + b"}}"


def many(one: bytes, most: int = 1_000) -> bytes:
    """As many of them as an array holds."""
    return b"[" + b",".join([one] * min(most, BODY // (len(one) + 1))) + b"]"


def targets(count: int) -> bytes:
    return json.dumps(event(target_user_ids=[f"u{i}" for i in range(count)])).encode()


def repeated(before: bytes, part: bytes, after: bytes) -> bytes:
    """A body of BODY bytes that is mostly one part, over and over."""
    return before + part * ((BODY - len(before) - len(after)) // len(part)) + after


def named(before: bytes, value: bytes) -> bytes:
    """An object of as many members as a body of names has room for, all of different names, below ``before``."""
    members = (b'"%s":%s' % (bytes(name), value) for name in product(ascii_lowercase.encode(), repeat=4))
    count = (256 * 1024 - 100) // (len(value) + 8)
    return before + b",".join(islice(members, count)) + b"}" * before.count(b"{")


BRACKETS = "[" + "[]," * 5_000 + "[]]"
OBJECTS = "[" + '{"":{}},' * 1_800 + "{}]"
EXTREMES = "[" + "9e307," * 2_500 + "1]"
STRINGS = "[" + '"",' * 5_000 + "1.5]"
EVENT = json.dumps(event()).encode()
FAULTY = json.dumps({f"x{i}": i for i in range(20)}).encode()
FIELDS = EVENT[:-1] + b', "target_user_ids": ['

BODIES: dict[str, tuple[str, str, bytes, int]] = {
    "brackets in metadata": ("POST", "/v1/events", many(metadata(BRACKETS)), 201),
    "objects in metadata": ("POST", "/v1/events", many(metadata(OBJECTS)), 201),
    "strings and a fraction in metadata": ("POST", "/v1/events", many(metadata(STRINGS)), 201),
    "extreme numbers in metadata": ("POST", "/v1/events", many(metadata(EXTREMES)), 201),
    "extreme numbers in a short array": ("POST", "/v1/events", many(metadata(EXTREMES), 7), 201),
    "recipients in a short array": ("POST", "/v1/events", many(FIELDS + b'"a",' * 4_000 + b'"a"]}', 7), 201),
    "brackets for events": ("POST", "/v1/events", repeated(b"[", b"[],", b"[]]"), 413),
    "brackets in an event": ("POST", "/v1/events", repeated(b"[[", b"[],", b"[]]]"), 422),
    "numbers for events": ("POST", "/v1/events", repeated(b"[", b"1,", b"1]"), 413),
    "deep nesting": ("POST", "/v1/events", b"[" * BODY, 422),
    "deep metadata": ("POST", "/v1/events", metadata("[" * 30_000 + "]" * 30_000), 422),
    "one long text": ("POST", "/v1/events", repeated(b'{"actor_id": "', b"x", b'"}'), 413),
    "one long number": ("POST", "/v1/events", repeated(b'{"actor_id": ', b"1", b"}"), 413),
    "many members": ("POST", "/v1/events", repeated(b'{"a":0', b',"a":1', b"}"), 413),
    "more targets than allowed": ("POST", "/v1/events", repeated(FIELDS, b'"a",', b'"a"]}'), 422),
    "as many targets as allowed": ("POST", "/v1/events", targets(10_000), 201),
    "many small events": ("POST", "/v1/events", many(EVENT), 201),
    "all events faulty": ("POST", "/v1/events", many(FAULTY), 422),
    "blanks": ("POST", "/v1/events", repeated(b"", b" ", b"7"), 422),
    "nothing but blanks": ("POST", "/v1/events", repeated(b"", b"\n", b""), 400),
    "blanks after an event": ("POST", "/v1/events", repeated(EVENT, b"\t", b""), 201),
    "blanks in an array": ("POST", "/v1/events", repeated(b"[", b" ", EVENT + b"]"), 201),
    "blanks in an event": ("POST", "/v1/events", repeated(b"{", b" ", EVENT[1:]), 413),
    "blanks for a broadcast": ("POST", "/v1/broadcasts", repeated(b"[", b" ", b"7]"), 422),
    "blanks for follows": ("POST", "/v1/follows", repeated(b"", b" ", b"7"), 422),
    "brackets to an audience": ("POST", "/v1/broadcasts", repeated(b'{"a":[', b"[],", b"[]]}"), 413),
    "recipients of a reminder": (
        "PUT",
        "/v1/reminders/r",
        repeated(b'{"user_ids": [', b'"a",', b'"a"]}'),
        422,
    ),
    "brackets for follows": ("POST", "/v1/follows", repeated(b"[", b"[],", b"[]]"), 413),
    "brackets in a follow": ("POST", "/v1/follows", repeated(b"[[", b"[],", b"[]]]"), 422),
    "members of a follow": ("POST", "/v1/follows", repeated(b'[{"a":0', b',"a":1', b"}]"), 422),
    "too many follows": (
        "POST",
        "/v1/follows",
        repeated(b"[", b'{"user_id":"a","topic":"b:c"},', b"{}]"),
        413,
    ),
    "muted topics": (
        "PUT",
        "/v1/preferences?user_id=u",
        b'{"muted_topics": [' + b'"a:b",' * 40_000 + b'"a:b"]}',
        422,
    ),
    "types in preferences": ("PUT", "/v1/preferences?user_id=u", named(b'{"types":{', b"{}"), 422),
    "members of preferences": ("PUT", "/v1/preferences?user_id=u", named(b'{"types":{"a":{', b"true"), 422),
    "languages of a type": ("PUT", "/v1/admin/types/t", named(b'{"messages":{', b"{}"), 422),
    "labels of a type": ("PUT", "/v1/admin/types/t", named(b'{"labels":{"en":{', b'"x"'), 422),
    "verbs of a type": ("PUT", "/v1/admin/types/t", b'{"verbs": [' + b'"a",' * 60_000 + b'"a"]}', 422),
    "ids": ("POST", "/v1/notifications/read?user_id=u", b'{"ids": [' + b'"a",' * 60_000 + b'"a"]}', 422),
}
LINES: dict[str, tuple[bytes, int]] = {
    "brackets in lines": ((metadata(BRACKETS) + b"\n") * (BODY // 16_000), 64 * 1024),
    "faulty lines": ((FAULTY + b"\n") * 2_000, 64 * 1024),
    "blank lines": (b"\n" * BODY, 64 * 1024),
    "long line in small chunks": (b'{"a":"' + b"x" * BODY, 512),
    "long event in small chunks": (targets(10_000), 100),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("key", ["", "key"])
def test_a_body_takes_no_long_turn(probed: AttackedServer, name: str, key: str) -> None:
    """Whether its meaning has to be found for an idempotency key or not."""
    method, path, body, status = BODIES[name]
    headers = JSON | ({"idempotency-key": f"{key}-{name.replace(' ', '-')}"} if key else {})
    reply = httpx.request(method, probed.url + path, content=body, headers=headers, timeout=60)
    assert reply.status_code == status, reply.text[:500]
    probed.assert_bounds(memory_mib=MEMORY_MIB)


@pytest.mark.parametrize("name", LINES)
def test_lines_take_no_long_turn(probed: AttackedServer, name: str) -> None:
    """In whatever chunks they come: their cost grows with their bytes alone."""
    body, size = LINES[name]
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    reply = httpx.post(f"{probed.url}/v1/events", content=chunks, headers=NDJSON, timeout=60)
    assert reply.status_code in (200, 201), reply.text[:500]
    probed.assert_bounds(memory_mib=MEMORY_MIB)


def test_a_bulk_of_follows_takes_no_long_turn(probed: AttackedServer) -> None:
    """As many as may be in one request, some faulty; and as many that end."""
    pairs = [{"user_id": f"u{i % 100}", "topic": f"club:{i}"} for i in range(10_000)]
    for follows, status in (([*pairs[:-1], {"user_id": "u"}], 422), (pairs, 200)):
        reply = httpx.post(f"{probed.url}/v1/follows", json=follows, timeout=120)
        assert reply.status_code == status, reply.text[:500]
    reply = httpx.request("DELETE", f"{probed.url}/v1/follows", json=pairs, timeout=120)
    assert reply.json() == {"updated": 10_000}
    probed.assert_bounds(memory_mib=MEMORY_MIB)
