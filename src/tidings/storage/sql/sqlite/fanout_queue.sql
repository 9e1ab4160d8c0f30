-- The queue of fan-out jobs.

-- name: next_job
SELECT id, kind, subject, low, high, at_key, at_user FROM debt WHERE dead=0 ORDER BY turn LIMIT 1;

-- name: insert_job
INSERT INTO debt (kind, subject, low, high, at_key, at_user, turn) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: delete_job
DELETE FROM debt WHERE id=?;

-- name: save_job_progress
UPDATE debt SET at_key=?, at_user=?, turn=?, attempts=0 WHERE id=?;

-- name: job_failed
UPDATE debt SET attempts=attempts+1, error=?, dead=(attempts+1>=?), turn=? WHERE id=?;

-- name: retry_dead_jobs
UPDATE debt SET dead=0, attempts=0 WHERE dead;

-- name: last_job_order
SELECT coalesce(max(turn), 0) FROM debt;

-- name: has_wake_job
SELECT 1 FROM debt WHERE kind='wake' AND subject=?;

-- name: end_of_follower_chunk
SELECT follower FROM follow INDEXED BY follow_topic WHERE topic=? AND follower>? ORDER BY follower LIMIT 1 OFFSET ?;

-- name: end_draining
UPDATE topic SET state=0, hot_from=NULL WHERE id=? AND state=?;

-- name: has_other_jobs
SELECT EXISTS (SELECT 1 FROM debt WHERE kind=? AND subject=? AND id<>?);

-- name: next_followed_topic
SELECT min(topic) FROM follow WHERE follower=? AND topic>=?;

-- name: end_dormancy
UPDATE viewer SET dormant_from=NULL WHERE user=?;

-- name: event_to_restore
SELECT position, actor, object, topics, targets, body IS NULL FROM event_{ev} WHERE key=?;

-- name: delete_recipient_chunk
DELETE FROM told WHERE (key, first) IN (SELECT key, first FROM told WHERE key=? LIMIT 1) RETURNING users;

-- name: set_job_high
UPDATE debt SET high=? WHERE id=?;

-- name: set_job_bounds
UPDATE debt SET low=?, high=? WHERE id=?;

-- name: count_pending_jobs
SELECT count(*) FROM debt INDEXED BY debt_turn WHERE dead=0;

-- name: count_dead_jobs
SELECT count(*) FROM debt INDEXED BY debt_turn WHERE dead=1;

-- name: dead_jobs
SELECT id, kind, subject, attempts, error FROM debt WHERE dead ORDER BY id LIMIT ?;
