-- Reminders.

-- name: count_reminders
SELECT count(*) FROM reminder;

-- name: insert_reminder
INSERT INTO reminder (key, due_at, event, users, topic, recurrence, time_zone, first_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
RETURNING number;

-- name: update_reminder
UPDATE reminder SET due_at=?, event=?, users=?, topic=?, recurrence=?, time_zone=?, first_at=? WHERE number=?;

-- name: insert_reminder_users
INSERT INTO reminder_user SELECT value, ? FROM carray(?);

-- name: delete_reminder_users
DELETE FROM reminder_user WHERE reminder=? AND user IN (SELECT value FROM carray(?));

-- name: delete_reminder
DELETE FROM reminder WHERE number=?;

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
ON number=reminder WHERE user=? AND reminder<=? ORDER BY reminder LIMIT 1;

-- name: is_named_by_reminder
SELECT count(*) FROM (SELECT 1 FROM reminder_user WHERE user=? AND reminder>? AND reminder<=? LIMIT 1);

-- name: export_reminders
SELECT number, key, due_at, event, topic, recurrence, time_zone, first_at FROM reminder_user CROSS JOIN reminder
ON number=reminder WHERE user=? AND reminder>? ORDER BY reminder LIMIT ?;
