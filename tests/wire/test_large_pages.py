"""Pages of large items are bounded in bytes: each ends early, and the next goes on where it ended."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.wire.people import event
from tidings.feeds import PAGE_BYTES

COUNT = 60
LARGE: dict[str, Any] = {"description": "\u2603" * 5_000, "metadata": {"text": "x" * 15_000}}
"""Some 30 KB, as an event may have."""
OTHERS_BYTES = 2_048
"""What a page has beside its items."""


@pytest.fixture(scope="module")
def reader(app: httpx.Client) -> str:
    """A user whose feed and inbox have many large items."""
    events = [
        event(object_type="large", object_id=str(n), target_user_ids=["large"], **LARGE) for n in range(COUNT)
    ]
    for at in range(0, COUNT, 10):
        assert app.post("/v1/events", json=events[at : at + 10]).is_success
    return "large"


def pages(app: httpx.Client, path: str) -> Iterator[Any]:
    """All pages, as a client walks them."""
    following: str | None = "&since=0" if "since" in path else ""
    while following is not None:
        reply = app.get(f"{path.removesuffix('&since')}{following}")
        page = reply.json()
        assert page["items"], "a page without an item would never end"
        large = len(reply.content) - len(page["items"]) - OTHERS_BYTES > PAGE_BYTES
        assert not large or len(page["items"]) == 1, f"a page of {len(reply.content)} bytes"
        yield page
        if "since" in path:
            following = f"&since={page['next_since']}" if page["has_more"] else None
        else:
            assert page["has_more"] == (page["next_cursor"] is not None)
            following = page["next_cursor"] and f"&cursor={page['next_cursor']}"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/feed?user_id=large&limit=100",
        "/v1/feed?user_id=large&limit=100&verb=comment",
        "/v1/feed?user_id=large&limit=100&fields=object_id,metadata",
        "/v1/topics/user:alice/activity?limit=100&object_type=large",
        "/v1/activity?limit=100&object_type=large",
        "/v1/notifications?user_id=large&limit=100",
        "/v1/notifications?user_id=large&limit=100&fields=object_id,metadata",
        "/v1/notifications?user_id=large&limit=100&since",
    ],
)
def test_a_page_is_bounded_in_bytes(app: httpx.Client, reader: str, path: str) -> None:
    """A hundred items of the largest kind were one answer of megabytes; now there are more pages, with each item once."""
    walked = list(pages(app, path))
    assert sorted(int(item["object_id"]) for page in walked for item in page["items"]) == list(range(COUNT))
    assert len(walked) > 1


@pytest.mark.need("FE11")
def test_few_fields_make_larger_pages(app: httpx.Client, reader: str) -> None:
    """What is bounded is what is sent."""
    page = app.get("/v1/feed?user_id=large&limit=100&fields=object_id").json()
    assert (len(page["items"]), page["has_more"]) == (COUNT, False)


def test_changes_end_with_the_read_alls_among_them(app: httpx.Client) -> None:
    """A read-all behind the last change of a page comes with a later page, once."""
    user = "large-marks"
    for n in range(COUNT):
        assert app.post(
            "/v1/events", json=event(object_id=str(n), target_user_ids=[user], **LARGE)
        ).is_success
        if n in (2, COUNT - 2):
            assert app.post(f"/v1/notifications/read-all?user_id={user}").is_success
    walked = list(pages(app, f"/v1/notifications?user_id={user}&limit=100&since"))
    marks = [(mark["seq"], at) for at, page in enumerate(walked) for mark in page["marks"]]
    assert len(marks) == 2
    for seq, at in marks:
        below = walked[at - 1]["next_since"] if at else 0
        assert below < seq <= walked[at]["next_since"]
