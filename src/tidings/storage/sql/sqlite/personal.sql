-- Preferences, endpoints, deliveries, reminders, broadcasts, who hears: named statements as in queries.sql.

-- name: followers_of
-- Who follows these topics, as far as it can cover an event after a position. `since` (and `since_key`) are NULL where
-- the follow began before it, so that only `until` can end it; a plain follow has NULL in all three.
SELECT f.topic, f.follower, iif(f.since > :after, f.since, NULL),
  CASE WHEN f.since > :after THEN
    (SELECT g.since_key FROM follow g WHERE g.follower = f.follower AND g.topic = f.topic AND g.since = f.since)
  END, f.until
FROM carray(:topics) t CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = t.value
WHERE f.until IS NULL OR f.until > :after;

-- name: followers_among
-- The same, asked of the users in question: for topics with more followers than these are.
SELECT f.topic, f.follower, iif(f.since > :after, f.since, NULL),
  CASE WHEN f.since > :after THEN
    (SELECT g.since_key FROM follow g WHERE g.follower = f.follower AND g.topic = f.topic AND g.since = f.since)
  END, f.until
FROM carray(:topics) t CROSS JOIN carray(:users) u
CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = t.value AND f.follower = u.value
WHERE f.until IS NULL OR f.until > :after;

-- name: masks_of
SELECT m.viewer, m.topic, m.kind FROM carray(:topics) t CROSS JOIN mask m INDEXED BY mask_topic ON m.topic = t.value
LIMIT :limit;

-- name: masks_among
-- The same, asked of the users in question: for topics that many masked.
SELECT m.viewer, m.topic, m.kind FROM carray(:topics) t CROSS JOIN carray(:users) u
CROSS JOIN mask m ON m.viewer = u.value AND m.topic = t.value;

-- name: inbox_heads
-- The heads of many inboxes, each with its last read-all of all types.
SELECT h.user, h.unread, h.seq, coalesce(m.up_to, 0), coalesce(m.seq, 0), h.items
FROM carray(:users) u CROSS JOIN inbox_head h ON h.user = u.value
LEFT JOIN inbox_mark m ON m.user = h.user AND m.seq = (
  SELECT seq FROM inbox_mark WHERE user = h.user AND kind = 0 AND type = 0 ORDER BY up_to DESC LIMIT 1
);

-- name: owe_deliveries
-- What came to inboxes in this transaction is owed to every usable endpoint on a channel of its type, unless news of the
-- same group waits for it. packed: type << 3 | channel.
INSERT INTO delivery (endpoint, user, number, type, due_at, created_at)
SELECT e.number, b.user, b.number, b.type, :now, :now
FROM temp.brought b CROSS JOIN endpoint e ON e.user = b.user
WHERE b.type << 3 | e.channel IN (SELECT value FROM carray(:packed))
  AND e.confirmed AND e.disabled_at = 0
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint = e.number AND d.number = b.number AND d.dead = 0);

-- name: owe_again
-- A group is owed to an endpoint again if an item is in it that is newer than what the last attempt carried.
INSERT INTO delivery (endpoint, user, number, type, due_at, created_at)
SELECT e.number, :user, :number, :type, :now, :now FROM endpoint e
WHERE e.number = :endpoint AND e.confirmed AND e.disabled_at = 0
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint = e.number AND d.number = :number AND d.dead = 0)
  AND EXISTS (SELECT 1 FROM inbox_group g CROSS JOIN inbox_member m ON m.group_id = g.id
    WHERE g.user = :user AND g.number = :number AND m.seq > :carried);

-- name: add_endpoint
INSERT INTO endpoint
  (id, user, channel, address, secret, created_at, sent_at, confirmed, failures, disabled_at, disabled_reason)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (user, channel, address) DO UPDATE SET
  secret = excluded.secret, created_at = excluded.created_at, sent_at = excluded.sent_at,
  confirmed = max(confirmed, excluded.confirmed), failures = excluded.failures,
  disabled_at = excluded.disabled_at, disabled_reason = excluded.disabled_reason;

-- name: endpoints_of
SELECT id, channel, address, secret, created_at, sent_at, confirmed, failures, disabled_at, disabled_reason
FROM endpoint WHERE user = ? ORDER BY created_at, number;

-- name: reserve_confirmation
INSERT INTO confirmation (user_digest, address_digest, until) SELECT :user, :address, :now + :window_ms
WHERE (SELECT count(*) FROM confirmation WHERE user_digest = :user AND until > :now) < :per_user
  AND (SELECT count(*) FROM confirmation WHERE address_digest = :address AND until > :now) < :per_address;

-- name: deliveries_due
SELECT d.id, d.user, d.number, d.type, d.due_at, d.created_at, d.attempts,
  e.id, e.channel, e.address, e.secret, e.created_at, e.sent_at, e.confirmed, e.failures, e.disabled_at,
  e.disabled_reason, p.wishes
FROM delivery d INDEXED BY delivery_due CROSS JOIN endpoint e ON e.number = d.endpoint
LEFT JOIN preference p ON p.user = d.user
WHERE d.dead = 0 AND d.due_at <= ? AND NOT EXISTS (
  SELECT 1 FROM debt b INDEXED BY debt_block WHERE b.kind = 'block' AND b.subject = d.user AND b.dead = 0)
ORDER BY d.due_at, d.id LIMIT ?;

-- name: deliveries_of_ids
-- The same of these ids alone: a few, each found by its key.
SELECT d.id, d.user, d.number, d.type, d.due_at, d.created_at, d.attempts,
  e.id, e.channel, e.address, e.secret, e.created_at, e.sent_at, e.confirmed, e.failures, e.disabled_at,
  e.disabled_reason, p.wishes
FROM carray(:ids) c CROSS JOIN delivery d ON d.id = c.value CROSS JOIN endpoint e ON e.number = d.endpoint
LEFT JOIN preference p ON p.user = d.user
WHERE d.dead = 0 AND d.due_at <= :due_by AND NOT EXISTS (
  SELECT 1 FROM debt b INDEXED BY debt_block WHERE b.kind = 'block' AND b.subject = d.user AND b.dead = 0)
ORDER BY d.due_at, d.id LIMIT :limit;

-- name: endpoints_waiting
SELECT e.id FROM endpoint e CROSS JOIN delivery d ON d.endpoint = e.number AND d.number = ?2 AND d.dead = 0
WHERE e.user = ?1 ORDER BY e.number;

-- name: users_muting
SELECT c.value FROM carray(:users) c WHERE EXISTS (SELECT 1 FROM mask WHERE viewer = c.value AND kind = 0);

-- name: muted_topics
-- Those of these topics that a user has muted.
SELECT m.topic FROM carray(:topics) c CROSS JOIN mask m ON m.viewer = :user AND m.topic = c.value AND m.kind = 0;

-- name: replay_deliveries
UPDATE delivery SET dead = 0, attempts = 0, due_at = ? WHERE dead <> 0
  AND NOT EXISTS (SELECT 1 FROM endpoint e WHERE e.number = delivery.endpoint AND e.disabled_at <> 0);

-- name: release_held
UPDATE delivery INDEXED BY delivery_held SET due_at = min(due_at, :now), held = 0 WHERE user = :user AND held <> 0;

-- name: next_due
SELECT min(due_at) FROM (
  SELECT min(due_at) AS due_at FROM reminder
  UNION ALL SELECT min(due_at) FROM delivery INDEXED BY delivery_due WHERE dead = 0
);

-- name: deliveries_dead
SELECT d.id, d.user, e.id, e.channel, d.attempts, d.error
FROM delivery d INDEXED BY delivery_dead CROSS JOIN endpoint e ON e.number = d.endpoint
WHERE d.dead <> 0 ORDER BY d.id LIMIT ?;

-- name: is_lacking
-- Whether user u.value lacks broadcast b; broadcasts.py puts it into its questions. packed: verb << 33 | type << 1 |
-- critical, of verbs whose type is declared; any other is a type of its own.
b.live AND b.position > coalesce((SELECT taken FROM inbox_head WHERE user = u.value), 0)
AND b.expires_at > :now AND b.actor <> u.value
AND (b.audience = 0 OR EXISTS (
  SELECT 1 FROM follow f
  WHERE f.follower = u.value AND f.topic = b.audience AND f.until IS NULL AND f.since < b.position))
AND NOT EXISTS (
  SELECT 1 FROM broadcast_topic t CROSS JOIN mask m ON m.viewer = u.value AND m.topic = t.topic
  WHERE t.position = b.position AND (m.kind = 0 OR m.topic = b.actor))
AND (NOT EXISTS (SELECT 1 FROM silence WHERE user = u.value) OR coalesce(
  (SELECT 1 FROM carray(:packed) c WHERE c.value >> 33 = b.verb AND c.value & 1),
  (SELECT wanted FROM silence WHERE user = u.value AND type = coalesce(
    (SELECT c.value >> 1 & 4294967295 FROM carray(:packed) c WHERE c.value >> 33 = b.verb), b.verb)),
  (SELECT wanted FROM silence WHERE user = u.value AND type = 0), 1));

-- name: taken_up
INSERT INTO inbox_head (user, seq, unread, items, taken) SELECT value, 0, 0, 0, :position FROM carray(:users) WHERE true
ON CONFLICT (user) DO UPDATE SET taken = :position;
