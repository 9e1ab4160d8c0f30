-- Inserting notifications: first the tables, then the statements of inbox_insert.py, in its order, then reading.

-- name: create_inbox
-- One row for each group: `seq` is that of its newest item, `number` that of its first (NULL if it is the same, so in every
-- group of one), `key` its newest event. `changed`: the seq of a change since; `unread_since`: set once it closed, to the
-- seq at which it last became unread. `acted`: the action that was taken, as JSON.
CREATE TABLE inbox_{n} (
  user INTEGER, seq INTEGER, key INTEGER NOT NULL, type INTEGER NOT NULL, group_number INTEGER,
  changed INTEGER, unread_since INTEGER, seen_at INTEGER, read_at INTEGER, archived_at INTEGER, deleted INTEGER,
  snoozed_until INTEGER, pinned_at INTEGER, acted BLOB, PRIMARY KEY (user, seq)
) WITHOUT ROWID;
CREATE INDEX inbox_{n}_again ON inbox_{n} (user, unread_since)
WHERE unread_since IS NOT NULL AND read_at IS NULL AND archived_at IS NULL AND deleted IS NULL
  AND snoozed_until IS NULL;
CREATE INDEX inbox_{n}_aside ON inbox_{n} (user, seq)
WHERE (archived_at IS NOT NULL OR snoozed_until IS NOT NULL OR pinned_at IS NOT NULL) AND deleted IS NULL;

-- name: create_temporary
-- The working tables of inbox_insert.py, emptied each time. new_item: the events; grouped_item: items whose grouping has a
-- group; group_candidate: groups that they may join; joinable_group: those that they do join, as stored before;
-- replaced_group: first items of groups that replace closed ones; notified_group: groups whose deliveries may be enqueued.
-- touched_row: for erasure_job.py.
CREATE TEMP TABLE new_item (
  item INTEGER PRIMARY KEY, key INTEGER, type INTEGER, actor INTEGER, thing INTEGER, group_topic INTEGER, grouping INTEGER,
  opened_after INTEGER, last_after INTEGER, repeat INTEGER, repeat_after INTEGER, critical INTEGER
);
CREATE TEMP TABLE grouped_item (
  user INTEGER, seq INTEGER, group_topic INTEGER, grouping INTEGER, item INTEGER, group_number INTEGER, group_id INTEGER,
  PRIMARY KEY (user, seq)
) WITHOUT ROWID;
CREATE TEMP TABLE group_candidate (
  user INTEGER, group_number INTEGER, row INTEGER, actor INTEGER, PRIMARY KEY (user, group_number)
) WITHOUT ROWID;
CREATE TEMP TABLE joinable_group (
  user INTEGER, group_number INTEGER, row INTEGER, actor INTEGER, key INTEGER, changed INTEGER, seen INTEGER,
  pinned_at INTEGER, closed INTEGER,
  PRIMARY KEY (user, group_number)
) WITHOUT ROWID;
CREATE TEMP TABLE replaced_group (
  user INTEGER, grouping INTEGER, group_topic INTEGER, seq INTEGER, item INTEGER, PRIMARY KEY (user, grouping)
) WITHOUT ROWID;
CREATE TEMP TABLE notified_group (user INTEGER, group_number INTEGER, type INTEGER, PRIMARY KEY (user, group_number)) WITHOUT ROWID;
CREATE TEMP TABLE touched_row (user INTEGER, row INTEGER, seq INTEGER, PRIMARY KEY (user, row)) WITHOUT ROWID;

-- name: followers_to_notify
-- packed: topic << 16 | index.
SELECT (f.follower << 31) | ((c.value & 65535) << 15)
FROM carray(:packed) c CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = c.value >> 16
WHERE f.until_position IS NULL;

-- name: followers_to_notify_chunk
SELECT f.follower << 31 FROM follow f INDEXED BY follow_topic
WHERE f.topic = :topic AND f.follower > :after AND f.follower <= :upto
  AND f.from_position < :position AND (f.until_position IS NULL OR f.until_position >= :position);

-- name: opted_out
-- packed as in insert_target_entries, here and below. Users who have switched the type off in the application.
SELECT c.value FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535
WHERE NOT a.critical AND NOT coalesce(
  (SELECT wanted FROM in_app_preference WHERE user = c.value >> 31 AND type = a.type),
  (SELECT wanted FROM in_app_preference WHERE user = c.value >> 31 AND type = 0), 1);

-- name: begin_dedup_windows
INSERT INTO dedup_window (group_topic, key, user, at, event)
SELECT a.thing, a.repeat, c.value >> 31, :now, a.key FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535 WHERE true
ON CONFLICT DO NOTHING;

-- name: other_dedup_windows
-- Windows that another event began, and whether they last.
SELECT c.value, t.event, t.at > a.repeat_after AND t.at <= :latest FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535
CROSS JOIN dedup_window t ON t.group_topic = a.thing AND t.key = a.repeat AND t.user = c.value >> 31
WHERE t.event <> a.key;

-- name: dedup_window
SELECT at, event FROM dedup_window WHERE group_topic=? AND key=? AND user=?;

-- name: renew_dedup_windows
INSERT OR REPLACE INTO dedup_window (group_topic, key, user, at, event)
SELECT a.thing, a.repeat, c.value >> 31, :now, a.key FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535;

-- name: bump_inboxes
-- As if every item opened a group; `decrement_unread_for_joins` corrects it for those that join one. A user with several
-- items is counted several times: to group them by users would sort them all, and most users have one.
INSERT INTO inbox (user, seq, unread, unread_items, unseen)
SELECT c.value >> 31, 1, 1, 1, 1 FROM carray(:packed) c WHERE true
ON CONFLICT (user) DO UPDATE
SET seq = seq + 1, unread = unread + 1, unread_items = unread_items + 1, unseen = unseen + 1;

-- name: notify
-- Every row gets its seq, counted back from the last one of the inbox, which bump_inboxes has set.
INSERT INTO inbox_{n} (user, seq, key, type)
SELECT h.user, h.seq - (c.value & 32767), a.key, a.type FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535
CROSS JOIN inbox h ON h.user = c.value >> 31;

-- name: open_groups
INSERT INTO open_group (group_topic, key, user, group_number, actor, opened_at)
SELECT a.group_topic, a.grouping, h.user, h.seq - (c.value & 32767), a.actor, :now FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535
CROSS JOIN inbox h ON h.user = c.value >> 31
WHERE a.grouping <> 0
ON CONFLICT DO NOTHING;

-- name: match_open_groups
-- Items of groupings that have a group: an earlier one, or one that an item before them opened.
INSERT INTO temp.grouped_item (user, seq, group_topic, grouping, item, group_number)
SELECT h.user, h.seq - (c.value & 32767), a.group_topic, a.grouping, a.item, o.group_number FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535
CROSS JOIN inbox h ON h.user = c.value >> 31
CROSS JOIN open_group o ON o.group_topic = a.group_topic AND o.key = a.grouping AND o.user = h.user
WHERE o.group_number <> h.seq - (c.value & 32767);

-- name: find_group_candidates
-- Groups that are young enough and not under a read-all, not even an undone one. Each took a seq above all that it covers.
INSERT INTO temp.group_candidate (user, group_number, row, actor)
SELECT DISTINCT m.user, m.group_number, coalesce(g.current_seq, m.group_number), o.actor
FROM temp.grouped_item m CROSS JOIN temp.new_item a ON a.item = m.item
CROSS JOIN open_group o ON o.group_topic = m.group_topic AND o.key = m.grouping AND o.user = m.user
LEFT JOIN inbox_group g ON g.user = m.user AND g.group_number = m.group_number
WHERE o.opened_at > a.opened_after AND coalesce(o.last_item_at, o.opened_at) > a.last_after
AND max(o.opened_at, coalesce(o.last_item_at, o.opened_at)) <= :latest AND NOT EXISTS (
  SELECT 1 FROM read_watermark k INDEXED BY read_watermark_reach
  WHERE k.user = m.user AND k.undone IN (0, 1) AND k.type IN (0, a.type) AND k.up_to >= coalesce(g.current_seq, m.group_number));

-- name: find_joinable_groups
INSERT INTO temp.joinable_group (user, group_number, row, actor, key, changed, seen, pinned_at, closed)
SELECT c.user, c.group_number, c.row, c.actor, i.key, i.changed, i.seen_at IS NOT NULL, i.pinned_at, i.unread_since IS NOT NULL
FROM temp.group_candidate c CROSS JOIN inbox_{n} i ON i.user = c.user AND i.seq = c.row
WHERE true ON CONFLICT DO NOTHING;

-- name: detach_group_rows
-- Delete the rows of groups that are joined from a partition: they are written to the newest one.
DELETE FROM inbox_{n} WHERE (user, seq) IN (SELECT user, row FROM temp.joinable_group WHERE NOT closed);

-- name: find_replaced_groups
-- The first item of each grouping whose group is closed or too old. (SQLite takes the bare
-- columns from the row of the minimum.)
INSERT INTO temp.replaced_group (user, grouping, group_topic, seq, item)
SELECT m.user, m.grouping, m.group_topic, min(m.seq), m.item FROM temp.grouped_item m
WHERE NOT EXISTS (SELECT 1 FROM temp.joinable_group j WHERE j.user = m.user AND j.group_number = m.group_number)
GROUP BY m.user, m.grouping;

-- name: replace_groups
INSERT OR REPLACE INTO open_group (group_topic, key, user, group_number, actor, opened_at)
SELECT r.group_topic, r.grouping, r.user, r.seq, a.actor, :now FROM temp.replaced_group r CROSS JOIN temp.new_item a ON a.item = r.item;

-- name: forget_replacing_items
DELETE FROM temp.grouped_item WHERE (user, seq) IN (SELECT user, seq FROM temp.replaced_group);

-- name: redirect_grouped_items
UPDATE temp.grouped_item SET group_number = coalesce(
  (SELECT r.seq FROM temp.replaced_group r WHERE r.user = grouped_item.user AND r.grouping = grouped_item.grouping), group_number);

-- name: join_replaced_groups
INSERT INTO temp.joinable_group (user, group_number, row, actor, key, seen, closed)
SELECT DISTINCT r.user, r.seq, r.seq, a.actor, a.key, 0, 0
FROM temp.replaced_group r CROSS JOIN temp.new_item a ON a.item = r.item
CROSS JOIN temp.grouped_item m ON m.user = r.user AND m.grouping = r.grouping;

-- name: create_groups
-- A group of one has no rows here until an item joins it or its snooze ends.
INSERT INTO inbox_group (user, group_number, current_seq, first_event_key, size, actors)
SELECT user, group_number, row, key, 1, 1 FROM temp.joinable_group WHERE row = group_number ORDER BY key, user;

-- name: resolve_group_ids
UPDATE temp.grouped_item SET group_id = (
  SELECT id FROM inbox_group g WHERE g.user = grouped_item.user AND g.group_number = grouped_item.group_number);

-- name: first_members
INSERT INTO inbox_member (group_id, seq, key, actor)
SELECT g.id, j.group_number, j.key, j.actor FROM temp.joinable_group j
CROSS JOIN inbox_group g ON g.user = j.user AND g.group_number = j.group_number WHERE j.row = j.group_number ORDER BY g.id;

-- name: grow_groups
UPDATE inbox_group SET current_seq = joined.newest, size = size + joined.items, actors = actors + joined.new_actors
FROM (
  SELECT m.group_id, max(m.seq) AS newest, count(*) AS items, count(DISTINCT CASE WHEN NOT EXISTS (
    SELECT 1 FROM inbox_member x WHERE x.group_id = m.group_id AND x.actor = a.actor) THEN a.actor END) AS new_actors
  FROM temp.grouped_item m CROSS JOIN temp.new_item a ON a.item = m.item GROUP BY m.group_id) joined
WHERE id = joined.group_id;

-- name: add_members
INSERT INTO inbox_member (group_id, seq, key, actor)
SELECT m.group_id, m.seq, a.key, a.actor FROM temp.grouped_item m CROSS JOIN temp.new_item a ON a.item = m.item
ORDER BY m.group_id;

-- name: extend_open_groups
UPDATE open_group SET last_item_at = :now WHERE (group_topic, key, user) IN (SELECT group_topic, grouping, user FROM temp.grouped_item);

-- name: delete_changes_of_joined
DELETE FROM inbox_changelog WHERE (user, seq) IN (SELECT user, changed FROM temp.joinable_group WHERE changed IS NOT NULL);

-- name: drop_joined
-- Of several items that joined one group at once, the newest is its row.
DELETE FROM inbox_{n} WHERE (user, seq) IN (
  SELECT m.user, m.seq FROM temp.grouped_item m CROSS JOIN inbox_group g ON g.id = m.group_id WHERE m.seq <> g.current_seq);

-- name: set_number_of_joined
UPDATE inbox_{n} SET (group_number, pinned_at) = (
  SELECT m.group_number, j.pinned_at FROM temp.grouped_item m
  LEFT JOIN temp.joinable_group j ON j.user = m.user AND j.group_number = m.group_number
  WHERE m.user = inbox_{n}.user AND m.seq = inbox_{n}.seq)
WHERE (user, seq) IN (SELECT user, seq FROM temp.grouped_item);

-- name: decrement_unread_for_joins
-- A group that was seen is unseen again.
UPDATE inbox SET unread = unread - joined.items, unseen = unseen - joined.items + (
  SELECT count(*) FROM temp.joinable_group j WHERE j.user = inbox.user AND (j.seen OR j.row <= inbox.seen_up_to))
FROM (SELECT user, count(*) AS items FROM temp.grouped_item GROUP BY 1) joined WHERE inbox.user = joined.user;

-- name: collect_notified_groups
INSERT OR IGNORE INTO temp.notified_group (user, group_number, type)
SELECT h.user, coalesce(m.group_number, h.seq - (c.value & 32767)), a.type FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535
CROSS JOIN inbox h ON h.user = c.value >> 31
LEFT JOIN temp.grouped_item m ON m.user = h.user AND m.seq = h.seq - (c.value & 32767);

-- name: subtract_read_arrivals
UPDATE inbox SET unread = unread - arrived.items, unread_items = unread_items - arrived.items,
  unseen = unseen - arrived.items
FROM (SELECT c.value >> 31 AS user, count(*) AS items FROM carray(:packed) c GROUP BY 1) arrived WHERE inbox.user = arrived.user;

-- name: mark_read_arrivals
-- They do not group, so each has a row of its own, with the seq that it arrived with.
UPDATE inbox_{n} SET unread_since = seq, seen_at = :now, read_at = :now WHERE (user, seq) IN (
  SELECT h.user, h.seq - (c.value & 32767) FROM carray(:packed) c CROSS JOIN inbox h ON h.user = c.value >> 31);

-- name: inbox_page
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM inbox_{n} i
WHERE user = ? AND seq < ? AND seq > ? AND archived_at IS NULL AND snoozed_until IS NULL AND deleted IS NULL
ORDER BY seq DESC LIMIT ?;

-- name: inbox_page_archived
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM inbox_{n} i INDEXED BY inbox_{n}_aside
WHERE user = ? AND seq < ? AND seq > ? AND archived_at IS NOT NULL AND deleted IS NULL ORDER BY seq DESC LIMIT ?;

-- name: inbox_page_snoozed
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM inbox_{n} i INDEXED BY inbox_{n}_aside
WHERE user = ? AND seq < ? AND seq > ? AND snoozed_until IS NOT NULL AND deleted IS NULL ORDER BY seq DESC LIMIT ?;

-- name: inbox_page_pinned
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM inbox_{n} i INDEXED BY inbox_{n}_aside
WHERE user = ? AND seq < ? AND seq > ? AND pinned_at IS NOT NULL AND archived_at IS NULL AND snoozed_until IS NULL AND deleted IS NULL ORDER BY seq DESC LIMIT ?;

-- name: inbox_page_all
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM inbox_{n} i
WHERE user = ? AND seq < ? AND seq > ? AND deleted IS NULL ORDER BY seq DESC LIMIT ?;

-- name: inbox_rows
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM carray(?2) c CROSS JOIN inbox_{n} i ON i.user = ?1 AND i.seq = c.value;

-- name: inbox_arrived
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM inbox_{n} i WHERE user = ? AND seq > ? AND changed IS NULL ORDER BY seq LIMIT ?;

-- name: inbox_update
UPDATE inbox_{n} SET key = ?, changed = ?, unread_since = ?, seen_at = ?, read_at = ?, archived_at = ?, deleted = ?,
  snoozed_until = ?, pinned_at = ?, acted = ?
WHERE user = ? AND seq = ?;

-- name: unread_notifications
-- Notifications that became unread in (:low, :high] and never closed; of one type, or (0) of all. Those that a read-all of
-- all types covers are not above :low.
SELECT i.seq, i.type, i.group_number,
  i.seen_at IS NULL AND i.seq > (SELECT seen_up_to FROM inbox WHERE user = :user) AS unseen, i.seq AS became
FROM inbox_{n} i
WHERE i.user = :user AND i.seq > :low AND i.seq <= :high AND i.unread_since IS NULL AND :type IN (0, i.type)
  AND i.seq > coalesce(
    (SELECT max(k.up_to) FROM read_watermark k WHERE k.user = :user AND k.undone = 0 AND k.type = i.type), 0)

-- name: unread_again_notifications
-- The same of notifications that closed and are unread again.
SELECT i.seq, i.type, i.group_number,
  i.seen_at IS NULL AND i.unread_since > (SELECT seen_up_to FROM inbox WHERE user = :user) AS unseen,
  i.unread_since AS became
FROM inbox_{n} i INDEXED BY inbox_{n}_again
WHERE i.user = :user AND i.unread_since > :low AND i.unread_since <= :high
  AND i.read_at IS NULL AND i.archived_at IS NULL AND i.deleted IS NULL AND i.snoozed_until IS NULL AND :type IN (0, i.type)
  AND i.unread_since > coalesce(
    (SELECT max(k.up_to) FROM read_watermark k WHERE k.user = :user AND k.undone = 0 AND k.type = i.type), 0)

-- name: unread_aside
-- The archived and snoozed notifications that became unread in (:low, :high] and are unread, of the newest :examined ones.
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM (SELECT * FROM inbox_{n} INDEXED BY inbox_{n}_aside
  WHERE user = :user AND (archived_at IS NOT NULL OR snoozed_until IS NOT NULL OR pinned_at IS NOT NULL)
    AND deleted IS NULL ORDER BY seq DESC LIMIT :examined) i
WHERE i.read_at IS NULL AND (i.archived_at IS NOT NULL OR i.snoozed_until IS NOT NULL)
  AND coalesce(i.unread_since, i.seq) > :low AND coalesce(i.unread_since, i.seq) <= :high AND :type IN (0, i.type)
LIMIT :most;

-- name: count_unread_notifications
-- The counts of both of these over all partitions, which notification_state.py inserts.
SELECT count(*), coalesce(sum(coalesce(g.size, 1)), 0), coalesce(sum(i.unseen), 0)
FROM ({rows}) i LEFT JOIN inbox_group g ON g.user = :user AND g.group_number = i.group_number;

-- name: count_unread_by_type
-- The same by type.
SELECT i.type, count(*), sum(coalesce(g.size, 1)), sum(i.unseen)
FROM ({rows}) i LEFT JOIN inbox_group g ON g.user = :user AND g.group_number = i.group_number GROUP BY i.type;

-- name: merge_inbox_read_alls
-- Of a user's read-alls and seen-alls up to the seq :last, those that a later one of these covers: the next of the same type,
-- or the last of all types. One of a type, and a seen-all, goes further than any of all types before it, so those that the
-- last of all types covers are earlier.
DELETE FROM read_watermark WHERE user = :user AND undone = 0 AND seq <= :last AND (
  type <> 0 AND up_to <= (
    SELECT up_to FROM read_watermark k INDEXED BY read_watermark_reach
    WHERE k.user = :user AND k.undone = 0 AND k.type = 0 AND k.seq <= :last ORDER BY up_to DESC LIMIT 1)
  OR :last >= (
    SELECT seq FROM read_watermark k INDEXED BY read_watermark_reach
    WHERE k.user = :user AND k.undone = 0 AND k.type = read_watermark.type AND k.up_to > read_watermark.up_to
    ORDER BY up_to LIMIT 1));

-- name: drop_undone_read_alls
-- Those that one of a type, or (0) of all types, replaces; returns the seqs of their undos and their watermarks.
DELETE FROM read_watermark WHERE user = :user AND undone = 1 AND (type = :type OR (:type = 0 AND up_to <= :up_to))
RETURNING seq, up_to;

-- name: notifications_of_event
-- The rows of these users whose newest item is an event.
SELECT i.user, coalesce(i.group_number, i.seq) FROM carray(?1) c CROSS JOIN inbox_{n} i ON i.user = c.value AND i.key = ?2
WHERE i.deleted IS NULL;

-- name: groups_of_event
SELECT g.user, g.group_number FROM carray(?1) c CROSS JOIN inbox_group g ON g.user = c.value
CROSS JOIN inbox_member m ON m.group_id = g.id AND m.key = ?2;

-- name: blocked_members
-- The blocked users by whom these groups of a user have items.
SELECT DISTINCT g.group_number, m.actor FROM carray(?2) c CROSS JOIN inbox_group g ON g.user = ?1 AND g.group_number = c.value
CROSS JOIN inbox_member m INDEXED BY inbox_member_actor ON m.group_id = g.id
CROSS JOIN relation b ON b.viewer = ?1 AND b.topic = m.actor AND b.kind <> 0;

-- name: members_of_blocks
-- The same of groups with more actors than the user has blocks.
SELECT DISTINCT g.group_number, m.actor FROM carray(?2) c CROSS JOIN inbox_group g ON g.user = ?1 AND g.group_number = c.value
CROSS JOIN relation b ON b.viewer = ?1 AND b.kind <> 0
CROSS JOIN inbox_member m INDEXED BY inbox_member_actor ON m.group_id = g.id AND m.actor = b.topic;

-- name: inbox_groups
SELECT group_number, id, current_seq, first_event_key, size, actors FROM carray(?2) c CROSS JOIN inbox_group g ON g.user = ?1 AND g.group_number = c.value;

-- name: inbox_samples
-- The newest items of each of these groups, newest first.
SELECT m.group_id, m.key, m.actor FROM carray(:groups) c
CROSS JOIN inbox_member m ON m.group_id = c.value AND m.seq >= coalesce((
  SELECT seq FROM inbox_member WHERE group_id = c.value ORDER BY seq DESC LIMIT 1 OFFSET :older), 0)
ORDER BY m.group_id, m.seq DESC;

-- name: inbox_seq
SELECT seq FROM inbox WHERE user=?;

-- name: delete_members_by_actor
DELETE FROM inbox_member WHERE group_id=? AND actor=?;

-- name: shrink_group_by_actor
UPDATE inbox_group SET size=size-?, actors=actors-1 WHERE id=?;

-- name: types_of_notified_groups
SELECT DISTINCT type FROM temp.notified_group;

-- name: drop_closed_candidates
DELETE FROM temp.joinable_group WHERE closed;

-- name: insert_recipient_chunk
INSERT OR REPLACE INTO event_recipient_chunk VALUES (?, ?, ?);

-- name: newest_member
SELECT key FROM inbox_member WHERE group_id=? ORDER BY seq DESC LIMIT 1;

-- name: member_keys
SELECT key FROM inbox_member WHERE group_id=? ORDER BY seq;

-- name: clear_temporary
DELETE FROM temp.{table};

-- name: insert_new_items
INSERT INTO temp.new_item VALUES {rows};

-- name: first_seq_after_key
SELECT min(seq) FROM inbox_{n} WHERE user=? AND key>? AND deleted IS NULL;
