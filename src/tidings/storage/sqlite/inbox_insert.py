"""The recipients of events, and the rows of their inboxes: items, and the groups that they join.

All new items go through :func:`insert_notifications`: publishing, fan-out to followers, materialised broadcasts. It makes no
Python object per item. The facts about an event are computed once for each event; the items are packed integers that SQLite
joins with them. Most items have no group to join, so first each is written as if it opened a group; only if some groupings
have a group already are those items processed again.

All items of one call have one time, so of several with one grouping the first decides for all of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import NamedTuple

from tidings.notify_mode import NotifyMode
from tidings.rules import ALONE, SET_BACK_MS, Grouping, Rule, duplicate_key, duplicate_window, grouping
from tidings.storage.sqlite import endpoints
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import pack
from tidings.storage.sqlite.write_session import WriteSession

NO_REPEAT = 0
"""The duplicate key of events without duplicates."""


class Kind(NamedTuple):
    """The notifications of the events of one verb: a type, by number and name, and its rule. ``to_targets`` and
    ``to_followers`` are those of the rule, which computes them, for many events."""

    type: int
    name: str
    rule: Rule
    verb: str
    to_targets: bool
    to_followers: bool


def kind(w: WriteSession, verb: str) -> Kind:
    """The kind of a verb by the current rules."""
    name = w.rules.type_of(verb)
    rule = w.rules.rule(name)
    return Kind(w.names.make_verb(name), name, rule, verb, rule.to_targets, rule.to_followers)


class NotificationDraft(NamedTuple):
    """The draft of a notification: an event, with numbers for names. ``thing`` is its object, ``repeat`` its duplicate key,
    for ``window_s``; ``about`` the topic that its grouping is about: items with the same grouping key have the same."""

    key: int
    kind: Kind
    actor: int
    thing: int
    topics: Collection[int]
    notify: NotifyMode = NotifyMode.UNREAD
    about: int = 0
    grouping: Grouping = ALONE
    repeat: int = NO_REPEAT
    window_s: int = 0


def arrival(w: WriteSession, alone: NotificationDraft, actor: str, thing: str) -> NotificationDraft:
    """The draft of an event that does not group, with its grouping; ``actor`` and ``thing`` (``type:id``) by name."""
    type, rule = alone.kind.name, alone.kind.rule
    about = {"object": alone.thing, "actor": alone.actor, "type": 0}[rule.group_by]
    window_s = duplicate_window(rule, w.settings.duplicate_window_s, alone.notify)
    repeat = duplicate_key(rule, type, alone.kind.verb, actor, thing) if window_s else NO_REPEAT
    how = grouping(type, rule, actor, thing, w.now) if alone.notify.groups else ALONE
    return NotificationDraft(*alone[:6], about, how, repeat, window_s)


def stored_arrival(
    w: WriteSession,
    key: int,
    actor: int,
    thing: int,
    verb: int,
    topics: Collection[int],
    notify: NotifyMode,
) -> NotificationDraft:
    """The same of an event in the log, by the numbers of its names."""
    alone = NotificationDraft(key, kind(w, w.names.verb_text(verb)), actor, thing, topics, notify)
    return arrival(w, alone, w.names.user_name(actor), w.names.text(thing))


Arrivals = Mapping[int, NotificationDraft]
"""Drafts by index. Packed pairs of a user and an index state which user gets which, see :func:`pair`."""


def pair(user: int, index: int) -> int:
    """A user and the index of a draft as one number, sorted by user; the low bits are left for counting."""
    return user << 31 | index << 15


def index_of(pair: int) -> int:
    """The index in such a number."""
    return pair >> 15 & 0xFFFF


# --- recipients ---------------------------------------------------------------------------------------------------


def filter_recipients(w: WriteSession, pairs: Collection[int], arrivals: Arrivals) -> Collection[int]:
    """Those of these pairs for whose user the event is not hidden and its type not switched off."""
    if pairs and w.masked:
        pairs = set(pairs) - _masked(w, pairs, arrivals)
    if pairs and w.silenced:
        _lay_out(w, arrivals)
        pairs = set(pairs).difference(
            p for (p,) in w.db.execute(sql("opted_out"), {"packed": w.carray(pairs)})
        )
    return pairs


def _masked(w: WriteSession, pairs: Iterable[int], arrivals: Arrivals) -> set[int]:
    hidden = set()
    for p, topic, kind in w.db.execute(sql("relations_of_targets"), {"packed": w.carray(pairs)}):
        event = arrivals[index_of(p)]
        if topic == event.actor if kind else topic in event.topics:
            hidden.add(p)
    return hidden


def _unrepeated(w: WriteSession, pairs: Collection[int], arrivals: Arrivals) -> Collection[int]:
    """Without duplicates: of earlier notifications, and of one another. As a rule there are none: one statement begins all
    windows, and only the recipients who have one already are looked at."""
    keys = {i: a.repeat for i, a in arrivals.items() if a.repeat}
    if not keys:
        return pairs
    asked = pairs if len(keys) == len(arrivals) else [p for p in pairs if index_of(p) in keys]
    packed = array("q", sorted(asked))  # in the order of events, which decides between new ones
    if w.run("begin_dedup_windows", packed, 0, now=w.now) == len(packed):
        return pairs
    found = w.db.all(sql("other_dedup_windows"), {"packed": w.carray(packed), "latest": w.now + SET_BACK_MS})
    standing = {event for event in {event for _, event, lasts in found if lasts} if w.stands(event)}
    duplicates = {p for p, event, lasts in found if lasts and event in standing}
    ended = sorted({p for p, *_ in found} - duplicates)
    seen: set[tuple[int, int]] = set()
    for p in ended:
        mine = (p >> 31, keys[index_of(p)])
        if mine in seen:
            duplicates.add(p)
        seen.add(mine)
    if ended:
        w.run("renew_dedup_windows", array("q", [p for p in ended if p not in duplicates]), 0, now=w.now)
    return [p for p in pairs if p not in duplicates]


def assign_sequence(pairs: Iterable[int]) -> array[int]:
    """These pairs, sorted, each with the number of later pairs of the same user."""
    packed = array("q", sorted(pairs))
    user = later = -1
    for at in range(len(packed) - 1, -1, -1):
        owner = packed[at] >> 31
        later = later + 1 if owner == user else 0
        user = owner
        if later:
            packed[at] |= later
    return packed


# --- rows ---------------------------------------------------------------------------------------------------------


def insert_notifications(
    w: WriteSession,
    addressed: Collection[int],
    others: Collection[int],
    arrivals: Arrivals,
    *,
    bulk: bool = False,
) -> int:
    """Give the users of these pairs an item of their draft; ``others`` are recipients without being targets, which is
    recorded for a retraction. Deliveries of ``bulk`` items come after all others. Returns the number of items."""
    if not addressed and not others:
        return 0
    _lay_out(w, arrivals)
    some = _unrepeated(w, {*addressed, *others} if others else addressed, arrivals)
    items = assign_sequence(some)
    if others:
        _record_recipients(w, set(others).intersection(some), arrivals)
    w.run("bump_inboxes", items, 0)
    w.inboxes.grew(w.run("notify", items, w.inboxes.newest()))
    opened = w.run("open_groups", items, 0, now=w.now)
    alone = {i for i, a in arrivals.items() if not a.grouping.key}
    grouped = sum(index_of(p) not in alone for p in items) if alone else len(items)
    w.db.execute(sql("clear_temporary", table="grouped_item"))
    if opened < grouped:
        _join(w, items)
    unread = _arrive_read(w, items, arrivals)
    shared = {i for i, a in arrivals.items() if a.kind.rule.read_together}
    if shared:
        w.run("insert_shared_items", array("q", [p for p in unread if index_of(p) in shared]), 0)
        w.sharing = True
    if unread and w.reached and any(a.kind.rule.channels for a in arrivals.values()):
        w.db.execute(sql("clear_temporary", table="notified_group"))
        w.run("collect_notified_groups", unread, 0)
        endpoints.enqueue_deliveries(w, bulk=bulk)
    return len(items)


def _arrive_read(w: WriteSession, items: array[int], arrivals: Arrivals) -> array[int]:
    """Mark those of the new items read that arrive so, which were written as if they were unread; returns the others."""
    read_mode = NotifyMode.READ
    read = {i for i, a in arrivals.items() if a.notify is read_mode}
    if not read:
        return items
    arrived = array("q", [p for p in items if index_of(p) in read])
    w.run("subtract_read_arrivals", arrived, 0)
    w.run("mark_read_arrivals", arrived, w.inboxes.newest(), now=w.now)
    return array("q", [p for p in items if index_of(p) not in read])


def _lay_out(w: WriteSession, arrivals: Arrivals) -> None:
    w.db.execute(sql("clear_temporary", table="new_item"))
    rows = [
        (i, a.key, a.kind.type, a.actor, a.thing, a.about, *a.grouping, a.repeat, *_limits(w, a))
        for i, a in arrivals.items()
    ]
    w.insert("insert_new_items", rows)


def _limits(w: WriteSession, draft: NotificationDraft) -> tuple[int, bool]:
    """The time after which an earlier item makes this one a duplicate, and whether it ignores preferences."""
    return w.now - draft.window_s * 1_000, draft.kind.rule.critical


def _record_recipients(w: WriteSession, pairs: Iterable[int], arrivals: Arrivals) -> None:
    by_event = sorted(pairs, key=lambda p: (index_of(p), p))
    for i, some in groupby(by_event, index_of):
        users = [p >> 31 for p in some]
        w.db.execute(sql("insert_recipient_chunk"), (arrivals[i].key, users[0], pack(users)))


def _join(w: WriteSession, items: array[int]) -> None:
    """Let items join the groups of their groupings, or replace closed ones."""
    for table in ("group_candidate", "joinable_group", "replaced_group"):
        w.db.execute(sql("clear_temporary", table=table))
    w.run("match_open_groups", items, 0)
    w.db.execute(sql("find_group_candidates"), {"latest": w.now + SET_BACK_MS})
    _find(w, w.db.changes())
    w.db.execute(sql("find_replaced_groups"))
    if w.db.changes():
        w.db.execute(sql("replace_groups"), {"now": w.now})
        for name in ("forget_replacing_items", "redirect_grouped_items", "join_replaced_groups"):
            w.db.execute(sql(name))
    newest = w.inboxes.newest()
    for name in ("create_groups", "first_members", "resolve_group_ids", "grow_groups", "add_members"):
        w.db.execute(sql(name))
    w.db.execute(sql("extend_open_groups"), {"now": w.now})
    for name in (
        "delete_changes_of_joined",
        "detach_group_rows",
        "drop_joined",
        "set_number_of_joined",
        "decrement_unread_for_joins",
    ):
        w.db.execute(sql(name, newest))


def _find(w: WriteSession, candidates: int) -> None:
    """Find the rows of candidate groups, newest partitions first, and detach those that are open."""
    for span in reversed(w.inboxes.spans):
        if not candidates:
            break
        found = 0
        for n in span.parts:  # a row that is being merged is in two partitions
            w.db.execute(sql("find_joinable_groups", n))
            found += w.db.changes()
        if found:
            for n in span.parts:
                w.db.execute(sql("detach_group_rows", n))
        candidates -= found
    w.db.execute(sql("drop_closed_candidates"))
