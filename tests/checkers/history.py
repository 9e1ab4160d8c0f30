"""What was written, in its order, and who may have what of it, recomputed by brute force (I3, I5, I6, I9).

A reader reads at some moment after a write, and what it may show follows from that moment. So each question has two
answers: what is *sure*, because it held at every moment from an event to now, and what *may* be, because it held at one of
them. Where nobody follows, mutes or blocks meanwhile, both are the same.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.checkers.relations import Relations
from tidings.activity_scope import EVERYBODY, ActivityScope
from tidings.errors import KeyReused
from tidings.model import (
    EVERYONE,
    ActionResult,
    ActOnNotification,
    Command,
    CommandResult,
    EraseUser,
    Follow,
    InboxRow,
    MarkFeedRead,
    MarkFeedUnread,
    NewEvent,
    Outcome,
    Publish,
    Published,
    Receipt,
    Retract,
    SetBlock,
    SetMute,
    Unfollow,
    user_topic,
)
from tidings.notify_mode import NotifyMode
from tidings.rules import Rules
from tidings.user_merges import MergeUsers
from tidings.visibility import Visibility


class Event(NamedTuple):
    """An event that was published, at the ``moment`` of its command."""

    id: str
    position: int
    moment: int
    actor: str
    topics: tuple[str, ...]
    targets: frozenset[str]
    visibility: Visibility
    audience: str


class Gone(NamedTuple):
    """When an event was retracted: the moment, and the position that this took."""

    moment: int
    position: int


class Merges:
    """What merges of users moved. ``doubted``: the users whom merges in steps concern. ``inherited``: by user the events
    that surely came into the feed by a merge, each with its moment."""

    def __init__(self) -> None:
        self.doubted: set[str] = set()
        self.inherited: dict[str, dict[str, int]] = defaultdict(dict)
        self._names: dict[str, set[str]] = {}
        self._left: dict[str, int] = {}
        self._emptied: dict[str, int] = {}

    def moved(self, merge: MergeUsers, moment: int, fed: Iterable[str]) -> None:
        """A merge ended; ``fed``: the events that were surely in the feed of the source."""
        self._names[merge.into] = self.names(merge.into) | self.names(merge.user)
        self._names.pop(merge.user, None)
        self._left[merge.user] = self._emptied[merge.user] = moment
        self._emptied.pop(merge.into, None)
        self.inherited.pop(merge.user, None)
        self.inherited[merge.into] |= dict.fromkeys(fed, moment)

    def names(self, user: str) -> set[str]:
        """The names under which a user may have got what the user has."""
        return self._names.get(user, set()) | {user}

    def left(self, user: str) -> int:
        """The moment up to which all that a user had became another's, though some may have come back."""
        return self._left.get(user, 0)

    def emptied(self, user: str) -> int:
        """The moment up to which a user has nothing any more."""
        return self._emptied.get(user, 0)


class History:
    """All commands that had an effect. ``moment`` numbers them. ``in_steps``: the store removes the items of a block in
    steps, and those that are left when the block is lifted stay."""

    def __init__(self, rules: Rules, *, in_steps: bool = False) -> None:
        self.moment = 0
        self.events: dict[str, Event] = {}
        self.gone: dict[str, Gone] = {}
        self._erased: dict[str, int] = {}
        self._erasures: list[int] = []
        self.removed = 0
        """Notified events that a block removed from an inbox."""
        self.merges: Counter[str] = Counter()
        """Merges of users, those in steps apart."""
        self._rules = rules
        self._relations = Relations()
        self._marks: dict[str, list[int]] = defaultdict(list)
        self._public: list[Event] = []
        self._by_topic: dict[str, list[Event]] = defaultdict(list)
        self._by_target: dict[str, list[Event]] = defaultdict(list)
        self._notified: dict[str, dict[str, bool]] = defaultdict(dict)
        self._removed: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._in_steps = in_steps
        self._broadcasts: list[Event] = []
        self._due: dict[tuple[str, ActivityScope], tuple[int, list[int]]] = {}
        self._merges = Merges()

    @property
    def erased(self) -> bool:
        """Whether a user was erased: then names of before are other users, and little is sure."""
        return bool(self._erased)

    # --- what is written ------------------------------------------------------------------------------------

    def write(
        self,
        commands: Sequence[Command],
        outcomes: Sequence[Outcome | KeyReused],
        going_on: Collection[int] = (),
    ) -> None:
        """Take note of a transaction. ``going_on``: the ids of merges of users that have not ended with it."""
        for command, outcome in zip(commands, outcomes, strict=True):
            self.moment += 1
            self._take(command, outcome, going_on)

    def _take(self, command: Command, outcome: Outcome | KeyReused, going_on: Collection[int]) -> None:
        match command, outcome:
            case MergeUsers(), CommandResult(updated) if updated:
                self._merged(command, ended=updated not in going_on)
            case Publish(events), Published():
                self._published(events, outcome)
            case ActOnNotification(_, NewEvent() as event), ActionResult(_, Published() as published):
                self._published((event,), published)
            case Retract(event_id), CommandResult(updated) if updated:
                self._retracted(event_id, outcome.position)
            case ((MarkFeedRead() | MarkFeedUnread()), CommandResult()) if outcome.marked:
                self._marks[command.user].append(outcome.marked)
            case ((Follow() | Unfollow() | SetMute() | SetBlock()), CommandResult(updated)) if updated:
                self._related(command)
            case EraseUser(user), CommandResult(updated) if updated:
                self._erased[user] = self.moment
                self._erasures += [outcome.marked] if outcome.marked else []
                self._relations.forget(user, self.moment)

    def _published(self, events: Sequence[NewEvent], published: Published) -> None:
        for index, (event, receipt) in enumerate(zip(events, published.receipts, strict=True)):
            if index not in published.repeats:
                self._appended(event, receipt)

    def _appended(self, new: NewEvent, receipt: Receipt) -> None:
        event = Event(
            receipt.event_id,
            receipt.position,
            self.moment,
            new.actor_id,
            new.all_topics(),
            frozenset(new.targets),
            new.visibility,
            new.audience,
        )
        self.events[event.id] = event
        if event.visibility is Visibility.PUBLIC:
            self._public.append(event)
        for topic in event.topics:
            self._by_topic[topic].append(event)
        for user in event.targets:
            self._by_target[user].append(event)
        if event.audience:
            self._broadcasts.append(event)
        elif new.notify is not NotifyMode.NONE:
            self._notify(new, event)

    def _notify(self, new: NewEvent, event: Event) -> None:
        rule = self._rules.rule(self._rules.type_of(new.verb))
        once = not rule.duplicate_window_s
        if rule.notifies_followers(event.visibility):
            thing = f"{new.object_type}:{new.object_id}"
            for topic in rule.follower_topics(user_topic(event.actor), thing, event.topics):
                for user in self._relations.followers(topic):
                    # Later work notifies followers of a wide topic, by the masks of that moment.
                    self._add_recipient(user, event, sure=once and not self._masked(user, event))
        if rule.to_targets:
            for user in event.targets:
                if not self._masked(user, event):
                    self._add_recipient(user, event, sure=once)

    def _add_recipient(self, user: str, event: Event, *, sure: bool) -> None:
        if user != event.actor:
            notified = self._notified[user]
            notified[event.id] = notified.get(event.id, False) or sure

    def _masked(self, user: str, event: Event) -> bool:
        return self._relations.hide(user, event.actor, event.topics, self.moment, self.moment)

    def _retracted(self, event_id: str, position: int) -> None:
        self.gone[event_id] = Gone(self.moment, position)
        for notified in self._notified.values():
            notified.pop(event_id, None)

    def _related(self, command: Follow | Unfollow | SetMute | SetBlock) -> None:
        self._relations.change(command, self.moment)
        match command:
            case SetBlock(user, topic, True):
                other = topic.removeprefix("user:")
                self._remove(user, other)
                self._remove(other, user)
            case SetBlock(user, topic, False) if self._in_steps:
                other = topic.removeprefix("user:")
                self._doubt_removed(user, other)
                self._doubt_removed(other, user)
            case SetMute(user, topic):
                for event_id in self._notified[user]:
                    self._doubt(user, event_id, topic)
            case Unfollow(user, topic):
                inherited = self._merges.inherited[user]
                for event_id in [one for one in inherited if topic in self.events[one].topics]:
                    del inherited[event_id]
            case _:
                pass

    def _remove(self, user: str, other: str) -> None:
        notified = self._notified[user]
        for event_id in list(notified):
            event = self.events[event_id]
            if event.actor != other:
                continue
            if user in event.targets:
                self.removed += notified.pop(event_id)
                self._removed[user, other].append(event_id)
            else:
                notified[event_id] = False

    def _doubt_removed(self, user: str, other: str) -> None:
        for event_id in self._removed.pop((user, other), ()):
            if event_id not in self.gone:
                self._notified[user][event_id] = False

    def _doubt(self, user: str, event_id: str, topic: str) -> None:
        """A user who is notified as a follower may be notified later, by the mutes of that moment."""
        event = self.events[event_id]
        if topic in event.topics and user not in event.targets:
            self._notified[user][event_id] = False

    # --- merges of users ------------------------------------------------------------------------------------

    def doubts(self, user: str) -> bool:
        """Whether nothing is known of a user any more: a merge that concerns them was done in steps, between which anything
        was written."""
        return user in self._merges.doubted

    def adopted(self, user: str) -> bool:
        """Whether some notifications of a user were another user's."""
        return self.doubts(user) or len(self._merges.names(user)) > 1

    def _merged(self, merge: MergeUsers, *, ended: bool) -> None:
        user, into, relations = merge.user, merge.into, self._relations
        concerned = {user, into, *relations.followers(user_topic(user)), *relations.at_odds(user)}
        if not ended or not concerned.isdisjoint(self._merges.doubted):
            self._merges.doubted |= concerned
            self.merges["steps"] += 1
            return
        self.merges["exact"] += 1
        fed = [event for event in self.events.values() if self._in_feed(user, event, surely=True)]
        for command in relations.merged(user, into):
            self._related(command)
        self._merges.moved(merge, self.moment, [event.id for event in fed])
        moving, self._notified[user] = self._notified[user], {}
        for event_id, sure in moving.items():
            event = self.events[event_id]
            if event.actor != into and not relations.block(into, event.actor, self.moment, self.moment):
                self._add_recipient(into, event, sure=sure)

    # --- streams --------------------------------------------------------------------------------------------

    def due(self, viewer: str, scope: ActivityScope, since: int) -> list[int]:
        """The positions after one of all that a stream of this viewer surely carries: events, and what changed older
        ones."""
        if self.doubts(viewer):
            return []
        known = self._due.get((viewer, scope))
        if known is None or known[0] != self.moment:
            known = self._due[viewer, scope] = self.moment, sorted(self._surely(viewer, scope))
        return [position for position in known[1] if position > since]

    def _surely(self, viewer: str, scope: ActivityScope) -> Iterator[int]:
        carried = {event.id: event for event in self._carried(viewer, scope)}
        for event in carried.values():
            gone = self.gone.get(event.id)
            if gone is not None:
                yield gone.position
            elif not (event.actor == viewer and not self.listed(viewer, scope, event, surely=True)):
                yield event.position
        if scope.feed:
            yield from self._marks[viewer]

    def _carried(self, viewer: str, scope: ActivityScope) -> Iterator[Event]:
        """The events that are surely in the feed of a viewer, or own ones, or in the other activity of a scope."""
        if scope.feed:
            own = self._by_topic[user_topic(viewer)]
            followed = (self._by_topic[topic] for topic in self._relations.followed(viewer))
            for events in (self._by_target[viewer], own, *followed):
                yield from (e for e in events if e.actor == viewer or self.fed(viewer, e, surely=True))
        for watched in scope.watched:
            events = self._public if watched == EVERYBODY else self._by_topic[watched]
            yield from (e for e in events if self._lists(watched, viewer, e, surely=True))

    def fed(self, viewer: str, event: Event, *, surely: bool) -> bool:
        """Whether an event is in the feed of a viewer, at every moment since it was published or (not ``surely``) at one."""
        if self._own(viewer, event) or self._hidden(viewer, event, surely=surely):
            return False
        if surely:
            return event.moment > self._merges.left(viewer) and self._brought(viewer, event, surely=True)
        return any(self._brought(name, event, surely=False) for name in self._merges.names(viewer))

    def _in_feed(self, viewer: str, event: Event, *, surely: bool) -> bool:
        """The same with what a merge of users added to a feed or took from it, without a stream having carried it."""
        if not surely:
            return not self._left_behind(viewer, event) and self.fed(viewer, event, surely=False)
        if self.fed(viewer, event, surely=True):
            return True
        at = self._merges.inherited[viewer].get(event.id)
        if at is None or self._own(viewer, event):
            return False
        return not self._relations.hide(viewer, event.actor, event.topics, at, self.moment)

    def _left_behind(self, viewer: str, event: Event) -> bool:
        """Whether a merge took an event from a feed, and no follow can have brought it again."""
        at = self._merges.emptied(viewer)
        again = (self._relations.follows_within(viewer, one, at + 1, self.moment) for one in event.topics)
        return event.moment <= at and not any(again)

    def _brought(self, viewer: str, event: Event, *, surely: bool) -> bool:
        """Whether a user is a target of an event, or a follow covers it."""
        if viewer in event.targets:
            return True
        relations, first, last = self._relations, event.moment, self.moment
        return event.visibility.reaches_followers and any(
            relations.follows_throughout(viewer, topic, first, last)
            if surely
            else relations.follows_within(viewer, topic, first, last)
            for topic in event.topics
        )

    def _own(self, viewer: str, event: Event) -> bool:
        """Whether the viewer is the actor, and no other user who had the same name."""
        return event.actor == viewer and event.moment > self._erased.get(viewer, 0)

    def listed(self, viewer: str, scope: ActivityScope, event: Event, *, surely: bool) -> bool:
        """The same of the activity of a scope, beside the feed."""
        return any(self._lists(watched, viewer, event, surely=surely) for watched in scope.watched)

    def _lists(self, watched: str, viewer: str, event: Event, *, surely: bool, now: bool = False) -> bool:
        relations, first, last = self._relations, self.moment if now else event.moment, self.moment
        if watched != EVERYBODY and watched not in event.topics:
            return False
        if relations.block(viewer, event.actor, first, last, throughout=not surely):
            return False
        if event.visibility is Visibility.PUBLIC:
            return True
        if watched == EVERYBODY or event.visibility is Visibility.RECIPIENTS:
            return False
        follows = relations.follows_throughout if surely else relations.follows_within
        return event.actor == viewer or follows(viewer, watched, first, last)

    def _hidden(self, viewer: str, event: Event, *, surely: bool) -> bool:
        """Whether a mute or a block hid an event throughout; for what is sure, whether one did at any moment."""
        hide = self._relations.hide
        return hide(viewer, event.actor, event.topics, event.moment, self.moment, throughout=not surely)

    def carries(self, viewer: str, scope: ActivityScope, event_id: str, position: int) -> None:
        """I9: a frame with an event is of one that its stream could carry."""
        event = self.events.get(event_id)
        assert event is not None, f"{viewer} got {event_id}, which was never published"
        assert event.position == position, f"{viewer} got {event} at {position}"
        if self.doubts(viewer):
            return
        seen = scope.feed and self.fed(viewer, event, surely=False)
        seen = seen or self.listed(viewer, scope, event, surely=False)
        assert seen, f"{viewer}, with {scope}, got {event}, which it may not see"

    def retracts(self, viewer: str, scope: ActivityScope, event_id: str, position: int) -> None:
        """I9: nobody gets the retraction of an event that they could not see."""
        event, gone = self.events[event_id], self.gone.get(event_id)
        assert gone is not None, f"{viewer} got a retraction of {event}"
        assert gone.position == position, f"{viewer} got a retraction of {event} at {position}"
        if self.doubts(viewer):
            return
        seen = scope.feed and (event.actor == viewer or self.fed(viewer, event, surely=False))
        seen = seen or self.listed(viewer, scope, event, surely=False)
        assert seen, f"{viewer}, with {scope}, heard that {event} was retracted, which it may not see"

    def is_in_feed(self, viewer: str, event_id: str) -> bool:
        """Whether an event is surely in the feed of a viewer now."""
        known = event_id not in self.gone and not self.doubts(viewer)
        return known and self._in_feed(viewer, self.events[event_id], surely=True)

    def is_withheld(self, viewer: str, event: Event) -> bool:
        """Whether a follow brings an event to nobody else's feed but this one's, for its visibility or for a block."""
        follows = any(
            self._relations.follows_throughout(viewer, topic, event.moment, self.moment)
            for topic in event.topics
        )
        return follows and not self.fed(viewer, event, surely=False) and event.actor != viewer

    # --- pages ----------------------------------------------------------------------------------------------

    def page(self, watched: str, viewer: str) -> list[Event]:
        """The events of a page of activity now."""
        return [
            event
            for event in self.events.values()
            if event.id not in self.gone and self._lists(watched, viewer, event, surely=True, now=True)
        ]

    def has_fed(self, viewer: str, positions: Collection[int]) -> None:
        """I5, I9: a feed has what it surely has, and nothing that it cannot have."""
        if self.doubts(viewer):
            return
        for event in self.events.values():
            there = event.position in positions
            if event.id in self.gone:
                assert not there, f"the feed of {viewer} has {event}, which was retracted"
                continue
            assert not there or self._in_feed(viewer, event, surely=False), (
                f"the feed of {viewer} has {event}"
            )
            assert there or not self._in_feed(viewer, event, surely=True), (
                f"the feed of {viewer} lacks {event}"
            )

    def public_positions(self) -> set[int]:
        """The positions that everybody may know: of public events, of their retractions, and of erasures."""
        gone = (self.gone[event.id].position for event in self._public if event.id in self.gone)
        return {event.position for event in self._public}.union(gone, self._erasures)

    # --- inboxes --------------------------------------------------------------------------------------------

    def notified(self, user: str, rows: Iterable[InboxRow], *, lacking: bool) -> int:
        """I3, I6: the rows of an inbox have the events that the user was notified of, each once, without those that a
        retraction or a block removed. Returns how many may be missing; 0: the rows are exactly these. ``lacking``:
        broadcasts are still to come."""
        if self.doubts(user):
            return 1
        rows = list(rows)
        expected = self._notified[user] | self._broadcast(user, lacking=lacking)
        sure = {event_id for event_id, surely in expected.items() if surely}
        shown = [event_id for row in rows for event_id in row.event_ids]
        assert len(set(shown)) == len(shown), f"{user} was notified twice: {shown}"
        foreign = [self.events.get(event_id, event_id) for event_id in set(shown) - expected.keys()]
        assert not foreign, f"{user} has {foreign} in the inbox"
        size = sum(row.size for row in rows)
        missing = sure.difference(shown)
        beyond = size - len(shown)
        assert len(missing) <= beyond, f"{user} lacks {[self.events[event_id] for event_id in missing]}"
        assert size <= len(expected), f"{user} has {size} items in the inbox, of {len(expected)} events"
        return len(expected) - len(sure)

    def _broadcast(self, user: str, *, lacking: bool) -> dict[str, bool]:
        found, relations, last = dict[str, bool](), self._relations, self.moment
        for event in self._broadcasts:
            if event.id in self.gone or event.actor == user:
                continue
            everyone, first = event.audience == EVERYONE, event.moment
            names = self._merges.names(user)
            if everyone or any(relations.follows_within(one, event.audience, first, last) for one in names):
                meant = everyone or relations.follows_throughout(user, event.audience, first, last)
                meant = meant and event.moment > self._merges.left(user)
                found[event.id] = meant and not lacking and not self._hidden(user, event, surely=True)
        return found
