"""What people do: each act is a request or two to whatever server is there; answers go to the ledger."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tests.checkers.ledger import Place, Reply
from tests.simulation.loop import pause
from tests.simulation.server import Server
from tests.simulation.world import World
from tidings.client.effects import TransportError
from tidings.commands import PublishResponse
from tidings.inbox_commands import NotificationState
from tidings.visibility import NAMES

ATTEMPTS = 4
"""How often a publisher sends an event before it gives up."""
ASK_S = 3.0
"""How long anybody waits for an answer."""
HIDING = 0.7
"""How likely an event states its visibility, where some do."""
BURST = 12
"""Events at once to one user: more than a chunk, where chunks are small."""
SNOOZES_MS = (50, 1_000, 5_000, 600_000)
"""How long a snooze lasts: some end within the same storm, some in the calm, some never."""
PLAIN = ("post", "alert", "ping", "digest")
VERBS = (*PLAIN, "poke", "reply")
"""What is posted. Some pokes are not told, and replies go to followers too, whom no hint names: the hub then looks at
everybody."""

ORDINALS = ("first", "second")
NAMED = 5
"""Requests to publish after which all actors have other names."""

Act = Callable[[World], Coroutine[Any, Any, None]]


async def post(world: World) -> None:
    """Somebody does something to something, addressed to a few."""
    rng = world.rng
    targets = rng.sample(world.users, min(len(world.users), rng.randint(0, 3)))
    verbs = PLAIN if world.plan.unaided else VERBS
    await _publish(world, rng.choice(verbs), f"{rng.randint(1, 4)}", target_user_ids=targets)


async def like(world: World) -> None:
    """Likes of one thing, which group."""
    await _publish(world, "like", f"{world.rng.randint(1, 2)}", target_user_ids=[world.anybody()])


async def news(world: World) -> None:
    """Something for those who follow it."""
    await _publish(world, "news", f"{world.rng.randint(1, 4)}", topics=[world.topic()])


async def burst(world: World) -> None:
    """Much at once for one user."""
    user = world.anybody()
    events = [
        _event(world, "post", str(world.rng.randint(1, 4)), target_user_ids=[user]) for _ in range(BURST)
    ]
    await _send(world, events, lambda server, raw, key: server.ingest.publish_array(raw, scope="", key=key))


async def broadcast(world: World) -> None:
    """An event for everybody, or for those who follow a topic."""
    audience = "*" if world.rng.random() < 0.5 else world.topic()
    given = _event(world, "post", "1", audience=audience)
    await _send(world, given, lambda server, raw, key: server.ingest.broadcast(raw, scope="", key=key))


async def mark(world: World) -> None:
    """Somebody does something to a notification that a device of theirs shows, or has shown."""
    device = world.some_inbox()
    shown = [item.id for item in device.fold.items[:5]]
    put_away = world.put_away.setdefault(device.user, [])
    ids = world.rng.sample(shown + put_away, min(len(shown + put_away), world.rng.randint(1, 2)))
    state = world.rng.choice(list(NotificationState))
    if state is NotificationState.ARCHIVED:
        put_away += ids
    if ids:
        world.tally.add("mark", state.name)
        world.note(device.name, "marks", *ids, state.name)
        await world.call(lambda server: server.ingest.mark(device.user, ids, state), ASK_S)


async def read_all(world: World) -> None:
    """Somebody reads everything that a device of theirs shows; what came meanwhile must stay unread."""
    device, rng = world.some_inbox(), world.rng
    up_to = device.fold.seq if rng.random() < 0.8 else None
    type = rng.choice((None, None, "like", "post"))
    world.note(device.name, "reads all", up_to, type)
    done = await world.call(lambda server: server.ingest.read_all(device.user, up_to, type), ASK_S)
    if not isinstance(done, TransportError) and done[1] is not None:
        world.undoable.append((device.user, done[1]))


async def see_all(world: World) -> None:
    """Somebody opens the menu of a device of theirs: what it shows is seen."""
    device = world.some_inbox()
    up_to = device.fold.seq if world.rng.random() < 0.5 else None
    world.note(device.name, "sees all", up_to)
    await world.call(lambda server: server.ingest.seen_all(device.user, up_to), ASK_S)


async def snooze(world: World) -> None:
    """Somebody wants some notifications back later."""
    device, rng = world.some_inbox(), world.rng
    shown, until_ms = [item.id for item in device.fold.items[:5]], rng.choice(SNOOZES_MS)
    ids = rng.sample(shown, min(len(shown), rng.randint(1, 2)))
    if ids:
        world.put_away.setdefault(device.user, []).extend(ids)
        world.note(device.name, "snoozes", *ids, until_ms)
        await world.call(
            lambda server: server.snoozes.snooze(device.user, ids, world.clock.now() + until_ms), ASK_S
        )


async def take_action(world: World) -> None:
    """Somebody takes an action that a notification offers; perhaps twice, or after another one."""
    device, rng = world.some_inbox(), world.rng
    offered = [item for item in device.fold.items if item.actions]
    if not offered:
        return
    item = rng.choice(offered[:5])
    action = rng.choice(item.actions).id
    world.tally.add("action", "again" if item.acted else action)
    world.note(device.name, "acts", item.id, action)
    await world.call(lambda server: server.actions.act(device.user, item.id, action, "user"), ASK_S)


async def undo(world: World) -> None:
    """Somebody did not mean it."""
    if world.undoable:
        user, token = world.undoable.pop(world.rng.randrange(len(world.undoable)))
        world.note(user, "takes a read-all back")
        await world.call(lambda server: server.ingest.undo(user, token), ASK_S)


async def retract(world: World) -> None:
    """An event is taken back."""
    if world.acked:
        event_id = world.rng.choice(world.acked).event_id
        world.note("retract", event_id)
        world.retracting[event_id] = None
        await world.call(lambda server: server.ingest.retract(event_id), ASK_S)


async def follow(world: World) -> None:
    """Somebody follows a topic, or no longer."""
    user, topic, rng = world.anybody(), world.topic(), world.rng
    keep, backfill = rng.random() < 0.5, rng.choice((0, 3))
    if rng.random() < 0.5:
        world.note(user, "follows", topic, backfill)
        await world.call(lambda server: server.ingest.follow(user, topic, backfill), ASK_S)
    else:
        world.note(user, "unfollows", topic, keep)
        await world.call(lambda server: server.ingest.unfollow(user, topic, keep), ASK_S)


async def mute(world: World) -> None:
    """Somebody mutes a topic, or takes that back."""
    user, topic, on = world.anybody(), world.topic(), world.rng.random() < 0.5
    world.note(user, "mutes", topic, on)
    await world.call(lambda server: server.ingest.mute(user, topic, on), ASK_S)


async def block(world: World) -> None:
    """Somebody blocks a person, or takes that back."""
    user, other, on = world.anybody(), world.anybody(), world.rng.random() < 0.5
    if other != user:
        world.note(user, "blocks", other, on)
        await world.call(lambda server: server.ingest.block(user, other, on), ASK_S)


async def read_feed(world: World) -> None:
    """Somebody has read their feed, or all of it that a device of theirs shows."""
    device = world.some_feed()
    up_to = device.heard.position if world.rng.random() < 0.7 else None
    world.note(device.name, "reads the feed", up_to)
    done = await world.call(lambda server: server.ingest.read_all_of_feed(device.user, up_to), ASK_S)
    if not isinstance(done, TransportError) and done[1] is not None:
        world.feed_undoable.append((device.user, done[1]))


async def mark_feed(world: World) -> None:
    """Somebody marks some items that a device of theirs shows read, or unread."""
    device, rng = world.some_feed(), world.rng
    shown = [item.event_id for item in device.feed.items[:8]]
    ids = rng.sample(shown, min(len(shown), rng.randint(1, 3)))
    if not ids:
        return
    if rng.random() < 0.5:
        world.note(device.name, "has read", *ids)
        await world.call(lambda server: server.ingest.read_feed(device.user, ids), ASK_S)
    else:
        world.note(device.name, "has not read", *ids)
        await world.call(lambda server: server.ingest.unread_feed(device.user, ids), ASK_S)


async def undo_feed(world: World) -> None:
    """Somebody did not mean to read their feed."""
    if world.feed_undoable:
        user, token = world.feed_undoable.pop(world.rng.randrange(len(world.feed_undoable)))
        world.note(user, "takes a read-all of a feed or of activity back")
        done = await world.call(lambda server: server.ingest.undo_feed(user, token), ASK_S)
        if not isinstance(done, TransportError) and done.updated:
            world.tally.add("activity", "undone")


async def read_activity(world: World) -> None:
    """Somebody has read the activity of all users or of a topic, or what a device of theirs knows of it."""
    device, activity = world.some_feed(), world.activity()
    up_to = device.heard.position if world.rng.random() < 0.7 else None
    world.note(device.name, "reads the activity of", activity or "all", up_to)
    done = await world.call(
        lambda server: server.ingest.read_all_of_feed(device.user, up_to, activity), ASK_S
    )
    if not isinstance(done, TransportError) and done[1] is not None:
        world.tally.add("activity", "read_all")
        world.feed_undoable.append((device.user, done[1]))


async def mark_activity(world: World) -> None:
    """Somebody marks some events read, or unread, on a page of activity, whether it lists them for them or not."""
    user, activity, rng = world.anybody(), world.activity(), world.rng
    ids = [place.event_id for place in world.acked[-8:]]
    ids = rng.sample(ids, min(len(ids), rng.randint(1, 3)))
    if not ids:
        return
    read = rng.random() < 0.6
    world.note(user, "has read" if read else "has not read", *ids, "of", activity or "all")
    done = await world.call(
        lambda server: (
            server.ingest.read_feed(user, ids, activity)
            if read
            else server.ingest.unread_feed(user, ids, activity)
        ),
        ASK_S,
    )
    if not isinstance(done, TransportError) and done.updated:
        world.tally.add("activity", "ids")


async def erase(world: World) -> None:
    """Somebody is forgotten; their devices know nothing of it, and come back under the old name."""
    user = world.anybody()
    world.note(user, "is erased")
    await world.call(lambda server: server.ingest.erase(user), ASK_S)


async def merge(world: World) -> None:
    """A user turns out to be another one: what the one has becomes the other's. Devices of both go on."""
    user, into = world.rng.sample(world.users, 2)
    world.note(user, "is merged into", into)
    await world.call(lambda server: server.merges.begin(user, into), ASK_S)


def _event(world: World, verb: str, thing: str, **more: Any) -> dict[str, Any]:
    actor = world.anybody()
    name = f"{actor} the {ORDINALS[len(world.keys) // NAMED % len(ORDINALS)]}"
    about = {"verb": verb, "object_type": "thing", "object_id": thing}
    event = {"actor_id": actor, "actor_name": name} | about | more
    if world.plan.hiding and world.rng.random() < HIDING:
        event["visibility"] = world.rng.choice(NAMES)
    return event


async def _publish(world: World, verb: str, thing: str, **more: Any) -> None:
    given = _event(world, verb, thing, **more)
    await _send(world, given, lambda server, raw, key: server.ingest.publish(raw, scope="", key=key))


async def _send(
    world: World, given: Any, how: Callable[[Server, bytes, str], Awaitable[PublishResponse]]
) -> None:
    """Publish until there is an answer, or patience ends; always with the same key, so once."""
    key = f"key {len(world.keys)}"
    world.keys.append(key)
    raw = json.dumps(given).encode()
    for _ in range(ATTEMPTS):
        posted = await world.call(lambda server: how(server, raw, key), ASK_S)
        if isinstance(posted, PublishResponse):
            _acknowledged(world, key, posted)
            if world.rng.random() < 0.9:
                return
        elif not isinstance(posted, TransportError):
            return
        await pause(world.rng.random())


def _acknowledged(world: World, key: str, posted: PublishResponse) -> None:
    receipts = json.loads(posted.body)
    acked = [Place(one["position"], one["event_id"]) for one in receipts.get("events", [receipts])]
    world.replies.append(Reply(key, "", tuple(acked)))
    for place in acked:
        world.note(key, "is event", place.position)
    world.acked += acked


ALL: dict[str, Act] = {
    act.__name__: act
    for act in (
        post,
        like,
        news,
        burst,
        broadcast,
        mark,
        read_all,
        see_all,
        snooze,
        take_action,
        undo,
        retract,
        follow,
        mute,
        block,
        read_feed,
        mark_feed,
        undo_feed,
        read_activity,
        mark_activity,
        erase,
        merge,
    )
}
