-- Reading feeds.

-- name: follows_of_topics
SELECT f.topic, f.from_position, f.backfill_from_key, f.until_position FROM carray(?) c
CROSS JOIN follow f ON f.follower=? AND f.topic=c.value;

-- name: followed_topics_among
SELECT f.topic FROM carray(?) c CROSS JOIN follow f ON f.follower=? AND f.topic=c.value WHERE f.until_position IS NULL;

-- name: feed_state
SELECT has_hidden_rows, last_visit_day, dormant_since_position, has_read_state, version FROM feed_state WHERE user=?;

-- name: follows_of_user
SELECT topic, from_position, backfill_from_key, until_position FROM follow WHERE follower=?;

-- name: out_of_order_entries
SELECT key, position FROM out_of_order_entry WHERE timeline=? AND position>? AND position<=? ORDER BY position LIMIT ?;

-- name: out_of_order_positions
SELECT l.position FROM carray(?) c CROSS JOIN out_of_order_entry l ON l.timeline=? AND l.position=c.value;

-- name: least_out_of_order_key
SELECT min(key) FROM out_of_order_entry WHERE timeline=? AND position BETWEEN ? AND ?;

-- name: bodies_of_page
SELECT k.key, k.origin, e.position, e.body FROM ({page}) k CROSS JOIN event_{n} e ON e.key = k.key;

-- name: events_to_group_of_page
-- Of retracted events the object is NULL.
SELECT k.key, e.position, e.actor, e.verb, iif(e.body IS NULL, NULL, e.object), k.origin
FROM ({page}) k CROSS JOIN event_{n} e ON e.key = k.key;

-- name: events_to_group
SELECT e.key, e.position, e.actor, e.verb, e.object FROM carray(?) c CROSS JOIN event_{n} e ON e.key = c.value WHERE e.body IS NOT NULL;

-- name: one_of_each_key
SELECT key, min(origin) AS origin FROM ({copies}) GROUP BY key ORDER BY key DESC LIMIT :limit;
