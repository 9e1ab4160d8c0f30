-- Changes of feeds, for streams that resume.

-- name: last_feed_change
SELECT number FROM feed_change WHERE user=? ORDER BY position DESC LIMIT 1;

-- name: insert_feed_change
INSERT INTO feed_change VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: first_feed_change
SELECT number, position FROM feed_change WHERE user=? ORDER BY position LIMIT 1;

-- name: delete_feed_change
DELETE FROM feed_change WHERE user=? AND position=?;

-- name: set_feed_changes_forgotten
UPDATE feed_state SET changes_deleted_to=? WHERE user=?;

-- name: last_retraction
SELECT number FROM retraction ORDER BY position DESC LIMIT 1;

-- name: insert_retraction
INSERT INTO retraction VALUES (?, ?, ?, ?, ?);

-- name: first_retraction
SELECT number, position FROM retraction ORDER BY position LIMIT 1;

-- name: delete_retraction
DELETE FROM retraction WHERE position=?;

-- name: set_retractions_forgotten
-- The position of the last erasure is there too, which may be above that of a retraction that is deleted later.
UPDATE meta SET value=max(value, ?) WHERE name='retractions_deleted_to';

-- name: feed_history_begins
SELECT max((SELECT value FROM meta WHERE name='retractions_deleted_to'), coalesce((SELECT max(changes_deleted_to, read_undone_at)
FROM feed_state WHERE user=?), 0));

-- name: retractions_between
SELECT position, key, topics, targets FROM retraction WHERE position>? AND position<=? ORDER BY position LIMIT ?;

-- name: feed_changes_between
SELECT user, position, at, up_to, keys, list FROM feed_change WHERE position>? AND position<=?;

-- name: retractions_were_forgotten
SELECT value > ? FROM meta WHERE name='retractions_deleted_to';

-- name: users_with_changes_forgotten
SELECT user FROM feed_state WHERE changes_deleted_to > ? AND changes_deleted_to > 0;

-- name: feed_changes_of_user
SELECT user, position, at, up_to, keys, list FROM feed_change WHERE user=? AND position>? AND position<=?
ORDER BY position LIMIT ?;
