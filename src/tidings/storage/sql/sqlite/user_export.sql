-- The export of one user.

-- name: last_visit
SELECT last_visit_day FROM feed_state WHERE user=?;

-- name: export_follows
SELECT topic, from_position, created_at, until_position FROM follow WHERE follower=? AND (topic, from_position)>(?, ?)
ORDER BY topic, from_position LIMIT ?;

-- name: export_relations
SELECT topic, kind FROM relation WHERE viewer=? AND (topic, kind)>(?, ?) AND kind<>? ORDER BY topic, kind LIMIT ?;

-- name: export_feed_reads
SELECT key, at FROM feed_read WHERE user=? AND key>? ORDER BY key LIMIT ?;

-- name: export_feed_read_alls
SELECT up_to, made, at, list FROM feed_read_watermark WHERE user=? AND made>? ORDER BY made LIMIT ?;
