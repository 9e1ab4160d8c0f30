-- The queue of fan-out jobs.

-- name: next_job
SELECT id, kind, subject, low, high, progress_key, progress_user FROM fanout_job WHERE dead_lettered=0 ORDER BY run_order LIMIT 1;

-- name: insert_job
INSERT INTO fanout_job (kind, subject, low, high, progress_key, progress_user, run_order) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: is_fan_out_pending
-- Whether there is a job of the event at one of these positions.
SELECT EXISTS (SELECT 1 FROM fanout_job INDEXED BY fanout_job_position
  WHERE kind IN ('fan_out', 'notify') AND dead_lettered = 0 AND low BETWEEN ? AND ?);

-- name: delete_job
DELETE FROM fanout_job WHERE id=?;

-- name: save_job_progress
UPDATE fanout_job SET progress_key=?, progress_user=?, run_order=?, attempts=0 WHERE id=?;

-- name: job_failed
UPDATE fanout_job SET attempts=attempts+1, error=?, dead_lettered=(attempts+1>=?), run_order=? WHERE id=?;

-- name: retry_dead_jobs
UPDATE fanout_job SET dead_lettered=0, attempts=0 WHERE dead_lettered;

-- name: last_job_order
SELECT coalesce(max(run_order), 0) FROM fanout_job;

-- name: has_wake_job
SELECT 1 FROM fanout_job WHERE kind='wake' AND subject=?;

-- name: end_of_follower_chunk
SELECT follower FROM follow INDEXED BY follow_topic WHERE topic=? AND follower>? ORDER BY follower LIMIT 1 OFFSET ?;

-- name: end_draining
UPDATE topic SET fanout_mode=0, fanout_on_read_since=NULL WHERE id=? AND fanout_mode=?;

-- name: has_other_jobs
SELECT EXISTS (SELECT 1 FROM fanout_job WHERE kind=? AND subject=? AND id<>?);

-- name: next_followed_topic
SELECT min(topic) FROM follow WHERE follower=? AND topic>=?;

-- name: end_dormancy
UPDATE feed_state SET dormant_since_position=NULL WHERE user=?;

-- name: event_to_restore
SELECT position, actor, object, topics, targets, visibility, body IS NULL FROM event_{ev} WHERE key=?;

-- name: delete_recipient_chunk
DELETE FROM event_recipient_chunk WHERE (key, first_user) IN (SELECT key, first_user FROM event_recipient_chunk WHERE key=? LIMIT 1) RETURNING users;

-- name: extend_cleaning
-- After another block: the pass goes on down to the oldest row, and another one covers the rows above.
UPDATE fanout_job SET low=0, high=progress_key-1, dead_lettered=0, attempts=0 WHERE kind='block' AND subject=?;

-- name: set_job_bounds
UPDATE fanout_job SET low=?, high=? WHERE id=?;

-- name: count_pending_jobs
SELECT count(*) FROM fanout_job INDEXED BY fanout_job_order WHERE dead_lettered=0;

-- name: count_dead_jobs
SELECT count(*) FROM fanout_job INDEXED BY fanout_job_order WHERE dead_lettered=1;

-- name: dead_jobs
SELECT id, kind, subject, attempts, error FROM fanout_job WHERE dead_lettered ORDER BY id LIMIT ?;
