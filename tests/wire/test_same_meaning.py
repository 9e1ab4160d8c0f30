"""A repeat need not be the same to the byte: what means the same under one idempotency key is the same request."""

import json
from typing import Any

import httpx
import pytest

SENT: dict[str, Any] = {"actor_id": "alice", "verb": "comment", "object_type": "market", "object_id": "42"}
NDJSON = {"content-type": "application/x-ndjson"}
PLAIN = {"content-type": "application/json"}
BOM = b"\xef\xbb\xbf"
ONE = {"created_at": "2026-01-31T09:30:00Z", "metadata": {"a": 1, "b": [1.5, {"c": "\u00e9", "d": 100}]}}
OTHER = {
    "created_at": "2026-01-31T10:30:00.000+01:00",
    "metadata": {"b": [1.50, {"d": 1e2, "c": "\u00e9"}], "a": 1.0},
}


def spelled(fields: dict[str, Any], *, otherwise: bool = False) -> bytes:
    """An event as JSON; or otherwise: the other way round, with blanks, escapes and defaults."""
    if not otherwise:
        return json.dumps(SENT | fields | ONE, ensure_ascii=False).encode()
    whole = {"topics": [], "actor_name": None, **SENT, **fields, **OTHER}
    return json.dumps(dict(reversed(whole.items())), indent=2).encode()


def post(app: httpx.Client, path: str, key: str, body: bytes) -> httpx.Response:
    return app.post(path, content=body, headers={"content-type": "application/json", "idempotency-key": key})


in_each_form = pytest.mark.parametrize(
    ("path", "form", "fields"),
    [
        ("/v1/events", b"%b", {}),
        ("/v1/events", b"[%b]", {}),
        ("/v1/broadcasts", b"%b", {"audience": "club:chess"}),
    ],
)


@pytest.mark.need("IN4")
@in_each_form
def test_a_repeat_may_be_spelled_otherwise(
    app: httpx.Client, user: str, path: str, form: bytes, fields: dict[str, Any]
) -> None:
    """It gets the first reply; what means something else is refused."""
    first = post(app, path, user, form % spelled(fields))
    again = post(app, path, user, BOM + form % spelled(fields, otherwise=True))
    other = post(app, path, user, form % spelled(fields | {"verb": "other"}))
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["type"].endswith("idempotency-key-reused")


def test_so_may_a_line_and_an_event_of_an_array(app: httpx.Client, user: str) -> None:
    """By their own keys, in whichever way they come."""
    fields = {"idempotency_key": user}
    other = json.dumps(json.loads(spelled(fields, otherwise=True))).encode()
    lines = BOM + spelled(fields) + b"\n" + BOM + other + b"\n" + spelled(fields | {"verb": "other"})
    results = [
        json.loads(line) for line in app.post("/v1/events", content=lines, headers=NDJSON).iter_lines()
    ]
    assert [result.get("replayed", False) for result in results] == [False, True, False]
    assert results[2]["error"]["type"].endswith("idempotency-key-reused")
    assert results[1]["event_id"] == results[0]["event_id"]
    array = app.post("/v1/events", content=b"[" + other + b"]", headers={"content-type": "application/json"})
    assert array.json()["events"][0]["event_id"] == results[0]["event_id"]


@in_each_form
def test_a_repeat_tells_that_its_event_was_retracted(
    app: httpx.Client, user: str, path: str, form: bytes, fields: dict[str, Any]
) -> None:
    """The fault: who published the key of a retracted event got 201 and its id, and could not tell that nothing is shown."""
    first = post(app, path, user, form % spelled(fields))
    receipt = first.json().get("events", [first.json()])[0]
    assert "retracted" not in receipt
    assert app.delete(f"/v1/events/{receipt['event_id']}").status_code == 204
    again = post(app, path, user, form % spelled(fields))
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json().get("events", [again.json()]) == [receipt | {"retracted": True}]


def test_so_do_a_line_and_an_event_of_an_array(app: httpx.Client, user: str) -> None:
    """Each for itself: beside it stand one that was not retracted, and one that was never sent."""
    keys = [f"{user}-{n}" for n in range(3)]
    sent = [spelled({"idempotency_key": key}) for key in keys]
    gone, kept = app.post("/v1/events", content=b"[%b,%b]" % tuple(sent[:2]), headers=PLAIN).json()["events"]
    assert app.delete(f"/v1/events/{gone['event_id']}").status_code == 204
    array = app.post("/v1/events", content=b"[%b,%b,%b]" % tuple(sent), headers=PLAIN).json()["events"]
    assert array[:2] == [gone | {"retracted": True}, kept]
    assert "retracted" not in array[2]
    lines = app.post("/v1/events", content=b"\n".join(sent), headers=NDJSON).iter_lines()
    results = [json.loads(line) for line in lines]
    assert results[0] == {"line": 1, **gone, "retracted": True, "replayed": True}
    assert results[1] == {"line": 2, **kept, "replayed": True}
    assert "retracted" not in results[2]


@pytest.mark.parametrize(
    ("path", "form", "pointer", "fields"),
    [
        ("/v1/events", b"%b", "/idempotency_key", {}),
        ("/v1/events", b"[%b]", "/0/idempotency_key", {}),
        ("/v1/broadcasts", b"%b", "/idempotency_key", {"audience": "club:chess"}),
    ],
)
def test_two_keys_that_differ_are_refused(
    app: httpx.Client, user: str, path: str, form: bytes, pointer: str, fields: dict[str, Any]
) -> None:
    """The header was dropped for a key in the event: a repeat with the same header and another key was stored twice."""
    refused = post(app, path, user, form % spelled(fields | {"idempotency_key": user + "-1"}))
    assert (refused.status_code, [one["pointer"] for one in refused.json()["errors"]]) == (422, [pointer])
    same = form % spelled(fields | {"idempotency_key": user})
    first, again = post(app, path, user, same), post(app, path, user, same)
    assert (first.status_code, again.json()) == (201, first.json())


def test_a_conflict_says_which_key(app: httpx.Client, user: str) -> None:
    """That of the header, of the event, of an event of an array, or of a line: it said of none."""
    own = json.dumps(SENT | {"idempotency_key": user}).encode()
    other = json.dumps(SENT | {"idempotency_key": user, "verb": "other"}).encode()
    assert app.post("/v1/events", content=own, headers=PLAIN).status_code == 201
    assert post(app, "/v1/events", user, json.dumps(SENT).encode()).status_code == 201
    replies = (
        post(app, "/v1/events", user, json.dumps(SENT | {"verb": "other"}).encode()),
        app.post("/v1/events", content=other, headers=PLAIN),
        app.post("/v1/events", content=b"[%b,%b]" % (json.dumps(SENT).encode(), other), headers=PLAIN),
    )
    told = [reply.json() for reply in replies]
    told.append(json.loads(app.post("/v1/events", content=other, headers=NDJSON).text)["error"])
    assert {one["type"] for one in told} == {"urn:tidings:problem:idempotency-key-reused"}
    assert [one["errors"][0]["pointer"] for one in told] == [
        "Idempotency-Key",
        "/idempotency_key",
        "/1/idempotency_key",
        "/idempotency_key",
    ]


def test_a_reminder_that_fired_does_not_fire_again(app: httpx.Client, user: str) -> None:
    """When its reply was lost and it is set again, with its metadata in another order."""
    told = {
        "type": "t",
        "object_type": "o",
        "object_id": user,
        "user_ids": [user],
        "deliver_at": "2026-01-31T09:30:00Z",
    }
    for metadata in ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}):
        reply = app.put(f"/v1/reminders/{user}", json=told | {"metadata": metadata})
        assert reply.status_code == 200
    items = app.get("/v1/notifications", params={"user_id": user}).json()["items"]
    assert [item["count"] for item in items] == [1]


def test_a_byte_order_mark_is_passed_over_in_every_line(app: httpx.Client) -> None:
    """At the beginning of a line as at that of a body; a line of nothing else is blank."""
    line = spelled({})
    body = BOM + line + b"\n" + BOM + b"\n" + BOM + line + b"\n" + line + BOM
    results = [json.loads(one) for one in app.post("/v1/events", content=body, headers=NDJSON).iter_lines()]
    assert ["event_id" in result for result in results] == [True, True, False]
