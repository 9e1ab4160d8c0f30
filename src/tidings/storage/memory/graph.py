"""Follows, mutes and blocks of the reference back-end: the changes of what a user sees."""

from itertools import islice

from tidings.model import Follow, SetBlock, SetMute, SetPreferences, Unfollow, split_topic
from tidings.storage.memory.feed_groups import MemoryFeedGroups
from tidings.storage.memory.user import FollowInterval


class MemoryGraph(MemoryFeedGroups):
    """The commands about what a user follows, mutes and blocks."""

    def _follow(self, follow: Follow) -> int:
        person = self._person(follow.user)
        span = person.follow_of(follow.topic)
        if span is not None and not follow.extend:
            return 0
        theirs = (e for e in self._newest() if follow.topic in e.topics and e.visibility.reaches_followers)
        shown = [entry.key for entry in islice(theirs, follow.backfill)]
        since_key = shown[-1] if shown else None
        if span is not None:
            span.extend(since_key)
            return 0
        person.begin_follow(follow.topic, FollowInterval(since_key, self._position, self._clock.now()))
        return 1

    def _unfollow(self, unfollow: Unfollow) -> int:
        person = self._peek(unfollow.user)
        if not unfollow.keep:
            return int(person.follows.pop(unfollow.topic, None) is not None)
        span = person.follow_of(unfollow.topic)
        if span is None:
            return 0
        span.ended_at = self._position
        return 1

    def _limit(self, command: SetMute | SetBlock | SetPreferences) -> int:
        """The maximum number of a user's mutes or blocks if a command would exceed it; otherwise 0."""
        person = self._peek(command.user)
        if isinstance(command, SetPreferences):
            return self._max_mutes if len(set(command.muted or ())) > self._max_mutes else 0
        masked, limit = (
            (person.blocked, self._max_blocks)
            if isinstance(command, SetBlock)
            else (person.muted, self._max_mutes)
        )
        return limit if command.on and command.topic not in masked and len(masked) >= limit else 0

    def _mask(self, mask: SetMute | SetBlock) -> int:
        person = self._person(mask.user)
        masked = person.blocked if isinstance(mask, SetBlock) else person.muted
        if (mask.topic in masked) == mask.on:
            return 0
        masked.symmetric_difference_update({mask.topic})
        if isinstance(mask, SetBlock) and mask.on:
            other = split_topic(mask.topic)[1]
            self._sever(mask.user, other)
            self._sever(other, mask.user)
        return 1

    def _sever(self, user: str, actor: str) -> None:
        """Remove the items of an actor's events from a user's inbox."""
        acts = {entry.key for entry in self._log.values() if entry.actor_id == actor}
        self._peek(user).inbox.sever(acts)
