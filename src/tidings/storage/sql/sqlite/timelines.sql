-- Entries of timelines: fan-out on write, backfill, retraction, pages.

-- name: create_timeline
-- A topic's timeline is 2 * topic and `origin` the position, and -2 * topic that of its events for recipients only; a user
-- feed is 2 * user + 1 and `origin` the topic, 0 for targets.
CREATE TABLE timeline_{n} (
  timeline INTEGER, key INTEGER, verb INTEGER NOT NULL, origin INTEGER NOT NULL, PRIMARY KEY (timeline, key)
) WITHOUT ROWID;

-- name: insert_topic_entries
-- packed: topic << 16 | index in the batch, whose positions begin at :base; the topic is negative if the event is for
-- recipients only.
INSERT INTO timeline_{n} (timeline, key, verb, origin)
SELECT (c.value >> 16) * 2, l.key, l.verb, l.position
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value & 65535)
WHERE l.key >= :low AND l.key < :high;

-- name: insert_target_entries
-- packed: user << 31 | index << 15 | how many later notifications the user gets in this batch.
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, origin)
SELECT (c.value >> 31) * 2 + 1, l.key, l.verb, 0
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value >> 15 & 65535)
WHERE l.key >= :low AND l.key < :high;

-- name: insert_follower_entries
-- packed: topic << 16 | index. The actor's own follow adds nothing to the actor's feed. {ev}: the events' partition.
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, origin)
SELECT f.follower * 2 + 1, l.key, l.verb, f.topic
FROM carray(:packed) c
CROSS JOIN log l ON l.position = :base + (c.value & 65535)
CROSS JOIN event_{ev} e ON e.key = l.key
CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = c.value >> 16
WHERE l.key >= :low AND l.key < :high AND f.until_position IS NULL AND f.fanout_on_write AND f.follower <> e.actor;

-- name: insert_out_of_order_topic_entries
INSERT OR IGNORE INTO out_of_order_entry (timeline, position, key)
SELECT (c.value >> 16) * 2, l.position, l.key
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value & 65535)
WHERE l.max_key_so_far IS NOT NULL;

-- name: insert_out_of_order_target_entries
INSERT OR IGNORE INTO out_of_order_entry (timeline, position, key)
SELECT (c.value >> 31) * 2 + 1, l.position, l.key
FROM carray(:packed) c CROSS JOIN log l ON l.position = :base + (c.value >> 15 & 65535)
WHERE l.max_key_so_far IS NOT NULL;

-- name: insert_out_of_order_follower_entries
INSERT OR IGNORE INTO out_of_order_entry (timeline, position, key)
SELECT f.follower * 2 + 1, l.position, l.key
FROM carray(:packed) c
CROSS JOIN log l ON l.position = :base + (c.value & 65535)
CROSS JOIN event_{ev} e ON e.key = l.key
CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = c.value >> 16
WHERE l.max_key_so_far IS NOT NULL AND l.key >= :low AND l.key < :high AND f.until_position IS NULL AND f.fanout_on_write AND f.follower <> e.actor;

-- name: insert_follower_entries_chunk
-- One entry of a topic to the followers in (after, upto] whose follow covers it, by its backfill too: a rebuild restores that.
-- A follower who ended the follow later, with history kept, still gets it.
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, origin)
SELECT f.follower * 2 + 1, e.key, e.verb, f.topic
FROM event_{ev} e CROSS JOIN follow f INDEXED BY follow_topic
WHERE e.key = :key AND f.topic = :topic AND f.follower > :after AND f.follower <= :upto
  AND (f.from_position < :position OR e.key >= f.backfill_from_key) AND (f.until_position IS NULL OR f.until_position >= :position)
  AND f.follower <> e.actor;

-- name: insert_out_of_order_follower_entries_chunk
INSERT OR IGNORE INTO out_of_order_entry (timeline, position, key)
SELECT f.follower * 2 + 1, e.position, e.key
FROM event_{ev} e CROSS JOIN follow f INDEXED BY follow_topic
WHERE e.key = :key AND f.topic = :topic AND f.follower > :after AND f.follower <= :upto
  AND (f.from_position < :position OR e.key >= f.backfill_from_key) AND (f.until_position IS NULL OR f.until_position >= :position)
  AND f.follower <> e.actor
  AND EXISTS (SELECT 1 FROM out_of_order_entry WHERE timeline = :topic * 2 AND position = :position);

-- name: next_entry
SELECT key, origin FROM timeline_{n}
WHERE timeline = ? AND key > ? AND origin BETWEEN ? AND ? ORDER BY key LIMIT 1;

-- name: entries_after
SELECT key, origin FROM timeline_{n}
WHERE timeline = ? AND key > ? AND origin BETWEEN ? AND ? ORDER BY key LIMIT ?;

-- name: backfill_feed
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, origin)
SELECT DISTINCT f.follower * 2 + 1, e.key, e.verb, f.topic
FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = c.value
CROSS JOIN follow f ON f.follower = :user AND f.topic = :topic
WHERE (e.key >= f.backfill_from_key OR e.position > f.from_position) AND (f.until_position IS NULL OR e.position <= f.until_position)
  AND e.actor <> :user;

-- name: backfill_feed_out_of_order
INSERT OR IGNORE INTO out_of_order_entry (timeline, position, key)
SELECT :user * 2 + 1, e.position, e.key
FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = c.value
CROSS JOIN out_of_order_entry t ON t.timeline = :topic * 2 AND t.position = e.position
CROSS JOIN timeline_{n} h ON h.timeline = :user * 2 + 1 AND h.key = e.key;

-- name: delete_fanout_chunk
DELETE FROM timeline_{n}
WHERE key = ?4 AND timeline IN (SELECT follower * 2 + 1 FROM follow WHERE topic = ?1 AND follower > ?2 AND follower <= ?3);

-- name: newest_entries
SELECT key, origin FROM timeline_{n} WHERE timeline = ? AND key < ? ORDER BY key DESC LIMIT ?;

-- name: page_keys
SELECT key, origin FROM timeline_{n}
WHERE timeline = :timeline AND key < :before AND key > :above ORDER BY key DESC LIMIT :limit;

-- name: page_keys_verbs
-- included: 1 for entries of these verbs, 0 for those of all others.
SELECT key, origin FROM timeline_{n}
WHERE timeline = :timeline AND key < :before AND key > :above AND (verb IN (SELECT value FROM carray(:verbs))) = :included ORDER BY key DESC LIMIT :limit;

-- name: next_keys
SELECT key, origin FROM timeline_{n} WHERE timeline = ? AND key > ? ORDER BY key LIMIT ?;

-- name: restore_topic_entries
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, origin)
SELECT c.value * 2, e.key, e.verb, e.position FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = :key;

-- name: restore_target_entries
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, origin)
SELECT c.value * 2 + 1, e.key, e.verb, 0 FROM carray(:packed) c CROSS JOIN event_{ev} e ON e.key = :key;

-- name: restore_follower_entries
INSERT OR IGNORE INTO timeline_{n} (timeline, key, verb, origin)
SELECT f.follower * 2 + 1, e.key, e.verb, f.topic
FROM event_{ev} e CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = :topic
WHERE e.key = :key AND (e.key >= f.backfill_from_key OR e.position > f.from_position) AND (f.until_position IS NULL OR e.position <= f.until_position)
  AND f.follower <> e.actor;

-- name: has_hidden_ranges
SELECT EXISTS (SELECT 1 FROM hidden_range);

-- name: record_hidden_ranges
-- Rows: timeline, the entry before the range (NULL: it is looked up here), bottom, top. A range that ends at the entry before
-- is extended. What is within a range already is passed over: ranges do not overlap.
INSERT INTO hidden_range (timeline, bottom, top)
SELECT v.column1,
  iif(h.top = coalesce(v.column2, (SELECT max(key) FROM timeline_{n} WHERE timeline = v.column1 AND key < v.column3)), h.bottom, v.column3),
  v.column4
FROM (VALUES {rows}) v LEFT JOIN hidden_range h ON h.timeline = v.column1
  AND h.bottom = (SELECT max(bottom) FROM hidden_range WHERE timeline = v.column1 AND bottom <= v.column3)
WHERE h.top IS NULL OR h.top < v.column3
ON CONFLICT DO UPDATE SET top = excluded.top;

-- name: split_hidden_ranges
-- The part of a range above a key.
INSERT INTO hidden_range (timeline, bottom, top)
SELECT h.timeline, :key + 1, h.top FROM carray(:timelines) c CROSS JOIN hidden_range h ON h.timeline = c.value
  AND h.bottom = (SELECT max(bottom) FROM hidden_range WHERE timeline = c.value AND bottom <= :key)
WHERE h.top > :key;

-- name: end_hidden_ranges
-- The part below it.
UPDATE hidden_range SET top = :key - 1
WHERE (timeline, bottom) IN (
  SELECT c.value, (SELECT max(bottom) FROM hidden_range WHERE timeline = c.value AND bottom <= :key) FROM carray(:timelines) c
) AND top >= :key;

-- name: hidden_range_at
SELECT bottom, top FROM hidden_range WHERE timeline = ? AND bottom <= ? ORDER BY bottom DESC LIMIT 1;
