-- What is deleted with time.

-- name: delete_old_idempotency
DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at<? LIMIT ?);

-- name: delete_old_confirmations
DELETE FROM confirmation WHERE number IN (SELECT number FROM confirmation WHERE until<=? LIMIT ?);

-- name: end_of_group_chunk
SELECT about, key, user FROM {table} WHERE (about, key, user) > (?, ?, ?)
ORDER BY about, key, user LIMIT 1 OFFSET ?;

-- name: delete_group_chunk
DELETE FROM {table} WHERE (about, key, user) > (?, ?, ?) AND (about, key, user) <= (?, ?, ?)
  AND ({column} <= ? OR NOT EXISTS (SELECT 1 FROM inbox_head h WHERE h.user = {table}.user));
