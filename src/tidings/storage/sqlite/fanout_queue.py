"""What fan-out owes: rows of ``debt``, each paid in bounded steps that remember how far they came.

A step writes its rows and its progress in one transaction, so a crash repeats at most the step that was under way,
and repeating is harmless: every insert ignores what is there. Debts take turns, so that one celebrity's million
followers do not hold up somebody else's thousand.

- ``push``: entries of topic ``subject`` with positions in [low, high], to its followers, chunk by chunk.
- ``drain``: the same for what a topic published while it was merged at read; then it is pushed again.
- ``wake``: to user ``subject``, who was away, what the topics they follow published meanwhile.
- ``rebuild``: everything that the log from position ``low`` to ``high`` puts into homes and topics.
- ``unpush``: the event with key ``low`` was retracted; take it out of the homes of the followers of ``subject``.
- ``notify``: the event at position ``low``, with key ``high``, to the inboxes of the followers of ``subject``.
- ``block``: take what actor ``low`` did out of the inbox of user ``subject``; ``high``, ``at_key`` and ``at_user`` are the
  floor, the bound and the head of blocks.Cleaning.
- ``erase``: take what user ``subject``, who was erased, left out of the file; ``low``, ``high``, ``at_key`` and ``at_user``
  are the phase and the progress of erasure_job.Job.
- ``remind``: write the index rows of reminder ``subject`` for its users, or delete them if it is cancelled.
- ``untell``: the event with key ``low``, once at position ``high``, was retracted; take it from those who were told.
"""

from collections.abc import Callable
from typing import NamedTuple

from tidings.model import CommandResult
from tidings.storage.sqlite import blocks, deliveries, erasure_job, reminders
from tidings.storage.sqlite.blocks import Cleaning
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.recipients import notify_followers_chunk
from tidings.storage.sqlite.retract import leave
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import unpack
from tidings.storage.sqlite.write_session import DRAINING, MERGED, WriteSession

MAX_ATTEMPTS = 8
"""Failures after which a debt is set aside as a dead letter: with doubling pauses, about half a minute of trying."""
END = (1 << 63) - 1
REBUILD_ROWS = 20
"""Rows that one event of a rebuild is taken to cost."""


class FanoutJob(NamedTuple):
    """One row of ``debt``. ``at_key``/``at_user``: done up to here, exclusive of what follows."""

    id: int
    kind: str
    subject: int
    low: int
    high: int
    at_key: int
    at_user: int


def next_job(w: WriteSession) -> FanoutJob | None:
    """The debt whose turn it is."""
    row = w.db.one(sql("next_job"))
    return FanoutJob(*row) if row else None


def run_step(w: WriteSession, debt: FanoutJob, budget: int) -> int:
    """Pay about ``budget`` rows of a debt; returns the rows looked at, at least 1."""
    left, rows = _KINDS[debt.kind](w, debt, budget)
    w.disorder()
    if left is None:
        w.db.execute(sql("delete_job"), (debt.id,))
        w.paid()
    else:
        w.turn += 1
        w.db.execute(
            sql("save_job_progress"),
            (left.at_key, left.at_user, w.turn, debt.id),
        )
    return max(rows, 1)


def mark_failed(w: WriteSession, debt: FanoutJob, error: Exception) -> None:
    """Note a failed step; after MAX_ATTEMPTS the debt waits to be replayed by a person."""
    w.turn += 1
    w.db.execute(
        sql("job_failed"),
        (f"{type(error).__name__}: {error}"[:500], MAX_ATTEMPTS, w.turn, debt.id),
    )
    if debt.kind == "erase":
        w.erasures_changed()


def replay(w: WriteSession) -> CommandResult:
    """Put dead letters back in line."""
    w.db.execute(sql("retry_dead_jobs"))
    w.erasures_changed()
    return CommandResult(w.db.changes() + deliveries.replay(w), w.position)


def rebuild_feeds(w: WriteSession) -> CommandResult:
    """Owe every feed what the log says it should hold."""
    w.owe("rebuild", 0, 1, w.position)
    return CommandResult(1, w.position)


_Step = tuple[FanoutJob | None, int]


def _push(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    entry = _next_entry(w, debt)
    if entry is None:
        return None, 0
    key, position = entry
    upper = _chunk_end(w, debt.subject, debt.at_user, budget)
    n, ev = w.timelines.span(key).parts[-1], w.events.span(key).parts[-1]
    values = {"topic": debt.subject, "key": key, "position": position, "after": debt.at_user, "upto": upper}
    w.db.execute(sql("insert_follower_entries_chunk", n, ev), values)
    rows = w.db.changes()
    if n == w.timelines.newest():
        w.timelines.grew(rows)
    w.db.execute(sql("insert_out_of_order_follower_entries_chunk", n, ev), values)
    if upper == END:
        return debt._replace(at_key=key, at_user=0), rows
    return debt._replace(at_user=upper), budget


def _next_entry(w: WriteSession, debt: FanoutJob) -> tuple[int, int] | None:
    """(key, position) of the next entry that the debt covers."""
    for span in w.timelines.spans:
        if span.high <= debt.at_key:
            continue
        found = [
            row
            for n in span.parts
            if (row := w.db.one(sql("next_entry", n), (debt.subject * 2, debt.at_key, debt.low, debt.high)))
        ]
        if found:
            return min(found)  # type: ignore[no-any-return]
    return None


def _chunk_end(w: WriteSession, topic: int, after: int, budget: int) -> int:
    row = w.db.one(
        sql("end_of_follower_chunk"),
        (topic, after, budget - 1),
    )
    return row[0] if row else END


def _drain(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    left, rows = _push(w, debt, budget)
    if left is None and not _others(w, debt):
        w.db.execute(sql("end_draining"), (debt.subject, DRAINING))
        if w.hot.get(debt.subject) != MERGED:
            w.hot.pop(debt.subject, None)
    return left, rows


def _others(w: WriteSession, debt: FanoutJob) -> bool:
    query = sql("has_other_jobs")
    return bool(w.db.one(query, (debt.kind, debt.subject, debt.id))[0])


def _wake(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    """``at_user`` is the topic under way, ``at_key`` the last of its entries looked at (-1 before the first)."""
    row = w.db.one(sql("next_followed_topic"), (debt.subject, debt.at_user))
    topic = row[0]
    if topic is None:
        w.db.execute(sql("end_dormancy"), (debt.subject,))
        return None, 0
    after = debt.at_key if topic == debt.at_user and debt.at_key >= 0 else None
    if after is None:
        after = w.start_key(topic * 2, debt.low, debt.high)
    entries = _entries(w, topic, after, debt, budget)
    backfill_feed(w, debt.subject, topic, [key for key, _ in entries])
    if len(entries) < budget:
        return debt._replace(at_user=topic + 1, at_key=-1), len(entries)
    return debt._replace(at_user=topic, at_key=entries[-1][0]), len(entries)


def _entries(w: WriteSession, topic: int, after: int, debt: FanoutJob, budget: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for span in w.timelines.spans:
        if span.high > after:
            for n in span.parts:
                found += w.db.all(sql("entries_after", n), (topic * 2, after, debt.low, debt.high, budget))
        if len(found) >= budget:
            break
    return sorted(set(found))[:budget]


def backfill_feed(w: WriteSession, user: int, topic: int, keys: list[int]) -> None:
    """Write entries of a topic into one user's home, as far as a follow covers them, their own acts left out."""
    by_part: dict[tuple[int, int], list[int]] = {}
    for key in keys:
        by_part.setdefault((w.timelines.span(key).parts[-1], w.events.span(key).parts[-1]), []).append(key)
    for (n, ev), some in by_part.items():
        values = {"packed": w.carray(some), "user": user, "topic": topic}
        w.db.execute(sql("backfill_feed", n, ev), values)
        if n == w.timelines.newest():
            w.timelines.grew(w.db.changes())
        w.db.execute(sql("backfill_feed_out_of_order", n, ev), values)


def _unpush(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    upper = _chunk_end(w, debt.subject, debt.at_user, budget)
    for n in w.timelines.span(debt.low).parts:
        w.db.execute(sql("delete_fanout_chunk", n), (debt.subject, debt.at_user, upper, debt.low))
    return (None if upper == END else debt._replace(at_user=upper)), budget


def _rebuild(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    """``at_key`` is the last position done. Topics with many followers become debts of their own."""
    rows = w.db.all(
        sql("log_between"),
        (max(debt.at_key, debt.low - 1), debt.high, max(1, budget // REBUILD_ROWS)),
    )
    if not rows:
        return None, 0
    for _, key in rows:
        _restore(w, key)
    return debt._replace(at_key=rows[-1][0]), len(rows) * REBUILD_ROWS


def _restore(w: WriteSession, key: int) -> None:
    n, ev = w.timelines.span(key).parts[-1], w.events.span(key).parts[-1]
    row = w.db.one(sql("event_to_restore", ev=ev), (key,))
    position, actor, thing, extra, targets, gone = row
    if gone:
        return
    topics = {actor, thing, *unpack(extra)}
    w.db.execute(sql("restore_topic_entries", n, ev), {"packed": w.carray(topics), "key": key})
    if told := set(unpack(targets)) - {actor}:
        w.db.execute(sql("restore_target_entries", n, ev), {"packed": w.carray(told), "key": key})
    for topic in topics:
        if w.wide.get(topic, 0) > w.settings.fanout_sync_max_followers:
            w.owe("push", topic, position, position, key - 1)
        else:
            w.db.execute(sql("restore_follower_entries", n, ev), {"topic": topic, "key": key})


def _notify(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    upper = _chunk_end(w, debt.subject, debt.at_user, budget)
    notify_followers_chunk(w, debt.subject, debt.high, debt.at_user, upper)
    return (None if upper == END else debt._replace(at_user=upper)), budget


def _untell(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    """Those who were told at once are taken at once: they were as many as one step tells."""
    query = sql("delete_recipient_chunk")
    found = w.db.all(query, (debt.low,))
    if not found:
        return None, 0
    users = unpack(found[0][0])
    leave(w, ReadSnapshot(w.db, w.names, w), users, debt.low, debt.high)
    return debt, len(users)


def _block(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    cleaning = Cleaning(debt.subject, debt.low, debt.high, debt.at_key, debt.at_user)
    left, rows = blocks.step(w, ReadSnapshot(w.db, w.names, w), cleaning, budget)
    if left is None:
        return None, rows
    w.db.execute(sql("set_job_high"), (left.floor, debt.id))
    return debt._replace(at_key=left.before, at_user=left.head), rows


def _erase(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    job = erasure_job.Job(debt.subject, debt.low, debt.high, debt.at_key, debt.at_user)
    left, rows = erasure_job.step(w, ReadSnapshot(w.db, w.names, w), job, budget)
    if left is None:
        return None, rows
    w.db.execute(sql("set_job_bounds"), (left.phase, left.oldest, debt.id))
    return debt._replace(at_key=left.at_key, at_user=left.at_user), rows


def _remind(w: WriteSession, debt: FanoutJob, budget: int) -> _Step:
    rows = reminders.settle(w, debt.subject, budget)
    return (debt if rows else None), rows


_KINDS: dict[str, Callable[[WriteSession, FanoutJob, int], _Step]] = {
    "push": _push,
    "drain": _drain,
    "wake": _wake,
    "rebuild": _rebuild,
    "unpush": _unpush,
    "notify": _notify,
    "untell": _untell,
    "block": _block,
    "erase": _erase,
    "remind": _remind,
}
