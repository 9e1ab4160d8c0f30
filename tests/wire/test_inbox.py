"""The inbox on the wire: groups, states, marks and their undoing, languages, broadcasts."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer, event, token
from tests.wire.replies import done, inbox, of, refused
from tidings.http import schemas

NAMES = {"alice": "Alice", "bob": "Bob", "carol": "Carol", "dave": "Dave", "erin": "Erin"}
STATES = ("read", "unread", "seen", "unseen", "archive", "unarchive")


def tell(app: httpx.Client, user: str, *actors: str, **changed: Any) -> list[str]:
    """The ids of events by these actors, one after the other, told to the user."""
    sent = {"target_user_ids": [user], "object_title": "Will it rain?", "verb": "like"} | changed
    events = [event(actor, actor_name=NAMES[actor], **sent) for actor in actors]
    receipts = of(app.post("/v1/events", json=events), schemas.Receipts, 201).events
    return [receipt.event_id for receipt in receipts]


def since(app: httpx.Client, user: str, seq: int, **more: Any) -> schemas.InboxChanges:
    """What changed in an inbox."""
    parameters: dict[str, Any] = {"user_id": user, "since": seq} | more
    return of(app.get("/v1/notifications", params=parameters), schemas.InboxChanges)


def mark(app: httpx.Client, user: str, path: str, body: Any = None) -> schemas.InboxUpdateResult:
    """The reply to a mark."""
    reply = app.post(f"/v1/notifications/{path}", params={"user_id": user}, json=body)
    return of(reply, schemas.ReadAllResult if path == "read-all" else schemas.InboxUpdateResult)


def read_all(app: httpx.Client, user: str, **body: Any) -> schemas.ReadAllResult:
    """The reply to a read-all."""
    reply = app.post("/v1/notifications/read-all", params={"user_id": user}, json=body)
    return of(reply, schemas.ReadAllResult)


def declare(app: httpx.Client, type: str, **rule: Any) -> schemas.Type:
    """A type, declared over the API."""
    return of(app.put(f"/v1/admin/types/{type}", json=rule), schemas.Type)


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.mark.need("NO6")
def test_what_is_alike_is_one_notification(app: httpx.Client, user: str) -> None:
    """Five people like one market: one unread notification of five events, told in one sentence and in its parts."""
    events = tell(app, user, *NAMES)
    page = inbox(app, user)
    (item,) = page.items
    assert (page.unread_count, page.unread_items, page.seq) == (1, 5, 5)
    assert item.message == "Erin, Dave and 3 others: like · Will it rain?"
    assert msgspec.to_builtins(item.parts) == {
        "actors": [
            {"id": "erin", "name": "Erin", "image": None},
            {"id": "dave", "name": "Dave", "image": None},
        ],
        "others": 3,
        "object": {"type": "market", "id": "42", "title": "Will it rain?", "image": None},
        "count": 5,
    }
    assert (item.actors, item.actor_count, item.count) == (["erin", "dave", "carol"], 5, 5)
    assert item.event_ids == events[::-1]
    assert (item.seq, item.order, item.unread_seq) == (5, 5, 5)


@pytest.mark.need("NO6")
def test_up_to_three_are_named(app: httpx.Client, user: str) -> None:
    tell(app, user, "alice", "bob", "carol", "alice")
    (item,) = inbox(app, user).items
    assert item.message == "Alice, Carol and Bob: like · Will it rain? (4)"
    assert (item.parts.others, item.actor_count, item.count) == (0, 3, 4)


def test_a_group_spans_the_times_of_its_events(app: httpx.Client, user: str) -> None:
    first, last = "2020-01-01T00:00:00.000Z", "2020-01-02T00:00:00.000Z"
    tell(app, user, "alice", created_at=first, notify=True)
    tell(app, user, "bob", created_at=last, notify=True)
    (item,) = inbox(app, user).items
    assert (item.created_at, item.updated_at) == (first, last)


def test_new_content_moves_a_group_up_and_a_read_one_stays_closed(app: httpx.Client, user: str) -> None:
    tell(app, user, "alice")
    tell(app, user, "alice", object_id="other")
    tell(app, user, "bob")
    older = inbox(app, user).items[0]
    assert [item.count for item in inbox(app, user).items] == [2, 1]
    mark(app, user, f"{older.id}/read")
    tell(app, user, "carol")
    assert [item.actors for item in inbox(app, user).items] == [["carol"], ["bob", "alice"], ["alice"]]


def test_a_retracted_event_leaves_its_group(app: httpx.Client, user: str) -> None:
    first, second = tell(app, user, "alice", "bob")
    done(app.delete(f"/v1/events/{second}"))
    (item,) = inbox(app, user).items
    assert (item.message, item.event_ids, item.seq) == ("Alice: like · Will it rain?", [first], 3)
    done(app.delete(f"/v1/events/{first}"))
    page = inbox(app, user)
    assert (page.items, page.unread_count, page.unread_items, page.seq) == ([], 0, 0, 4)


# --- states -------------------------------------------------------------------------------------------------------


@pytest.mark.need("NO3")
@pytest.mark.parametrize("bulk", [False, True], ids=["one", "some"])
def test_every_state_can_be_said_and_taken_back(app: httpx.Client, user: str, bulk: bool) -> None:
    """By the path or by the body: each takes a seq where it changes something, none where it does not."""
    tell(app, user, "alice")
    id = inbox(app, user).items[0].id

    def say(word: str) -> tuple[int, int, int, int]:
        path, body = (word, {"ids": [id, "n999-1"]}) if bulk else (f"{id}/{word}", None)
        said = mark(app, user, path, body)
        assert mark(app, user, path, body).updated == 0
        return said.updated, said.unread_count, said.unread_items, said.seq

    def state() -> tuple[bool, bool, bool]:
        (item,) = (msgspec.convert(one, schemas.Notification) for one in since(app, user, 0).items)
        return item.seen_at is not None, item.read_at is not None, item.archived_at is not None

    found = [(word, say(word), state()) for word in ("seen", "read", "unread", "read", "unseen")]
    assert found == [
        ("seen", (1, 1, 1, 2), (True, False, False)),
        ("read", (1, 0, 0, 3), (True, True, False)),
        ("unread", (1, 1, 1, 4), (True, False, False)),
        ("read", (1, 0, 0, 5), (True, True, False)),
        ("unseen", (1, 1, 1, 6), (False, False, False)),
    ]
    assert (say("archive"), inbox(app, user).items) == ((1, 0, 0, 7), [])
    assert (say("unarchive"), len(inbox(app, user).items)) == ((1, 1, 1, 8), 1)


@pytest.mark.parametrize("word", STATES)
def test_a_state_of_nothing_is_refused(app: httpx.Client, user: str, word: str) -> None:
    assert app.post(f"/v1/notifications/n999-1/{word}", params={"user_id": user}).status_code == 404
    for body, pointers in (
        ({"ids": []}, ["/ids"]),
        ({"ids": [1]}, ["/ids/0"]),
        ({}, ["/ids"]),
        ({"id": "x"}, ["/id", "/ids"]),
    ):
        refused(app.post(f"/v1/notifications/{word}", params={"user_id": user}, json=body), 422, *pointers)


def test_a_read_all_of_one_type_leaves_the_others(app: httpx.Client, user: str) -> None:
    tell(app, user, "alice")
    tell(app, user, "alice", verb="follow")
    said = read_all(app, user, type="like")
    assert (said.updated, said.unread_count, said.seq) == (1, 1, 3)
    (read_mark,) = since(app, user, 2).marks
    assert (read_mark.seq, read_mark.up_to, read_mark.type) == (3, 2, "like")
    assert [item.read_at for item in inbox(app, user).items] == [None, read_mark.read_at]


# --- undo ---------------------------------------------------------------------------------------------------------


@pytest.mark.need("NO3")
def test_a_read_all_is_undone(app: httpx.Client, user: str) -> None:
    """What it alone had read is unread again; what was read by hand, before or after, stays read."""
    for i in range(3):
        tell(app, user, "alice", object_id=str(i))
    ids = [item.id for item in inbox(app, user).items]
    mark(app, user, f"{ids[0]}/read")
    said = read_all(app, user)
    assert (said.updated, said.unread_count, said.seq) == (2, 0, 5)
    undone = mark(app, user, "undo", {"undo": said.undo})
    assert (undone.updated, undone.unread_count, undone.unread_items, undone.seq) == (2, 2, 2, 6)
    assert [item.read_at is None for item in inbox(app, user).items] == [False, True, True]
    assert since(app, user, 5).reset
    assert not since(app, user, 6).reset
    again = mark(app, user, "undo", {"undo": said.undo})
    assert (again.updated, again.unread_count, again.seq) == (0, 2, 6)


def test_a_read_all_of_nothing_has_nothing_to_undo(app: httpx.Client, user: str) -> None:
    said = read_all(app, user)
    assert (said.updated, said.seq, said.undo) == (0, 0, None)


def test_an_undo_is_bound_to_its_user(app: httpx.Client, user: str) -> None:
    tell(app, user, "alice")
    undo = read_all(app, user).undo or ""
    for who, sent in (("mallory", undo), (user, undo[:-2] + "AA"), (user, "x"), (user, "é")):
        refused(
            app.post("/v1/notifications/undo", params={"user_id": who}, json={"undo": sent}), 400, "/undo"
        )
    assert inbox(app, user).unread_count == 0
    for body in ({}, {"undo": None}, {"undo": ""}):
        refused(app.post("/v1/notifications/undo", params={"user_id": user}, json=body), 422, "/undo")


def test_a_cursor_is_no_undo(app: httpx.Client, user: str) -> None:
    for i in range(2):
        tell(app, user, "alice", object_id=str(i))
    cursor = inbox(app, user, limit=1).next_cursor
    refused(app.post("/v1/notifications/undo", params={"user_id": user}, json={"undo": cursor}), 400, "/undo")


# --- changes ------------------------------------------------------------------------------------------------------


class Client:
    """What an application holds that follows its inbox by changes alone."""

    def __init__(self) -> None:
        self.seq = 0
        self.items: dict[str, dict[str, Any]] = {}

    def apply(self, changes: schemas.InboxChanges) -> None:
        """Take the changes over, as the guide says: items, then the read-alls among them."""
        for item in changes.items:
            if item.get("deleted"):
                self.items.pop(item["id"], None)
            else:
                self.items[item["id"]] = item
        for read_mark in changes.marks:
            for item in self.items.values():
                if read_mark.seen_at and item["unread_seq"] <= read_mark.up_to:
                    item["seen_at"] = item["seen_at"] or read_mark.seen_at
                covered = (
                    read_mark.read_at
                    and item["unread_seq"] <= read_mark.up_to
                    and read_mark.type in (None, item["type"])
                )
                if covered and item["read_at"] is None:
                    item |= {
                        "read_at": read_mark.read_at,
                        "seen_at": item["seen_at"] or read_mark.read_at,
                    }
        self.seq = changes.next_since

    def shown(self) -> list[dict[str, Any]]:
        """The list as it is shown."""
        listed = [item for item in self.items.values() if item["archived_at"] is None]
        return sorted(listed, key=lambda item: -item["order"])


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_client_that_folds_changes_holds_the_list(app: httpx.Client, user: str, limit: int) -> None:
    """At any time, in chunks of any size, across arrivals, marks, read-alls of all and of one type, seen-alls, and a
    retraction."""
    client = Client()

    def catch_up() -> None:
        more = True
        while more:
            changes = since(app, user, client.seq, limit=limit)
            assert not changes.reset
            client.apply(changes)
            more = changes.has_more
        page = inbox(app, user, limit=100)
        assert client.shown() == msgspec.to_builtins(page.items)
        assert client.seq == page.seq

    first, *_ = tell(app, user, "alice", "bob")
    tell(app, user, "alice", verb="follow")
    catch_up()
    read_all(app, user, type="like")
    tell(app, user, "carol")
    catch_up()
    mark(app, user, f"{inbox(app, user).items[0].id}/seen")
    mark(app, user, "seen-all")
    read_all(app, user)
    tell(app, user, "dave", verb="follow")
    done(app.delete(f"/v1/events/{first}"))
    catch_up()
    mark(app, user, "archive", {"ids": [inbox(app, user).items[0].id]})
    mark(app, user, f"{inbox(app, user).items[0].id}/unread")
    catch_up()


def test_changes_say_where_to_go_on(app: httpx.Client, user: str) -> None:
    for i in range(3):
        tell(app, user, "alice", object_id=str(i))
    read_all(app, user)
    part = since(app, user, 0, limit=2)
    assert (part.has_more, part.next_since, part.seq, part.marks) == (True, 2, 4, [])
    rest = since(app, user, part.next_since, limit=2)
    assert (rest.has_more, rest.next_since, [one.seq for one in rest.marks]) == (False, 4, [4])


# --- broadcasts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["list", "since", "unread-count", "explain", "etag"])
def test_a_broadcast_is_there_whatever_is_asked_first(app: httpx.Client, user: str, look: str) -> None:
    """Whichever reply is the first that a user gets after a broadcast, it counts it."""
    path = "/v1/notifications/unread-count"
    before = app.get(path, params={"user_id": user})
    sent = event(user + "-editor", audience=f"user:{user}-editor", verb="announce")
    app.put(f"/v1/users/{user}/follows/user%3A{user}-editor")
    told = of(app.post("/v1/broadcasts", json=sent), schemas.Receipt, 201)
    if look == "list":
        assert [item.event_ids for item in inbox(app, user).items] == [[told.event_id]]
    elif look == "since":
        assert [item["event_ids"] for item in since(app, user, 0).items] == [[told.event_id]]
    elif look == "unread-count":
        assert of(app.get(path, params={"user_id": user}), schemas.Unread).unread_count == 1
    elif look == "explain":
        asked = {"user_id": user, "event_id": told.event_id}
        found = of(app.get("/v1/notifications/explain", params=asked), schemas.Explanation)
        assert (found.notified, found.checks[1].detail) == (True, "among its audience")
    else:
        headers = {"if-none-match": before.headers["etag"]}
        assert app.get(path, params={"user_id": user}, headers=headers).status_code == 200


# --- words --------------------------------------------------------------------------------------------------------


def test_a_message_is_in_the_language_of_its_reader(app: httpx.Client, user: str) -> None:
    """The template of the reader's language, its plural form, its list of names; no user text is a template."""
    other = {"other": "{actors} likes {title}"}
    declare(
        app,
        user,
        messages={"en": other, "de": {"one": "{actors} mag {title}", "other": "{actors} mögen {title}"}},
    )
    for locale, one, many in (
        ("", "Alice likes {count} {actors}", "Bob and Alice likes {count} {actors}"),
        ("de-AT", "Alice mag {count} {actors}", "Bob und Alice mögen {count} {actors}"),
        ("fr", "Alice likes {count} {actors}", "Bob and Alice likes {count} {actors}"),
    ):
        reader = f"{user}-{locale}"
        app.put("/v1/preferences", params={"user_id": reader}, json={"locale": locale})
        tell(app, reader, "alice", verb=user, object_title="{count} {actors}")
        assert [item.message for item in inbox(app, reader).items] == [one]
        tell(app, reader, "bob", verb=user, object_title="{count} {actors}")
        assert [item.message for item in inbox(app, reader).items] == [many]


def test_other_words_are_another_reply(app: httpx.Client, user: str) -> None:
    """A list that was kept is sent anew when its texts are others, although nothing in the inbox changed."""
    who = {"user_id": user}
    declare(app, user, messages={"en": {"other": "before"}, "de": {"other": "vorher"}})
    tell(app, user, "alice", verb=user)
    tag = app.get("/v1/notifications", params=who).headers["etag"]
    headers = {"if-none-match": tag}
    assert app.get("/v1/notifications", params=who, headers=headers).status_code == 304
    declare(app, user, messages={"en": {"other": "after"}, "de": {"other": "nachher"}})
    reply = app.get("/v1/notifications", params=who, headers=headers)
    assert [item["message"] for item in reply.json()["items"]] == ["after"]
    headers = {"if-none-match": reply.headers["etag"]}
    app.put("/v1/preferences", params=who, json={"locale": "de"})
    reply = app.get("/v1/notifications", params=who, headers=headers)
    assert [item["message"] for item in reply.json()["items"]] == ["nachher"]


# --- types --------------------------------------------------------------------------------------------------------


@pytest.mark.need("NO5")
def test_a_type_is_declared_and_withdrawn(app: httpx.Client, user: str) -> None:
    """A declared type gathers its verbs under its rule; without it they are types of their own again."""
    declared = declare(app, user, verbs=[f"{user}-1", f"{user}-2"], group="none")
    assert (declared.type, declared.source, declared.rule.group) == (user, "api", "none")
    assert declared in of(app.get("/v1/admin/types"), schemas.Types).items
    for verb in (f"{user}-1", f"{user}-2", f"{user}-1"):
        tell(app, user, "alice", verb=verb)
    assert [(item.type, item.count) for item in inbox(app, user).items] == [(user, 1)] * 3
    done(app.delete(f"/v1/admin/types/{user}"))
    assert app.delete(f"/v1/admin/types/{user}").status_code == 404
    assert declared not in of(app.get("/v1/admin/types"), schemas.Types).items
    tell(app, user, "alice", verb=f"{user}-2")
    assert inbox(app, user).items[0].type == f"{user}-2"


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"group": "sometimes"}, "/group"),
        ({"max_age_s": 0}, "/max_age_s"),
        ({"bucket_s": 30 * 86_400 + 1}, "/bucket_s"),
        ({"colour": "red"}, "/colour"),
        ({"channels": ["in_app"]}, "/channels/0"),
        ({"verbs": [""]}, "/verbs/0"),
        ({"messages": {"en": {"one": "x"}}}, "/messages/en"),
        ({"messages": {"en": {"other": "{who}"}}}, "/messages/en/other"),
        ({"messages": {"en": {"other": "{title!r}"}}}, "/messages/en/other"),
        ({"messages": {"en": {"other": "{title.__class__}"}}}, "/messages/en/other"),
        ({"messages": {"en": {"other": "{title:>1000000}"}}}, "/messages/en/other"),
        ({"messages": {"en": {"other": "{"}}}, "/messages/en/other"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(
    app: httpx.Client, user: str, rule: dict[str, Any], pointer: str
) -> None:
    problem = refused(app.put("/v1/admin/types/bad", json=rule), 422, pointer)
    assert (problem.errors or [])[0].detail


def test_a_verb_belongs_to_one_type(app: httpx.Client, user: str) -> None:
    declare(app, user, verbs=[f"{user}-verb"])
    refused(app.put(f"/v1/admin/types/{user}-2", json={"verbs": [f"{user}-verb"]}), 422, "/verbs/0")
    refused(app.put(f"/v1/admin/types/{user}-verb", json={}), 422, "")
    declare(app, user, verbs=[f"{user}-verb", "more"])
    done(app.delete(f"/v1/admin/types/{user}"))


def test_a_declared_type_goes_before_the_one_of_the_settings(tmp_path: Path) -> None:
    """Withdrawn, it uncovers it; unless another type has claimed its verb meanwhile."""
    settings = '[types.settled]\nverbs = ["settle"]\n[types.settled.messages.en]\nother = "{count} settled"\n'
    (tmp_path / "tidings.toml").write_text(settings)
    with (
        serving(tmp_path, **SETTINGS) as url,
        httpx.Client(base_url=url, timeout=30, headers=bearer(KEY)) as app,
    ):

        def found() -> list[tuple[str, str]]:
            return [(one.type, one.source) for one in of(app.get("/v1/admin/types"), schemas.Types).items]

        tell(app, "zoe", "alice", verb="settle")
        assert [item.message for item in inbox(app, "zoe").items] == ["1 settled"]
        assert found() == [("settled", "settings")]
        declare(app, "settled", verbs=["settle-2"])
        assert found() == [("settled", "api")]
        declare(app, "other", verbs=["settle"])
        refused(app.delete("/v1/admin/types/settled"), 422, "")
        done(app.delete("/v1/admin/types/other"))
        done(app.delete("/v1/admin/types/settled"))
        assert found() == [("settled", "settings")]
        assert app.delete("/v1/admin/types/settled").status_code == 404


def test_types_are_no_users_business(anybody: httpx.Client) -> None:
    headers = bearer(token("zoe"))
    assert anybody.get("/v1/admin/types", headers=headers).status_code == 403
    assert anybody.put("/v1/admin/types/like", json={}, headers=headers).status_code == 403


# --- the archive --------------------------------------------------------------------------------------------------


@pytest.mark.need("NO12")
def test_what_is_archived_is_listed_and_fetched(app: httpx.Client, user: str) -> None:
    """The fault: it could be brought back by its id only, which nothing showed any more."""
    for number in range(3):
        tell(app, user, "alice", object_id=str(number))
    ids = [item.id for item in inbox(app, user).items]
    mark(app, user, f"{ids[1]}/archive")
    assert [item.id for item in inbox(app, user).items] == [ids[0], ids[2]]
    (archived,) = inbox(app, user, state="archived").items
    assert (archived.id, archived.archived_at is not None) == (ids[1], True)
    assert [item.id for item in inbox(app, user, state="all").items] == ids
    who = {"user_id": user}
    reply = app.get(f"/v1/notifications/{ids[1]}", params=who)
    assert of(reply, schemas.Notification) == archived
    same = app.get(
        f"/v1/notifications/{ids[1]}", params=who, headers={"if-none-match": reply.headers["etag"]}
    )
    assert same.status_code == 304
    first = inbox(app, user, state="all", limit=1)
    for state in ("inbox", "archived"):
        other = who | {"state": state, "limit": "1", "cursor": first.next_cursor or ""}
        assert app.get("/v1/notifications", params=other).status_code == 400


def test_a_list_names_the_states_there_are(app: httpx.Client, user: str) -> None:
    """One that is not there is refused with those that are; a state says nothing of changes."""
    for state in ("read", "", "Inbox"):
        reply = app.get("/v1/notifications", params={"user_id": user, "state": state})
        problem = refused(reply, 400, "state")
        assert problem.detail.startswith(
            'state: expected one of "inbox", "archived", "snoozed", "pinned", "all", beside which unread_only=true '
        )
    refused(app.get("/v1/notifications", params={"user_id": user, "state": "all", "since": 0}), 400, "state")


def test_a_notification_of_another_is_not_there(app: httpx.Client, user: str) -> None:
    """Nor is one that never was, nor a tombstone."""
    (event_id,) = tell(app, user, "alice")
    (item,) = inbox(app, user).items
    for id, who in ((item.id, "mallory"), ("n1-999999", user), ("none", user)):
        for headers in ({}, {"if-none-match": "*"}):
            reply = app.get(f"/v1/notifications/{id}", params={"user_id": who}, headers=headers)
            assert reply.status_code == 404
    assert app.delete(f"/v1/events/{event_id}").status_code == 204
    assert app.get(f"/v1/notifications/{item.id}", params={"user_id": user}).status_code == 404


# --- what an event says of itself ---------------------------------------------------------------------------------


@pytest.mark.need("IN2")
def test_title_and_description_are_in_the_notification(app: httpx.Client, user: str) -> None:
    """The fault: they were stored and never shown. Of a group they are those of the newest event."""
    tell(app, user, "alice", title="Rain is likely", description="Take an umbrella.", verb="advise")
    (item,) = inbox(app, user).items
    assert (item.message, item.title, item.description) == (
        "Rain is likely", "Rain is likely", "Take an umbrella."
    )  # fmt: skip
    tell(app, user, "bob", title="Rain is certain", verb="advise")
    (item,) = inbox(app, user).items
    assert (item.message, item.title, item.description) == ("Rain is certain (2)", "Rain is certain", None)
    tell(app, user, "carol", verb="advise")
    (item,) = inbox(app, user).items
    assert (item.title, item.message) == (None, "Carol, Bob and Alice: advise · Will it rain?")


@pytest.mark.need("NO5")
def test_a_template_shows_metadata(app: httpx.Client, user: str) -> None:
    """Values by their keys, in each language."""
    template = "{title}: {metadata.invoice.total} {metadata.currency}{metadata.nothing}"
    verb = f"bill-{user}"[:60]
    declare(app, verb, messages={"en": {"other": template}})
    tell(
        app, user, "alice", verb=verb, title="Paid", metadata={"invoice": {"total": 12.5}, "currency": "EUR"}
    )
    assert inbox(app, user).items[0].message == "Paid: 12.5 EUR"
    reply = app.put("/v1/admin/types/bad", json={"messages": {"en": {"other": "{metadata}"}}})
    refused(reply, 422, "/messages/en/other")
