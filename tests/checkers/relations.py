"""Follows, mutes and blocks, and when each held. Moments are numbers of commands, both ends of a range inclusive."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tidings.model import Follow, SetBlock, SetMute, Unfollow, user_topic


class Spans:
    """When something held: from the moment at which it was begun to that at which it was ended."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: list[tuple[int, float]] = []

    @property
    def open(self) -> bool:
        """Whether it holds now."""
        return bool(self._spans) and self._spans[-1][1] == float("inf")

    def set(self, on: bool, moment: int) -> None:
        """It begins or ends."""
        if on and not self.open:
            self._spans.append((moment, float("inf")))
        elif not on and self.open:
            self._spans[-1] = (self._spans[-1][0], moment)

    def within(self, first: int, last: int) -> bool:
        """Whether it held at any moment of a range."""
        return any(begun <= last and ended > first for begun, ended in self._spans)

    def throughout(self, first: int, last: int) -> bool:
        """Whether it held at every moment of a range."""
        return any(begun <= first and ended > last for begun, ended in self._spans)


class Relations:
    """Who follows, mutes and blocks what, and did."""

    def __init__(self) -> None:
        self._follows: dict[str, dict[str, Spans]] = defaultdict(lambda: defaultdict(Spans))
        self._mutes: dict[str, dict[str, Spans]] = defaultdict(lambda: defaultdict(Spans))
        self._blocks: dict[tuple[str, str], Spans] = defaultdict(Spans)

    def change(self, command: Follow | Unfollow | SetMute | SetBlock, moment: int) -> None:
        """A command had an effect."""
        match command:
            case Follow(user, topic) | Unfollow(user, topic):
                self._follows[topic][user].set(isinstance(command, Follow), moment)
            case SetMute(user, topic, on):
                self._mutes[user][topic].set(on, moment)
            case SetBlock(user, topic, on):
                self._blocks[user, topic.removeprefix("user:")].set(on, moment)

    def forget(self, user: str, moment: int) -> None:
        """A user was erased."""
        for users in self._follows.values():
            users[user].set(False, moment)
        for muting, muted in self._mutes.items():
            for topic, spans in muted.items():
                if user == muting or topic == user_topic(user):
                    spans.set(False, moment)
        for pair, spans in self._blocks.items():
            if user in pair:
                spans.set(False, moment)

    def merged(self, user: str, into: str) -> Iterator[Follow | Unfollow | SetMute | SetBlock]:
        """The changes that a merge of a user into another one makes."""
        one, other = user_topic(user), user_topic(into)
        yield from (SetBlock(into, one, False), SetMute(into, one, False))
        for topic, spans in list(self._mutes[user].items()):
            if spans.open:
                yield SetMute(user, topic, False)
                yield from () if topic == other else (SetMute(into, topic),)
        for blocker, blocked in [pair for pair, spans in self._blocks.items() if spans.open]:
            if blocker == user:
                yield SetBlock(user, user_topic(blocked), False)
                yield from () if blocked == into else (SetBlock(into, user_topic(blocked)),)
            elif blocked == user and blocker != into:
                yield SetBlock(blocker, other)
        for topic, users in list(self._follows.items()):
            if user in users and users[user].open and topic != other:
                yield Follow(into, topic, 0)
        yield Unfollow(into, one, True)
        yield from (Follow(name, other, 0) for name in self.followers(one) if name not in (user, into))
        for topic, users in list(self._follows.items()):
            if user in users and users[user].open:
                yield Unfollow(user, topic)

    def at_odds(self, user: str) -> list[str]:
        """Whom a user blocks now, and who blocks the user."""
        pairs = [pair for pair, spans in self._blocks.items() if user in pair and spans.open]
        return [one for pair in pairs for one in pair if one != user]

    def followers(self, topic: str) -> list[str]:
        """Who follows a topic now."""
        return [user for user, spans in self._follows[topic].items() if spans.open]

    def followed(self, user: str) -> list[str]:
        """The topics that a user ever followed."""
        return [topic for topic, users in self._follows.items() if user in users]

    def follows_within(self, user: str, topic: str, first: int, last: int) -> bool:
        """Whether a user followed a topic at any of these moments."""
        spans = self._follows[topic].get(user)
        return spans is not None and spans.within(first, last)

    def follows_throughout(self, user: str, topic: str, first: int, last: int) -> bool:
        """Whether a user followed a topic at each of these moments."""
        spans = self._follows[topic].get(user)
        return spans is not None and spans.throughout(first, last)

    def block(self, one: str, other: str, first: int, last: int, *, throughout: bool = False) -> bool:
        """Whether there was a block between two users at any of these moments, or at each."""
        pairs = (self._blocks.get((one, other)), self._blocks.get((other, one)))
        return any(
            spans.throughout(first, last) if throughout else spans.within(first, last)
            for spans in pairs
            if spans is not None
        )

    def hide(
        self,
        user: str,
        actor: str,
        topics: Iterable[str],
        first: int,
        last: int,
        *,
        throughout: bool = False,
    ) -> bool:
        """Whether a mute or a block hid an event from a user at any of these moments, or one of them at each."""
        if self.block(user, actor, first, last, throughout=throughout):
            return True
        muted = self._mutes.get(user)
        if muted is None:
            return False
        return any(
            muted[topic].throughout(first, last) if throughout else muted[topic].within(first, last)
            for topic in (*topics, user_topic(actor))
            if topic in muted
        )
