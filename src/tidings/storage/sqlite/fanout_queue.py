"""The queue of fan-out jobs: rows of ``fanout_job``, each processed in bounded steps that store their progress.

A step writes its rows and its progress in one transaction, so a crash repeats at most the current step, and repetition is
harmless: every insert ignores existing rows. Jobs take turns, so that a celebrity's million followers do not delay the
thousand of another user.

- ``push``: fan out entries of topic ``subject`` with positions in [low, high] to its followers, chunk by chunk.
- ``drain``: the same for the entries of a topic from its time of fan-out on read; then the topic fans out on write again.
- ``wake``: add to the feed of user ``subject``, who was dormant, the entries of the followed topics since then.
- ``rebuild``: write all entries of the log from position ``low`` to ``high`` into user feeds and topic timelines.
- ``unpush``: the event with key ``low`` was retracted; delete it from the feeds of the followers of ``subject``.
- ``notify``: add the event at position ``low``, with key ``high``, to the inboxes of the followers of ``subject``.
- ``block``: remove the items of actor ``low`` from the inbox of user ``subject``; ``high``, ``at_key`` and ``at_user`` are
  the floor, the bound and the head of blocks.Cleaning.
- ``erase``: delete the data of the erased user ``subject`` from the file; ``low``, ``high``, ``at_key`` and ``at_user`` are
  the phase and the progress of erasure_job.Job.
- ``remind``: write the index rows of reminder ``subject`` for its users, or delete them if it is cancelled.
- ``untell``: the event with key ``low``, once at position ``high``, was retracted; remove it from the inboxes of its
  recipients.
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
"""Failures after which a job becomes a dead letter: with doubling pauses, about half a minute of attempts."""
END = (1 << 63) - 1
REBUILD_ROWS = 20
"""The assumed cost of one event of a rebuild, in rows."""


class FanoutJob(NamedTuple):
    """One row of ``fanout_job``. ``at_key``/``at_user``: the progress, done up to here inclusive."""

    id: int
    kind: str
    subject: int
    low: int
    high: int
    at_key: int
    at_user: int


def next_job(w: WriteSession) -> FanoutJob | None:
    """The next job in turn."""
    row = w.db.one(sql("next_job"))
    return FanoutJob(*row) if row else None


def run_step(w: WriteSession, debt: FanoutJob, budget: int) -> int:
    """Process about ``budget`` rows of a job; returns the rows read, at least 1."""
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
    """Count a failed step; after MAX_ATTEMPTS the job is a dead letter until an operator replays it."""
    w.turn += 1
    w.db.execute(
        sql("job_failed"),
        (f"{type(error).__name__}: {error}"[:500], MAX_ATTEMPTS, w.turn, debt.id),
    )
    if debt.kind == "erase":
        w.erasures_changed()


def replay(w: WriteSession) -> CommandResult:
    """Enqueue dead letters again."""
    w.db.execute(sql("retry_dead_jobs"))
    w.erasures_changed()
    return CommandResult(w.db.changes() + deliveries.replay(w), w.position)


def rebuild_feeds(w: WriteSession) -> CommandResult:
    """Enqueue a rebuild of every feed from the log."""
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
    """(key, position) of the next entry of the job."""
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
    """``at_user`` is the current topic, ``at_key`` the last of its entries that was read (-1 before the first)."""
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
    """Write entries of a topic into one user's feed, as far as a follow covers them, without the user's own events."""
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
    """``at_key`` is the last position done. Topics with many followers get their own jobs."""
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
    """Recipients who were notified in the transaction of the event are processed at once: they are as many as one step
    notifies."""
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
