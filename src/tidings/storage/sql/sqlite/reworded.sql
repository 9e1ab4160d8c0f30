-- Notifications that read otherwise than they did, in the order of reworded.py: named statements as in queries.sql.

-- name: rows_holding
-- Groups of these users whose newest item is one of these events.
SELECT i.user, coalesce(i.number, i.seq) AS number FROM carray(:users) u CROSS JOIN inbox_{n} i ON i.user = u.value
WHERE i.deleted IS NULL AND i.key IN (SELECT value FROM carray(:keys));

-- name: groups_holding
SELECT g.user, g.number FROM carray(:users) u CROSS JOIN inbox_group g ON g.user = u.value
CROSS JOIN inbox_member m ON m.group_id = g.id WHERE m.key IN (SELECT value FROM carray(:keys));

-- name: change_rows
-- Of both of these over all partitions, which reworded.py puts in: the row that each group has now, and a seq of its own,
-- the oldest's being the least.
INSERT INTO temp.changing (user, row, seq)
SELECT t.user, coalesce(g.row, t.number), h.seq + row_number() OVER (PARTITION BY t.user ORDER BY t.number)
FROM ($groups) t CROSS JOIN inbox_head h ON h.user = t.user
LEFT JOIN inbox_group g ON g.user = t.user AND g.number = t.number;

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
