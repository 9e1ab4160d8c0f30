"""Maintenance of the store: partitions, fan-out jobs, dormant users, old keys; and the views of operators."""

from collections.abc import Callable
from typing import cast

from tidings.ids import key_at, ms_of
from tidings.model import FollowRow, LogPosition, TopicInfo
from tidings.status import Backlog, DeadLetter, Status
from tidings.storage.sqlite import broadcasts, deliveries, fanout_queue, graph, retention
from tidings.storage.sqlite.connection import DISK_ERRORS
from tidings.storage.sqlite.partitions import PartitionedTable, PartitionRange
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import DRAINING, ON_READ, ON_WRITE, WriteSession

HOUSEKEEPING_MS = 60_000
"""Milliseconds between searches for users who become dormant and for expired rows."""
MERGE_FACTOR = 2
"""Rows copied by one step, as a multiple of fan-out rows: copying is sequential, and it can wait."""


def roll(w: WriteSession) -> None:
    """Begin new partitions if the newest are full; before a batch, each in its own transaction."""
    for family, low in ((w.timelines, _next_ms), (w.events, _next_ms), (w.inboxes, _next_position)):
        if family.is_full():
            _in_family(w, family, lambda family=family, low=low: family.roll(low(w)))  # type: ignore[misc]


def _next_ms(w: WriteSession) -> int:
    # On a whole millisecond, so that the events of one millisecond are never separated.
    return key_at(ms_of(w.high) + 1)


def _next_position(w: WriteSession) -> int:
    return w.position + 1


def _in_family(w: WriteSession, family: PartitionedTable, change: Callable[[], object]) -> None:
    w.transaction(change)
    family.publish()


def work(w: WriteSession, visits: list[str], budget: int) -> int:
    """One bounded step; returns the rows done, 0 when there is nothing to do."""
    w.guard.check()  # the next job is read before a transaction begins
    if visits:
        w.transaction(lambda: graph.record_visit(w, visits))
    job = fanout_queue.next_job(w)
    if job is not None:
        return _run_job(w, job, budget)
    done = _merge(w, budget) or _housekeeping(w)
    w.quiet = True  # until something is published
    return done


def _run_job(w: WriteSession, job: fanout_queue.FanoutJob, budget: int) -> int:
    done = 0

    def step() -> None:
        nonlocal done
        done = fanout_queue.run_step(w, job, budget)

    try:
        w.transaction(step)
    except DISK_ERRORS:
        raise  # no fault of the job: it would become a dead letter while a disk is full
    except Exception as error:
        failure = error
        w.transaction(lambda: fanout_queue.mark_failed(w, job, failure))
        raise
    return done


def _merge(w: WriteSession, budget: int) -> int:
    """Start, continue or end the merging of old partitions."""
    for family in (w.timelines, w.inboxes):
        span = family.merging()
        if span is not None:
            return _continue(w, family, span, budget)
        if family.mergeable(w.quiet):
            _in_family(w, family, lambda family=family: family.begin_merge(w.quiet))  # type: ignore[misc]
            return 1
    return 0


def _continue(w: WriteSession, family: PartitionedTable, span: PartitionRange, budget: int) -> int:
    copied = 0

    def step() -> None:
        nonlocal copied
        copied = family.copy(span, budget * MERGE_FACTOR)

    w.transaction(step)
    if not copied:
        _in_family(w, family, lambda: family.end_merge(span))
        w.transaction(lambda: family.drop(span))
    return max(copied, 1)


def _housekeeping(w: WriteSession) -> int:
    now = w.clock.now()
    since = w.clock.monotonic() * 1_000  # the time of day may be set back
    if since - w.housekept_at < HOUSEKEEPING_MS:
        return 0
    done = 0

    def step() -> None:
        nonlocal done
        done = (
            graph.deactivate_dormant(w) + retention.purge(w) + broadcasts.expire(w, now) + retention.sweep(w)
        )

    w.transaction(step)
    if not done:
        w.housekept_at = since
    return done


# --- views --------------------------------------------------------------------------------------------------------


def follows(r: ReadSnapshot, user: str, limit: int, after: str | None) -> list[FollowRow]:
    """The topics a user follows now, by name."""
    query = sql("followed_topics_by_name")
    number = r.names.user(user)
    return [FollowRow(*row) for row in r.db.execute(query, (number, after or "", limit))]


def topic(r: ReadSnapshot, topic: str, viewer: str | None) -> TopicInfo:
    """A topic and its fan-out mode, in general and for one viewer."""
    number = r.names.topic(topic)
    followers, state = 0, ON_WRITE
    if number is not None:
        followers, state = r.db.one(sql("topic_fan_out"), (number,)) or (0, ON_WRITE)
    fan_out = "read" if state == ON_READ else "write"
    mine, reason = "", _why(r, state, followers)
    if viewer is not None and number is not None and (user := r.names.user(viewer)) is not None:
        query = sql("is_fanned_out_to")
        row = r.db.one(query, (user, number))
        if row is not None:
            mine = fan_out if row[0] else "read"
            reason = (
                reason
                if row[0]
                else "the viewer has made no request for dormant_days: fan-out on read until the next one"
            )
    return TopicInfo(topic, followers, fan_out, mine, reason)


def _why(r: ReadSnapshot, state: int, followers: int) -> str:
    settings = r.writer.settings
    if state == ON_READ:
        limits = (
            f"{settings.fanout_read_threshold_followers} followers or "
            f"{settings.fanout_read_threshold_rows_per_s} rows/s"
        )
        return f"fan-out on read since it reached {limits}, {followers} followers now; on write again below half of both"
    if state == DRAINING:
        return "fan-out on write again; also on read until the feeds have the events that were published meanwhile"
    return f"fan-out on write: {followers} followers, fewer than {settings.fanout_read_threshold_followers}"


def status(r: ReadSnapshot) -> Status:
    """Sizes, pending fan-out jobs and dead letters."""
    pending = backlog(r)
    (pages,) = r.db.one(sql("file_bytes"), ())
    (follows,) = r.db.one(sql("count_follows"), ())
    (deliveries,) = r.db.one(sql("count_deliveries"))
    (reminders,) = r.db.one(sql("count_reminders"))
    sizes = {
        "file_bytes": pages,
        "follows": follows,
        "timeline_partitions": len(r.writer.timelines.spans),
        "event_partitions": len(r.writer.events.spans),
        "inbox_partitions": len(r.writer.inboxes.spans),
        "hot_topics": len(r.writer.hot),
        "deliveries": deliveries,
        "reminders": reminders,
    }
    return Status(LogPosition(r.head(), r.writer.epoch), *pending, sizes)


def backlog(r: ReadSnapshot) -> Backlog:
    """The number of pending jobs, and of dead letters; counted on indexes."""
    (pending,) = r.db.one(sql("count_pending_jobs"))
    (dead,) = r.db.one(sql("count_dead_jobs"))
    (given_up,) = r.db.one(sql("count_dead_deliveries"))
    return Backlog(pending, dead + given_up)


def dead_letters(r: ReadSnapshot, limit: int) -> list[DeadLetter]:
    """Dead letters: fan-out jobs, oldest first, and after them deliveries."""
    rows = r.db.all(sql("dead_jobs"), (limit,))
    letters = [
        DeadLetter(n, kind, _subject(r, kind, subject), tries, error)
        for n, kind, subject, tries, error in rows
    ]
    return letters + deliveries.dead_letters(r, limit - len(letters))


def _subject(r: ReadSnapshot, kind: str, subject: int) -> str:
    if kind == "index_reminder":
        return f"reminder {subject}"
    if kind == "backfill":
        return f"backfill {subject}"
    if kind == "merge_users":
        return f"merge {subject}"
    if kind == "deliver_broadcast" and subject == broadcasts.EVERYONE:
        return "all users"
    return "the log" if kind == "rebuild" else r.names.text(subject)


def cursor_key(w: WriteSession) -> bytes:
    """The key that page cursors are signed with."""
    return cast(bytes, w.meta("cursor_key"))
