-- Items of inboxes that are read together with the feed.

-- name: has_shared_items
SELECT EXISTS (SELECT 1 FROM shared_item);

-- name: user_has_shared_items
SELECT EXISTS (SELECT 1 FROM shared_item WHERE user=?);

-- name: insert_shared_items
-- packed as in insert_target_entries.
INSERT OR IGNORE INTO shared_item (user, key, group_number)
SELECT h.user, a.key, coalesce(m.group_number, h.seq - (c.value & 32767)) FROM carray(:packed) c
CROSS JOIN temp.new_item a ON a.item = c.value >> 15 & 65535
CROSS JOIN inbox h ON h.user = c.value >> 31
LEFT JOIN temp.grouped_item m ON m.user = h.user AND m.seq = h.seq - (c.value & 32767);

-- name: shared_items
SELECT s.key, s.group_number FROM carray(?) c CROSS JOIN shared_item s ON s.user=? AND s.key=c.value;

-- name: delete_shared_items
DELETE FROM shared_item WHERE user=? AND key IN (SELECT value FROM carray(?));

-- name: newest_members
SELECT key FROM inbox_member WHERE group_id=? ORDER BY seq DESC LIMIT ?;

-- name: member_keys_of_actor
SELECT key FROM inbox_member INDEXED BY inbox_member_actor WHERE group_id=? AND actor=?;

-- name: own_read_times
SELECT f.key, f.at FROM carray(?) c CROSS JOIN feed_read f ON f.user=? AND f.key=c.value;

-- name: newest_unread_notifications
SELECT i.seq FROM ({rows}) i ORDER BY i.became DESC LIMIT :most;

-- name: insert_shared_read_alls
INSERT INTO shared_read_all VALUES {rows};

-- name: shared_read_alls
SELECT seq, group_number FROM shared_read_all WHERE user=? AND made=? ORDER BY seq;

-- name: delete_shared_read_alls
DELETE FROM shared_read_all WHERE user=? AND made=?;

-- name: delete_merged_shared_read_alls
DELETE FROM shared_read_all WHERE user=? AND made<=?;

-- name: last_merged_read_all_of_inbox
SELECT last_merged_read_all FROM inbox WHERE user=?;
