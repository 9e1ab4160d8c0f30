-- What changed in feeds, for streams that resume.

-- name: last_feed_change
SELECT number FROM feed_change WHERE user=? ORDER BY position DESC LIMIT 1;

-- name: insert_feed_change
INSERT INTO feed_change VALUES (?, ?, ?, ?, ?, ?);

-- name: first_feed_change
SELECT number, position FROM feed_change WHERE user=? ORDER BY position LIMIT 1;

-- name: delete_feed_change
DELETE FROM feed_change WHERE user=? AND position=?;

-- name: set_feed_changes_forgotten
UPDATE viewer SET forgotten=? WHERE user=?;

-- name: last_retraction
SELECT number FROM retraction ORDER BY position DESC LIMIT 1;

-- name: insert_retraction
INSERT INTO retraction VALUES (?, ?, ?, ?, ?);

-- name: first_retraction
SELECT number, position FROM retraction ORDER BY position LIMIT 1;

-- name: delete_retraction
DELETE FROM retraction WHERE position=?;

-- name: set_retractions_forgotten
UPDATE meta SET value=? WHERE name='retractions_forgotten';

-- name: feed_history_begins
SELECT max((SELECT value FROM meta WHERE name='retractions_forgotten'), coalesce((SELECT max(forgotten, undone)
FROM viewer WHERE user=?), 0));

-- name: retractions_forgotten
SELECT value FROM meta WHERE name='retractions_forgotten';

-- name: retractions_between
SELECT position, key, topics, targets FROM retraction WHERE position>? AND position<=? ORDER BY position LIMIT ?;

-- name: feed_changes_between
SELECT user, position, at, up_to, keys FROM feed_change WHERE position>? AND position<=?;

-- name: retractions_were_forgotten
SELECT value > ? FROM meta WHERE name='retractions_forgotten';

-- name: users_with_changes_forgotten
SELECT user FROM viewer WHERE forgotten > ? AND forgotten > 0;

-- name: feed_changes_of_user
SELECT user, position, at, up_to, keys FROM feed_change WHERE user=? AND position>? AND position<=?
ORDER BY position LIMIT ?;
