-- Backfills: feeds and inboxes that are built from history.

-- name: insert_backfill
INSERT INTO backfill (user, head, since, until, dry_run, notify) VALUES (?, ?, ?, ?, ?, ?) RETURNING id;

-- name: forget_old_backfills
-- Those that ended, but the newest.
DELETE FROM backfill WHERE id <= ? AND ended;

-- name: backfill_to_continue
SELECT id, user, since, head, dry_run, notify, created, notified, users, at_user, at_topic, at_key, counted FROM backfill WHERE id=?;

-- name: save_backfill
UPDATE backfill SET created=?, notified=?, users=?, at_user=?, at_topic=?, at_key=?, counted=?, ended=? WHERE id=?;

-- name: backfill
SELECT b.user, b.since, b.until, b.dry_run, b.notify, b.ended, b.created, b.notified, b.users,
  (SELECT j.dead_lettered FROM fanout_job j INDEXED BY fanout_job_backfill WHERE j.kind = 'backfill' AND j.subject = b.id)
FROM backfill b WHERE b.id = ?;

-- name: has_notifying_backfill
SELECT EXISTS (SELECT 1 FROM backfill WHERE notify);

-- name: next_follower
SELECT min(follower) FROM follow WHERE follower >= ?;

-- name: next_user
-- The first user in a range of ids, which bounds the search: most ids may be of other topics.
SELECT min(id) FROM symbol WHERE id BETWEEN ? AND ? AND name >= 'user:' AND name < 'user;';

-- name: last_symbol
SELECT coalesce(max(id), 0) FROM symbol;

-- name: next_follow_to_backfill
SELECT topic, from_position, backfill_from_key FROM follow
WHERE follower=? AND topic>=? AND until_position IS NULL ORDER BY topic LIMIT 1;

-- name: insert_recipients
-- A chunk that begins with such a user has the user already.
INSERT OR IGNORE INTO event_recipient_chunk VALUES {rows};
