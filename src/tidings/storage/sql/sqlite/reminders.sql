-- Reminders.

-- name: count_reminders
SELECT count(*) FROM reminder;

-- name: insert_reminder
INSERT INTO reminder VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_reminder_users
INSERT INTO reminder_user SELECT value, ? FROM carray(?);

-- name: delete_reminder_users
DELETE FROM reminder_user WHERE reminder=? AND user IN (SELECT value FROM carray(?));

-- name: delete_reminder
DELETE FROM reminder WHERE key=?;

-- name: reschedule_reminder
UPDATE reminder SET due_at=? WHERE key=?;

-- name: due_reminders
SELECT key, due_at, event, users, topic, recurrence, time_zone, first_at FROM reminder
WHERE due_at <= ? AND (due_at, key) > (?, ?) ORDER BY due_at, key LIMIT ?;

-- name: reminder_by_key
SELECT key, due_at, event, users, topic, recurrence, time_zone, first_at FROM reminder WHERE key=?;

-- name: reminders_of_user
SELECT key, due_at, event, users, topic, recurrence, time_zone, first_at FROM reminder
WHERE key IN (SELECT reminder FROM reminder_user WHERE user=?) ORDER BY due_at, key;
