-- Deletion of aged rows.

-- name: delete_old_idempotency
DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at<? LIMIT ?);

-- name: delete_old_confirmations
DELETE FROM confirmation WHERE number IN (SELECT number FROM confirmation WHERE until<=? LIMIT ?);

-- name: end_of_group_chunk
SELECT group_topic, key, user FROM {table} WHERE (group_topic, key, user) > (?, ?, ?)
ORDER BY group_topic, key, user LIMIT 1 OFFSET ?;

-- name: delete_group_chunk
DELETE FROM {table} WHERE (group_topic, key, user) > (?, ?, ?) AND (group_topic, key, user) <= (?, ?, ?)
  AND ({column} <= ? OR NOT EXISTS (SELECT 1 FROM inbox h WHERE h.user = {table}.user));
