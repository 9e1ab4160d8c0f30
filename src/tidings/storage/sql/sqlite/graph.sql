-- Follows, mutes, blocks, and dormant users.

-- name: users_muting
SELECT c.value FROM carray(:users) c WHERE EXISTS (SELECT 1 FROM relation WHERE viewer = c.value AND kind = 0);

-- name: muted_topics
-- Those of these topics that a user has muted.
SELECT m.topic FROM carray(:topics) c CROSS JOIN relation m ON m.viewer = :user AND m.topic = c.value AND m.kind = 0;

-- name: relations_of_targets
SELECT c.value, m.topic, m.kind FROM carray(:packed) c CROSS JOIN relation m ON m.viewer = c.value >> 31;

-- name: blocked_actors
-- Those of these actors with whom a viewer has a block, in either direction.
SELECT m.topic FROM carray(?2) c CROSS JOIN relation m ON m.viewer = ?1 AND m.topic = c.value AND m.kind IN (1, 2);

-- name: blocks_either_way
SELECT EXISTS (SELECT 1 FROM relation WHERE viewer=? AND topic=? AND kind<>0);

-- name: count_blocks
-- How many blocks there are between a user and others, up to a number.
SELECT count(*) FROM (SELECT 1 FROM relation WHERE viewer=? AND kind<>0 LIMIT ?);

-- name: blocked_among
SELECT DISTINCT c.value FROM carray(?2) c CROSS JOIN relation b ON b.viewer=?1 AND b.topic=c.value AND b.kind<>0;

-- name: delete_follow
DELETE FROM follow WHERE follower=? AND topic=?;

-- name: delete_relation
DELETE FROM relation WHERE viewer=? AND topic=? AND kind=?;

-- name: relations_with_topics
SELECT m.topic, m.kind FROM carray(?) c CROSS JOIN relation m ON m.viewer=? AND m.topic=c.value;

-- name: insert_follow
INSERT INTO follow VALUES (?1, ?2, ?3, ?4, NULL, 1, ?5)
ON CONFLICT (follower, topic, from_position) DO UPDATE SET until_position=NULL, backfill_from_key=min(backfill_from_key, excluded.backfill_from_key), created_at=excluded.created_at;

-- name: backfill_of_follow
SELECT backfill_from_key FROM follow WHERE follower=? AND topic=? AND until_position IS NULL;

-- name: extend_follow
UPDATE follow SET backfill_from_key=? WHERE follower=? AND topic=? AND until_position IS NULL;

-- name: bump_feed_version
INSERT INTO feed_state (user, last_visit_day) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET version=version+1;

-- name: is_following
SELECT 1 FROM follow WHERE follower=? AND topic=? AND until_position IS NULL;

-- name: end_follow
UPDATE follow SET until_position=? WHERE follower=? AND topic=? AND until_position IS NULL;

-- name: insert_relation
INSERT OR IGNORE INTO relation VALUES (?, ?, ?);

-- name: count_relations
SELECT coalesce(sum(kind=?1), 0), coalesce(max(kind=?1 AND topic=?2), 0) FROM relation WHERE viewer=?3;

-- name: topics_of_relation
SELECT topic FROM relation WHERE viewer=? AND kind=?;

-- name: delete_relations
DELETE FROM relation WHERE viewer=? AND kind=? AND topic IN (SELECT value FROM carray(?));

-- name: has_relations
SELECT EXISTS (SELECT 1 FROM relation);

-- name: record_visit
INSERT INTO feed_state (user, last_visit_day) VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET last_visit_day=?2
RETURNING dormant_since_position;

-- name: fan_out_to_user
UPDATE follow SET fanout_on_write=1 WHERE follower=?;

-- name: deactivate_dormant
UPDATE feed_state SET dormant_since_position=? WHERE user IN (SELECT user FROM feed_state
WHERE dormant_since_position IS NULL AND last_visit_day<? LIMIT ?) RETURNING user;

-- name: stop_fan_out_to_user
UPDATE follow SET fanout_on_write=0 WHERE follower=?;

-- name: require_visibility_check
INSERT INTO feed_state (user, has_hidden_rows, last_visit_day) VALUES (?, 1, ?)
ON CONFLICT (user) DO UPDATE SET has_hidden_rows=1, version=version+1;

-- name: followed_topics_by_name
SELECT symbol.name, f.created_at FROM follow f JOIN symbol ON symbol.id=f.topic
WHERE f.follower=? AND f.until_position IS NULL AND symbol.name>? ORDER BY symbol.name LIMIT ?;

-- name: topic_fan_out
SELECT followers, fanout_mode FROM topic WHERE id=?;

-- name: is_fanned_out_to
SELECT fanout_on_write FROM follow WHERE follower=? AND topic=? AND until_position IS NULL;

-- name: count_follows
SELECT count(*) FROM follow WHERE until_position IS NULL;

-- name: related_topics_by_name
SELECT n.name FROM relation m CROSS JOIN symbol n ON n.id=m.topic
WHERE m.viewer=? AND m.kind=? AND n.name>? ORDER BY n.name LIMIT ?;

-- name: followed_before
SELECT 1 FROM follow WHERE follower=? AND topic=? AND until_position IS NULL AND from_position<?;

-- name: count_followers
INSERT INTO topic (id, followers) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET followers = followers + ?2
RETURNING followers;

-- name: delete_topic
DELETE FROM topic WHERE id=?;

-- name: start_fan_out_on_read
UPDATE topic SET fanout_mode=?, fanout_on_read_since=coalesce(fanout_on_read_since, ?) WHERE id=?;

-- name: fan_out_on_read_since
SELECT fanout_on_read_since FROM topic WHERE id=?;

-- name: start_draining
UPDATE topic SET fanout_mode=? WHERE id=?;

-- name: wide_topics
SELECT id, followers FROM topic WHERE followers>=?;

-- name: fan_out_modes
SELECT id, fanout_mode FROM topic WHERE fanout_mode<>0;

-- name: topics_with_fan_out_jobs
SELECT id FROM topic WHERE fanout_mode<>0 UNION SELECT subject FROM fanout_job WHERE kind IN ('fan_out', 'resume_fan_out');

-- name: insert_relations
INSERT INTO relation VALUES {rows};
