"""The symbol table: numbers for names. Every topic (and so every user) and every verb has one; rows contain only numbers.

An erased user leaves a tombstone: a number for a user who returns under the name, with a digest in place of the name. It
gets the name when the name is given a number again. Until then only the counters of an inbox use it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import apsw

from tidings.model import user_topic
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.statements import sql

CACHED_NAMES = 500_000
"""Names in one cache, about 75 MB when full; then it is emptied."""
_PERSON = user_topic("")
"""The beginning of a user's topic."""
_PLACE, _AFTER_PLACES = ":", ";"
"""The beginning of a tombstone's text, which no topic has, and the least text after all of them."""
_DIGEST_BYTES = 16
"""The size of a tombstone's digest: enough that no two names share one."""
MOST_RECENT = 10_000
"""Erasures whose names are kept, as digests: far more than happen during one read. A read that began before them all counts
as outdated."""


class ErasedName:
    """The names of erased users: as digests, keyed so that they reveal nothing outside this store. ``any``: there are
    tombstones. Readers see it before the commit: a needless look-up costs time, a missing one would lose a seq. ``count``:
    the number of erasures that were committed since the store was opened."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._recent: dict[str, int] = {}
        self._unknown = 0
        self._number = 0
        self.any = False
        self.count = 0

    def text(self, name: str) -> str:
        """The text of the tombstone of a user's topic."""
        return _PLACE + blake2b(name.encode(), key=self._key, digest_size=_DIGEST_BYTES).hexdigest()

    def note(self, user: str) -> None:
        """Record the erasure of a user; inside a transaction."""
        self._number += 1
        digest = self.text(user_topic(user))
        self._recent.pop(digest, None)
        self._recent[digest] = self._number
        if len(self._recent) > MOST_RECENT:
            self._unknown = self._recent.pop(next(iter(self._recent)))

    def since(self, count: int, user: str) -> bool:
        """Whether a user was erased after so many erasures; True if that is not known any more."""
        return count < max(self._unknown, self._recent.get(self.text(user_topic(user)), 0))

    def commit(self) -> None:
        """The recorded erasures are durable."""
        self.count = self._number

    def roll_back(self) -> None:
        """The erasures recorded since the last commit were rolled back."""
        self._number = self.count
        self._recent = {digest: n for digest, n in self._recent.items() if n <= self.count}


class SymbolTable:
    """Numbers for names, cached. The writer assigns them; a reader, which has its own connection, only looks them up.

    ``users`` and ``topics`` are two caches over one table, so that the hot path need not build ``user:…`` strings.
    """

    def __init__(self, connection: Db, erased: ErasedName, most: int = CACHED_NAMES) -> None:
        """``most``: names that each cache keeps."""
        self._db = connection
        self._most = most
        self.erased = erased
        self.users: dict[str, int] = {}
        self.topics: dict[str, int] = {}
        self.reasons: dict[int, tuple[str, str]] = {}
        self._people: dict[int, str] = {}
        self._texts: dict[int, str] = {}
        self._verbs: dict[str, int] = {}
        self._verb_texts: dict[int, str] = {}

    def user(self, user: str) -> int | None:
        """The number of a user, None if unknown."""
        found = self.users.get(user)
        if found is None and (found := self._find(user_topic(user))) is not None:
            self._bound(self.users)
            self.users[user] = found
        return found

    def topic(self, topic: str) -> int | None:
        """The number of a topic, None when unknown."""
        found = self.topics.get(topic)
        if found is None and (found := self._find(topic)) is not None:
            self._bound(self.topics)
            self.topics[topic] = found
        return found

    def find_users(self, users: Iterable[str]) -> None:
        """Load the numbers of the known ones of these users into ``users``; one statement for all that are not cached."""
        self._bound(self.users)
        if missing := {user for user in users if user not in self.users}:
            self._find_many(self.users, {user_topic(user): user for user in missing})
            self._people.update((self.users[user], user) for user in missing if user in self.users)

    def inbox(self, user: str) -> int | None:
        """The number of a user's inbox: that of the user, or that of the tombstone under the name; None if there is none."""
        return self.user(user) or self.places([user]).get(user)

    def places(self, users: Iterable[str]) -> dict[str, int]:
        """The tombstones of those of these users who are not in ``users``; one statement, none while there are no erased
        users."""
        return self._places((user_topic(user), user) for user in users if user not in self.users)

    def _places(self, names: Iterable[tuple[str, str]]) -> dict[str, int]:
        """The tombstones of these names, by the keys that come with them."""
        found: dict[str, int] = {}
        if self.erased.any:
            digests = {self.erased.text(name): key for name, key in names if name.startswith(_PERSON)}
            self._find_many(found, digests)
        return found

    def people(self, numbers: Iterable[int]) -> dict[int, str]:
        """The names of users by number, of these and others; one statement for all that are not cached."""
        self._bound(self._people)
        if missing := set(numbers).difference(self._people):
            query = sql("user_names")
            packed = apsw.carray(array("q", missing))
            self._people.update(self._db.execute(query, (len(_PERSON) + 1, packed)))
        return self._people

    def _find(self, name: str) -> int | None:
        row = self._db.one(sql("symbol_id"), (name,))
        return row[0] if row else None

    def text(self, number: int) -> str:
        """The topic with this number."""
        found = self._texts.get(number)
        if found is None:
            self._bound(self._texts)
            (found,) = self._db.one(sql("symbol_text"), (number,))
            self._texts[number] = found
        return found

    def user_name(self, number: int) -> str:
        """The name of the user with this number."""
        return self.text(number).removeprefix(_PERSON)

    def reason(self, why: int) -> tuple[str, str]:
        """The meaning of the ``why`` of an entry of a user feed: (reason, topic). Cached in ``reasons``."""
        self._bound(self.reasons)
        found = self.reasons[why] = ("follow", self.text(why)) if why else ("target", "")
        return found

    def verb(self, verb: str) -> int | None:
        """The number of a verb, None when unknown."""
        found = self._verbs.get(verb)
        if found is None and (row := self._db.one(sql("verb_id"), (verb,))):
            found = self._verbs[verb] = row[0]
        return found

    def verb_text(self, number: int) -> str:
        """The verb with this number."""
        found = self._verb_texts.get(number)
        if found is None:
            (found,) = self._db.one(sql("verb_text"), (number,))
            self._verb_texts[number] = found
        return found

    # --- the writer's half ----------------------------------------------------------------------------------------

    def make_verb(self, verb: str) -> int:
        """The number of a verb, assigned if need be; inside a transaction."""
        found = self.verb(verb)
        if found is None:
            (found,) = self._db.one(sql("insert_verb"), (verb,))
            self._verbs[verb] = found
        return found

    def make_user(self, user: str) -> int:
        """The number of a user, assigned if need be; inside a transaction."""
        return self.user(user) or self._make(self.users, user, user_topic(user))

    def make_topic(self, topic: str) -> int:
        """The number of a topic, assigned if need be; inside a transaction."""
        return self.topic(topic) or self._make(self.topics, topic, topic)

    def make_users(self, users: Iterable[str]) -> None:
        """Load or assign the numbers of all these users in ``users``; two statements for those that are not cached."""
        self._bound(self.users)
        if missing := {user_topic(user): user for user in users if user not in self.users}:
            self._make_many(self.users, missing)

    def make_topics(self, topics: Iterable[str]) -> None:
        """Load or assign the numbers of all these topics in ``topics``."""
        self._bound(self.topics)
        if missing := {topic: topic for topic in topics if topic not in self.topics}:
            self._make_many(self.topics, missing)

    def make_place(self, user: str) -> int:
        """The number of the tombstone of a user who is being erased; inside a transaction."""
        self.erased.any = True
        query = sql("insert_symbol")
        (number,) = self._db.one(query, (self.erased.text(user_topic(user)),))
        return number  # type: ignore[no-any-return]

    def _make_many(self, cache: dict[str, int], wanted: dict[str, str]) -> None:
        for name, number in self._places((name, name) for name in wanted).items():
            self._db.execute(sql("rename_user"), (name, number))
        names = apsw.carray(tuple(wanted))
        self._db.execute(sql("insert_symbols"), (names,))
        self._find_many(cache, wanted)

    def _find_many(self, cache: dict[str, int], wanted: dict[str, str]) -> None:
        if not wanted:
            return
        names = apsw.carray(tuple(wanted))
        rows = self._db.execute(sql("symbol_ids"), (names,))
        for number, name in rows:
            cache[wanted[name]] = number

    def _make(self, cache: dict[str, int], key: str, name: str) -> int:
        self._bound(cache)
        self._make_many(cache, {name: key})
        return cache[key]

    def reload(self) -> None:
        """Read everything from the file again: after a roll-back there may be numbers that were never committed."""
        query = sql("has_tombstones")
        (self.erased.any,) = self._db.one(query, (_PLACE, _AFTER_PLACES))
        self.erased.roll_back()
        self.forget()

    def forget(self) -> None:
        """Drop the caches: after an erasure they have a deleted name."""
        by_name, by_number = (
            (self.users, self.topics, self._verbs),
            (self.reasons, self._people, self._texts, self._verb_texts),
        )
        for cache in (*by_name, *by_number):
            cache.clear()

    def _bound(self, cache: dict[Any, Any]) -> None:
        if len(cache) >= self._most:
            cache.clear()


def pack(values: Iterable[int]) -> bytes | None:
    """Numbers as the bytes of a column, None for none of them."""
    return array("I", values).tobytes() or None


def holds(raw: bytes, value: int) -> bool:
    """Whether a number is among those of such a column, without unpacking it."""
    wanted, width = array("I", (value,)).tobytes(), array("I").itemsize
    at = raw.find(wanted)
    while at % width and at >= 0:
        at = raw.find(wanted, at + 1)
    return at >= 0


def unpack(raw: bytes | None) -> array[int]:
    """The numbers of such a column."""
    return array("I", raw or b"")
