"""What is deleted is gone from the bytes of the files, not only from the tables (I10)."""

import random
from pathlib import Path

import msgspec

from tests.backends import SMALL
from tests.checkers import traces
from tests.unit.storage.inside import Inside
from tidings.display_names import SetDisplayName
from tidings.endpoint_commands import AddEndpoint, RemoveEndpoint
from tidings.filters import FeedFilter
from tidings.model import (
    EVERYONE,
    CancelReminder,
    EraseUser,
    Follow,
    MaterializeBroadcasts,
    Retract,
    SetBlock,
    SetMute,
    SetPreferences,
    SetReminder,
)
from tidings.personal_data import Endpoint, Preferences, Reminder
from tidings.storage.sqlite.compaction import compact
from tidings.testing import START_MS, event

PERSON, NAME = "user-4711-quillfeather", "Xanthe Quillfeather-Okoro"
ADDRESSES = ("xanthe@old.example", "xanthe@now.example")
KEYS = ("reminder-of-xanthe", "gone-of-xanthe")
OTHER_NAME = "Zephyrine Nightjar-Adeyemi"
WORDS = (PERSON, NAME, OTHER_NAME, *ADDRESSES, *KEYS)


def reminder(key: str) -> Reminder:
    """One that tells the person, and has them act."""
    body = {"actor_id": PERSON, "actor_name": NAME, "verb": "v", "object_type": "t", "object_id": "1"}
    return Reminder(
        key, START_MS + 10**9, msgspec.json.encode(body | {"target_user_ids": [PERSON]}), (PERSON,)
    )


def live(inside: Inside) -> None:
    """A life among others: everything that a person can leave behind, grown, moved, replaced and deleted."""
    chance = random.Random(7)
    others = [f"other-{n}" for n in range(40)]
    inside.write(*(Follow(user, f"user:{PERSON}") for user in others[:10]), Follow(PERSON, "user:other-1"))
    inside.write(AddEndpoint(Endpoint("ep-1", PERSON, "email", ADDRESSES[0])))
    inside.write(SetPreferences(PERSON, Preferences(locale="en")))
    inside.write(SetReminder(reminder(KEYS[0])), SetReminder(reminder(KEYS[1])))
    for n in range(150):
        actor, obj = chance.choice([PERSON, *others[:3]]), chance.choice([f"user:{PERSON}", f"thing:{n}"])
        targets = tuple({PERSON, *chance.sample(others, chance.randrange(12))})
        (id,) = inside.publish(
            event(
                actor,
                "like",
                obj,
                targets=targets,
                name=NAME if actor == PERSON else "x" * chance.randrange(3_000),
            )
        )
        if n % 10 == 0:
            inside.write(Retract(id), SetDisplayName(PERSON, OTHER_NAME))
    inside.write(AddEndpoint(Endpoint("ep-2", PERSON, "email", ADDRESSES[1])), RemoveEndpoint(PERSON, "ep-1"))
    inside.write(
        CancelReminder(KEYS[1]), SetBlock(PERSON, "user:other-3"), SetMute("other-4", f"user:{PERSON}")
    )


def test_an_erased_person_is_not_in_any_file(tmp_path: Path) -> None:
    """Id, name, addresses and reminders are in no byte of the database, its log or what lies beside it, as soon as the store
    was checked after the erasure: while it is open, and after it was closed."""
    with Inside.opened(tmp_path, SMALL) as inside:
        live(inside)
        assert {word for _, word in traces.found(tmp_path, WORDS)} >= {
            PERSON,
            NAME,
            OTHER_NAME,
            ADDRESSES[1],
            KEYS[0],
        }
        inside.write(EraseUser(PERSON))
        inside.run(inside.store.check())
        assert traces.found(tmp_path, WORDS) == []
    assert traces.found(tmp_path, WORDS) == []


def test_an_erasure_that_a_crash_follows_leaves_nothing_after_the_next_start(tmp_path: Path) -> None:
    """The write-ahead log still holds what was before; the next start empties it."""
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with Inside.opened(tmp_path, SMALL) as inside:
        live(inside)
        inside.write(EraseUser(PERSON))
        for file in tmp_path.glob("store.db*"):
            (crashed / file.name).write_bytes(file.read_bytes())
    (crashed / "store.db-shm").unlink()
    (crashed / "store.db.marker").unlink()  # of the file that was copied
    assert traces.found(crashed, WORDS) != []
    with Inside.opened(crashed, SMALL):
        assert traces.found(crashed, WORDS) == []


def leave_a_copy(path: Path, word: str) -> None:
    """Write it where SQLite leaves copies of rows that moved to another page: between the header of a leaf and its rows.
    About one row of a thousand leaves a copy, so it is planted here."""
    content = bytearray(path.read_bytes())
    for page in range(4_096, len(content), 4_096):
        kind, rows = content[page], int.from_bytes(content[page + 3 : page + 5], "big")
        begin, end = page + 8 + 2 * rows, page + int.from_bytes(content[page + 5 : page + 7], "big")
        if kind in (10, 13) and end - begin > len(word):
            content[begin : begin + len(word)] = word.encode()
            break
    path.write_bytes(content)  # in place: the inode stays


def test_a_rewritten_file_has_no_erased_name_and_keeps_its_epoch(tmp_path: Path) -> None:
    """The fault: copies remain of rows that SQLite moved to another page, and only a VACUUM by hand removed them, without a
    lock. Compaction removes them, and the store continues where it was."""
    chance = random.Random(11)
    users = [f"{chance.randbytes(chance.choice((4, 8, 14))).hex()}-user" for _ in range(100)]
    with Inside.opened(tmp_path) as inside:
        for n, user in enumerate(users):
            inside.write(SetReminder(msgspec.structs.replace(reminder(f"r-{n}"), users=(user, "other"))))
        chance.shuffle(users)
        for user in users[:15]:
            inside.write(EraseUser(user))
        inside.publish(event("other"))
        before = inside.run(inside.store.head())
    path = tmp_path / "store.db"
    leave_a_copy(path, users[0])
    assert traces.found(tmp_path, users[:15]) == [("store.db", users[0])]
    size = path.stat().st_size
    assert compact(path, lambda _: None) == (size, path.stat().st_size)
    assert traces.found(tmp_path, users[:15]) == []
    with Inside.opened(tmp_path) as inside:
        assert inside.run(inside.store.head()) == before
        inside.publish(event("another"))


def test_a_visit_before_an_erasure_is_not_written_after_it(tmp_path: Path) -> None:
    """The fault: visits wait for the next piece of work, by number, which an erasure in between leaves to the alias."""
    with Inside.opened(tmp_path, SMALL) as inside:
        inside.write(Follow(PERSON, "user:other-1"))
        inside.publish(event("other-1", "like"))
        inside.clock.advance(2 * 86_400_000)
        inside.run(inside.store.feed(PERSON, FeedFilter(), 10, None))
        inside.write(EraseUser(PERSON))
        inside.run(inside.store.work(1_000))
        assert inside.writer.db.all("SELECT user FROM feed_state") == []


def test_a_broadcast_does_not_write_an_erased_name_again(tmp_path: Path) -> None:
    """The fault: a stream that was open when its user was erased took the next broadcast up, under the old name."""
    news = msgspec.structs.replace(event("other-1"), audience=EVERYONE, expires_at=START_MS * 2)
    with Inside.opened(tmp_path, SMALL) as inside:
        live(inside)
        before = inside.store.erasures.begun
        inside.write(EraseUser(PERSON))
        inside.publish(news)
        inside.write(MaterializeBroadcasts((PERSON, "other-7"), before))
        inside.run(inside.store.check())
        assert inside.counts("other-7").unread_count > 0
        assert traces.found(tmp_path, WORDS) == []
