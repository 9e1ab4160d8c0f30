-- Reading feeds.

-- name: follows_of_topics
SELECT f.topic, f.since, f.since_key, f.until FROM carray(?) c
CROSS JOIN follow f ON f.follower=? AND f.topic=c.value;

-- name: viewer
SELECT careful, seen_day, dormant_from, reads, version FROM viewer WHERE user=?;

-- name: needs_visibility_check
SELECT careful FROM viewer WHERE user=?;

-- name: follows_of_user
SELECT topic, since, since_key, until FROM follow WHERE follower=?;

-- name: late_entries
SELECT key, position FROM late WHERE timeline=? AND position>? AND position<=? ORDER BY position LIMIT ?;

-- name: late_positions
SELECT l.position FROM carray(?) c CROSS JOIN late l ON l.timeline=? AND l.position=c.value;

-- name: least_late_key
SELECT min(key) FROM late WHERE timeline=? AND position BETWEEN ? AND ?;

-- name: bodies_of_page
SELECT k.key, k.why, e.position, e.body FROM ({page}) k CROSS JOIN event_{n} e ON e.key = k.key;

-- name: one_of_each_key
SELECT key, min(why) AS why FROM ({copies}) GROUP BY key ORDER BY key DESC LIMIT :limit;
