-- Changes of notifications: states, read-alls, undo.

-- name: inbox_counters
-- The counters of many inboxes, each with its last read-all of all types.
SELECT h.user, h.unread, h.seq, coalesce(m.up_to, 0), coalesce(m.seq, 0), h.unread_items, h.unseen
FROM carray(:users) u CROSS JOIN inbox h ON h.user = u.value
LEFT JOIN read_watermark m ON m.user = h.user AND m.seq = (
  SELECT seq FROM read_watermark WHERE user = h.user AND undone = 0 AND type = 0 ORDER BY up_to DESC LIMIT 1
);

-- name: read_alls_after
SELECT seq, up_to, type, at FROM read_watermark WHERE user=? AND seq>? AND undone=? ORDER BY seq LIMIT ?;

-- name: history_is_broken
SELECT EXISTS (SELECT 1 FROM read_watermark WHERE user=?1 AND seq>?2 AND undone=?3) OR EXISTS (SELECT 1 FROM inbox
WHERE user=?1 AND base_seq>?2);

-- name: changed_rows_after
SELECT row FROM inbox_changelog WHERE user=? AND seq>? ORDER BY seq LIMIT ?;

-- name: read_alls_covering
SELECT seq, at FROM read_watermark WHERE user=? AND undone=0 AND type=? AND up_to>=? ORDER BY up_to LIMIT ?;

-- name: delete_change
DELETE FROM inbox_changelog WHERE user=? AND seq=?;

-- name: insert_change
INSERT INTO inbox_changelog VALUES (?, ?, ?);

-- name: insert_changes
INSERT INTO inbox_changelog VALUES {rows};

-- name: advance_inbox
UPDATE inbox SET seq=seq+?, unread=unread+?, unread_items=unread_items+?, unseen=unseen+? WHERE user=?;

-- name: bump_inbox
UPDATE inbox SET seq=seq+1, unread=unread+?, unread_items=unread_items+?, unseen=unseen+? WHERE user=? RETURNING seq;

-- name: insert_read_all
INSERT INTO read_watermark VALUES (?, ?, ?, ?, ?, ?);

-- name: insert_group_of_one
-- A group of one that moves: from then on it is found by its number as a larger one.
INSERT INTO inbox_group (user, group_number, current_seq, first_event_key, size, actors) VALUES (?, ?, ?, ?, 1, 1) RETURNING id;

-- name: insert_member
INSERT INTO inbox_member (group_id, seq, key, actor) VALUES (?, ?, ?, ?);

-- name: move_group
UPDATE inbox_group SET current_seq=? WHERE id=?;

-- name: delete_inbox_row
DELETE FROM inbox_{n} WHERE user=? AND seq=?;

-- name: insert_returned_row
INSERT INTO inbox_{n} (user, seq, key, type, group_number, unread_since, pinned_at, acted)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: set_snooze
INSERT OR REPLACE INTO snooze VALUES (?, ?, ?);

-- name: delete_snooze
DELETE FROM snooze WHERE user=? AND group_number=? AND until<=?;

-- name: delete_snoozes_of_user
DELETE FROM snooze WHERE user=?;

-- name: snoozes
SELECT user, group_number, until FROM snooze WHERE until<=? ORDER BY until LIMIT ?;

-- name: set_seen_up_to
UPDATE inbox SET seen_up_to=? WHERE user=?;

-- name: read_all_reach
SELECT max(up_to) FROM read_watermark WHERE user=? AND undone=0 AND type=?;

-- name: read_alls_to_merge
SELECT seq FROM read_watermark WHERE user=?1 AND seq>(SELECT last_merged_read_all FROM inbox WHERE user=?1) AND undone=0
ORDER BY seq LIMIT ?2;

-- name: delete_read_all
DELETE FROM read_watermark WHERE user=?1 AND seq=?2 AND undone=?3 AND type>=0 AND seq>(SELECT last_merged_read_all FROM inbox
WHERE user=?1) RETURNING type, up_to;

-- name: set_read_alls_merged
UPDATE inbox SET last_merged_read_all=? WHERE user=?;
