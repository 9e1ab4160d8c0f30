"""The deletion of an erased user's data from the file, in bounded steps.

The transaction of the erasure removes the name from the user's number, so that no look-up finds it; in the text of old
events readers replace it by the alias (``ReadSnapshot.rows``) until it is rewritten here. Work that exceeds one transaction
is a fan-out job: each step stores its progress in its own transaction, so a crash repeats and skips nothing. A new user of
the name has another number.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from tidings.storage.sqlite import reminders
from tidings.storage.sqlite.partitions import PartitionRange
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot, chunks
from tidings.storage.sqlite.relations import BLOCKED_BY, require_visibility_check
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import pack, unpack
from tidings.storage.sqlite.timeline_numbers import feed_timeline, topic_timelines
from tidings.storage.sqlite.write_session import WriteSession

FOLLOW_ROWS = 5
"""The assumed cost of ending a follow, in rows."""
EVENT_ROWS = 20
"""The same of rewriting an event: some 0.1 ms."""
RECIPIENT_ROWS = 20
"""The same of a user whose notifications are searched."""
NOTED_PER_ROW = 4
"""Recipients that are recorded at the cost of one row."""
SCANNED = 4
"""Entries of timelines that are read for each event that may be rewritten: most may be of other users."""
AUDIENCE_CHUNKS = 5
"""Rows of ``event_recipient_chunk`` that are read at once, each with up to some thousand recipients."""

_OWN = (
    ("relation", "viewer", "viewer, topic, kind"),
    ("feed_state", "user", "user"),
    ("feed_read", "user", "user, key"),
    ("feed_read_watermark", "user", "user, list, up_to, made"),
    ("feed_change", "user", "user, position"),
    ("inbox", "user", "user"),
    ("read_watermark", "user", "user, seq"),
    ("inbox_changelog", "user", "user, seq"),
    ("inbox_group", "user", "id"),
    ("shared_item", "user", "user, key"),
    ("shared_read_all", "user", "user, made, seq"),
)
"""Tables whose rows belong to one user, their column of the user, and the primary key. Open groups and duplicate keys are
stored by topic: maintenance deletes those whose user has no inbox any more (retention.py)."""


class Job(NamedTuple):
    """The progress of an erasure: the phase, and in it the last key or number and the last user that are done. ``oldest``:
    no event that shows the user has a lower position."""

    user: int
    phase: int
    oldest: int
    at_key: int = -1
    at_user: int = 0


_Step = tuple[Job | None, int]


def begin(w: WriteSession, r: ReadSnapshot, user: int, name: str, alias: str) -> None:
    """Begin to delete a user's data, and finish if it is little; the number has the alias already."""
    last_reminder = reminders.last_number(w.db)
    w.db.execute(sql("insert_erasure"), (user, name, alias, w.position, last_reminder))
    w.hide(name, alias, last_reminder)
    left, _ = step(w, r, Job(user, 0, w.position), w.settings.fanout_sync_max_followers)
    if left is not None:
        w.enqueue_job("erase", user, left.phase, left.oldest, left.at_key, left.at_user)


def retry(w: WriteSession, name: str) -> None:
    """Enqueue a dead-lettered erasure of this name again."""
    w.db.execute(
        sql("retry_erasure"),
        (name,),
    )
    w.erasures_changed()


def step(w: WriteSession, r: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Process about ``budget`` rows of an erasure; returns the rest, None at the end, and the rows done."""
    left: Job | None = job
    rows = 0
    while left is not None and rows < budget:
        left, done = _PHASES[left.phase](w, r, left, budget - rows)
        rows += done
    return left, rows


def _next(job: Job) -> Job:
    return Job(job.user, job.phase + 1, job.oldest)


def _share(budget: int, rows: int) -> int:
    """The number of things of so many rows each that fit."""
    return max(1, budget // rows)


# --- the phases, in their order -------------------------------------------------------------------------------------


def _forget_reminders(w: WriteSession, _: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Remove the user from the reminders that were set before the erasure, once none of these is partly indexed: then each
    is found by the user's name, and no cancelled one remains."""
    name, up_to = w.db.one(sql("name_of_erasure"), (job.user,))
    rows = 0
    while rows < budget:
        done = reminders.index_next(w, up_to, budget - rows) or reminders.forget_one(w, name, up_to)
        if not done:
            return _next(job), rows
        rows += EVENT_ROWS + done
    return job, rows


def _unfollow(w: WriteSession, _: ReadSnapshot, job: Job, budget: int) -> _Step:
    """End the user's follows: nothing is added to the feed of the number any more."""
    query = sql("some_follows_of_user")
    some = w.db.all(query, (job.user, _share(budget, FOLLOW_ROWS)))
    for topic, since, stands in some:
        if stands:
            w.followers_changed(topic, -1)
        w.db.execute(sql("delete_follow_interval"), (job.user, topic, since))
    return (job if some else _next(job)), len(some) * FOLLOW_ROWS


def _part(w: WriteSession, _: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Delete the follows of the user. They have no effect any more, so caches of followers may be outdated."""
    query = sql("some_followers_of_topic")
    followers = [follower for (follower,) in w.db.execute(query, (job.user, _share(budget, FOLLOW_ROWS)))]
    for follower in followers:
        require_visibility_check(w, follower)
        w.db.execute(sql("delete_follow"), (follower, job.user))
    if followers:
        return job, len(followers) * FOLLOW_ROWS
    w.deserted(job.user)
    return _next(job), 0


def _unblock(w: WriteSession, _: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Delete the blocks of the user, so that they hide nothing from others any more."""
    query = sql("some_viewers_of_relation")
    rows = w.db.all(query, (job.user, BLOCKED_BY, _share(budget, FOLLOW_ROWS)))
    for (viewer,) in rows:
        require_visibility_check(w, viewer)
        query = sql("delete_relation")
        w.db.execute(query, (viewer, job.user, BLOCKED_BY))
    return (job if rows else _next(job)), len(rows) * FOLLOW_ROWS


def _rewrite(w: WriteSession, r: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Rewrite the events that name the user: those of their topic, and those with the user among the targets, which no other
    reader sees."""
    feed = feed_timeline(job.user)
    timelines = (*topic_timelines(job.user), feed)
    share = _share(budget, EVENT_ROWS)
    entries = r.entries_up(timelines, job.at_key, SCANNED * share)
    if not entries:
        return _next(job), 0
    theirs = [one.key for one in entries if one.timeline != feed or one.why == 0][:share]
    last = theirs[-1] if len(theirs) == share else entries[-1].key
    rows, shown = len(entries) // SCANNED, list[EventRow]()
    for event in r.events(theirs):
        _rewrite_one(w, job.user, event)
        if job.user in event.all_topics():
            shown.append(event)
        rows += EVENT_ROWS + len(unpack(event.targets)) // NOTED_PER_ROW
        if rows >= budget:
            last = event.key
            break
    return _noted(w, job, shown)._replace(at_key=last), rows


def _rewrite_one(w: WriteSession, user: int, event: EventRow) -> None:
    """Store the text of an event without the name, as readers see it already, and remove the user from its targets."""
    targets = pack(number for number in unpack(event.targets) if number != user)
    n = w.events.span(event.key).parts[-1]
    w.db.execute(sql("rewrite_event", n), (event.body, targets, event.key))


def _noted(w: WriteSession, job: Job, shown: Sequence[EventRow]) -> Job:
    """Record the events that show the user, and their targets."""
    if not shown:
        return job
    keys = w.carray(event.key for event in shown)
    w.db.execute(sql("insert_erasure_events"), (job.user, keys))
    _note_recipients(w, job.user, {number for event in shown for number in unpack(event.targets)})
    return job._replace(oldest=min(job.oldest, *(event.position for event in shown)))


def _note_recipients(w: WriteSession, user: int, recipients: set[int]) -> None:
    if others := recipients - {user}:
        query = sql("insert_erasure_recipients")
        w.db.execute(query, (user, w.carray(others)))


def _note_audience(w: WriteSession, _: ReadSnapshot, job: Job, __: int) -> _Step:
    """Record the other recipients of these events: ``at_key`` is the event, ``at_user`` the last of its chunks."""
    found = w.db.all(
        sql("recipients_of_erased_events"),
        (job.user, job.at_key, job.at_user, AUDIENCE_CHUNKS),
    )
    if not found:
        return _next(job), 0
    recipients = set[int]().union(*(unpack(users) for *_, users in found))
    _note_recipients(w, job.user, recipients)
    left = job._replace(at_key=found[-1][0], at_user=found[-1][1])
    return left, AUDIENCE_CHUNKS + len(recipients) // NOTED_PER_ROW


def _clear(w: WriteSession, _: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Delete the rows of the user's number."""
    feed = feed_timeline(job.user)
    tables = [(table, column, key, job.user) for table, column, key in _OWN]
    tables.append(("out_of_order_entry", "timeline", "timeline, position", feed))
    tables += [(f"timeline_{n}", "timeline", "timeline, key", feed) for n in chunks(w.timelines.spans)]
    tables += [(f"inbox_{n}", "user", "user, seq", job.user) for n in chunks(w.inboxes.spans)]
    rows = _clear_members(w, job.user, budget)
    for table, column, key, owner in tables:
        if rows < budget:
            query = sql("delete_some_rows", table=table, column=column, key=key)
            w.db.execute(query, (owner, budget - rows))
            rows += w.db.changes()
    return (job if rows else _next(job)), rows


def _clear_members(w: WriteSession, user: int, budget: int) -> int:
    w.db.execute(
        sql("delete_some_members"),
        (user, budget),
    )
    return w.db.changes()


def _reword(w: WriteSession, _: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Give the changed notifications of others a new seq: ``at_user`` is the user whose notifications are searched,
    ``at_key`` the last number there."""
    query = sql("next_erasure_recipient")
    (recipient,) = w.db.one(query, (job.user, job.at_user))
    if recipient is None:
        return _next(job), 0
    after = job.at_key if recipient == job.at_user else -1
    done, last = _touch(w, recipient, job.user, job.oldest, after, budget)
    if done < budget:
        return job._replace(at_user=recipient + 1, at_key=-1), RECIPIENT_ROWS + done
    return job._replace(at_user=recipient, at_key=last), RECIPIENT_ROWS + done


def _touch(w: WriteSession, user: int, erased: int, oldest: int, after: int, limit: int) -> tuple[int, int]:
    """Give the groups of a user that have an event of ``erasure_event`` the next seqs, in the order of their numbers, from
    above ``after`` on, at most ``limit``; the events have positions from ``oldest`` on. Returns how many, and the last
    number. Without a seq clients would never get the new text. The cost also includes a read of each row of the user."""
    spans = tuple(span for span in w.inboxes.spans if span.high > oldest)  # rows only move to newer ones
    values = {"user": user, "erased": erased, "after": after, "limit": limit}
    numbers = [number for (number,) in w.db.execute(_groups_of_erased(spans), values)]
    if not numbers:
        return 0, after
    w.db.execute(sql("clear_temporary", table="touched_row"))
    w.db.execute(sql("touch_rows"), {"user": user, "numbers": w.carray(numbers)})
    w.db.execute(sql("bump_inbox_of_touched"))
    parts = [n for span in spans for n in span.parts]
    for name in ("delete_changes_of_touched", "set_seq_of_touched"):
        for n in parts:
            w.db.execute(sql(name, n))
    w.db.execute(sql("insert_changes_of_touched"))
    return len(numbers), numbers[-1]


@lru_cache(maxsize=256)
def _groups_of_erased(spans: tuple[PartitionRange, ...]) -> str:
    """One statement over these partitions; a row that is being merged is in two of them, and counts once."""
    arms = [sql("notifications_of_erased", n) for span in spans for n in span.parts]
    found = " UNION ".join((*arms, sql("groups_of_erased")))
    return sql("page_of_groups", found=found)


def _end(w: WriteSession, _: ReadSnapshot, job: Job, budget: int) -> _Step:
    """Delete the records, and the name last."""
    for table, column in (("erasure_event", "key"), ("erasure_recipient", "recipient")):
        w.db.execute(
            sql("delete_some_rows", table=table, column="user", key=f"user, {column}"), (job.user, budget)
        )
        if done := w.db.changes():
            return job, done
    w.db.execute(sql("delete_erasure"), (job.user,))
    w.erasures_changed()
    w.scrub = True
    return None, 1


_PHASES: Sequence[Callable[[WriteSession, ReadSnapshot, Job, int], _Step]] = (
    _forget_reminders,
    _unfollow,
    _part,
    _unblock,
    _rewrite,
    _note_audience,
    _clear,
    _reword,
    _end,
)
