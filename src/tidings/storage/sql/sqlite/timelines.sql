-- Entries of timelines: fan-out on write, backfill, retraction, pages.

-- name: create_timeline
-- A topic's timeline is 2 * topic and `why` the position; a home is 2 * user + 1 and `why` the topic, 0 for targets.
CREATE TABLE timeline_{n} (
  timeline INTEGER, key INTEGER, verb INTEGER NOT NULL, why INTEGER NOT NULL, PRIMARY KEY (timeline, key)
) WITHOUT ROWID;

-- name: push_topics
-- packed: topic << 16 | index in the batch, whose positions begin at :base.
INSERT INTO timeline_{n} (timeline, key, verb, why)
SELECT (c.value >> 16) * 2, l.key, l.verb, l.position
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value & 65535)
WHERE l.key >= :low AND l.key < :high;

-- name: push_targets
-- packed: user << 31 | index << 15 | how many later notifications the user gets in this batch.
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, why)
SELECT (c.value >> 31) * 2 + 1, l.key, l.verb, 0
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value >> 15 & 65535)
WHERE l.key >= :low AND l.key < :high;

-- name: push_followers
-- packed: topic << 16 | index. The actor's own follow brings nothing home. {ev}: the events' partition.
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, why)
SELECT f.follower * 2 + 1, l.key, l.verb, f.topic
FROM carray(:packed) c
CROSS JOIN log l ON l.position = :base + (c.value & 65535)
CROSS JOIN event_{ev} e ON e.key = l.key
CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = c.value >> 16
WHERE l.key >= :low AND l.key < :high AND f.until IS NULL AND f.pushed AND f.follower <> e.actor;

-- name: late_topics
INSERT OR IGNORE INTO late (timeline, position, key)
SELECT (c.value >> 16) * 2, l.position, l.key
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value & 65535)
WHERE l.high IS NOT NULL;

-- name: late_targets
INSERT OR IGNORE INTO late (timeline, position, key)
SELECT (c.value >> 31) * 2 + 1, l.position, l.key
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value >> 15 & 65535)
WHERE l.high IS NOT NULL;

-- name: late_followers
INSERT OR IGNORE INTO late (timeline, position, key)
SELECT f.follower * 2 + 1, l.position, l.key
FROM carray(:packed) c
CROSS JOIN log l ON l.position = :base + (c.value & 65535)
CROSS JOIN event_{ev} e ON e.key = l.key
CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = c.value >> 16
WHERE l.high IS NOT NULL AND l.key >= :low AND l.key < :high AND f.until IS NULL AND f.pushed AND f.follower <> e.actor;

-- name: push_chunk
-- One entry of a topic to the followers in (after, upto]. Whoever ended the follow later, keeping, still gets it.
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, why)
SELECT f.follower * 2 + 1, e.key, e.verb, f.topic
FROM event_{ev} e CROSS JOIN follow f INDEXED BY follow_topic
WHERE e.key = :key AND f.topic = :topic AND f.follower > :after AND f.follower <= :upto
  AND f.since < :position AND (f.until IS NULL OR f.until >= :position) AND f.follower <> e.actor;

-- name: late_chunk
INSERT OR IGNORE INTO late (timeline, position, key)
SELECT f.follower * 2 + 1, e.position, e.key
FROM event_{ev} e CROSS JOIN follow f INDEXED BY follow_topic
WHERE e.key = :key AND f.topic = :topic AND f.follower > :after AND f.follower <= :upto
  AND f.since < :position AND (f.until IS NULL OR f.until >= :position) AND f.follower <> e.actor
  AND EXISTS (SELECT 1 FROM late WHERE timeline = :topic * 2 AND position = :position);

-- name: next_entry
SELECT key, why FROM timeline_{n}
WHERE timeline = ? AND key > ? AND why BETWEEN ? AND ? ORDER BY key LIMIT 1;

-- name: entries_after
SELECT key, why FROM timeline_{n}
WHERE timeline = ? AND key > ? AND why BETWEEN ? AND ? ORDER BY key LIMIT ?;

-- name: bring_home
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, why)
SELECT DISTINCT f.follower * 2 + 1, e.key, e.verb, f.topic
FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = c.value
CROSS JOIN follow f ON f.follower = :user AND f.topic = :topic
WHERE (e.key >= f.since_key OR e.position > f.since) AND (f.until IS NULL OR e.position <= f.until)
  AND e.actor <> :user;

-- name: bring_home_late
INSERT OR IGNORE INTO late (timeline, position, key)
SELECT :user * 2 + 1, e.position, e.key
FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = c.value
CROSS JOIN late t ON t.timeline = :topic * 2 AND t.position = e.position
CROSS JOIN timeline_{n} h ON h.timeline = :user * 2 + 1 AND h.key = e.key;

-- name: unpush
DELETE FROM timeline_{n}
WHERE key = ?4 AND timeline IN (SELECT follower * 2 + 1 FROM follow WHERE topic = ?1 AND follower > ?2 AND follower <= ?3);

-- name: newest_entries
SELECT key, why FROM timeline_{n} WHERE timeline = ? AND key < ? ORDER BY key DESC LIMIT ?;

-- name: page_keys
SELECT key, why FROM timeline_{n}
WHERE timeline = :timeline AND key < :before AND key > :above ORDER BY key DESC LIMIT :limit;

-- name: page_keys_verb
SELECT key, why FROM timeline_{n}
WHERE timeline = :timeline AND key < :before AND key > :above AND verb = :verb ORDER BY key DESC LIMIT :limit;

-- name: next_keys
SELECT key, why FROM timeline_{n} WHERE timeline = ? AND key > ? ORDER BY key LIMIT ?;

-- name: restore_topics
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, why)
SELECT c.value * 2, e.key, e.verb, e.position FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = :key;

-- name: restore_targets
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, why)
SELECT c.value * 2 + 1, e.key, e.verb, 0 FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = :key;

-- name: restore_followers
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, why)
SELECT f.follower * 2 + 1, e.key, e.verb, f.topic
FROM event_{ev} e CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = :topic
WHERE e.key = :key AND (e.key >= f.since_key OR e.position > f.since) AND (f.until IS NULL OR e.position <= f.until)
  AND f.follower <> e.actor;
