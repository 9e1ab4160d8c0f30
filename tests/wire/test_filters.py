"""Filters of several values, counts of new items, and the forms of ``since``, over HTTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer, event
from tests.wire.replies import of
from tidings.http import schemas
from tidings.http.params import MAX_FILTER_VALUES

VERBS = ("post", "like", "share", "like", "comment", "post")


@pytest.fixture
def ids(app: httpx.Client, user: str) -> list[str]:
    """The ids of events of these verbs on a topic, in the feed of the user, a second apart."""
    events = [
        event(
            f"{user},a",
            verb=verb,
            topics=[f"tag:{user}"],
            target_user_ids=[user],
            created_at=at(n),
            notify=True,
        )
        for n, verb in enumerate(VERBS)
    ]
    receipts = of(app.post("/v1/events", json=events), schemas.Receipts, 201).events
    return [receipt.event_id for receipt in receipts]


def at(second: int, zone: str = "Z") -> str:
    return f"2026-01-31T09:30:{second:02}.000{zone}"


def get(app: httpx.Client, path: str, query: str, kind: type[Any]) -> Any:
    return of(app.get(f"{path}?{query}"), kind)


def shown(app: httpx.Client, user: str, query: str) -> list[int]:
    """The numbers of the events that the pages of the feed and of the topic both have, oldest first."""
    feed = get(app, "/v1/feed", f"user_id={user}&{query}", schemas.FeedPage).items
    activity = get(app, f"/v1/topics/tag%3A{user}/activity", query, schemas.ActivityPage).items
    assert [item.event_id for item in feed] == [item.event_id for item in activity]
    return [int(item.created_at[17:19]) for item in reversed(feed)]


@pytest.mark.need("FE5", "FE17")
@pytest.mark.usefixtures("ids")
def test_a_filter_takes_values_by_comma_and_repeated(app: httpx.Client, user: str) -> None:
    """The fault: one value alone, and a repeated parameter was refused. In both forms, mixed, and with exclusion."""
    assert shown(app, user, "verb=like,share") == [1, 2, 3]
    assert shown(app, user, "verb=like&verb=share") == [1, 2, 3]
    assert shown(app, user, "verb=share&verb=comment,like&limit=9") == [1, 2, 3, 4]
    assert shown(app, user, "verb=-like") == [0, 2, 4, 5]
    assert shown(app, user, "verb=-like,-post") == [2, 4]
    assert shown(app, user, "verb=post,-post") == []
    assert shown(app, user, f"topic=tag%3A{user}&object_type=-market") == []
    assert shown(app, user, f"object_type=market,item&topic=-user%3A{user}%5C,a") == []


@pytest.mark.usefixtures("ids")
def test_a_backslash_takes_a_comma_and_a_hyphen_as_they_are(app: httpx.Client, user: str) -> None:
    """An id may have both; elsewhere a backslash stands for itself."""
    assert len(shown(app, user, f"actor_id={user}%5C,a")) == 6
    assert shown(app, user, f"actor_id={user},a") == []
    assert len(shown(app, user, f"actor_id=%5C-x,{user}%5C,a,b%5Cc")) == 6
    odd = ["-x", "a\\b", "c,d", "\\"]
    acts = [event(actor, topics=[f"odd:{user}"]) for actor in odd]
    app.post("/v1/events", json=acts).raise_for_status()
    path = f"/v1/topics/odd%3A{user}/activity"
    for asked, found in ((r"\-x", "-x"), (r"a\b", r"a\b"), (r"a\\b", r"a\b"), (r"c\,d", "c,d"), ("\\", "\\")):
        page = of(app.get(path, params={"actor_id": asked}), schemas.ActivityPage)
        assert [item.actor_id for item in page.items] == [found]
    rest = of(app.get(path, params={"actor_id": r"-\-x,-c\,d"}), schemas.ActivityPage)
    assert {item.actor_id for item in rest.items} == {"a\\b", "\\"}


def test_a_cursor_is_bound_to_the_filter_and_not_to_its_form(
    app: httpx.Client, user: str, ids: list[str]
) -> None:
    """The order of the values and how they are given do not matter; other values do. A Link keeps repeated parameters."""
    query = f"user_id={user}&verb=post&verb=lik%65,share&limit=2"
    first = app.get(f"/v1/feed?{query}")
    seen = [item["event_id"] for item in first.json()["items"]]
    second = app.get(first.links["next"]["url"])
    seen += [item["event_id"] for item in second.json()["items"]]
    assert seen == [ids[5], ids[3], ids[2], ids[1]]
    cursor = first.json()["next_cursor"]
    alike = app.get(f"/v1/feed?user_id={user}&verb=share,post,like,post&limit=2&cursor={cursor}")
    assert alike.json()["items"] == second.json()["items"]
    for other in ("verb=share,post", "verb=-share,-post,-like", "verb=share,post,like,-x", ""):
        reply = app.get(f"/v1/feed?user_id={user}&{other}&limit=2&cursor={cursor}")
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, "cursor")


@pytest.mark.parametrize("name", ["verb", "object_type", "actor_id", "topic"])
@pytest.mark.parametrize("path", ["/v1/feed", "/v1/feed/new", "/v1/activity", "/v1/topics/a%3Ab/new"])
def test_bad_values_of_a_filter_are_refused(app: httpx.Client, name: str, path: str) -> None:
    """Empty ones, one with an invalid value among good ones, and one value more than there may be; just as many may be."""
    good = [f"a:{n}" if name == "topic" else f"a{n}" for n in range(MAX_FILTER_VALUES)]
    needed = {"since": "0"} | ({} if "feed" not in path else {"user_id": "u"})
    assert app.get(path, params=needed | {name: ",".join(good)}).status_code == 200
    for bad in ("a:1,", ",", "-", "a:1,-", "\x00", ",".join([*good, good[0]]), [*good, good[0]]):
        reply = app.get(path, params=needed | {name: bad})
        assert reply.status_code == 400, bad
        assert [error["pointer"] for error in reply.json()["errors"]] == [name]
        assert reply.json()["errors"][0]["detail"].startswith("expected ")


def test_types_of_notifications_take_values_and_exclusions(app: httpx.Client, user: str) -> None:
    """The fault: a list took one type and the unread count none, so messages could not be counted beside the rest."""
    events = [event(verb=verb, target_user_ids=[user]) for verb in VERBS]
    app.post("/v1/events", json=events).raise_for_status()

    def listed(query: str) -> list[str]:
        page = get(app, "/v1/notifications", f"user_id={user}&{query}", schemas.InboxPage)
        count = get(app, "/v1/notifications/unread-count", f"user_id={user}&{query}", schemas.Unread)
        assert (count.unread_count, count.seq) == (len(page.items), page.seq)
        assert count.unread_items == sum(item.count for item in page.items)
        return sorted(item.type for item in page.items)

    assert listed("type=like") == ["like"]
    assert listed("type=like,post&type=never") == ["like", "post"]
    assert listed("type=-like") == ["comment", "post", "share"]
    assert listed("type=%5C-like") == []
    whole = get(app, "/v1/notifications/unread-count", f"user_id={user}", schemas.Unread)
    assert (whole.unread_count, whole.unread_items) == (4, 6)
    query = f"user_id={user}&type=like&type=post&limit=1"
    first = app.get(f"/v1/notifications?{query}")
    second = app.get(first.links["next"]["url"])
    assert [one.json()["items"][0]["type"] for one in (first, second)] == ["post", "like"]
    tag = {"If-None-Match": app.get(f"/v1/notifications/unread-count?{query[:-8]}").headers["ETag"]}
    assert app.get(f"/v1/notifications/unread-count?{query[:-8]}", headers=tag).status_code == 304


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/notifications/unread-count"])
def test_bad_types_are_refused(app: httpx.Client, path: str) -> None:
    """Empty ones, and one value more than there may be."""
    good = [f"a{n}" for n in range(MAX_FILTER_VALUES)]
    assert app.get(path, params={"user_id": "u", "type": ",".join(good)}).status_code == 200
    for bad in ("a,", "-", ",".join([*good, "b"])):
        reply = app.get(path, params={"user_id": "u", "type": bad})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, "type")


@pytest.mark.need("FE10", "FE15")
def test_new_items_are_counted_under_the_same_filters(app: httpx.Client, user: str, ids: list[str]) -> None:
    """Of the feed, of a topic and of everyone; with the time of the oldest."""
    position = app.get(f"/v1/events/{ids[0]}").json()["position"]
    for path in (f"/v1/topics/tag%3A{user}/new", "/v1/activity/new", "/v1/feed/new"):
        mine = f"since={position}&topic=tag:{user}" + (f"&user_id={user}" if "feed" in path else "")
        new = get(app, path, mine, schemas.NewCount)
        assert (new.count, new.capped, new.oldest_new_at) == (5, False, at(1))
        new = get(app, path, f"{mine}&verb=post,-like,share", schemas.NewCount)
        assert (new.count, new.oldest_new_at) == (2, at(2))
        new = get(app, path, f"{mine}&to={at(3)}&verb=-comment", schemas.NewCount)
        assert (new.count, new.oldest_new_at) == (2, at(1))
        new = get(app, path, f"{mine}&verb=never", schemas.NewCount)
        assert (new.count, new.oldest_new_at, new.position >= position) == (0, None, True)
    app.post("/v1/feed/read", params={"user_id": user}, json={"event_ids": ids[:3]}).raise_for_status()
    unread = get(app, "/v1/feed/new", f"user_id={user}&since=0&read=false", schemas.NewCount)
    assert (unread.count, unread.oldest_new_at) == (3, at(3))


@pytest.mark.need("FE10")
def test_a_page_has_the_number_of_new_items(app: httpx.Client, user: str, ids: list[str]) -> None:
    """If ``since`` is given, under the page's filters; with fields, on the next page, and of the cached first page too."""
    position = app.get(f"/v1/events/{ids[1]}").json()["position"]
    for _ in range(3):
        page = get(app, "/v1/feed", f"user_id={user}&since={position}&limit=2", schemas.FeedPage)
        assert (page.new_count, len(page.items)) == (4, 2)
    again = f"user_id={user}&since={ids[1]}&limit=2&cursor={page.next_cursor}"
    assert get(app, "/v1/feed", again, schemas.FeedPage).new_count == 4
    query = f"since={position}&verb=like,comment"
    assert get(app, "/v1/feed", f"user_id={user}&{query}", schemas.FeedPage).new_count == 2
    path = f"/v1/topics/tag%3A{user}/activity"
    assert get(app, path, query, schemas.ActivityPage).new_count == 2
    assert app.get(path, params={"since": position, "fields": "verb"}).json()["new_count"] == 4
    assert "new_count" not in app.get(path).json()


@pytest.mark.need("FE17")
def test_since_is_a_position_an_event_or_a_time(app: httpx.Client, user: str, ids: list[str]) -> None:
    """All three are one position: that of the event, and that before the first later event."""
    position = app.get(f"/v1/events/{ids[2]}").json()["position"]
    path = f"/v1/topics/tag%3A{user}/new"

    def new(since: str) -> int:
        return int(of(app.get(path, params={"since": since}), schemas.NewCount).count)

    assert new(str(position)) == new(ids[2]) == 3
    app.delete(f"/v1/events/{ids[3]}").raise_for_status()
    assert new(ids[2]) == 2
    assert new("2100-01-01T00:00:00+02:00") == 0
    assert new("1970-01-01T00:00:00Z") == 5
    now = event(topics=[f"tag:{user}"])
    before = app.post("/v1/events", json=now).json()
    after = app.post("/v1/events", json=now).json()
    assert new(before["event_id"]) == 1
    assert new(before["created_at"]) in (0, 1)  # both may be of one millisecond
    assert new(after["created_at"]) == 0


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("visibility", ["recipients", "followers"])
def test_since_the_id_of_a_hidden_event_is_since_its_time(
    app: httpx.Client, user: str, visibility: str
) -> None:
    """The fault: the position of a hidden event that was dated back was not that of its time, so counts since ids that a
    user had computed told which of them existed. It is the same as for an event that is no more; those who see it, and
    the application, still have the position of the event."""
    hidden = event(
        user, topics=[f"tag:{user}"], target_user_ids=[user], created_at=at(1), visibility=visibility
    )
    ids = [app.post("/v1/events", json=hidden).json()["event_id"] for _ in range(2)]
    app.delete(f"/v1/events/{ids[1]}").raise_for_status()

    def new(path: str, since: str, **viewer: str) -> int:
        return int(of(app.get(path, params={"since": since} | viewer), schemas.NewCount).count)

    topic = f"/v1/topics/tag%3A{user}/new"
    stranger = f"{user}-x"
    app.put(f"/v1/users/{stranger}/follows/item:{user}", json={}).raise_for_status()
    for path in (topic, "/v1/activity/new", "/v1/feed/new"):
        existing, gone = (new(path, id, user_id=stranger) for id in ids)
        assert existing == gone, path
    assert new(topic, ids[0], user_id=stranger) == len(VERBS)
    assert new(topic, ids[0], user_id=user) == new(topic, ids[0]) == 0


@pytest.mark.usefixtures("ids")
def test_since_is_refused_in_other_forms(app: httpx.Client, user: str) -> None:
    """The id of an event that this server never had, and a time without a zone."""
    foreign = "019a0000-0000-7000-8000-000000000000"
    for since in (foreign, "x", "-1", "2026-01-31T09:30:00", "2026-01-31", "", "9" * 30):
        for path in ("/v1/feed", "/v1/feed/new", "/v1/activity", "/v1/activity/new"):
            asked = {"since": since} | ({"user_id": user} if "feed" in path else {})
            reply = app.get(path, params=asked)
            assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, "since"), since


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that takes times without a zone as UTC."""
    settings = SETTINGS | {"TIDINGS_NAIVE_TIMES": "utc"}
    with (
        serving(tmp_path_factory.mktemp("lenient"), **settings) as address,
        httpx.Client(base_url=address, timeout=30, headers=bearer(KEY)) as client,
    ):
        yield client


def test_naive_times_are_in_utc_if_the_setting_says_so(lenient: httpx.Client) -> None:
    """In ``from``, ``to`` and ``since``; other texts stay invalid, and all are named."""
    for second in (1, 5):
        lenient.post("/v1/events", json=event(created_at=at(second))).raise_for_status()
    for name, found in (("from", 1), ("to", 1), ("since", 2)):
        page = lenient.get("/v1/activity", params={name: at(3, "")}).json()
        assert len(page["items"]) == found
    assert page["new_count"] == 1
    assert lenient.get("/v1/activity/new", params={"since": at(5, "")}).json()["count"] == 0
    bad = lenient.get("/v1/activity", params={"from": at(3, ""), "to": "2026-01-31", "limit": "x"})
    assert {error["pointer"] for error in bad.json()["errors"]} == {"to", "limit"}


def test_notifications_since_an_event_and_a_time(app: httpx.Client, user: str, ids: list[str]) -> None:
    """The changes begin with the first notification of a later event, and go on by the seq; other forms are refused."""

    def changes(since: str, **more: str) -> Any:
        asked = {"user_id": user, "since": since} | more
        return of(app.get("/v1/notifications", params=asked), schemas.InboxChanges)

    whole = changes("0")
    assert [item["seq"] for item in whole.items] == [3, 4, 5, 6]  # like and post each form a group
    assert changes(ids[2]).items == changes("3").items == changes(at(2)).items == whole.items[1:]
    assert changes(ids[5]).items == changes(at(59)).items == []
    assert changes(ids[5]).next_since == changes("1999-01-01T00:00:00Z").next_since == whole.next_since
    app.post("/v1/notifications/read-all", params={"user_id": user}).raise_for_status()
    assert [mark.up_to for mark in changes(at(59)).marks] == []
    assert len(changes(ids[4]).marks) == 1
    assert len(changes(ids[4], wait="1").items) == 1
    foreign = "019a0000-0000-7000-8000-000000000000"
    for since in (foreign, "x", "-1", "2026-01-31T09:30:00", "9" * 30):
        reply = app.get("/v1/notifications", params={"user_id": user, "since": since})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, "since"), since


@pytest.mark.parametrize(
    ("path", "query", "hint"),
    [
        ("/v1/feed", "from=2026-01-31T09:30:00+01:00", "a + is written %2B in a query"),
        ("/v1/activity/new", "since=2026-01-31T09:30:00+01:00", "a + is written %2B in a query"),
        ("/v1/notifications", "state=unread", "unread_only=true lists what is unread"),
    ],
)
def test_a_refusal_says_what_was_meant(app: httpx.Client, path: str, query: str, hint: str) -> None:
    """A + in a query is a blank, and unread is no state: the refusal left both to be guessed."""
    reply = app.get(f"{path}?user_id=u&{query}")
    assert reply.status_code == 400
    assert hint in reply.json()["errors"][0]["detail"]


def test_a_blank_elsewhere_gets_no_such_hint(app: httpx.Client) -> None:
    reply = app.get("/v1/feed?user_id=u&from=2026-01-31+09:30:00")
    assert "%2B" not in reply.json()["errors"][0]["detail"]
