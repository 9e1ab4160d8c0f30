"""What must hold once it is quiet: in the store, and on every device that is in use."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from tests.checkers import audience, inboxes, ledger, streams
from tests.checkers.adapters import ALL, places, whole_inbox
from tests.simulation.device import NOTIFICATIONS, Device
from tests.simulation.store import at_once
from tests.simulation.visitor import Visitor
from tests.simulation.world import World
from tidings.client.shapes import FeedItem, Notification
from tidings.event_json import feed_item
from tidings.filters import FeedFilter
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.visibility import VISITOR


class _Named(msgspec.Struct):
    actor_name: str | None = None


_named = msgspec.json.Decoder(_Named).decode
_notification = msgspec.json.Decoder(Notification).decode
_feed_item = msgspec.json.Decoder(FeedItem).decode


class Truth:
    """What the store says, asked directly; good for as long as nothing is written (:attr:`current`)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._version = world.shaken.version
        self._fed: dict[tuple[str, int], list[int]] = {}
        self._read: dict[str, dict[str, datetime | None]] = {}
        self._wording = NotificationRenderer(world.store, world.plan.settings.locale)
        self._lists: dict[str, list[Notification]] = {}
        self.log = at_once(world.store.tail(0, ALL))

    @property
    def current(self) -> bool:
        """Whether nothing was written since."""
        return self._version == self._world.shaken.version

    def listed(self, user: str) -> list[Notification]:
        """A user's whole list, as it is shown."""
        if user not in self._lists:
            page = at_once(self._world.store.inbox(user, ALL, None))
            items = at_once(self._wording.items(user, page.rows))
            self._lists[user] = [_notification(item) for item in items]
        return self._lists[user]

    def head(self, user: str) -> tuple[int, int, int, int]:
        """(seq, unread groups, unread items, unseen groups) of an inbox."""
        (counts,) = at_once(self._world.store.counts([user]))
        return counts.seq, counts.unread_count, counts.unread_items, counts.unseen_count

    def lacking(self, user: str) -> bool:
        """Whether a broadcast has not come yet."""
        (counts,) = at_once(self._world.store.counts([user]))
        return counts.lacking

    def fed(self, user: str, since: int) -> list[int]:
        """The positions of what a feed has after a position."""
        if (user, since) not in self._fed:
            items = at_once(self._world.store.feed(user, FeedFilter(), ALL, None)).items
            self._fed[user, since] = sorted(item.position for item in items if item.position > since)
        return self._fed[user, since]

    def read(self, user: str) -> dict[str, datetime | None]:
        """When each item of a feed was read, own acts included."""
        if user not in self._read:
            page = at_once(self._world.store.feed(user, FeedFilter(include_own=True), ALL, None))
            items = map(_feed_item, map(feed_item, page.items))
            self._read[user] = {item.event_id: item.read_at for item in items}
        return self._read[user]

    def addressed(self, user: str, since: int) -> list[int]:
        """The positions of what is addressed to a user after a position."""
        return [
            entry.position
            for entry in self.log
            if entry.position > since and user in entry.targets and user != entry.actor_id
        ]


def lacks(device: Device, truth: Truth, world: World) -> str:
    """What a device does not know yet; "" when it knows everything."""
    if NOTIFICATIONS in device.include:
        if device.heard.since is None:
            return f"{device.name} has no inbox yet"
        if truth.lacking(device.user):
            return f"{device.user} lacks a broadcast"
        fold = device.fold
        known = fold.seq, fold.unread_count, fold.unread_items, fold.unseen_count
        if known != truth.head(device.user):
            return f"{device.name} knows {known} of {truth.head(device.user)}"
    if device.carries:
        if device.heard.feed_since is None:
            return f"{device.name} has no feed yet"
        missed = sorted(set(_due(device, truth, world)) - {frame.at for frame in device.heard.feed_frames})
        if missed:
            return f"{device.name} has not heard of {missed}"
        return _feed_differs(device, truth, world)
    return ""


def visitor_lacks(visitor: Visitor, world: World) -> str:
    """The same of somebody without a credential."""
    if visitor.since is None:
        return f"{visitor.name} has no page yet"
    due = [] if world.history.erased else world.history.due(VISITOR, visitor.scope, visitor.since)
    missed = sorted(set(due) - set(visitor.arrived))
    return f"{visitor.name} has not heard of {missed}" if missed else ""


def overdue(world: World) -> str:
    """The snooze that should have ended; "" when all have that should."""
    late = at_once(world.store.snoozed(world.clock.now(), 1))
    return f"{late[0]} has not come back" if late else ""


def unfinished(world: World) -> str:
    """What is still to be written into feeds and inboxes; "" when nothing is."""
    jobs = at_once(world.store.status()).pending_fanout_jobs
    return f"{jobs} jobs are queued" if jobs else ""


def _feed_differs(device: Device, truth: Truth, world: World) -> str:
    """How the items of a feed that a device holds differ from the feed; "" when they do not. What a follow, a mute or a
    block takes away is not streamed, nor that the marks of an erased person are gone, nor who follows a topic that was
    read."""
    history = world.history
    if history.erased or not device.scope.feed:
        return ""
    read = truth.read(device.user)
    for item in device.feed.items:
        if not item.reason.kind:
            continue
        if item.event_id not in read:
            if history.is_in_feed(device.user, item.event_id):
                return f"{device.name} shows {item.event_id}, which is not in the feed"
        elif item.visibility != "followers" and _read_otherwise(item, read[item.event_id], world):
            return f"{device.name} has {item.event_id} read {item.read_at}, the feed {read[item.event_id]}"
    return ""


def _read_otherwise(item: FeedItem, read_at: datetime | None, world: World) -> bool:
    """Whether an item was read at another time than this. What was read with its notification, and then in the feed too, has
    the later time there from then on, of which no stream hears."""
    rules = world.store.rules
    if rules.rule(rules.type_of(item.verb)).read_together:
        return (item.read_at is None) != (read_at is None)
    return item.read_at != read_at


def _due(device: Device, truth: Truth, world: World) -> list[int]:
    """The positions that a device must have heard of. Once somebody was erased, what is addressed to its user is sure, if
    nothing is hidden."""
    since, history = device.heard.feed_since or 0, world.history
    if not history.erased:
        return history.due(device.user, device.scope, since)
    hiding = {"mute", "block", "merge"} & set(world.plan.acts)
    return truth.addressed(device.user, since) if device.scope.feed and not hiding else []


def device_agrees(device: Device, truth: Truth) -> None:
    """I5, I6: it was told every change in order, and what it shows is what a fresh list shows."""
    if NOTIFICATIONS not in device.include:
        return
    shown = truth.listed(device.user)
    held = device.fold.items
    for kept, fresh in zip(held, shown, strict=False):
        assert _named_as(fresh, kept) == fresh, f"{device.name} shows {kept}, the list says {fresh}"
    if device.fold.complete:
        assert len(held) == len(shown), f"{device.name} shows {len(held)} items, the list has {len(shown)}"
    else:
        assert len(held) <= len(shown), f"{device.name} shows {len(held)} items, the list has {len(shown)}"


def _named_as(fresh: Notification, kept: Notification) -> Notification:
    """What a device shows, with the names of a fresh list: a new display name sends no frame, and so no new text."""
    if kept.parts == fresh.parts and kept.actor_name == fresh.actor_name:
        return kept
    ids = [[actor.id for actor in one.parts.actors] for one in (kept, fresh)]
    assert ids[0] == ids[1], f"other actors in {kept} than in {fresh}"
    parts = replace(kept.parts, actors=fresh.parts.actors)
    return replace(kept, parts=parts, actor_name=fresh.actor_name, message=fresh.message)


def told_everything(device: Device, world: World) -> None:
    """I5, from what was handed over: in order, and without a hole since the last fresh state."""
    since = device.heard.since
    if since is None:
        return
    changes = at_once(world.store.inbox_since(device.user, since, ALL))
    assert not changes.reset, f"{device.name} was told no reset since {since}"
    last_change = {row.id: row.seq for row in changes.rows}
    last_change |= {f"mark {mark.seq}": mark.seq for mark in changes.marks}
    streams.continuous(device.heard.frames, last_change, since)


def told_the_feed(device: Device, truth: Truth, world: World) -> None:
    """I5 of activity: new events, marks and retractions, in the one order of positions."""
    if device.heard.feed_since is not None:
        last_change = {str(position): position for position in _due(device, truth, world)}
        streams.continuous(device.heard.feed_frames, last_change, device.heard.feed_since)


def feeds_are_whole(world: World, truth: Truth) -> None:
    """What streams hear of and what feeds have is the same, by whichever way it is kept."""
    heard: dict[str, set[int]] = {user: set() for user in world.users}
    after, head = 0, at_once(world.store.head()).position
    while after < head:
        found, after = at_once(world.store.audience_since(after, heard.keys(), ALL))
        for one in (one for one in found if one.change is None):
            for user in (user for *_, users in one.listeners for user in users):
                heard[user].add(one.position)
    for user, positions in heard.items():
        fed = set(truth.fed(user, 0))
        # An erasure ends a merge that moves the feed of the erased in steps: the follows of the destination stand, and what
        # was not moved is missing.
        ended = world.history.erased and world.history.doubts(user)
        assert fed == positions or (ended and fed < positions), (
            f"{user} has {sorted(fed)} in the feed, and hears of {sorted(positions)}"
        )
        if not world.history.erased:
            world.history.has_fed(user, fed)


def _names_are_the_newest(world: World, truth: Truth) -> None:
    """The name of a user is that of their newest event with a name."""
    log = sorted(truth.log, key=lambda entry: entry.key)
    newest = {entry.actor_id: said for entry in log if (said := _named(entry.body).actor_name)}
    for user in world.users:
        name, said = at_once(world.store.display_name(user)), newest.get(user)
        assert name == said, f"{user} is called {name}, the newest event with a name says {said}"


def store_is_sound(world: World, truth: Truth) -> None:
    """I1, I2, I3, I6: what was acknowledged is there, once; inboxes and their counts are true to their rows."""
    log = places(truth.log)
    acked = [place for place in world.acked if place.event_id not in world.retracting]
    ledger.exactly_once(acked, log)
    ledger.idempotent(world.replies)
    if "retract" not in world.plan.acts:  # a name stays when the event that brought it is retracted
        _names_are_the_newest(world, truth)
    ids = {place.position: place.event_id for place in log}
    for user in world.users:
        items, counts = at_once(whole_inbox(world.store, user))
        if world.plan.unaided and "retract" not in world.plan.acts:  # a group keeps the place of what it lost
            told = audience.notified(user, truth.log, world.store.rules)
            inboxes.addressed(items, [ids[position] for position in told], world.put_away.get(user, ()))
        if not world.history.erased:
            rows = at_once(world.store.inbox(user, ALL, None, state="all")).rows
            if not world.history.notified(user, rows, lacking=counts.lacking):
                world.tally.add("inbox", "exact")
            if not world.history.adopted(user):
                shared = [row for row in rows if world.store.rules.rule(row.type).read_together]
                inboxes.read_together(shared, truth.read(user))
                world.tally["inbox", "shared"] += sum(row.read_at is not None for row in shared)
        inboxes.sound(items, counts.seq)
        inboxes.counted(items, counts.unread_count, counts.unread_items, counts.unseen_count)
