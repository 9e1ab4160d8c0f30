"""Merges of users of the reference back-end, each done at once."""

from collections.abc import Mapping

import msgspec

from tidings.endpoint_commands import RemoveEndpoint
from tidings.ids import ms_of
from tidings.inbox_commands import NotificationState
from tidings.model import (
    Follow,
    MaterializeBroadcasts,
    SetBlock,
    SetMute,
    SetPreferences,
    Unfollow,
    user_topic,
)
from tidings.personal_data import MAX_ENDPOINTS, Preferences
from tidings.storage import anonymize
from tidings.storage.memory.graph import MemoryGraph
from tidings.storage.memory.inbox import Group
from tidings.storage.memory.state import PendingDelivery
from tidings.user_merges import MergeCounts, MergeUsers, UserMerge, united


class MemoryUserMerges(MemoryGraph):
    """The port UserMerges."""

    async def user_merge(self, id: int) -> UserMerge | None:
        """The merges of two users, the last of which ended when it began."""
        return self._merges[id - 1] if 0 < id <= len(self._merges) else None

    def _merge_users(self, command: MergeUsers) -> int:
        """Carry out a merge; returns its id, 0 if the source is unknown."""
        user, into = command.user, command.into
        if user == into or not self._is_known(user):
            return 0
        # A source that follows nothing and has no endpoint has no broadcast that the destination does not have.
        source = self._peek(user)
        users = (into, user) if source.follows or source.endpoints else (into,)
        self._materialize(MaterializeBroadcasts(users))
        for name in (user, into):
            self._person(name)  # which makes the user if there is none
        endpoints, over = self._move_settings(user, into)
        reminders = self._readdress_reminders(user, into)
        relations = self._move_relations(user, into)
        relations["over_limit"] += over
        follows, followers = self._adopt_follows(user, into), self._adopt_followers(user, into)
        targeted = self._move_feed(user, into)
        self._person(user).follows.clear()
        notifications, duplicates = self._move_inbox(user, into)
        more = relations | {"endpoints": endpoints, "reminders": reminders, "targeted": targeted}
        more |= {"follows": follows, "followers": followers}
        return self._note_merge(user, into, more | {"notifications": notifications, "duplicates": duplicates})

    def _note_merge(self, user: str, into: str, more: Mapping[str, int]) -> int:
        for n, one in enumerate(self._merges):
            if one is not None and one[1:3] == (user, into):
                self._merges[n] = one._replace(counts=one.counts.plus(**more))
                return n + 1
        id = len(self._merges) + 1
        self._merges.append(UserMerge(id, user, into, "done", MergeCounts().plus(**more)))
        return id

    def _is_known(self, user: str) -> bool:
        named = any(anonymize.mentions(entry, user) for entry in self._log.values())
        reminded = any(user in anonymize.people(reminder) for reminder in self._reminders.values())
        followed = any(user_topic(user) in person.follows for person in self._people.values())
        return user in self._people or named or reminded or followed

    # --- settings -------------------------------------------------------------------------------------------

    def _move_settings(self, user: str, into: str) -> tuple[int, int]:
        """Unite the preferences, and move the endpoints; returns how many, and how many were too many."""
        source, target = self._person(user), self._person(into)
        if (both := united(target.preferences, source.preferences)) != target.preferences:
            self._prefer(SetPreferences(into, both))
        source.preferences = Preferences()
        by_address = {(one.channel, one.address): one for one in target.endpoints.values()}
        moved, left = 0, MAX_ENDPOINTS - len(target.endpoints)
        over: list[str] = []
        for id, endpoint in source.endpoints.items():
            same = by_address.get((endpoint.channel, endpoint.address))
            if same is None and moved >= left:
                over.append(id)
                continue
            if same is None:
                target.endpoints[id] = msgspec.structs.replace(endpoint, user=into)
                moved += 1
                continue
            confirmed = same.confirmed or endpoint.confirmed
            target.endpoints[same.id] = msgspec.structs.replace(same, confirmed=confirmed)
            for pending in self._pending.values():
                if pending.endpoint == id:
                    pending.endpoint = same.id
        for id in over:
            self._remove_endpoint(RemoveEndpoint(user, id))
        source.endpoints.clear()
        target.endpoints = dict(sorted(target.endpoints.items(), key=lambda one: self._registered[one[0]]))
        return moved, len(over)

    def _readdress_reminders(self, user: str, into: str) -> int:
        moved = {
            key: left
            for key, reminder in self._reminders.items()
            if (left := anonymize.readdressed(reminder, user, into)) != reminder
        }
        self._reminders |= moved
        return len(moved)

    def _move_relations(self, user: str, into: str) -> dict[str, int]:
        """Move mutes and blocks, and let those who block the source block the destination; returns the counts."""
        self._mask(SetBlock(into, user_topic(user), on=False))
        self._mask(SetMute(into, user_topic(user), on=False))
        source = self._person(user)
        moved = {"mutes": 0, "blocks": 0, "over_limit": 0}
        for what, topics in (("mutes", source.muted), ("blocks", source.blocked)):
            make = SetMute if what == "mutes" else SetBlock
            for topic in sorted(topics):
                self._mask(make(user, topic, on=False))
                if topic != user_topic(into):
                    self._add_relation(make(into, topic), what, moved)
        for other, person in list(self._people.items()):
            if user_topic(user) in person.blocked and other != into:
                self._add_relation(SetBlock(other, user_topic(into)), "", moved)
        return moved

    def _add_relation(self, command: SetMute | SetBlock, what: str, moved: dict[str, int]) -> None:
        if self._limit(command):
            moved["over_limit"] += 1
        elif self._mask(command) and what:
            moved[what] += 1

    # --- feeds ----------------------------------------------------------------------------------------------

    def _adopt_follows(self, user: str, into: str) -> int:
        source, target = self._person(user), self._person(into)
        new = sum(
            target.adopt_follow(topic, span)
            for topic, spans in source.follows.items()
            if topic != user_topic(into)
            for span in spans
        )
        self._unfollow(Unfollow(into, user_topic(user), keep=True))
        return new

    def _adopt_followers(self, user: str, into: str) -> int:
        followers = [
            other
            for other, person in self._people.items()
            if person.follow_of(user_topic(user)) is not None and other not in (user, into)
        ]
        return sum(self._follow(Follow(other, user_topic(into), 0)) for other in followers)

    def _move_feed(self, user: str, into: str) -> int:
        """Add the read state of the source's feed, and its marks, to those of the destination; then put the destination for
        the source among the targets of events. Returns how many of these there are."""
        read = {
            entry.key: (entry.position, item.read_at)
            for entry, item in self._feed(user)
            if item.read_at is not None and item.reason != "own"
        }
        addressed = [
            entry for entry in self._log.values() if user in entry.targets and entry.actor_id != user
        ]
        for entry in addressed:
            targets = dict.fromkeys(into if name == user else name for name in entry.targets)
            self._log[entry.key] = entry._replace(targets=tuple(targets))
        self._move_marks(user, into, read)
        return len(addressed)

    def _move_marks(self, user: str, into: str, read: Mapping[int, tuple[int, int | None]]) -> None:
        """Add the marks of the source, and what it ``read`` of its feed, to those of the destination."""
        source, target = self._person(user).feed, self._person(into).feed
        own = {
            key: (one.position, one.at)
            for key, one in source.marked.items()
            if one.at is not None or key not in self._log or self._read_at(into, self._log[key]) is None
        }
        adopted = target.adopt(dict(read) | own, source.read_alls, self._position + 1)
        self._position += adopted
        if source.clear():
            self._reset_feed(user)
        if adopted:
            self._reset_feed(into)

    # --- inboxes --------------------------------------------------------------------------------------------

    def _move_inbox(self, user: str, into: str) -> tuple[int, int]:
        """Move the notifications; returns how many arrived, and how many were duplicates."""
        source, target = self._person(user).inbox, self._person(into).inbox
        numbers: dict[int, int] = {}
        read: set[int] = set()
        arrived = duplicates = 0
        for group in sorted(source.groups.values(), key=lambda one: one.order):
            shown = self._movable(group, into)
            held = {key: held for key in shown if (held := target.holder(key)) is not None}
            fresh = [key for key in shown if key not in held]
            state = source.state(group)
            if fresh:
                numbers[group.number] = target.take_over(group, state, fresh, ms_of(fresh[0]))
                arrived += 1
            elif shown:
                numbers[group.number] = held[shown[-1]].number
                duplicates += 1
            if state.read_at is not None:
                read |= {one.number for one in held.values() if len(one.items) == 1}
        # Those of the destination of whose only event the source has read another, once all have arrived.
        for number in sorted(read):
            self._set_state(into, number, NotificationState.READ)
        source.leave()
        self._move_deliveries(user, into, numbers)
        return arrived, duplicates

    def _movable(self, group: Group, into: str) -> list[int]:
        """The events of a notification that the destination may have, oldest first."""
        keys = [group.items[seq] for seq in sorted(group.items)]
        actors = {key: self._log[key].actor_id for key in keys}
        return [key for key in keys if actors[key] != into and not self._blocks(into, actors[key])]

    def _move_deliveries(self, user: str, into: str, numbers: Mapping[int, int]) -> None:
        queued = {(one.user, one.endpoint, one.number) for one in self._waiting()}
        kept: dict[int, PendingDelivery] = {}
        for id, pending in self._pending.items():
            if pending.user == user:
                number = numbers.get(pending.number)
                if number is None or (into, pending.endpoint, number) in queued:
                    continue
                pending.user, pending.number = into, number
                queued.add((into, pending.endpoint, number))
            kept[id] = pending
        self._pending = kept
