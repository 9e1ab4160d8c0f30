"""Names and their numbers. Every topic (and so every person) and every verb has one; rows hold only numbers."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import apsw

from tidings.model import user_topic
from tidings.storage.sqlite.db import Db

CACHED_NAMES = 500_000
"""Names that one cache keeps, about 75 MB when full; then it starts afresh."""


class Names:
    """Numbers for names, cached. The writer allots; a reader, which has a connection of its own, only looks up.

    ``users`` and ``topics`` are two caches over one table, so that the hot path need not build ``user:…`` strings.
    """

    def __init__(self, connection: Db) -> None:
        self._db = connection
        self.users: dict[str, int] = {}
        self.topics: dict[str, int] = {}
        self.reasons: dict[int, tuple[str, str]] = {}
        self._people: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._verbs: dict[str, int] = {}
        self._verb_texts: dict[int, str] = {}

    def user(self, user: str) -> int | None:
        """The number of a person, None when unknown."""
        found = self.users.get(user)
        if found is None and (found := self._find(user_topic(user))) is not None:
            self.users[user] = found
        return found

    def topic(self, topic: str) -> int | None:
        """The number of a topic, None when unknown."""
        found = self.topics.get(topic)
        if found is None and (found := self._find(topic)) is not None:
            self.topics[topic] = found
        return found

    def find_users(self, users: Iterable[str]) -> None:
        """Have the numbers of those of these people who are known in ``users``; one statement for all not cached."""
        self._bound(self.users)
        if missing := {user for user in users if user not in self.users}:
            self._find_many(self.users, {user_topic(user): user for user in missing})
            self._people.update((self.users[user], user) for user in missing if user in self.users)

    def people(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of people by number, of these and others; one statement for all not cached."""
        self._bound(self._people)
        if missing := set(numbers).difference(self._people):
            query = "SELECT c.value, substr(name.name, ?) FROM carray(?) c CROSS JOIN name ON name.id=c.value"
            packed = apsw.carray(array("q", missing))
            self._people.update(self._db.execute(query, (len(user_topic("")) + 1, packed)))
        return self._people

    def _find(self, name: str) -> int | None:
        row = self._db.one("SELECT id FROM name WHERE name=?", (name,))
        return row[0] if row else None

    def text(self, number: int) -> str:
        """The topic with this number."""
        found = self._texts.get(number)
        if found is None:
            self._bound(self._texts)
            (found,) = self._db.one("SELECT name FROM name WHERE id=?", (number,))
            self._texts[number] = found
        return found

    def reason(self, why: int) -> tuple[str, str]:
        """What the ``why`` of a row of a home stands for: (reason, topic). Cached in ``reasons``."""
        self._bound(self.reasons)
        found = self.reasons[why] = ("follow", self.text(why)) if why else ("target", "")
        return found

    def verb(self, verb: str) -> int | None:
        """The number of a verb, None when unknown."""
        found = self._verbs.get(verb)
        if found is None and (row := self._db.one("SELECT id FROM verb WHERE name=?", (verb,))):
            found = self._verbs[verb] = row[0]
        return found

    def verb_text(self, number: int) -> str:
        """The verb with this number."""
        found = self._verb_texts.get(number)
        if found is None:
            (found,) = self._db.one("SELECT name FROM verb WHERE id=?", (number,))
            self._verb_texts[number] = found
        return found

    # --- the writer's half ----------------------------------------------------------------------------------------

    def make_verb(self, verb: str) -> int:
        """The number of a verb, allotted if need be; inside a transaction."""
        found = self.verb(verb)
        if found is None:
            (found,) = self._db.one("INSERT INTO verb(name) VALUES (?) RETURNING id", (verb,))
            self._verbs[verb] = found
        return found

    def make_user(self, user: str) -> int:
        """The number of a person, allotted if need be; inside a transaction."""
        return self.user(user) or self._make(self.users, user, user_topic(user))

    def make_topic(self, topic: str) -> int:
        """The number of a topic, allotted if need be; inside a transaction."""
        return self.topic(topic) or self._make(self.topics, topic, topic)

    def make_users(self, users: Iterable[str]) -> None:
        """Have the numbers of all these people in ``users``; two statements for those not cached."""
        self._bound(self.users)
        if missing := {user_topic(user): user for user in users if user not in self.users}:
            self._make_many(self.users, missing)

    def make_topics(self, topics: Iterable[str]) -> None:
        """Have the numbers of all these topics in ``topics``."""
        self._bound(self.topics)
        if missing := {topic: topic for topic in topics if topic not in self.topics}:
            self._make_many(self.topics, missing)

    def _make_many(self, cache: dict[str, int], wanted: dict[str, str]) -> None:
        names = apsw.carray(tuple(wanted))
        self._db.execute("INSERT OR IGNORE INTO name(name) SELECT value FROM carray(?)", (names,))
        self._find_many(cache, wanted)

    def _find_many(self, cache: dict[str, int], wanted: dict[str, str]) -> None:
        names = apsw.carray(tuple(wanted))
        rows = self._db.execute(
            "SELECT name.id, name.name FROM carray(?) c CROSS JOIN name ON name.name=c.value", (names,)
        )
        for number, name in rows:
            cache[wanted[name]] = number

    def _make(self, cache: dict[str, int], key: str, name: str) -> int:
        self._bound(cache)
        self._make_many(cache, {name: key})
        return cache[key]

    def forget(self) -> None:
        """Drop the caches: after a roll-back they may hold numbers that were never committed, after an erasure names."""
        by_name, by_number = (
            (self.users, self.topics, self._verbs),
            (self.reasons, self._people, self._texts, self._verb_texts),
        )
        for cache in (*by_name, *by_number):
            cache.clear()

    @staticmethod
    def _bound(cache: dict[Any, Any]) -> None:
        if len(cache) >= CACHED_NAMES:
            cache.clear()


def pack(values: Iterable[int]) -> bytes | None:
    """Numbers as the bytes of a column, None for none of them."""
    return array("I", values).tobytes() or None


def unpack(raw: bytes | None) -> array[int]:
    """The numbers of such a column."""
    return array("I", raw or b"")
