-- Events and the log.

-- name: create_event
CREATE TABLE event_{n} (
  key INTEGER PRIMARY KEY, position INTEGER NOT NULL, actor INTEGER NOT NULL, object INTEGER NOT NULL,
  verb INTEGER NOT NULL, topics BLOB, targets BLOB, visibility INTEGER NOT NULL, notify INTEGER NOT NULL,
  body BLOB
);

-- name: bodies
SELECT e.key, e.position, e.body FROM carray(?) c CROSS JOIN event_{n} e ON e.key = c.value WHERE e.body IS NOT NULL;

-- name: named_bodies
-- `bodies`, with the display names that the actors have now.
SELECT e.key, e.position, d.name, e.body FROM carray(?) c CROSS JOIN event_{n} e ON e.key = c.value
LEFT JOIN display_name d ON d.user = e.actor WHERE e.body IS NOT NULL;

-- name: events
SELECT e.key, e.position, e.actor, e.object, e.verb, e.topics, e.targets, e.visibility, e.notify, e.body
FROM carray(?) c CROSS JOIN event_{n} e ON e.key = c.value WHERE e.body IS NOT NULL;

-- name: events_without_body
-- As `events`, without reading bodies off their pages.
SELECT e.key, e.position, e.actor, e.object, e.verb, e.topics, e.targets, e.visibility, e.notify, x''
FROM carray(?) c CROSS JOIN event_{n} e ON e.key = c.value WHERE e.body IS NOT NULL;

-- name: actors
SELECT e.key, e.actor FROM carray(?) c CROSS JOIN event_{n} e ON e.key = c.value WHERE e.body IS NOT NULL;

-- name: retracted_events
-- The rows of retracted events.
SELECT e.key, e.position, e.actor, e.object, e.verb, NULL, NULL, e.visibility, e.notify, x'' FROM carray(?) c CROSS JOIN event_{n} e ON e.key = c.value;

-- name: newest_events
-- Of the newest :examined events. Those that are not listed are passed over here: their bodies stay unread.
SELECT key, position, actor, object, verb, topics, targets, visibility, notify, body
FROM (SELECT * FROM event_{n} WHERE key < :before AND key > :above ORDER BY key DESC LIMIT :examined)
WHERE visibility <= :narrowest AND body IS NOT NULL LIMIT :limit;

-- name: newest_events_to_group
-- The same, without their bodies; no topic brought them.
SELECT key, position, actor, verb, object, -1
FROM (SELECT * FROM event_{n} WHERE key < :before AND key > :above ORDER BY key DESC LIMIT :examined)
WHERE visibility <= :narrowest AND body IS NOT NULL LIMIT :limit;

-- name: last_examined_event
SELECT key FROM event_{n} WHERE key < :before AND key > :above ORDER BY key DESC LIMIT 1 OFFSET :examined - 1;

-- name: keys_at_positions
SELECT l.key FROM carray(?) c CROSS JOIN log l ON l.position=c.value;

-- name: log_after
SELECT position, key FROM log WHERE position>? ORDER BY position LIMIT ?;

-- name: log_between
SELECT position, key FROM log WHERE position > ? AND position <= ? ORDER BY position LIMIT ?;

-- name: keys_between_positions
SELECT key FROM log WHERE position>? AND position<=? ORDER BY position;

-- name: log_head
SELECT position, coalesce(max_key_so_far, key) FROM log ORDER BY position DESC LIMIT 1;

-- name: log_position
SELECT coalesce(max(position), 0) FROM log;

-- name: greatest_key_at
SELECT coalesce(max_key_so_far, key) FROM log WHERE position<=? ORDER BY position DESC LIMIT 1;

-- name: idempotency_record
SELECT fingerprint, event, position FROM idempotency WHERE key=? AND at>?;

-- name: event_stands
-- Whether an event was not retracted.
SELECT EXISTS (SELECT 1 FROM event_{n} WHERE key=? AND body IS NOT NULL);

-- name: greatest_event_key
SELECT max(key) FROM event_{n} WHERE key >= ? AND key < ?;

-- name: event_to_notify
SELECT position, actor, object, verb, topics, targets, notify FROM event_{n} WHERE key=? AND body IS NOT NULL;

-- name: insert_events
INSERT INTO event_{n} VALUES {rows};

-- name: insert_log
INSERT INTO log VALUES {rows};

-- name: insert_idempotency
INSERT OR REPLACE INTO idempotency VALUES {rows};
