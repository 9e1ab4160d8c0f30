-- Reminders. The partly indexed ones are in reminder_unsettled: only users up to `named_to` have their index rows.

-- name: count_reminders
SELECT count(*) FROM reminder WHERE key IS NOT NULL;

-- name: insert_reminder
INSERT INTO reminder (key, due_at, event, users, topic, recurrence, time_zone, first_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
RETURNING number;

-- name: update_reminder
UPDATE reminder SET due_at=?, event=?, users=?, topic=?, recurrence=?, time_zone=?, first_at=? WHERE number=?;

-- name: insert_reminder_users
INSERT OR IGNORE INTO reminder_user SELECT value, ? FROM carray(?);

-- name: delete_reminder_users
DELETE FROM reminder_user WHERE reminder=? AND user IN (SELECT value FROM carray(?));

-- name: delete_reminder
DELETE FROM reminder WHERE number=?;

-- name: retire_reminder
UPDATE reminder SET key=NULL, due_at=NULL WHERE number=?;

-- name: insert_reminder_indexing
INSERT INTO reminder_unsettled VALUES (?, ?);

-- name: set_indexed_up_to
UPDATE reminder_unsettled SET named_to=? WHERE reminder=?;

-- name: delete_reminder_indexing
DELETE FROM reminder_unsettled WHERE reminder=?;

-- name: indexed_up_to
SELECT named_to FROM reminder_unsettled WHERE reminder=?;

-- name: next_reminder_to_index
SELECT min(reminder) FROM reminder_unsettled WHERE reminder<=?;

-- name: reminder_to_index
SELECT named_to, key IS NULL, number, coalesce(key, ''), coalesce(due_at, 0), event, users, topic, recurrence, time_zone, first_at
FROM reminder_unsettled CROSS JOIN reminder ON number=reminder WHERE reminder=?;

-- name: unindexed_reminders_with_name
SELECT number, key, coalesce(due_at, 0), event, users, topic, recurrence, time_zone, first_at
FROM reminder_unsettled CROSS JOIN reminder ON number=reminder
WHERE reminder>?1 AND named_to<?2 AND (topic=?4 OR instr(users, ?3) OR instr(event, CAST(?3 AS BLOB))) ORDER BY reminder;

-- name: reschedule_reminder
UPDATE reminder SET due_at=? WHERE key=?;

-- name: last_reminder
SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name='reminder';

-- name: due_reminder_sizes
SELECT due_at, key, octet_length(event) + octet_length(users) FROM reminder
WHERE due_at <= ? AND (due_at, key) > (?, ?) ORDER BY due_at, key LIMIT ?;

-- name: reminder_by_key
SELECT number, key, due_at, event, users, topic, recurrence, time_zone, first_at FROM reminder WHERE key=?;

-- name: next_reminder_of_user
SELECT number, key, due_at, event, users, topic, recurrence, time_zone, first_at FROM reminder_user CROSS JOIN reminder
ON number=reminder WHERE user=? AND reminder<=? AND key IS NOT NULL ORDER BY reminder LIMIT 1;

-- name: is_named_by_reminder
SELECT EXISTS (SELECT 1 FROM reminder_user CROSS JOIN reminder ON number=reminder
WHERE user=? AND reminder>? AND (key IS NOT NULL OR ?));

-- name: export_reminders
SELECT number, key, due_at, event, topic, recurrence, time_zone, first_at FROM reminder_user CROSS JOIN reminder
ON number=reminder WHERE user=? AND reminder>? AND key IS NOT NULL ORDER BY reminder LIMIT ?;
