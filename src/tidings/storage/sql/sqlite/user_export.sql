-- The export of one user.

-- name: last_visit
SELECT seen_day FROM viewer WHERE user=?;

-- name: export_follows
SELECT topic, since, created_at, until FROM follow WHERE follower=? AND (topic, since)>(?, ?)
ORDER BY topic, since LIMIT ?;

-- name: export_masks
SELECT topic, kind FROM mask WHERE viewer=? AND (topic, kind)>(?, ?) AND kind<>? ORDER BY topic, kind LIMIT ?;

-- name: export_feed_reads
SELECT key, at FROM feed_read WHERE user=? AND key>? ORDER BY key LIMIT ?;

-- name: export_feed_read_alls
SELECT up_to, made, at FROM feed_floor WHERE user=? AND made>? ORDER BY made LIMIT ?;
