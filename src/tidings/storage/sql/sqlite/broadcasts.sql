-- Broadcasts: one row for a whole audience, and the users for whom it is pending.

-- name: broadcast_is_pending
-- Whether broadcast b is pending for user u.value; broadcasts.py inserts it into its queries. packed: verb << 33 | type << 1
-- | critical, of verbs whose type is declared; any other is a type of its own.
b.active AND b.position > coalesce((SELECT broadcast_cursor FROM inbox WHERE user = u.value), 0)
AND b.expires_at > :now AND b.actor <> u.value
AND (b.audience = 0 OR EXISTS (
  SELECT 1 FROM follow f
  WHERE f.follower = u.value AND f.topic = b.audience AND f.until_position IS NULL AND f.from_position < b.position))
AND NOT EXISTS (
  SELECT 1 FROM broadcast_topic t CROSS JOIN relation m ON m.viewer = u.value AND m.topic = t.topic
  WHERE t.position = b.position AND (m.kind = 0 OR m.topic = b.actor))
AND (NOT EXISTS (SELECT 1 FROM in_app_preference WHERE user = u.value) OR coalesce(
  (SELECT 1 FROM carray(:packed) c WHERE c.value >> 33 = b.verb AND c.value & 1),
  (SELECT wanted FROM in_app_preference WHERE user = u.value AND type = coalesce(
    (SELECT c.value >> 1 & 4294967295 FROM carray(:packed) c WHERE c.value >> 33 = b.verb), b.verb)),
  (SELECT wanted FROM in_app_preference WHERE user = u.value AND type = 0), 1));

-- name: set_broadcast_cursor
INSERT INTO inbox (user, seq, unread, unread_items, broadcast_cursor) SELECT value, 0, 0, 0, :position FROM carray(:users) WHERE true
ON CONFLICT (user) DO UPDATE SET broadcast_cursor = :position;

-- name: insert_broadcast
INSERT INTO broadcast (position, actor, verb, audience, expires_at) VALUES (?, ?, ?, ?, ?);

-- name: insert_broadcast_topics
INSERT INTO broadcast_topic SELECT ?, value FROM carray(?);

-- name: broadcast_audience
SELECT audience FROM broadcast WHERE position=?;

-- name: delete_broadcast
DELETE FROM broadcast WHERE position=?;

-- name: delete_broadcast_topics
DELETE FROM broadcast_topic WHERE position=?;

-- name: expire_broadcasts
UPDATE broadcast SET active=0 WHERE position IN (SELECT position FROM broadcast INDEXED BY broadcast_expires
WHERE active AND expires_at<=? LIMIT ?);

-- name: count_active_broadcasts
SELECT count(*) FROM broadcast INDEXED BY broadcast_expires WHERE active AND expires_at > ?;

-- name: last_broadcast_expiry
SELECT coalesce(max(expires_at), 0) FROM broadcast WHERE active;

-- name: users_with_pending_broadcasts
SELECT u.value FROM carray(:users) u WHERE EXISTS (
  SELECT 1 FROM broadcast b INDEXED BY broadcast_active WHERE {pending});

-- name: pending_broadcasts
SELECT u.value, b.position FROM carray(:users) u CROSS JOIN broadcast b INDEXED BY broadcast_active
WHERE {pending} ORDER BY u.value, b.position;

-- name: broadcast_to_deliver
SELECT verb FROM broadcast WHERE position = ? AND active AND expires_at > ?;

-- name: end_of_endpoint_chunk
SELECT user FROM endpoint WHERE user > ? ORDER BY user LIMIT 1 OFFSET ?;

-- name: users_with_endpoints
-- The users of a chunk who have a usable endpoint on one of these channels.
SELECT DISTINCT user AS value FROM endpoint
WHERE user > :after AND user <= :upto AND channel IN (SELECT value FROM carray(:channels)) AND confirmed AND disabled_at = 0

-- name: followers_with_endpoints
-- The same, of the followers of a topic.
SELECT DISTINCT f.follower AS value FROM follow f INDEXED BY follow_topic
WHERE f.topic = :audience AND f.follower > :after AND f.follower <= :upto AND EXISTS (
  SELECT 1 FROM endpoint e WHERE e.user = f.follower AND e.channel IN (SELECT value FROM carray(:channels))
  AND e.confirmed AND e.disabled_at = 0)

-- name: pending_recipients
-- Those of these users for whom the broadcast at a position is pending.
SELECT u.value FROM ({users}) u CROSS JOIN broadcast b ON b.position = :position WHERE {pending} ORDER BY u.value;

-- name: active_broadcasts
SELECT position FROM broadcast INDEXED BY broadcast_active WHERE active ORDER BY position;

-- name: broadcast_cursors
SELECT h.user, h.broadcast_cursor FROM carray(:users) u CROSS JOIN inbox h ON h.user = u.value;
