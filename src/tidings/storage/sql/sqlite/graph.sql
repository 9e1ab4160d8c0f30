-- Follows, mutes, blocks, and who is dormant.

-- name: users_muting
SELECT c.value FROM carray(:users) c WHERE EXISTS (SELECT 1 FROM mask WHERE viewer = c.value AND kind = 0);

-- name: muted_topics
-- Those of these topics that a user has muted.
SELECT m.topic FROM carray(:topics) c CROSS JOIN mask m ON m.viewer = :user AND m.topic = c.value AND m.kind = 0;

-- name: masks_of_targets
SELECT c.value, m.topic, m.kind FROM carray(:packed) c CROSS JOIN mask m ON m.viewer = c.value >> 31;

-- name: blocked_actors
-- Those of these actors with whom a viewer has a block, in either direction.
SELECT m.topic FROM carray(?2) c CROSS JOIN mask m ON m.viewer = ?1 AND m.topic = c.value AND m.kind IN (1, 2);

-- name: blocks_either_way
SELECT EXISTS (SELECT 1 FROM mask WHERE viewer=? AND topic=? AND kind<>0);

-- name: delete_follow
DELETE FROM follow WHERE follower=? AND topic=?;

-- name: delete_mask
DELETE FROM mask WHERE viewer=? AND topic=? AND kind=?;

-- name: masks_of_topics
SELECT m.topic, m.kind FROM carray(?) c CROSS JOIN mask m ON m.viewer=? AND m.topic=c.value;

-- name: insert_follow
INSERT INTO follow VALUES (?1, ?2, ?3, ?4, NULL, 1, ?5)
ON CONFLICT (follower, topic, since) DO UPDATE SET until=NULL, since_key=min(since_key, excluded.since_key), created_at=excluded.created_at;

-- name: touch_viewer
INSERT INTO viewer (user, seen_day) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET version=version+1;

-- name: is_following
SELECT 1 FROM follow WHERE follower=? AND topic=? AND until IS NULL;

-- name: end_follow
UPDATE follow SET until=? WHERE follower=? AND topic=? AND until IS NULL;

-- name: insert_mask
INSERT OR IGNORE INTO mask VALUES (?, ?, ?);

-- name: count_masks
SELECT coalesce(sum(kind=?1), 0), coalesce(max(kind=?1 AND topic=?2), 0) FROM mask WHERE viewer=?3;

-- name: topics_of_mask
SELECT topic FROM mask WHERE viewer=? AND kind=?;

-- name: delete_masks
DELETE FROM mask WHERE viewer=? AND kind=? AND topic IN (SELECT value FROM carray(?));

-- name: has_masks
SELECT EXISTS (SELECT 1 FROM mask);

-- name: record_visit
INSERT INTO viewer (user, seen_day) VALUES (?1, ?2) ON CONFLICT (user) DO UPDATE SET seen_day=?2
RETURNING dormant_from;

-- name: fan_out_to_user
UPDATE follow SET pushed=1 WHERE follower=?;

-- name: deactivate_dormant
UPDATE viewer SET dormant_from=? WHERE user IN (SELECT user FROM viewer
WHERE dormant_from IS NULL AND seen_day<? LIMIT ?) RETURNING user;

-- name: stop_fan_out_to_user
UPDATE follow SET pushed=0 WHERE follower=?;

-- name: require_visibility_check
INSERT INTO viewer (user, careful, seen_day) VALUES (?, 1, ?)
ON CONFLICT (user) DO UPDATE SET careful=1, version=version+1;

-- name: followed_topics_by_name
SELECT name.name, f.created_at FROM follow f JOIN name ON name.id=f.topic
WHERE f.follower=? AND f.until IS NULL AND name.name>? ORDER BY name.name LIMIT ?;

-- name: topic_fan_out
SELECT followers, state FROM topic WHERE id=?;

-- name: is_fanned_out_to
SELECT pushed FROM follow WHERE follower=? AND topic=? AND until IS NULL;

-- name: count_follows
SELECT count(*) FROM follow WHERE until IS NULL;

-- name: muted_topics_by_name
SELECT n.name FROM mask m CROSS JOIN name n ON n.id=m.topic WHERE m.viewer=? AND m.kind=? ORDER BY n.name;

-- name: followed_before
SELECT 1 FROM follow WHERE follower=? AND topic=? AND until IS NULL AND since<?;

-- name: count_followers
INSERT INTO topic (id, followers) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET followers = followers + ?2
RETURNING followers;

-- name: delete_topic
DELETE FROM topic WHERE id=?;

-- name: start_fan_out_on_read
UPDATE topic SET state=?, hot_from=coalesce(hot_from, ?) WHERE id=?;

-- name: fan_out_on_read_since
SELECT hot_from FROM topic WHERE id=?;

-- name: start_draining
UPDATE topic SET state=? WHERE id=?;

-- name: wide_topics
SELECT id, followers FROM topic WHERE followers>=?;

-- name: fan_out_modes
SELECT id, state FROM topic WHERE state<>0;

-- name: topics_with_fan_out_jobs
SELECT id FROM topic WHERE state<>0 UNION SELECT subject FROM debt WHERE kind IN ('push', 'drain');

-- name: insert_masks
INSERT INTO mask VALUES {rows};
