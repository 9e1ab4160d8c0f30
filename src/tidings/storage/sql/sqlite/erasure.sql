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
