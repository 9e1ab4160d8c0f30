-- Notifications whose text has changed, in the order of touch_notifications.py.

-- name: page_of_groups
SELECT number FROM ({found}) WHERE number > :after ORDER BY number LIMIT :limit;

-- name: rows_holding
-- Groups of a user whose newest item is an event that shows an erased user.
SELECT coalesce(i.number, i.seq) AS number FROM inbox_{n} i
WHERE i.user = :user AND i.deleted IS NULL
  AND EXISTS (SELECT 1 FROM erasure_event e WHERE e.user = :erased AND e.key = i.key);

-- name: groups_holding
SELECT g.number FROM inbox_group g CROSS JOIN inbox_member m ON m.group_id = g.id
WHERE g.user = :user AND EXISTS (SELECT 1 FROM erasure_event e WHERE e.user = :erased AND e.key = m.key);

-- name: change_rows
-- The row that each of these groups has now, and a seq of its own, the oldest's being the least.
INSERT INTO temp.changing (user, row, seq)
SELECT :user, coalesce(g.row, c.value), h.seq + row_number() OVER (ORDER BY c.value)
FROM carray(:numbers) c CROSS JOIN inbox_head h ON h.user = :user
LEFT JOIN inbox_group g ON g.user = :user AND g.number = c.value;

-- name: bump_changed
UPDATE inbox_head SET seq = (SELECT max(seq) FROM temp.changing c WHERE c.user = inbox_head.user)
WHERE user IN (SELECT user FROM temp.changing);

-- name: forget_changed
DELETE FROM inbox_change WHERE (user, seq) IN (
  SELECT i.user, i.changed FROM temp.changing c CROSS JOIN inbox_{n} i ON i.user = c.user AND i.seq = c.row
  WHERE i.changed IS NOT NULL);

-- name: date_changed
UPDATE inbox_{n} SET changed = (
  SELECT c.seq FROM temp.changing c WHERE c.user = inbox_{n}.user AND c.row = inbox_{n}.seq)
WHERE (user, seq) IN (SELECT user, row FROM temp.changing);

-- name: note_changed
INSERT INTO inbox_change (user, seq, row) SELECT user, seq, row FROM temp.changing;
