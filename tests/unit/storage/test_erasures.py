"""An erasure of a user who left much: hidden at once, deleted in bounded steps, gone on with after a crash (I10, I12)."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.backends import SMALL
from tests.checkers import traces
from tests.unit.storage.inside import Inside
from tidings.errors import Unavailable
from tidings.filters import FeedFilter
from tidings.model import (
    EVERYONE,
    EraseUser,
    Follow,
    MarkFeedRead,
    MaterializeBroadcasts,
    Publish,
    RetryDeadLetters,
    SetBlock,
    SetMute,
)
from tidings.projections.runner import Runner
from tidings.storage.sqlite import erasure_job
from tidings.testing import START_MS, event

PERSON, NAME = "user-4711-quillfeather", "Xanthe Quillfeather-Okoro"
WORDS = (PERSON, NAME)
STEPPED = msgspec.structs.replace(SMALL, fanout_sync_max_followers=1, sqlite_partition_rows=30)
"""Nothing is done in the transaction of the erasure but its first step."""
BUDGET = 3
"""Rows of a step: one event, one follow."""
OTHERS = tuple(f"other-{n}" for n in range(8))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    with Inside.opened(tmp_path, STEPPED) as inside:
        yield inside


def live(inside: Inside, acts: int = 12) -> None:
    """A life among others, whose traces every phase has something of."""
    inside.write(*(Follow(user, f"user:{PERSON}") for user in OTHERS[:5]))
    inside.write(*(Follow(PERSON, f"user:{user}") for user in OTHERS), Follow(OTHERS[0], "item:1"))
    inside.write(SetBlock(PERSON, "user:other-7"), SetMute("other-6", f"user:{PERSON}"))
    for n in range(acts):
        inside.publish(
            event(PERSON, "clap", targets=OTHERS[:4], name=NAME),
            event(OTHERS[n % 3], "clap", f"user:{PERSON}", targets=(PERSON, OTHERS[4])),
            event(OTHERS[n % 5], "bridge", topics=(f"user:{PERSON}",), targets=(PERSON,)),
        )
    inside.write(MarkFeedRead(PERSON))


def said(inside: Inside) -> bytes:
    """All that anybody is answered."""
    store, run = inside.store, inside.run
    found: list[Any] = [run(store.activity(None, FeedFilter(), 500, None)), run(store.tail(0, 500))]
    found += [run(store.activity(topic, FeedFilter(), 500, None)) for topic in ("item:1", f"user:{PERSON}")]
    for user in OTHERS:
        found += [
            run(store.feed(user, FeedFilter(), 500, None)),
            run(store.feed(user, FeedFilter(include_own=True), 500, None)),
            run(store.feed_since(user, 0, 500)),
            run(store.inbox(user, 500, None)),
            inside.changes(user, 0, 500),
            run(store.summary(user)),
            run(store.follows(user, 500, None)),
            run(store.muted(user)),
            run(store.blocked(user, 500)),
            inside.export(user),
        ]
    found.append([one.body for one in run(store.audience_since(0, frozenset(OTHERS), 500))[0]])
    found.append(run(store.topic(f"user:{PERSON}"))._replace(topic=""))
    found.append(run(store.dead_letters(50)))
    return repr(found).encode()


def test_no_reply_names_an_erased_user_from_the_first_step_on(opened: Inside, tmp_path: Path) -> None:
    """The fault was the other way round: all in one transaction, in which nobody else could publish. Whatever is asked, and
    by whom, the answer is without the name from the first transaction on; with the last step it leaves the file."""
    live(opened)
    assert PERSON.encode() in said(opened)
    opened.begin_erasure(PERSON)
    assert opened.store.erasures.under_way == {PERSON: False}
    for _ in opened.erasure_steps(PERSON, BUDGET):
        answers = said(opened)
        assert PERSON.encode() not in answers
        assert NAME.encode() not in answers
    opened.run(opened.store.check())
    assert traces.found(tmp_path, WORDS) == []
    assert opened.writer.db.all("SELECT * FROM erasure_event UNION ALL SELECT * FROM erasure_recipient") == []
    assert opened.export(PERSON)[0]["unread_count"] == 0


def state(inside: Inside) -> list[object]:
    """What is left of it all, for each user: the feed, the inbox with its seqs, and what can be gone on with."""
    return [
        (
            inside.feed(user),
            [(row.id, row.seq, row.order, row.size) for row in inside.changes(user, 0, 500).rows],
            inside.counts(user),
        )
        for user in (*OTHERS, PERSON)
    ]


def test_an_erasure_goes_on_after_a_crash_between_any_two_steps(tmp_path: Path) -> None:
    """Each time it ends as if nothing had happened: nothing is lost, nothing takes a second seq, nothing is left."""
    expected: list[object] = []
    (tmp_path / "whole").mkdir()
    with Inside.opened(tmp_path / "whole", STEPPED, salt=0) as inside:
        live(inside, acts=4)
        inside.begin_erasure(PERSON)
        copies = [
            crashed(tmp_path / "whole", tmp_path / str(n))
            for n in inside.erasure_steps(PERSON, BUDGET)
            if n % 3 == 0
        ]
        expected = state(inside)
    assert len(copies) > 10
    for folder in copies:
        with Inside.opened(folder, STEPPED) as inside:
            answers = said(inside)
            assert PERSON.encode() not in answers
            for _ in inside.erasure_steps(PERSON, BUDGET):
                pass
            assert state(inside) == expected
            inside.run(inside.store.check())
            assert traces.found(folder, WORDS) == []


def crashed(folder: Path, copy: Path) -> Path:
    """What a process that is killed now leaves, in another folder."""
    copy.mkdir()
    for file in folder.glob("store.db*"):
        if not file.name.endswith(("-shm", ".marker")):
            (copy / file.name).write_bytes(file.read_bytes())
    return copy


def test_who_uses_the_name_meanwhile_is_somebody_else(opened: Inside) -> None:
    """At any step: what they publish has the name, reaches others under it, and stays; what was before has the alias."""
    live(opened, acts=4)
    old = opened.ids_of(opened.run(opened.store.activity(f"user:{PERSON}", FeedFilter(), 500, None)))
    opened.begin_erasure(PERSON)
    new: list[str] = []
    for done in opened.erasure_steps(PERSON, BUDGET):
        if done % 5 == 0:
            outcome = opened.run(opened.store.write([publish(done), Follow("other-1", f"user:{PERSON}")]))
            new += [receipt.event_id for receipt in getattr(outcome[0], "receipts", ())]
    opened.settle()
    assert len(new) > 3
    acts = opened.run(opened.store.activity(f"user:{PERSON}", FeedFilter(), 500, None))
    assert sorted(opened.ids_of(acts)) == sorted(new)
    assert all(PERSON.encode() in item.body for item in acts.items)
    everything = opened.run(opened.store.activity(None, FeedFilter(), 500, None)).items
    assert all(PERSON.encode() not in one.body for one in everything if event_of(one.body) in old)
    assert set(new) <= set(opened.feed("other-0"))
    assert [follow.topic for follow in opened.run(opened.store.follows("other-1", 9, None))].count(
        f"user:{PERSON}"
    ) == 1
    opened.check_inbox("other-0")


def publish(n: int) -> Publish:
    """Somebody of the same name tells other-0 something."""
    return Publish((event(PERSON, "clap", f"thing:{n}", targets=("other-0",)),))


def event_of(body: bytes) -> str:
    """The id of an event."""
    return str(msgspec.json.decode(body)["event_id"])


def test_a_second_life_is_erased_while_the_first_still_is(opened: Inside, tmp_path: Path) -> None:
    """Two erasures of one name go on side by side; each has its own events."""
    live(opened, acts=4)
    opened.begin_erasure(PERSON)
    opened.run(opened.store.write([publish(1)]))
    opened.begin_erasure(PERSON)
    for _ in opened.erasure_steps(PERSON, BUDGET):
        answers = said(opened)
        assert PERSON.encode() not in answers
    opened.settle()
    opened.run(opened.store.check())
    assert traces.found(tmp_path, WORDS) == []
    aliases = {
        msgspec.json.decode(item.body)["actor_id"]
        for item in opened.run(opened.store.activity(None, FeedFilter(), 500, None)).items
    } - set(OTHERS)
    assert len(aliases) == 2


def test_a_step_is_bounded_however_much_there_is(opened: Inside) -> None:
    """In rows changed, each of which costs some microseconds: about as many for ten times the acts, follows, followers and
    notifications; the transaction of the erasure too."""

    def longest(acts: int) -> int:
        live(opened, acts)
        opened.write(*(Follow(f"fan-{n}", f"user:{PERSON}") for n in range(acts * 3)))
        opened.write(*(Follow(PERSON, f"thing:{n}") for n in range(acts * 3)))
        opened.settle()
        changed = [opened.writer.db.total_changes()]
        opened.begin_erasure(PERSON)
        changed += [opened.writer.db.total_changes() for _ in opened.erasure_steps(PERSON, BUDGET)]
        return max(after - before for before, after in pairwise(changed))

    few = longest(6)
    assert longest(60) <= few * 3


def test_notifications_of_others_take_one_seq_each(tmp_path: Path) -> None:
    """However many steps it takes, and in the order of their numbers: as if it were one."""
    found = []
    for name, rows in (("stepped", 1), ("whole", 100_000)):
        (tmp_path / name).mkdir()
        settings = msgspec.structs.replace(STEPPED, fanout_sync_max_followers=rows)
        with Inside.opened(tmp_path / name, settings, salt=0) as inside:
            live(inside)
            heads = {user: inside.counts(user).seq for user in OTHERS}
            inside.begin_erasure(PERSON)
            for _ in inside.erasure_steps(PERSON, BUDGET):
                pass
            inside.settle()
            found.append(state(inside))
            for user in OTHERS:
                rows_after = inside.changes(user, heads[user], 500).rows
                assert inside.counts(user).seq == heads[user] + len(rows_after)
                inside.check_inbox(user)
    assert found[0] == found[1]


def test_an_erasure_that_keeps_failing_stays_hidden_and_can_be_repeated(
    opened: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes a dead letter, so that nothing else waits for it; whoever waits is told; the name is shown by none of it.
    Erasing again, or replaying dead letters, goes on with it."""
    live(opened, acts=2)
    opened.begin_erasure(PERSON)
    for again in (EraseUser(PERSON), RetryDeadLetters()):
        with monkeypatch.context() as broken:
            broken.setattr(erasure_job, "step", fails)
            opened.fail_job(ZeroDivisionError, BUDGET)
        assert opened.store.erasures.under_way == {PERSON: True}
        with pytest.raises(Unavailable):
            opened.run(Runner(opened.store).erased(PERSON))
        assert PERSON.encode() not in said(opened)
        opened.run(opened.store.write([again]))
        assert opened.store.erasures.under_way == {PERSON: False}
    for _ in opened.erasure_steps(PERSON, BUDGET):
        pass
    assert opened.store.erasures.under_way == {}


def fails(*_: object) -> Any:
    """A step that cannot be done."""
    raise ZeroDivisionError


def test_who_erases_is_answered_when_nothing_is_left(opened: Inside) -> None:
    """And the hub is told then, for the notifications of others have changed."""
    live(opened, acts=4)

    async def erase() -> None:
        announced: asyncio.Future[dict[str, bool]] = asyncio.get_running_loop().create_future()
        runner = Runner(
            opened.store, on_erased=lambda: announced.set_result(dict(opened.store.erasures.under_way))
        )
        runner.start()
        await opened.store.write([EraseUser(PERSON)])
        async with asyncio.timeout(60):
            await runner.erased(PERSON)
            assert opened.store.erasures.under_way == {}
            # The worker may still be in the round whose last step a thread has committed already.
            assert await announced == {}
        await runner.close()

    opened.run(erase())


def test_a_rolled_back_erasure_hides_nothing(opened: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers put the alias in the place of the name before the commit; when that fails they show the name again."""
    live(opened, acts=1)
    with monkeypatch.context() as broken:
        broken.setattr(erasure_job, "begin", begin_and_fail(erasure_job.begin))
        with pytest.raises(ZeroDivisionError):
            opened.begin_erasure(PERSON)
    assert (opened.store.erasures.under_way, opened.writer.renamings) == ({}, ())
    assert PERSON.encode() in said(opened)


def begin_and_fail(begin: Any) -> Any:
    """A beginning whose transaction fails after it."""

    def failing(*given: Any) -> None:
        begin(*given)
        raise ZeroDivisionError

    return failing


def test_what_an_open_stream_takes_up_while_an_erasure_goes_on_is_nobodys(
    opened: Inside, tmp_path: Path
) -> None:
    """The name is not written again, as after an erasure of one step."""
    live(opened, acts=1)
    before = opened.store.erasures.begun
    opened.begin_erasure(PERSON)
    news = msgspec.structs.replace(event("other-1"), audience=EVERYONE, expires_at=START_MS * 2)
    opened.publish(news)
    opened.write(MaterializeBroadcasts((PERSON,), before))
    opened.run(opened.store.check())
    assert traces.found(tmp_path, WORDS) == []
