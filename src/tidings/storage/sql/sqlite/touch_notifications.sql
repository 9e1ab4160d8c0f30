-- Notifications whose text has changed, in the order of touch_notifications.py.

-- name: page_of_groups
SELECT group_number FROM ({found}) WHERE group_number > :after ORDER BY group_number LIMIT :limit;

-- name: notifications_of_erased
-- Groups of a user whose newest item is an event that shows an erased user.
SELECT coalesce(i.group_number, i.seq) AS group_number FROM inbox_{n} i
WHERE i.user = :user AND i.deleted IS NULL
  AND EXISTS (SELECT 1 FROM erasure_event e WHERE e.user = :erased AND e.key = i.key);

-- name: groups_of_erased
SELECT g.group_number FROM inbox_group g CROSS JOIN inbox_member m ON m.group_id = g.id
WHERE g.user = :user AND EXISTS (SELECT 1 FROM erasure_event e WHERE e.user = :erased AND e.key = m.key);

-- name: touch_rows
-- The current row of each of these groups, and a new seq for it, the oldest's being the least.
INSERT INTO temp.touched_row (user, row, seq)
SELECT :user, coalesce(g.current_seq, c.value), h.seq + row_number() OVER (ORDER BY c.value)
FROM carray(:numbers) c CROSS JOIN inbox h ON h.user = :user
LEFT JOIN inbox_group g ON g.user = :user AND g.group_number = c.value;

-- name: bump_inbox_of_touched
UPDATE inbox SET seq = (SELECT max(seq) FROM temp.touched_row c WHERE c.user = inbox.user)
WHERE user IN (SELECT user FROM temp.touched_row);

-- name: delete_changes_of_touched
DELETE FROM inbox_changelog WHERE (user, seq) IN (
  SELECT i.user, i.changed FROM temp.touched_row c CROSS JOIN inbox_{n} i ON i.user = c.user AND i.seq = c.row
  WHERE i.changed IS NOT NULL);

-- name: set_seq_of_touched
UPDATE inbox_{n} SET changed = (
  SELECT c.seq FROM temp.touched_row c WHERE c.user = inbox_{n}.user AND c.row = inbox_{n}.seq)
WHERE (user, seq) IN (SELECT user, row FROM temp.touched_row);

-- name: insert_changes_of_touched
INSERT INTO inbox_changelog (user, seq, row) SELECT user, seq, row FROM temp.touched_row;
