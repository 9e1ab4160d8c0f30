"""What is open for a user who is erased ends, and none of it writes the name again (I10)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.checkers import traces
from tests.serving import serving
from tests.wire.people import event, moment
from tests.wire.streams import Stream

LIMIT_S = 30
PERSON, NAME = "user-4711-quillfeather", "Xanthe Quillfeather-Okoro"


@pytest.mark.parametrize("inline_rows", ["1", "2000"])
def test_an_erased_user_who_does_nothing_is_in_no_byte_of_the_file(tmp_path: Path, inline_rows: str) -> None:
    """The fault: a stream that was open when its user was erased brought them the next broadcast, and wrote the name again.
    Alike when the erasure takes many steps: the answer comes with the last of them."""
    settings = {"TIDINGS_FANOUT_SYNC_MAX_FOLLOWERS": inline_rows}
    with (
        serving(tmp_path, "--dev", **settings) as url,
        ThreadPoolExecutor(2) as pool,
        httpx.Client(base_url=url, timeout=LIMIT_S, trust_env=False) as app,
    ):
        acts = [event(PERSON, target_user_ids=["bob"], actor_name=NAME) for _ in range(60)]
        assert app.post("/v1/events", json=acts).status_code == 201
        assert app.put(f"/v1/users/bob/follows/user:{PERSON}").status_code == 201
        mine = {"user_id": PERSON, "include": "notifications,activity"}
        with (
            app.stream("GET", "/v1/notifications/stream", params=mine) as opened,
            app.stream("GET", "/v1/notifications/stream", params={"user_id": "bob"}) as other,
        ):
            stream, bystander = Stream(opened), Stream(other)
            stream.next("hello")
            bystander.next("hello")
            since: dict[str, str | int] = {"user_id": PERSON, "since": 0, "wait": 20}
            waiting = pool.submit(httpx.get, f"{url}/v1/notifications", params=since, timeout=LIMIT_S)
            frames: dict[str, str | int] = {"user_id": PERSON, "last_event_id": "0", "wait": 20}
            polling = pool.submit(httpx.get, f"{url}/v1/notifications/poll", params=frames, timeout=LIMIT_S)
            while b"tidings_polls_waiting 1.0" not in app.get("/metrics").content:
                pass
            assert app.delete(f"/v1/users/{PERSON}").status_code == 204
            assert [said.name for said in stream.rest() if said.name != "heartbeat"] == ["reset", "drain"]
            assert waiting.result().json()["items"] == []
            assert polling.result().status_code in (200, 503)
            item = bystander.next("notification").data
            assert item["actors"][0].startswith("erased-")
            news = event("alice", audience="*", object_id="7", expires_at=moment(days=1))
            assert app.post("/v1/broadcasts", json=news).status_code == 201
            assert bystander.next("notification").data["object_id"] == "7"
            page = app.get("/v1/activity", params={"limit": 100}).text
            assert PERSON not in page
            assert NAME not in page
    assert traces.found(tmp_path, (PERSON, NAME)) == []
