-- Deliveries to the endpoints of users.

-- name: enqueue_deliveries
-- Enqueue a delivery of each group that got an item in this transaction to every usable endpoint on a channel of its type,
-- unless one of the group is queued for it. packed: type << 3 | channel.
INSERT INTO delivery (endpoint, user, group_number, type, due_at, created_at, priority)
SELECT e.number, b.user, b.group_number, b.type, :now, :now, :priority
FROM temp.notified_group b CROSS JOIN endpoint e ON e.user = b.user
WHERE b.type << 3 | e.channel IN (SELECT value FROM carray(:packed))
  AND e.confirmed AND e.disabled_at = 0
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint = e.number AND d.group_number = b.group_number AND d.dead_lettered = 0);

-- name: enqueue_delivery_again
-- Enqueue the delivery of a group again if an item joined it that is newer than the items of the last attempt.
INSERT INTO delivery (endpoint, user, group_number, type, due_at, created_at, priority)
SELECT e.number, :user, :number, :type, :now, :now, :priority FROM endpoint e
WHERE e.number = :endpoint AND e.confirmed AND e.disabled_at = 0
  AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.endpoint = e.number AND d.group_number = :number AND d.dead_lettered = 0)
  AND EXISTS (SELECT 1 FROM inbox_group g CROSS JOIN inbox_member m ON m.group_id = g.id
    WHERE g.user = :user AND g.group_number = :number AND m.seq > max(:carried, :number));

-- name: deliveries_due
-- Those of one priority. The index has the endpoint, so that what is left out is passed over within it.
SELECT d.id, d.user, d.group_number, d.type, d.due_at, d.created_at, d.attempts,
  e.id, e.channel, e.address, e.secret, e.created_at, e.sent_at, e.confirmed, e.failures, e.disabled_at,
  e.disabled_reason, e.vouched, e.revision, e.previous_secret, e.previous_until, e.last_error, e.last_error_at, p.document, d.priority, EXISTS (
    SELECT 1 FROM fanout_job b INDEXED BY fanout_job_block WHERE b.kind = 'block' AND b.subject = d.user) AS has_cleaning
FROM delivery d INDEXED BY delivery_due CROSS JOIN endpoint e ON e.number = d.endpoint
LEFT JOIN preference p ON p.user = d.user
WHERE d.dead_lettered = 0 AND d.priority = :priority AND d.due_at <= :due_by AND d.endpoint NOT IN (
  SELECT e.number FROM carray(:without) c CROSS JOIN endpoint e ON e.id = c.value
) AND (d.due_at, d.id) > (:after_due, :after_id)
ORDER BY d.due_at, d.id LIMIT :limit;

-- name: deliveries_of_ids
-- The same of these ids only: a few, each found by its key.
SELECT d.id, d.user, d.group_number, d.type, d.due_at, d.created_at, d.attempts,
  e.id, e.channel, e.address, e.secret, e.created_at, e.sent_at, e.confirmed, e.failures, e.disabled_at,
  e.disabled_reason, e.vouched, e.revision, e.previous_secret, e.previous_until, e.last_error, e.last_error_at, p.document, d.priority, EXISTS (
    SELECT 1 FROM fanout_job b INDEXED BY fanout_job_block WHERE b.kind = 'block' AND b.subject = d.user) AS has_cleaning
FROM carray(:ids) c CROSS JOIN delivery d ON d.id = c.value CROSS JOIN endpoint e ON e.number = d.endpoint
LEFT JOIN preference p ON p.user = d.user
WHERE d.dead_lettered = 0 AND d.due_at <= :due_by
ORDER BY d.priority, d.due_at, d.id LIMIT :limit;

-- name: defer_snoozed
-- Enqueue deliveries of a snoozed group for its end: new ones, with ids that no receiver knows.
INSERT INTO delivery (endpoint, user, group_number, type, due_at, created_at, held, priority)
SELECT number, user, :number, :type, :until, :now, 1, :priority FROM endpoint
WHERE user = :user AND channel IN (SELECT value FROM carray(:channels)) AND confirmed AND disabled_at = 0;

-- name: drop_queued
DELETE FROM delivery WHERE id IN (SELECT d.id FROM endpoint e
  CROSS JOIN delivery d ON d.endpoint = e.number AND d.group_number = :number AND d.dead_lettered = 0 WHERE e.user = :user);

-- name: release_snoozed
UPDATE delivery SET due_at = :now, created_at = :now, held = 0 WHERE id IN (SELECT d.id FROM endpoint e
  CROSS JOIN delivery d ON d.endpoint = e.number AND d.group_number = :number AND d.dead_lettered = 0 WHERE e.user = :user);

-- name: endpoints_waiting
SELECT e.id FROM endpoint e CROSS JOIN delivery d ON d.endpoint = e.number AND d.group_number = ?2 AND d.dead_lettered = 0
WHERE e.user = ?1 ORDER BY e.number;

-- name: failed_deliveries
SELECT e.id, d.attempts, iif(d.dead_lettered, NULL, d.due_at), coalesce(d.error, '') FROM endpoint e
CROSS JOIN delivery d ON d.endpoint = e.number AND d.group_number = ?2 AND d.attempts > 0
WHERE e.user = ?1 ORDER BY e.number, d.id;

-- name: retry_dead_deliveries
UPDATE delivery SET dead_lettered = 0, attempts = 0, due_at = ? WHERE dead_lettered <> 0
  AND NOT EXISTS (SELECT 1 FROM endpoint e WHERE e.number = delivery.endpoint AND e.disabled_at <> 0);

-- name: release_held
UPDATE delivery INDEXED BY delivery_held SET due_at = min(due_at, :now), held = 0 WHERE user = :user AND held <> 0;

-- name: bound_deliveries
UPDATE delivery INDEXED BY delivery_due SET due_at = :now, held = 0
WHERE dead_lettered = 0 AND priority = :priority AND due_at > :latest;

-- name: next_due
SELECT min(due_at) FROM (
  SELECT min(due_at) AS due_at FROM reminder
  UNION ALL SELECT min(due_at) FROM delivery INDEXED BY delivery_due WHERE dead_lettered = 0 AND priority = 0
  UNION ALL SELECT min(due_at) FROM delivery INDEXED BY delivery_due WHERE dead_lettered = 0 AND priority = 1
  UNION ALL SELECT min(due_at) FROM delivery INDEXED BY delivery_due WHERE dead_lettered = 0 AND priority = 2
  UNION ALL SELECT min(due_at) FROM delivery INDEXED BY delivery_due WHERE dead_lettered = 0 AND priority = 3
);

-- name: dead_deliveries
SELECT d.id, d.user, e.id, e.channel, d.attempts, d.error
FROM delivery d INDEXED BY delivery_dead_lettered CROSS JOIN endpoint e ON e.number = d.endpoint
WHERE d.dead_lettered <> 0 ORDER BY d.id LIMIT ?;

-- name: endpoint_number_of_id
SELECT number FROM endpoint WHERE id = ?;

-- name: unsent_of_endpoint
-- The index of the endpoint has this order.
SELECT d.id, e.id, d.user, e.channel, d.type, d.group_number, d.dead_lettered, d.held, d.due_at, d.created_at, d.attempts,
  d.error, e.confirmed AND e.disabled_at = 0
FROM endpoint e CROSS JOIN delivery d INDEXED BY delivery_endpoint ON d.endpoint = e.number
WHERE e.number = :endpoint AND (d.group_number, d.dead_lettered, d.id) < (:number, :dead, :id)
ORDER BY d.group_number DESC, d.dead_lettered DESC, d.id DESC LIMIT :limit;

-- name: unsent_of_all
SELECT d.id, e.id, d.user, e.channel, d.type, d.group_number, d.dead_lettered, d.held, d.due_at, d.created_at, d.attempts,
  d.error, e.confirmed AND e.disabled_at = 0
FROM delivery d CROSS JOIN endpoint e ON e.number = d.endpoint
WHERE d.id < :id ORDER BY d.id DESC LIMIT :limit;

-- name: resend_delivery
UPDATE delivery SET dead_lettered = 0, attempts = 0, held = 0, due_at = :now WHERE id = :id
  AND EXISTS (SELECT 1 FROM endpoint e WHERE e.number = delivery.endpoint AND e.confirmed AND e.disabled_at = 0);

-- name: delivery_by_id
SELECT endpoint, user, group_number, type, priority FROM delivery WHERE id=?;

-- name: delete_delivery
DELETE FROM delivery WHERE id=?;

-- name: hold_delivery
UPDATE delivery SET due_at=?, held=1 WHERE id=?;

-- name: delivery_failed
UPDATE delivery SET due_at=?, attempts=attempts+1, error=?, dead_lettered=?, held=0 WHERE id=?;

-- name: delete_deliveries_of_endpoint
DELETE FROM delivery WHERE endpoint=?;

-- name: count_deliveries
SELECT count(*) FROM delivery;

-- name: count_dead_deliveries
SELECT count(*) FROM delivery INDEXED BY delivery_dead_lettered WHERE dead_lettered <> 0;

-- name: deliveries_of_user
SELECT d.user, d.group_number, e.id, d.due_at, d.created_at, d.attempts, d.dead_lettered, d.error FROM endpoint e
CROSS JOIN delivery d ON d.endpoint = e.number WHERE e.user=? ORDER BY d.id;
