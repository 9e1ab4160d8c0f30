"""The queue of fan-out jobs: rows of ``fanout_job``, each processed in bounded steps that store their progress.

A step writes its rows and its progress in one transaction, so a crash repeats at most the current step, and repetition is
harmless: every insert ignores existing rows. Jobs take turns, so that a celebrity's million followers do not delay the
thousand of another user.

- ``fan_out``: fan out entries of topic ``subject`` with positions in [low, high] to its followers, chunk by chunk.
- ``resume_fan_out``: the same for entries from a topic's time of fan-out on read; then the topic fans out on write again.
- ``wake``: add to the feed of user ``subject``, who was dormant, the entries of the followed topics since then.
- ``rebuild``: write all entries of the log from position ``low`` to ``high`` into user feeds and topic timelines.
- ``delete_fan_out``: the event with key ``low`` was retracted; delete it from the feeds of the followers of ``subject``.
- ``notify``: add the event at position ``low``, with key ``high``, to the inboxes of the followers of ``subject``.
- ``block``: remove the items of blocked users from the inbox of user ``subject``; ``low``, ``at_key`` and ``high`` are the
  floor, the bound and the head of blocks.Cleaning.
- ``erase``: delete the data of the erased user ``subject`` from the file; ``low``, ``high``, ``at_key`` and ``at_user`` are
  the phase and the progress of erasure_job.Job.
- ``backfill``: have follows cover past events; the row ``subject`` of ``backfill`` has the progress (backfills.py).
- ``merge_users``: move what the file has of one user to another; the row ``subject`` of ``user_merge`` has the progress
  (user_merges.py).
- ``index_reminder``: write the index rows of reminder ``subject`` for its users, or delete them if it is cancelled.
- ``deliver_broadcast``: materialise the broadcast at position ``low`` for those of its audience ``subject`` (0: all users)
  who have an endpoint on a channel of its type (broadcast_delivery.py).
- ``delete_notifications``: the event with key ``low``, once at position ``high``, was retracted; remove it from the
  inboxes of its recipients.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tidings.model import CommandResult
from tidings.storage.sqlite import (
    backfills,
    blocks,
    deliveries,
    erasure_job,
    hidden_ranges,
    reminders,
    user_merges,
)
from tidings.storage.sqlite.blocks import Cleaning
from tidings.storage.sqlite.broadcast_delivery import DeliverStep, deliver_step
from tidings.storage.sqlite.feed_entries import backfill_feed
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.recipients import notify_followers_chunk
from tidings.storage.sqlite.retract import leave
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import unpack
from tidings.storage.sqlite.timeline_numbers import signed_topic, topic_timeline
from tidings.storage.sqlite.write_session import DRAINING, ON_READ, WriteSession
from tidings.visibility import Visibility

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


def run_step(w: WriteSession, job: FanoutJob, budget: int) -> int:
    """Process about ``budget`` rows of a job; returns the rows read, at least 1."""
    left, rows = _KINDS[job.kind](w, job, budget)
    w.disorder()
    if left is None:
        w.db.execute(sql("delete_job"), (job.id,))
        w.paid()
    else:
        w.turn += 1
        w.db.execute(
            sql("save_job_progress"),
            (left.at_key, left.at_user, w.turn, job.id),
        )
    return max(rows, 1)


def fanned_out(r: ReadSnapshot, positions: Sequence[range]) -> list[bool]:
    """For each of these ranges, whether there is no pending job of an event in it."""
    query = sql("is_fan_out_pending")
    return [not r.db.one(query, (some.start, some.stop - 1))[0] for some in positions]


def mark_failed(w: WriteSession, job: FanoutJob, error: Exception) -> None:
    """Count a failed step; after MAX_ATTEMPTS the job is a dead letter until an operator replays it."""
    w.turn += 1
    w.db.execute(
        sql("job_failed"),
        (f"{type(error).__name__}: {error}"[:500], MAX_ATTEMPTS, w.turn, job.id),
    )
    if job.kind == "erase":
        w.erasures_changed()


def replay(w: WriteSession) -> CommandResult:
    """Enqueue dead letters again."""
    w.db.execute(sql("retry_dead_jobs"))
    w.erasures_changed()
    return CommandResult(w.db.changes() + deliveries.replay(w), w.position)


def rebuild_feeds(w: WriteSession) -> CommandResult:
    """Enqueue a rebuild of every feed from the log."""
    w.enqueue_job("rebuild", 0, 1, w.position)
    return CommandResult(1, w.position)


_Step = tuple[FanoutJob | None, int]
_Kind = Callable[[WriteSession, FanoutJob, int], _Step]


def _fan_out(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    entry = _next_entry(w, job)
    if entry is None:
        return None, 0
    key, position = entry
    upper = _chunk_end(w, job.subject, job.at_user, budget)
    n, ev = w.timelines.span(key).parts[-1], w.events.span(key).parts[-1]
    values = {"topic": job.subject, "key": key, "position": position, "after": job.at_user, "upto": upper}
    w.db.execute(sql("insert_follower_entries_chunk", n, ev), values)
    rows = w.db.changes()
    if n == w.timelines.newest():
        w.timelines.grew(rows)
    w.db.execute(sql("insert_out_of_order_follower_entries_chunk", n, ev), values)
    if upper == END:
        return job._replace(at_key=key, at_user=0), rows
    return job._replace(at_user=upper), budget


def _next_entry(w: WriteSession, job: FanoutJob) -> tuple[int, int] | None:
    """(key, position) of the next entry of the job."""
    timeline = topic_timeline(job.subject)
    for span in w.timelines.spans:
        if span.high <= job.at_key:
            continue
        found = [
            row
            for n in span.parts
            if (row := w.db.one(sql("next_entry", n), (timeline, job.at_key, job.low, job.high)))
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


def _resume_fan_out(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    left, rows = _fan_out(w, job, budget)
    if left is None and not _others(w, job):
        w.db.execute(sql("end_draining"), (job.subject, DRAINING))
        if w.hot.get(job.subject) != ON_READ:
            w.hot.pop(job.subject, None)
    return left, rows


def _others(w: WriteSession, job: FanoutJob) -> bool:
    query = sql("has_other_jobs")
    return bool(w.db.one(query, (job.kind, job.subject, job.id))[0])


def _wake(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    """``at_user`` is the current topic, ``at_key`` the last of its entries that was read (-1 before the first)."""
    row = w.db.one(sql("next_followed_topic"), (job.subject, job.at_user))
    topic = row[0]
    if topic is None:
        w.db.execute(sql("end_dormancy"), (job.subject,))
        return None, 0
    after = job.at_key if topic == job.at_user and job.at_key >= 0 else None
    if after is None:
        after = w.start_key(topic_timeline(topic), job.low, job.high)
    entries = _entries(w, topic, after, job, budget)
    backfill_feed(w, job.subject, topic, [key for key, _ in entries])
    if len(entries) < budget:
        return job._replace(at_user=topic + 1, at_key=-1), len(entries)
    return job._replace(at_user=topic, at_key=entries[-1][0]), len(entries)


def _entries(w: WriteSession, topic: int, after: int, job: FanoutJob, budget: int) -> list[tuple[int, int]]:
    timeline = topic_timeline(topic)
    found: list[tuple[int, int]] = []
    for span in w.timelines.spans:
        if span.high > after:
            for n in span.parts:
                found += w.db.all(sql("entries_after", n), (timeline, after, job.low, job.high, budget))
        if len(found) >= budget:
            break
    return sorted(set(found))[:budget]


def _delete_fan_out(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    upper = _chunk_end(w, job.subject, job.at_user, budget)
    for n in w.timelines.span(job.low).parts:
        w.db.execute(sql("delete_fanout_chunk", n), (job.subject, job.at_user, upper, job.low))
    return (None if upper == END else job._replace(at_user=upper)), budget


def _rebuild(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    """``at_key`` is the last position done. Topics with many followers get their own jobs."""
    rows = w.db.all(
        sql("log_between"),
        (max(job.at_key, job.low - 1), job.high, max(1, budget // REBUILD_ROWS)),
    )
    if not rows:
        return None, 0
    for _, key in rows:
        _restore(w, key)
    return job._replace(at_key=rows[-1][0]), len(rows) * REBUILD_ROWS


def _restore(w: WriteSession, key: int) -> None:
    n, ev = w.timelines.span(key).parts[-1], w.events.span(key).parts[-1]
    row = w.db.one(sql("event_to_restore", ev=ev), (key,))
    position, actor, thing, extra, targets, visibility, gone = row
    if gone:
        return
    topics = {actor, thing, *unpack(extra)}
    followed = Visibility(visibility).reaches_followers
    signed = w.carray(signed_topic(topic, followed) for topic in topics)
    w.db.execute(sql("restore_topic_entries", n, ev), {"packed": signed, "key": key})
    if w.has_hidden_ranges and visibility == Visibility.PUBLIC:
        hidden_ranges.split(w, topics, key)
    if others := set(unpack(targets)) - {actor}:
        w.db.execute(sql("restore_target_entries", n, ev), {"packed": w.carray(others), "key": key})
    for topic in topics if followed else ():
        if w.wide.get(topic, 0) > w.settings.fanout_sync_max_followers:
            w.enqueue_job("fan_out", topic, position, position, key - 1)
        else:
            w.db.execute(sql("restore_follower_entries", n, ev), {"topic": topic, "key": key})


def _notify(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    upper = _chunk_end(w, job.subject, job.at_user, budget)
    r = ReadSnapshot.of(w)
    notify_followers_chunk(w, r, job.subject, job.high, job.at_user, upper)
    return (None if upper == END else job._replace(at_user=upper)), budget


def _delete_notifications(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    """Recipients who were notified in the transaction of the event are processed at once: they are as many as one step
    notifies."""
    query = sql("delete_recipient_chunk")
    found = w.db.all(query, (job.low,))
    if not found:
        return None, 0
    users = unpack(found[0][0])
    leave(w, ReadSnapshot.of(w), users, job.low, job.high)
    return job, len(users)


def _block(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    cleaning = Cleaning(job.subject, job.low, job.at_key, job.high)
    left, rows = blocks.step(w, ReadSnapshot.of(w), cleaning, budget)
    if left is None:
        return None, rows
    w.db.execute(sql("set_job_bounds"), (left.floor, left.head, job.id))
    return job._replace(at_key=left.before), rows


def _erase(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    erasure = erasure_job.Job(job.subject, job.low, job.high, job.at_key, job.at_user)
    left, rows = erasure_job.step(w, ReadSnapshot.of(w), erasure, budget)
    if left is None:
        return None, rows
    w.db.execute(sql("set_job_bounds"), (left.phase, left.oldest, job.id))
    return job._replace(at_key=left.at_key, at_user=left.at_user), rows


def _by_row(step: Callable[[WriteSession, ReadSnapshot, int, int], tuple[bool, int]]) -> _Kind:
    """Jobs whose progress is in a row of a table of their own, which ``step`` stores."""

    def run(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
        ended, rows = step(w, ReadSnapshot.of(w), job.subject, budget)
        return (None if ended else job), rows

    return run


def _index_reminder(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    rows = reminders.index_step(w, job.subject, budget)
    return (job if rows else None), rows


def _deliver_broadcast(w: WriteSession, job: FanoutJob, budget: int) -> _Step:
    step = DeliverStep(job.low, job.subject, job.at_user)
    upper, rows = deliver_step(w, ReadSnapshot.of(w), step, budget)
    return (None if upper is None else job._replace(at_user=upper)), rows


_KINDS: dict[str, _Kind] = {
    "fan_out": _fan_out,
    "resume_fan_out": _resume_fan_out,
    "wake": _wake,
    "rebuild": _rebuild,
    "delete_fan_out": _delete_fan_out,
    "notify": _notify,
    "delete_notifications": _delete_notifications,
    "block": _block,
    "erase": _erase,
    "backfill": _by_row(backfills.step),
    "merge_users": _by_row(user_merges.step),
    "index_reminder": _index_reminder,
    "deliver_broadcast": _deliver_broadcast,
}
