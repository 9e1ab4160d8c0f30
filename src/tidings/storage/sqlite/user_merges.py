"""Merges of users: what the file has of one user id becomes part of another's, in bounded steps.

A step stores its rows and its progress in one transaction, so a crash repeats and skips nothing. The phases are in an order
in which nothing is lost, whatever is published meanwhile:

1. The destination follows what the source follows. From then on it is notified of all that the source is notified of.
2. Events that were published before are notified by pending jobs, which end first.
3. The feed and the read state of the source are added to those of the destination.
4. The source follows nothing any more, and its pending notifications end again. No event but one that addresses it can
   arrive in its inbox now.
5. The notifications of the source move (user_merge_inbox.py). Those that the destination has too are dropped.

What addresses the source, or what it does itself, after its phase belongs to the new user of the id.
"""

from collections.abc import Callable, Sequence

import msgspec

from tidings.backfills import JobState
from tidings.model import (
    CommandResult,
    Follow,
    MaterializeBroadcasts,
    SetBlock,
    SetMute,
    SetPreferences,
    Unfollow,
    user_topic,
)
from tidings.personal_data import MAX_ENDPOINTS
from tidings.storage.sqlite import (
    broadcast_delivery,
    endpoints,
    feed_history,
    feed_reasons,
    feeds,
    graph,
    notification_state,
    preferences,
    reminders,
    user_merge_inbox,
)
from tidings.storage.sqlite.feed_entries import backfill_feed
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot, chunks
from tidings.storage.sqlite.read_times import MARKED, READ_ALL_ACTIVITY, read_times
from tidings.storage.sqlite.relations import BLOCK, require_visibility_check, today
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import pack, unpack
from tidings.storage.sqlite.timeline_numbers import feed_timeline
from tidings.storage.sqlite.user_merge_inbox import BEFORE_ALL, MergeProgress
from tidings.storage.sqlite.write_session import WriteSession
from tidings.user_merges import MergeCounts, MergeUsers, UserMerge, united

KEPT = 100_000
"""Merges that ended and can still be read, or repeated with the same counts: some MB."""
FOLLOW_ROWS = 10
"""The assumed cost of a follow that is added or ended, in rows."""
RELATION_ROWS = 200
"""The same of a mute or block: a block looks through the newest rows of two inboxes."""
ENTRY_ROWS = 10
"""The same of an entry of the feed."""

_decode_counts = msgspec.json.Decoder(MergeCounts).decode
_Step = tuple[MergeProgress, int]


def begin(w: WriteSession, r: ReadSnapshot, command: MergeUsers) -> CommandResult:
    """Begin a merge, and finish it if it is small; ``updated`` is its id, 0 if the source is unknown or is the destination.
    A repetition while it is under way has the same id. ``limit`` is 1 if another merge of one of the two users is."""
    source = w.names.user(command.user)
    if command.user == command.into or (source is None and not reminders.is_named(w, command.user)):
        return CommandResult(0, w.position)
    source, target = w.names.make_user(command.user), w.names.make_user(command.into)
    known = w.db.one(sql("user_merge_of"), (source, target))
    if known is not None and not known[1]:
        return CommandResult(known[0], w.position)
    if w.db.one(sql("takes_part_in_user_merge"), (source, target))[0]:
        return CommandResult(0, w.position, limit=1)
    row = (source, target, w.position, reminders.last_number(w.db), msgspec.json.encode(MergeCounts()))
    (id,) = w.db.one(sql("begin_user_merge"), row)
    w.db.execute(sql("forget_old_user_merges"), (id - KEPT,))
    graph.record_visit(w, [command.user, command.into])  # neither is dormant: both feeds are written again
    _materialize(w, r, source, target)
    done, _ = step(w, r, id, w.settings.fanout_sync_max_followers)
    w.disorder()
    if not done:
        w.enqueue_job("merge_users", id, 0, 0)
    return CommandResult(id, w.position)


def one(r: ReadSnapshot, id: int) -> UserMerge | None:
    """A merge and its progress; None without one of this id."""
    row = r.db.one(sql("user_merge"), (id,))
    if row is None:
        return None
    source, target, ended, counts, dead = row
    state: JobState = "done" if ended else "failed" if dead else "running"
    names = r.names.user_name(source), r.names.user_name(target)
    return UserMerge(id, *names, state, _decode_counts(counts))


def step(w: WriteSession, r: ReadSnapshot, id: int, budget: int) -> tuple[bool, int]:
    """Process about ``budget`` rows; returns whether the merge is done, and the rows."""
    row = w.db.one(sql("user_merge_to_continue"), (id,))
    m, rows = MergeProgress._make((*row[:-1], _decode_counts(row[-1]))), 0
    while m.phase < len(_PHASES) and rows < budget:
        m, done = _PHASES[m.phase](w, r, m, budget - rows)
        rows += done
    ended = m.phase == len(_PHASES)
    saved = (m.phase, m.at, m.head, m.last_seq, m.made, msgspec.json.encode(m.counts), ended)
    w.db.execute(sql("save_user_merge"), (*saved, id))
    return ended, rows


def forget(w: WriteSession, user: int) -> None:
    """End and delete the merges of a user who is being erased: what they have not moved yet stays where it is."""
    w.db.execute(sql("delete_jobs_of_user_merges"), (user,))
    w.db.execute(sql("delete_user_merges"), (user,))


def _share(budget: int, rows: int) -> int:
    """The number of things of so many rows each that fit."""
    return max(1, budget // rows)


def _names(r: ReadSnapshot, m: MergeProgress) -> tuple[str, str]:
    return r.names.user_name(m.source), r.names.user_name(m.target)


def _materialize(w: WriteSession, r: ReadSnapshot, source: int, target: int) -> None:
    """Materialise the pending broadcasts of both users: what both have is dropped later, and none is pending that the other
    has. A source that follows nothing has no broadcast that the destination does not have; but if it has an endpoint, one
    may still be to be delivered there."""
    users = [r.names.user_name(target)]
    if w.db.one(sql("has_broadcasts_of_its_own"), (source,))[0]:
        users.append(r.names.user_name(source))
    broadcast_delivery.materialize_broadcasts(w, r, MaterializeBroadcasts(tuple(users)))


# --- settings -----------------------------------------------------------------------------------------------------


def _settings(w: WriteSession, r: ReadSnapshot, m: MergeProgress, _: int) -> _Step:
    """Unite the preferences, and move the endpoints, up to as many as a user may have: what is beyond is removed with its
    deliveries. The deliveries of those that move stay the source's until its notifications have moved."""
    source, target = _names(r, m)
    own = preferences.preferences(r, target)
    if (both := united(own, preferences.preferences(r, source))) != own:
        preferences.prefer(w, r, SetPreferences(target, both))
    rows = w.db.all(sql("endpoints_to_move"), (m.source, m.target))
    left = MAX_ENDPOINTS - len(w.db.all(sql("endpoints_of_user"), (m.target,)))
    moved = over = 0
    for number, confirmed, same in rows:
        if same is None and moved < left:
            w.db.execute(sql("move_endpoint"), (m.target, number))
            moved += 1
        elif same is None:
            endpoints.forget(w, number)
            over += 1
        else:
            w.db.execute(sql("confirm_merged_endpoint"), (confirmed, same))
            w.db.execute(sql("move_deliveries_of_endpoint"), (same, number))
            w.db.execute(sql("delete_endpoint"), (number,))
    return m.next_phase()._replace(counts=m.counts.plus(endpoints=moved, over_limit=over)), 1 + len(rows)


def _reminders(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Put the destination for the source among the recipients of reminders, once none of these is partly indexed."""
    if rows := reminders.index_next(w, m.last_reminder, budget):
        return m, rows
    source, target = _names(r, m)
    number, moved, cost = reminders.readdress_next(w, source, target, m.at, m.last_reminder)
    if number is None:
        return m.next_phase(), 1
    return m._replace(at=number, counts=m.counts.plus(reminders=moved)), cost


def _relations(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Move mutes and blocks. There is none between the two users any more."""
    source, target = _names(r, m)
    if m.at == BEFORE_ALL:
        graph.mask(w, r, SetBlock(target, user_topic(source), on=False))
        graph.mask(w, r, SetMute(target, user_topic(source), on=False))
    rows = w.db.all(sql("relations_to_move"), (m.source, _share(budget, RELATION_ROWS)))
    counts = m.counts
    for topic, kind in rows:
        command = SetBlock if kind == BLOCK else SetMute
        name = r.names.text(topic)
        graph.mask(w, r, command(source, name, on=False))
        if topic != m.target:
            added = graph.mask(w, r, command(target, name))
            what = "blocks" if kind == BLOCK else "mutes"
            counts = counts.plus(**{what: added.updated}, over_limit=int(added.limit > 0))
    m = m._replace(at=0, counts=counts)
    return (m if rows else m.next_phase()), 1 + len(rows) * RELATION_ROWS


def _blockers(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Who blocks the source blocks the destination too."""
    limit, counts = _share(budget, RELATION_ROWS), m.counts
    rows = w.db.all(sql("blockers_after"), (m.source, m.at, limit))
    for (user,) in rows:
        if user != m.target:
            added = graph.mask(w, r, SetBlock(r.names.user_name(user), r.names.text(m.target)))
            counts = counts.plus(over_limit=int(added.limit > 0))
    m = m._replace(counts=counts)
    return (m._replace(at=rows[-1][0]) if rows else m.next_phase()), 1 + len(rows) * RELATION_ROWS


# --- follows ------------------------------------------------------------------------------------------------------


def _follows(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Have the destination follow what the source follows."""
    rows = w.db.all(sql("topics_to_adopt"), (m.source, m.at, _share(budget, FOLLOW_ROWS)))
    if not rows:
        source, target = _names(r, m)
        graph.unfollow(w, Unfollow(target, user_topic(source), keep=True))
        return m.next_phase(), FOLLOW_ROWS
    new = sum(_adopt(w, m, topic) for (topic,) in rows if topic != m.target)
    w.db.execute(sql("bump_feed_version"), (m.target, today(w)))
    return m._replace(at=rows[-1][0], counts=m.counts.plus(follows=new)), len(rows) * FOLLOW_ROWS


def _adopt(w: WriteSession, m: MergeProgress, topic: int) -> int:
    """Have the destination's follow of a topic cover what the source's covers; returns 1 if it is new. Of two that stand,
    one is left, which covers what both did."""
    standing = w.db.one(sql("is_following"), (m.target, topic)) is not None
    new = 0
    for since, since_key, until, created_at in w.db.all(sql("follow_intervals"), (m.source, topic)):
        if until is None and standing:
            since, since_key, created_at = _joined(w, m.target, topic, (since, since_key, created_at))
        elif until is None:
            w.followers_changed(topic, 1)
            new = 1
        w.db.execute(sql("adopt_follow"), (m.target, topic, since, since_key, until, created_at))
    return new


def _joined(w: WriteSession, user: int, topic: int, other: tuple[int, int, int]) -> tuple[int, int, int]:
    """Delete the follow of a user that stands; returns (since, since_key, created_at) of it and another together."""
    for since, since_key, until, created_at in w.db.all(sql("follow_intervals"), (user, topic)):
        if until is None:
            w.db.execute(sql("delete_follow_interval"), (user, topic, since))
            other = (min(since, other[0]), min(since_key, other[1]), min(created_at, other[2]))
    return other


def _followers(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Have the followers of the source follow the destination from now on too."""
    rows = w.db.all(sql("followers_after"), (m.source, m.at, _share(budget, FOLLOW_ROWS)))
    if not rows:
        return m.next_phase()._replace(head=w.position), 1
    new = 0
    for (user,) in rows:
        if user not in (m.source, m.target):
            new += graph.follow(w, Follow(r.names.user_name(user), r.names.text(m.target), 0)).updated
    return m._replace(at=rows[-1][0], counts=m.counts.plus(followers=new)), len(rows) * FOLLOW_ROWS


def _pending(w: WriteSession, _: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Wait for the jobs of events that were published before: they take turns with this one."""
    (pending,) = w.db.one(sql("is_fan_out_pending"), (0, m.head))
    return (m, budget) if pending else (m.next_phase(), 1)


def _unfollow(w: WriteSession, _: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """End the follows of the source that are from before this phase."""
    rows = w.db.all(sql("follows_to_end"), (m.source, m.head, _share(budget, FOLLOW_ROWS)))
    for topic, since, stands in rows:
        if stands:
            w.followers_changed(topic, -1)
        w.db.execute(sql("delete_follow_interval"), (m.source, topic, since))
    if rows:
        require_visibility_check(w, m.source)
        return m, len(rows) * FOLLOW_ROWS
    return m.next_phase()._replace(head=w.position), 1


# --- the feed -----------------------------------------------------------------------------------------------------


def _feed(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Add the next entries of the source's feed to the destination's, with what was read of them; events that address the
    source address the destination."""
    viewer, limit = feeds.viewer(r, m.source, own=True), _share(budget, ENTRY_ROWS)
    entries = r.entries_up(viewer.timelines, m.at, limit)
    if not entries:
        return m.next_phase(), 1
    events = r.events([entry.key for entry in entries], "events_without_body")
    seen = list(feeds.visible(r, viewer, entries, "events_without_body", own=False))
    read = read_times(r, viewer, [(item.event.key, item.event.position) for item in seen])
    followed = [(item.topic, item.event.key) for item in seen if item.topic]
    # To the destination, which follows their topics now, the source's own acts are those of another. What a block hides
    # from both is shown when it ends.
    known = {item.event.key for item in seen}
    others = [event for event in events if event.key not in known]
    reasons = feed_reasons.explain_shown(r, m.target, others)
    followed += [(reason[1], key) for key, reason in reasons.items() if reason is not None and reason[1]]
    by_topic: dict[int, list[int]] = {}
    for topic, key in followed:
        by_topic.setdefault(topic, []).append(key)
    for topic, keys in by_topic.items():
        backfill_feed(w, m.target, topic, sorted(keys, reverse=True))
    addressed = [one for one in events if one.has_target(m.source) and one.actor != m.source]
    for event in addressed:
        _readdress(w, m, event)
    marks = [(s.event.key, s.event.position, read[s.event.key]) for s in seen if s.event.key in read]
    m = _add_marks(w, m, marks)
    w.db.execute(sql("bump_feed_version"), (m.target, today(w)))
    counts = m.counts.plus(targeted=len(addressed))
    return m._replace(at=entries[-1].key, counts=counts), (len(entries) + len(addressed)) * ENTRY_ROWS


def _readdress(w: WriteSession, m: MergeProgress, event: EventRow) -> None:
    """Put the destination for the source among the targets of an event, and its entry into the destination's feed."""
    left = dict.fromkeys(m.target if user == m.source else user for user in unpack(event.targets))
    ev, old, new = w.events.span(event.key).parts[-1], feed_timeline(m.source), feed_timeline(m.target)
    w.db.execute(sql("set_targets", ev), (pack(left), event.key))
    for n in w.timelines.span(event.key).parts:
        w.db.execute(sql("delete_entry", n), (old, event.key))
        if event.actor != m.target:  # what a follow brought becomes what addresses the user
            w.db.execute(sql("delete_entry", n), (new, event.key))
    if event.actor != m.target:
        n = w.timelines.span(event.key).parts[-1]
        w.db.execute(sql("restore_target_entries", n, ev), {"packed": w.carray([m.target]), "key": event.key})
        w.db.execute(sql("move_out_of_order_entry"), (old, new, event.position))
    w.db.execute(sql("delete_out_of_order_entry"), (old, event.position))


def _add_marks(
    w: WriteSession, m: MergeProgress, marks: Sequence[tuple[int, int, int | None]]
) -> MergeProgress:
    """Mark events (key, position, time or None for unread) for the destination, but those that it has marked itself."""
    if marks:
        m = m._replace(made=m.made or w.take_position())
        w.insert("add_feed_reads", [(m.target, key, position, m.made, at) for key, position, at in marks])
        w.db.execute(sql("set_has_read_state"), (m.target, MARKED, today(w)))
    return m


def _feed_marks(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Move the marks of single events, and the read-alls of activity. Those of the feed were applied to its events. An
    event that the source marked unread is so, unless the destination has read it."""
    limit = _share(budget, ENTRY_ROWS)
    rows = w.db.all(sql("feed_marks_after"), (m.source, m.at, limit))
    if rows:
        items = [(key, position) for key, position, _ in rows]
        read = read_times(r, feeds.viewer(r, m.target), items, in_feed=False)
        m = _add_marks(w, m, [row for row in rows if row[2] is not None or row[0] not in read])
        return m._replace(at=rows[-1][0]), len(rows) * ENTRY_ROWS
    w.db.execute(sql("add_activity_read_alls"), (m.source, m.target))
    if changed := w.db.changes():
        m = m._replace(made=m.made or w.take_position())
        w.db.execute(sql("set_has_read_state"), (m.target, READ_ALL_ACTIVITY, today(w)))
    return m.next_phase(), 1 + changed


# --- the inbox, and the end ---------------------------------------------------------------------------------------


def _close_inbox(w: WriteSession, r: ReadSnapshot, m: MergeProgress, _: int) -> _Step:
    """Close the notifications of the source, if there are any, so that no item joins one that moves; and materialise what
    broadcasts it may have got meanwhile for the destination too."""
    _materialize(w, r, m.source, m.target)
    row = w.db.one(sql("inbox_seq"), (m.source,))
    last = row[0] if row else 0
    if any(w.db.one(sql("has_inbox_rows", n), (m.source,))[0] for n in chunks(r.inbox_spans)):
        notification_state.close_all(w, m.source, last)
    return m.next_phase()._replace(last_seq=last), 1


def _clear(w: WriteSession, _: ReadSnapshot, m: MergeProgress, budget: int) -> _Step:
    """Delete what is left of the source. A new user of the id may have followed something meanwhile: the rest of the entries
    of its feed is then hidden, not deleted."""
    tables = [("feed_read", "user, key"), ("feed_read_watermark", "user, list, up_to, made")]
    if m.at == BEFORE_ALL:  # from now on: whether there was something that clients of its feed lose
        m = m._replace(at=w.db.one(sql("has_feed_marks"), (m.source,))[0])
    rows = 0
    for table, key in tables:
        if rows < budget:
            query = sql("delete_some_rows", table=table, column="user", key=key)
            w.db.execute(query, (m.source, budget - rows))
            rows += w.db.changes()
    if not w.db.one(sql("follows_something"), (m.source,))[0]:
        for n in chunks(w.timelines.spans):
            if rows < budget:
                w.db.execute(sql("delete_followed_entries", n), (feed_timeline(m.source), budget - rows))
                rows += w.db.changes()
    if rows:
        return m, rows
    for name in ("delete_preferences", "delete_in_app_preferences"):
        w.db.execute(sql(name), (m.source,))
    w.db.execute(sql("delete_covered_read_alls"), (m.source, m.last_seq))
    w.db.execute(sql("clear_read_state"), (m.source,))
    for user in (m.source,) * m.at + (m.target,) * (m.made > 0):
        w.take_position()
        feed_history.reset(w, user)
        feed_history.forget(w, user)
    return m.next_phase(), 1


_PHASES: Sequence[Callable[[WriteSession, ReadSnapshot, MergeProgress, int], _Step]] = (
    _settings,
    _reminders,
    _relations,
    _blockers,
    _follows,
    _followers,
    _pending,
    _feed,
    _feed_marks,
    _unfollow,
    _pending,
    _close_inbox,
    user_merge_inbox.move,
    _clear,
)
