"""What a problem says of a request that fits the schema and breaks another rule."""

from typing import Any, NamedTuple

import httpx
import pytest

EVENT = {"actor_id": "a", "verb": "v", "object_type": "t", "object_id": "1"}
LATE = "2999-01-01T00:00:00Z"


class Refused(NamedTuple):
    """A request that fits the schema, and where the reason for its refusal lies."""

    method: str
    path: str
    body: Any
    pointer: str


REFUSED = {
    "an event of the future": Refused("POST", "/v1/events", EVENT | {"created_at": LATE}, "/created_at"),
    "no events": Refused("POST", "/v1/events", [], ""),
    "a topic without its type": Refused("POST", "/v1/events", EVENT | {"topics": ["x"]}, "/topics/0"),
    "a channel that is not set up": Refused(
        "POST",
        "/v1/endpoints?user_id=u",
        {"channel": "email", "address": "a@b.example"},
        "/channel",
    ),
    "an address on this machine": Refused(
        "POST", "/v1/endpoints?user_id=u", {"channel": "webhook", "address": "https://127.0.0.1/"}, "/address"
    ),
    "a follow with too large a past": Refused(
        "PUT", "/v1/users/u/follows/t:1", {"backfill": 5_000}, "/backfill"
    ),
    "a block of oneself": Refused("PUT", "/v1/users/u/blocks/u", None, "other_id"),
    "a critical type that is turned off": Refused(
        "PUT", "/v1/preferences?user_id=u", {"types": {"siren": {"in_app": False}}}, "/types/siren/in_app"
    ),
    "an unknown locale": Refused("PUT", "/v1/preferences?user_id=u", {"locale": "xx"}, "/locale"),
    "an unknown time zone": Refused(
        "PUT",
        "/v1/preferences?user_id=u",
        {"quiet_hours": {"start": "22:00", "end": "07:00", "time_zone": "Mars/Olympus"}},
        "/quiet_hours/time_zone",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_the_title_is_right_for_what_fits_the_schema(app: httpx.Client, case: str) -> None:
    """The fault: it said that the body does not fit the schema, of bodies that do, and of requests without any."""
    app.put("/v1/admin/types/siren", json={"critical": True}).raise_for_status()
    method, path, body, pointer = REFUSED[case]
    reply = app.request(method, path, json=body) if body is not None else app.request(method, path)
    problem = reply.json()
    assert (reply.status_code, problem["type"]) == (422, "urn:tidings:problem:invalid-fields"), problem
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert problem["title"] == "A field of the request is not accepted"
    assert "schema" not in problem["detail"]
