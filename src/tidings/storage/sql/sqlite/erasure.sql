-- Erasing a user, in steps.

-- name: rename_user
UPDATE symbol SET name=? WHERE id=?;

-- name: delete_jobs_of_user
DELETE FROM fanout_job WHERE kind IN ('wake', 'block') AND subject=?;

-- name: seq_after_erasure
SELECT seq + (seq > base_seq) FROM inbox WHERE user=? AND seq>0;

-- name: insert_inbox_after_erasure
INSERT INTO inbox (user, seq, unread, unread_items, base_seq) VALUES (?1, ?2, 0, 0, ?2);

-- name: insert_erasure
INSERT INTO erasure VALUES (?, ?, ?, ?, ?);

-- name: retry_erasure
UPDATE fanout_job SET dead_lettered=0, attempts=0 WHERE kind='erase' AND dead_lettered AND subject IN (SELECT user FROM erasure
WHERE name=?);

-- name: some_follows_of_user
SELECT topic, from_position, until_position IS NULL FROM follow WHERE follower=? LIMIT ?;

-- name: delete_follow_interval
DELETE FROM follow WHERE follower=? AND topic=? AND from_position=?;

-- name: some_followers_of_topic
SELECT DISTINCT follower FROM follow INDEXED BY follow_topic WHERE topic=? LIMIT ?;

-- name: some_viewers_of_relation
SELECT viewer FROM relation WHERE topic=? AND kind=? LIMIT ?;

-- name: rewrite_event
UPDATE event_{n} SET body=?, targets=? WHERE key=?;

-- name: insert_erasure_events
INSERT OR IGNORE INTO erasure_event SELECT ?, value FROM carray(?);

-- name: insert_erasure_recipients
INSERT OR IGNORE INTO erasure_recipient SELECT ?, value FROM carray(?);

-- name: recipients_of_erased_events
SELECT t.key, t.first_user, t.users FROM erasure_event e CROSS JOIN event_recipient_chunk t ON t.key=e.key
WHERE e.user=?1 AND e.key>=?2 AND (t.key, t.first_user) > (?2, ?3) ORDER BY e.key, t.first_user LIMIT ?4;

-- name: delete_some_members
DELETE FROM inbox_member WHERE (group_id, seq) IN (SELECT m.group_id, m.seq FROM inbox_group g
CROSS JOIN inbox_member m ON m.group_id=g.id WHERE g.user=? LIMIT ?);

-- name: next_erasure_recipient
SELECT min(recipient) FROM erasure_recipient WHERE user=? AND recipient>=?;

-- name: delete_erasure
DELETE FROM erasure WHERE user=?;

-- name: name_of_erasure
SELECT name, last_reminder FROM erasure WHERE user=?;

-- name: erasures
SELECT name, alias, position, last_reminder FROM erasure ORDER BY position, last_reminder;

-- name: erasures_under_way
SELECT e.name, max(d.dead_lettered) FROM erasure e CROSS JOIN fanout_job d ON d.kind='erase' AND d.subject=e.user GROUP BY e.name;

-- name: delete_some_rows
DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {column}=? LIMIT ?);

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
