"""What SQLite keeps of users who were erased: a number under a digest of their name, and what it costs everybody else."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.harness import singles
from tests.unit.storage.inside import Inside, traced
from tidings.endpoint_commands import AddEndpoint
from tidings.inbox_commands import MarkAllNotificationsRead
from tidings.model import (
    Command,
    EraseUser,
    Follow,
    MarkFeedRead,
    Publish,
    SetBlock,
    SetMute,
    SetPreferences,
    SetReminder,
)
from tidings.personal_data import Endpoint, Preferences, Reminder
from tidings.storage.sqlite import symbols
from tidings.storage.sqlite.symbols import ErasedName
from tidings.testing import event
from tidings.timeutil import DAY_MS

NAME = "Zoë Nemo"
"""Nothing else in a file reads like it."""
STRANGERS = tuple(f"s{n}" for n in range(40))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    with Inside.opened(tmp_path) as inside:
        yield inside


def told_and_erased(opened: Inside, *users: str) -> None:
    """They have had an inbox."""
    opened.publish(event("ann", targets=users))
    opened.write(*map(EraseUser, users))


def asking(opened: Inside) -> list[list[str]]:
    """What the reader on the loop looks up when it is asked of strangers: of many, and of one in either way."""
    store, questions = opened.store, []
    for question in (
        store.counts(STRANGERS),
        store.inbox_since(STRANGERS[0], 0, 9),
        store.inbox(STRANGERS[0], 9, None),
    ):
        with traced(store._near.db) as seen:
            opened.run(question)
        questions.append([text for text in seen if "symbol" in text])
    return questions


def meeting(opened: Inside) -> list[str]:
    """What the writer looks up for an event with topics and people that it never heard of."""
    with traced(opened.writer.db) as seen:
        opened.write(Publish((event("new", obj="new:1", topics=("new:2", "user:new"), targets=STRANGERS),)))
    return [text for text in seen if "symbol.name=c.value" in text]


def test_strangers_cost_no_statement_while_nobody_was_erased(opened: Inside) -> None:
    assert [len(texts) for texts in asking(opened)] == [1, 1, 1]
    assert len(meeting(opened)) == 2


def test_strangers_cost_one_statement_more_once_somebody_was(opened: Inside) -> None:
    """However many they are, and however many were erased."""
    told_and_erased(opened, *(f"bob{n}" for n in range(30)))
    assert [len(texts) for texts in asking(opened)] == [2, 2, 2]
    assert len(meeting(opened)) == 4


def test_who_is_known_costs_nothing_more(opened: Inside) -> None:
    opened.publish(event("ann", targets=STRANGERS))
    told_and_erased(opened, "bob")
    asking(opened)
    assert asking(opened) == [[], [], []]


def test_an_erasure_leaves_a_number_and_a_digest(opened: Inside) -> None:
    """Not one for each erasure of somebody who returned, and nothing of who only looks."""
    for _ in range(3):
        told_and_erased(opened, "bob")
    opened.clock.advance(DAY_MS)
    assert (opened.page("bob").items, opened.rows("bob")) == ([], [])
    opened.settle()
    db = opened.writer.db
    ((place, text),) = db.all("SELECT id, name FROM symbol WHERE name LIKE ':%'")
    assert text == opened.writer.names.erased.text("user:bob")
    assert db.all("SELECT user, seq, unread, unread_items, broadcast_cursor, base_seq FROM inbox") == [
        (place, 6, 0, 0, 0, 6)
    ]
    assert db.all("SELECT * FROM feed_state") == []


def test_a_place_outlasts_the_process(tmp_path: Path) -> None:
    with Inside.opened(tmp_path) as opened:
        told_and_erased(opened, "bob")
    with Inside.opened(tmp_path) as opened:
        assert opened.counts("bob") == singles(0, 2)
        opened.tell("bob", "a")
        assert opened.counts("bob") == singles(1, 3)


def test_an_erasure_that_is_rolled_back_leaves_no_place(opened: Inside) -> None:
    """Nor does a return take one away that is."""
    back = Publish((event("ann", targets=("bob",)),))
    never = Publish((msgspec.structs.replace(event("ann"), created_at=1 << 62),))
    opened.write(back)
    for head in (singles(1, 1), singles(0, 2)):
        with pytest.raises(OverflowError):
            opened.write(EraseUser("bob"), back, never)
        assert opened.counts("bob") == head
        assert [len(texts) for texts in asking(opened)] == [1 + (not head.unread_count)] * 3
        opened.write(EraseUser("bob"))


def test_a_file_has_no_erased_name_anywhere(opened: Inside, tmp_path: Path) -> None:
    """Not in rows, not in indexes, not in texts; nor has it after the name was a topic of others."""
    topic = f"user:{NAME}"
    reminder = f'{{"actor_id":"{NAME}","target_user_ids":["{NAME}","cy"]}}'.encode()
    known: list[Command] = [
        Publish((event(NAME, name=NAME, targets=("bob",), key=b"k"), event("ann", targets=(NAME, "bob")))),
        Publish((event("ann", obj=topic, topics=(topic,), targets=(NAME,)),)),
        *(Follow(NAME, "item:1"), Follow("bob", topic), SetBlock("bob", topic), SetMute(NAME, "item:2")),
        *(MarkAllNotificationsRead(NAME), MarkFeedRead(NAME), SetPreferences(NAME, Preferences())),
        AddEndpoint(Endpoint("e", NAME, "email", f"{NAME}@mail.test")),
        SetReminder(Reminder("r", opened.clock.ms, reminder, (NAME, "cy"), topic)),
    ]
    opened.write(*known)
    assert NAME.encode() in copied(opened, tmp_path / "before.db")
    opened.write(EraseUser(NAME))
    assert NAME.encode() not in copied(opened, tmp_path / "after.db")
    assert opened.counts(NAME).seq > 0


def copied(opened: Inside, path: Path) -> bytes:
    """The file without what SQLite has deleted but not yet written over."""
    opened.writer.db.execute("VACUUM INTO ?", (str(path),))
    return path.read_bytes()


def test_an_erasure_that_was_rolled_back_is_not_remembered() -> None:
    """Or nothing would be brought to a new user of that name until somebody else is erased."""
    erased = ErasedName(b"secret")
    erased.note("bob")
    erased.roll_back()
    assert not erased.since(0, "bob")
    erased.note("cy")
    erased.commit()
    assert (erased.count, erased.since(0, "cy"), erased.since(1, "cy"), erased.since(0, "bob")) == (
        1,
        True,
        False,
        False,
    )


def test_recent_erasures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older counts as an erasure of anybody."""
    monkeypatch.setattr(symbols, "MOST_RECENT", 2)
    erased = ErasedName(b"secret")
    for user in "abc":
        erased.note(user)
    erased.commit()
    assert [erased.since(count, "d") for count in range(4)] == [True, False, False, False]
