"""Both clients against a real server."""

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.wire.people import KEY, event, token
from tidings.client import (
    Activity,
    AsyncClient,
    Changed,
    Client,
    Counts,
    Excluded,
    Item,
    NewEvent,
    NewReminder,
    Preferences,
    ProblemError,
    QuietHours,
    Reset,
    cursor_of,
)
from tidings.client.replies import PreviousRank

BOTH = ("notifications", "activity")
TIMEOUT_S = 30
"""Until what does not come fails the test."""


class Asked:
    """Either client as a plain one: coroutines are run, iterators are gone through."""

    def __init__(self, client: Client | AsyncClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **named: self.done(getattr(self._client, name)(*args, **named))

    def done(self, made: Any) -> Any:
        """What a call brings."""
        if inspect.iscoroutine(made):
            return self._runner.run(made)
        if isinstance(made, AsyncIterator):
            return self._runner.run(gathered(made))
        return list(made) if isinstance(made, Iterator) else made


async def gathered(items: AsyncIterator[Any]) -> list[Any]:
    """All of them."""
    return [item async for item in items]


@pytest.fixture(params=[Client, AsyncClient])
def asked(request: pytest.FixtureRequest, url: str) -> Iterator[Asked]:
    """The host application, by each client."""
    with asyncio.Runner() as runner:
        client = request.param(url, api_key=KEY)
        one = Asked(client, runner)
        yield one
        one.done(client.aclose() if isinstance(client, AsyncClient) else client.close())


@pytest.fixture
def user(asked: Asked, request: pytest.FixtureRequest) -> str:
    """A user of this test alone."""
    return str(request.node.name).translate(str.maketrans("[]", "--"))


def like(user: str, thing: str = "1", **more: Any) -> NewEvent:
    """Something happens that concerns the user."""
    return NewEvent(
        actor_id="alice", verb="like", object_type="m", object_id=thing, target_user_ids=(user,), **more
    )


def test_publish(asked: Asked, user: str) -> None:
    """One, many, and with the same key once."""
    one = asked.publish(like(user, title="T", metadata={"a": 1}), key=f"{user}-1")
    assert asked.publish(like(user, title="T", metadata={"a": 1}), key=f"{user}-1") == one
    two, three = asked.publish_many([like(user, "2"), event(target_user_ids=[user])]).events
    assert one.position < two.position < three.position
    shown = asked.event(one.event_id)
    assert (shown.title, shown.metadata, shown.target_user_ids) == ("T", {"a": 1}, (user,))
    assert [item.event_id for item in asked.feed(user=user)] == [three.event_id, two.event_id, one.event_id]
    asked.retract(two.event_id)
    assert [item.event_id for item in asked.feed(user=user)] == [three.event_id, one.event_id]


def test_publish_again_what_was_retracted(asked: Asked, user: str) -> None:
    """The receipt tells, as one, of many, and of a line."""
    sent = like(user, idempotency_key=user)
    first = asked.publish(sent)
    asked.retract(first.event_id)
    (many,) = asked.publish_many([sent]).events
    (line,) = asked.import_lines([sent])
    assert (first.retracted, asked.publish(sent).retracted, many.retracted) == (False, True, True)
    assert (line.event_id, line.replayed, line.retracted) == (first.event_id, True, True)


def test_import(asked: Asked, user: str) -> None:
    """Each line by itself: what is refused is told in its place."""
    good = [like(user, str(n)) for n in range(1_200)]
    results = asked.import_lines([*good[:5], {"verb": "x"}, *good[5:]])
    assert [result.line for result in results] == list(range(1, 1_202))
    assert [result.line for result in results if result.error] == [6]
    assert results[5].error.errors[0].pointer == "/actor_id"
    assert asked.feed_new(0, user=user).count == asked.feed_new(0, user=user).count > 0
    assert asked.feed_summary(user=user).total == 1_200


def test_pages(asked: Asked, user: str) -> None:
    """By hand and by themselves; the filters are the server's."""
    asked.publish_many(
        [like(user, str(n), created_at=datetime(2026, 1, 1, n, tzinfo=UTC)) for n in range(24)] * 5
    )
    page = asked.feed_page(user=user, limit=7)
    assert len(page.items) == 7
    again = asked.feed_page(user=user, limit=7, cursor=page.next_cursor)
    assert [*page.items, *again.items] == asked.feed(user=user)[:14]
    assert len(asked.feed(user=user)) == 120
    morning = asked.feed(
        user=user, from_=datetime(2026, 1, 1, 8, tzinfo=UTC), to=datetime(2026, 1, 1, 9, tzinfo=UTC)
    )
    assert {item.created_at.hour for item in morning} == {8}
    assert len(asked.activity("m:3", verb="like")) >= 5
    assert asked.activity_page(limit=1).has_more


def test_types_of_notifications_take_several_values(asked: Asked, user: str) -> None:
    """In lists, on pages and in the unread count."""
    asked.publish_many([event(verb=verb, target_user_ids=[user]) for verb in ("like", "post", "share")])
    types = [Excluded("like"), "share", "post"]
    assert [item.type for item in asked.notifications(user=user, type=types)] == ["share", "post"]
    assert asked.notifications_page(user=user, type="like,share", limit=1).has_more
    assert asked.unread_count(user=user, type=types).unread_count == 2


def test_filters_of_several_values_and_new_counts(asked: Asked, user: str) -> None:
    """Lists of values, excluded ones, ids with commas; what is new since a position, an event and a time."""
    topic, moment = f"club:{user}", datetime(2026, 1, 1, 9, tzinfo=UTC)
    acts = [(f"{user},a", "like"), (f"{user},b", "post"), (f"{user},b", "share"), ("\\", "like")]
    receipts = asked.publish_many(
        [
            event(actor, verb=verb, topics=[topic], target_user_ids=[user], created_at=moment)
            for actor, verb in acts
        ]
    ).events

    def verbs(**filters: Any) -> list[str]:
        return [item.verb for item in asked.feed(user=user, **filters)]

    assert verbs(verb=["like", "share"]) == ["like", "share", "like"]
    assert verbs(verb="like,share") == ["like", "share", "like"]
    assert verbs(verb="-like,-post") == ["share"]
    assert verbs(verb=[Excluded("like"), Excluded("post")]) == ["share"]
    assert verbs(verb=Excluded("like")) == ["share", "post"]
    assert verbs(actor_id=[f"{user},a", "\\"]) == ["like", "like"]
    assert verbs(actor_id=[Excluded(f"{user},b")], topic=[topic]) == ["like", "like"]
    first = receipts[0]
    assert asked.feed_new(first.position, user=user).count == 3
    new = asked.feed_new(first.event_id, user=user, verb=["like", "post"])
    assert (new.count, new.oldest_new_at) == (2, moment)
    assert asked.activity_new(first.event_id, topic, verb="-post").count == 2
    assert asked.activity_new(0).count > 0
    assert asked.feed_page(user=user, since=first.event_id, limit=1).new_count == 3
    assert asked.activity_page(topic, since=receipts[-1].position).new_count == 0
    assert asked.feed_page(user=user).new_count is None
    future = datetime(2100, 1, 1, tzinfo=UTC)
    assert asked.feed_new(future, user=user).count == 0
    assert asked.changes(future, user=user).items == ()
    assert asked.changes(first.event_id, user=user).items == asked.changes(1, user=user).items


def test_events_and_activity_are_those_that_the_user_sees(asked: Asked, user: str, url: str) -> None:
    """The fault: event() and the calls of activity ignored the ``user_id`` of a client with an API key and refused
    ``user``, so that a page that a server rendered for one user showed the private events of others."""
    topic, reader, other = f"ward:{user}", f"{user}-reader", f"{user}-other"
    asked.follow(topic, user=reader)
    for visibility in ("public", "followers"):
        asked.publish(event("nina", topics=[topic], verb=visibility, visibility=visibility))
    private = asked.publish(
        event("nina", topics=[topic], visibility="recipients", target_user_ids=[other])
    ).event_id

    assert asked.event(private).target_user_ids == (other,)
    assert asked.event(private, user=other).target_user_ids == ()
    with pytest.raises(ProblemError, match="404"):
        asked.event(private, user=reader)
    for viewer, seen in ((reader, ["followers", "public"]), (other, ["public"]), (None, ["public"])):
        assert [item.verb for item in asked.activity(topic, user=viewer)] == seen
        assert [item.verb for item in asked.activity_page(topic, user=viewer).items] == seen
        assert asked.activity_new(0, topic, user=viewer).count == len(seen)
    with Client(url, api_key=KEY, user_id=reader) as client:
        with pytest.raises(ProblemError, match="404"):
            client.event(private)
        assert len(list(client.activity(topic))) == len(client.activity_page(topic).items) == 2
        assert client.activity_new(0, topic).count == 2
        assert client.event(private, user=other).event_id == private


def test_activity_takes_the_filter_by_topic(asked: Asked, user: str) -> None:
    """The fault: the name was that of the page, so that a list was refused and a page could not be filtered by topic."""
    ward, shifts = f"ward:{user}", [f"shift:{user}-{number}" for number in (1, 2)]
    start = asked.publish_many([event(topics=[ward, shift], verb=shift[-1]) for shift in shifts]).events[0]

    def verbs(*of_topic: str, **filters: Any) -> list[str]:
        return [item.verb for item in asked.activity(*of_topic, **filters)]

    assert verbs(topic=shifts) == ["2", "1"]
    assert verbs(ward, topic=f"-{shifts[0]}") == ["2"]
    assert [item.verb for item in asked.activity_page(ward, topic=[Excluded(shifts[1])]).items] == ["1"]
    assert asked.activity_new(start.position, topic=shifts).count == 1


def test_an_id_with_a_hyphen_at_its_beginning_is_a_value_like_any(asked: Asked, user: str) -> None:
    """In a list; the fault: ["-x"] excluded x, and nothing in a list stood for the id -x."""
    actors = [f"-{user}", user, f"\\-{user}"]
    asked.publish_many([event(actor, target_user_ids=[f"{user}-reader"]) for actor in actors])

    def found(*values: str) -> list[str]:
        return [item.actor_id for item in asked.feed(user=f"{user}-reader", actor_id=values)]

    assert [found(actor) for actor in actors] == [[actor] for actor in actors]
    assert [found(Excluded(actor)) for actor in actors] == [
        [other for other in reversed(actors) if other != actor] for actor in actors
    ]


def test_topics(asked: Asked, user: str) -> None:
    """Follow, unfollow, mute, block."""
    topic = f"club:{user}"
    assert asked.follow(topic, user=user, backfill=0).following
    assert [follow.topic for follow in asked.follows(user=user)] == [topic]
    happened = event(actor=f"{user}/friend", topics=[topic])
    asked.publish(happened)
    assert len(asked.feed(user=user)) == 1
    asked.mute(topic, user=user)
    assert asked.feed(user=user) == []
    assert [muted.topic for muted in asked.mutes(user=user)] == [topic]
    asked.unmute(topic, user=user)
    asked.block(f"{user}/friend", user=user)
    assert asked.feed(user=user) == []
    assert [blocked.user_id for blocked in asked.blocks(user=user)] == [f"{user}/friend"]
    asked.unblock(f"{user}/friend", user=user)
    asked.follow(topic, user=user)
    assert asked.follow_many([(user, topic), (user, f"{topic}-2")]).updated == 1
    assert asked.unfollow_many([(user, f"{topic}-2"), (user, f"{topic}-3")]).updated == 1
    assert asked.mutes(user=user) == asked.blocks(user=user) == []
    asked.unfollow(topic, user=user, keep=True)
    (item,) = asked.feed(user=user)
    assert asked.mark_feed_read([item.event_id], user=user).updated == 1
    assert asked.mark_feed_read(user=user).updated == 0
    assert len(asked.feed(user=user, read=True)) == 1


def test_inbox(asked: Asked, user: str) -> None:
    """Lists, counts, marks, changes, undo."""
    asked.publish_many([like(user, "1"), like(user, "2"), like(user, "3")])
    page = asked.notifications_page(user=user)
    first = page.items[0]
    assert (page.unread_count, first.unread, first.object_id) == (3, True, "3")
    assert asked.mark(first.id, "read", user=user).unread_count == 2
    assert asked.mark_many([first.id], "unread", user=user).updated == 1
    assert [item.id for item in asked.notifications(user=user, unread_only=True)] == [
        item.id for item in page.items
    ]
    changes = asked.changes(page.seq, user=user, wait=1)
    assert ([item.id for item in changes.items], changes.next_since) == ([first.id], page.seq + 2)
    marked = asked.read_all(user=user, up_to=changes.seq)
    assert (marked.updated, asked.unread_count(user=user).unread_count) == (3, 0)
    assert asked.undo(marked.undo, user=user).unread_count == 3
    asked.mark(first.id, "archive", user=user)
    (archived,) = asked.notifications(user=user, state="archived")
    assert archived == asked.notification(first.id, user=user)
    assert (archived.id, len(asked.notifications_page(user=user, state="all").items)) == (first.id, 3)
    assert asked.explain(first.event_ids[0], user=user).notification_id == first.id


def test_wishes_and_what_is_to_come(asked: Asked, user: str) -> None:
    """Preferences, reminders, broadcasts, endpoints, types, trends."""
    quiet = QuietHours(time_zone="Europe/Berlin", start="22:00", end="07:00")
    wanted = Preferences(types={"like": {"email": False}}, quiet_hours=quiet, muted_topics=("m:9",))
    asked.set_preferences(wanted, user=user)
    assert asked.preferences(user=user) == wanted
    due = NewReminder(type="due", object_type="m", object_id="1", user_ids=(user,), after_s=3_600)
    assert not asked.set_reminder(user, due).fired
    assert asked.reminder(user).user_ids == (user,)
    assert user in {reminder.key for reminder in asked.reminders()}
    assert asked.reminders_page(limit=1).items
    asked.cancel_reminder(user)
    asked.follow(f"club:{user}", user=user)
    asked.broadcast(event(verb="news"), audience=f"club:{user}")
    assert [item.type for item in asked.notifications(user=user)] == ["news"]
    hook = asked.add_endpoint("webhook", "https://example.com/hook", user=user)
    assert hook.secret
    assert [endpoint.id for endpoint in asked.endpoints(user=user).items] == [hook.id]
    asked.remove_endpoint(hook.id, user=user)
    asked.declare_type(user, {"verbs": [f"verb-{user}"], "group": "none"})
    assert user in {declared.type for declared in asked.types().items}
    asked.withdraw_type(user)
    assert asked.top("1h", "actor").total > 0
    topic = f"club:{user}-trend"
    asked.publish(event(actor=f"{user}/fan", topics=[topic]))
    (item,) = asked.top("1h", "actor", topic=topic, compare="previous").items
    assert (item.key, item.count, item.previous) == (f"{user}/fan", 1, PreviousRank(0, None))
    series = asked.top_series("1m", "actor", f"{user}/fan", topic=topic)
    assert (series.total, len(series.points), series.key) == (1, 60, f"{user}/fan")
    assert asked.top_series().key is None


def test_people(asked: Asked, user: str) -> None:
    """All that is kept, and nothing any more."""
    asked.publish(like(user))
    assert {"notification"} <= {record["kind"] for record in asked.export(user=user)}
    asked.erase(user=user)
    assert asked.notifications(user=user) == []


def test_a_refusal_says_why(asked: Asked, user: str) -> None:
    """The problem as the server tells it."""
    with pytest.raises(ProblemError) as raised:
        asked.publish({"actor_id": "a"})
    assert (raised.value.status, raised.value.type) == (422, "urn:tidings:problem:invalid-fields")
    assert {field.pointer for field in raised.value.errors} <= {"/verb", "/object_type", "/object_id"}
    with pytest.raises(ProblemError) as raised:
        asked.event("nothing")
    assert raised.value.status == 404


def test_a_path_needs_a_name(asked: Asked) -> None:
    """Who is meant cannot be left to a key."""
    with pytest.raises(ValueError, match="missing user"):
        asked.follow("m:1")


def test_a_token_names_the_user_of_a_path(url: str) -> None:
    """Calls with the user in the path asked which one, although the pages promise the user of the token."""
    with Client(url, token=lambda: token("tom/é")) as client:
        assert client.follow("m:1").user_id == "tom/é"
        assert [follow.topic for follow in client.follows()] == ["m:1"]
        client.mute("m:2")
        client.block("una")
        client.unfollow("m:1")
        assert client.export() != []
        client.erase()

    async def fetch() -> str:
        return token("tim")

    async def follow() -> str:
        async with AsyncClient(url, token=fetch) as client:
            return (await client.follow("m:1")).user_id

    assert asyncio.run(follow()) == "tim"


@pytest.mark.parametrize("opaque", ["opaque", "a.b.c", "a.e30.c", "a.W10.c"])
def test_a_token_that_names_nobody_is_no_user(opaque: str) -> None:
    """The error says how to name one, and does not show the token."""
    with (
        Client("http://127.0.0.1:1", token=opaque) as client,
        pytest.raises(ValueError, match="missing user") as raised,
    ):
        client.follow("m:1")
    assert opaque not in str(raised.value)


def test_a_token_is_renewed(url: str) -> None:
    """A call that comes with an old one is repeated with the next."""
    given = iter([token("renata", lifetime_s=-10), token("renata")])
    with Client(url, token=lambda: next(given)) as client:
        assert client.unread_count().unread_count == 0


def test_a_token_may_be_awaited(url: str) -> None:
    """The subscription of a token that ends goes on with the next, without a gap."""
    given = [2.0, 3600.0]

    async def fetch() -> str:
        return token("awa", lifetime_s=given.pop(0))

    async def listen() -> list[int]:
        async with (
            asyncio.timeout(TIMEOUT_S),
            AsyncClient(url, token=fetch) as client,
            AsyncClient(url, api_key=KEY) as app,
            client.subscribe(fresh=True) as told,
        ):
            assert isinstance(await anext(told), Reset)
            seqs: list[int] = []
            while given or len(seqs) < 5:
                await app.publish(like("awa", str(len(seqs))))
                item = await anext(told)
                while isinstance(item, Counts):  # a connection with the next token has begun
                    item = await anext(told)
                assert isinstance(item, Changed)
                seqs.append(item.seq)
            return seqs

    seqs = asyncio.run(listen())
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert given == []


def test_waiting_for_an_item_may_be_cancelled(url: str) -> None:
    """Nothing is lost by it: the next wait goes on with what was being done."""

    async def listen() -> Item:
        states: list[str] = []
        async with (
            AsyncClient(url, token=token("cana")) as client,
            AsyncClient(url, api_key=KEY) as app,
            client.subscribe(fresh=True, on_connection=lambda to: states.append(to.state)) as told,
        ):
            assert isinstance(await anext(told), Reset)
            for _ in range(50):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(anext(told), 0.002)
            await app.publish(like("cana"))
            async with asyncio.timeout(TIMEOUT_S):
                changed = await anext(told)
            assert states == ["connecting", "live"], "no connection was given up"
            return changed

    assert isinstance(asyncio.run(listen()), Changed)


def test_pages_and_a_subscription_join(app: Client, url: str) -> None:
    """What came between the two is told, what the pages hold is not."""
    app.publish(like("paige", "1"))
    inbox, feed = app.notifications_page(user="paige"), app.feed_page(user="paige")
    app.publish(like("paige", "2"))
    with app.subscribe(user="paige", include=BOTH, cursor=cursor_of(inbox, feed)) as told:
        items = [next(told) for _ in range(3)]
    assert [type(item) for item in items] == [Counts, Changed, Activity]
    assert [item.item.object_id for item in items if isinstance(item, Changed | Activity)] == ["2", "2"]


def test_a_burst_under_way_is_told_whole(app: Client, url: str) -> None:
    """A subscription that begins in the middle of it is told every event from its place on."""
    for round in range(20):
        user = f"bo-{round}"
        with app.subscribe(user=user, include=BOTH, fresh=True) as told:
            reset = next(told)
            assert isinstance(reset, Reset)
            burst = threading.Thread(target=lambda: [app.publish(like(user, str(n))) for n in range(20)])  # noqa: B023
            burst.start()
            things: list[str] = []
            while len(things) < 20:
                item = next(told)
                things += [item.item.object_id] if isinstance(item, Activity) else []
            burst.join()
            assert things == [str(n) for n in range(20)]


def test_a_subscription_may_be_closed_anywhere(app: Client) -> None:
    """Also while somebody waits for its next item; then it is over."""
    items: list[Item] = []
    live = threading.Event()
    told = app.subscribe(
        user="cleo", fresh=True, on_connection=lambda to: live.set() if to.state == "live" else None
    )
    listening = threading.Thread(target=lambda: items.extend(told))
    listening.start()
    assert live.wait(TIMEOUT_S)
    told.close()
    listening.join(TIMEOUT_S)
    assert not listening.is_alive()
    assert [type(item) for item in items] == [Reset]


def test_a_subscription_is_closed_under_whoever_waits(url: str) -> None:
    """As if it had ended."""

    async def listen() -> list[Item]:
        live = asyncio.Event()
        async with AsyncClient(url, token=token("clea")) as client:
            told = client.subscribe(
                fresh=True, on_connection=lambda to: live.set() if to.state == "live" else None
            )
            waiting = asyncio.create_task(gathered(told))
            async with asyncio.timeout(TIMEOUT_S):
                await live.wait()
                await told.aclose()
                return await waiting

    assert [type(item) for item in asyncio.run(listen())] == [Reset]


def test_a_function_of_the_callers_may_fail(url: str) -> None:
    """What it raises is raised, and the subscription is over; its cursor takes another one on."""

    def fail() -> str:
        raise RuntimeError("no token today")

    with Client(url, token=fail) as client:
        told = client.subscribe()
        with pytest.raises(RuntimeError, match="today"):
            next(told)
        assert list(told) == []

    async def listen() -> None:
        async with AsyncClient(url, token=fail) as client:
            told = client.subscribe()
            with pytest.raises(RuntimeError, match="today"):
                await anext(told)
            assert await gathered(told) == []

    asyncio.run(listen())


@pytest.mark.parametrize("wrong", ["tidings.example", "ftp://x", "http://"])
def test_an_address_is_one(wrong: str) -> None:
    """Said at once."""
    with pytest.raises(ValueError, match="address"):
        Client(wrong)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name", ["api_key", "token"])
def test_a_credential_with_a_line_feed_is_refused_and_not_shown(kind: Any, name: str) -> None:
    """It was in the message of Unreachable, after all retries."""
    with pytest.raises(ValueError, match="line feed") as raised:
        kind("http://127.0.0.1:1", **{name: "secret\n"})
    assert "secret" not in str(raised.value)


def test_nor_is_one_that_is_fetched() -> None:
    """It is looked at when it comes."""
    asked = Client("http://127.0.0.1:1", token=lambda: "secret\n")
    with asked as client, pytest.raises(ValueError, match="line feed") as raised:
        client.top()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("cursor", ["garbage", "a.1", "a.1.x", "a\n.1.2", "a.1.2.3", "a.-1.2"])
def test_a_cursor_is_one_of_a_subscription(cursor: str) -> None:
    """It was told as a matter of unpacking."""
    with Client("http://127.0.0.1:1") as client, pytest.raises(ValueError, match="not one of a subscription"):
        client.subscribe(cursor=cursor)
