-- Notification types and preferences.

-- name: delete_notification_type
DELETE FROM type WHERE name=?;

-- name: set_notification_type
INSERT OR REPLACE INTO type VALUES (?, ?);

-- name: notification_types
SELECT name, rule FROM type;

-- name: set_preferences
INSERT OR REPLACE INTO preference VALUES (?, ?);

-- name: delete_in_app_preferences
DELETE FROM silence WHERE user=?;

-- name: insert_in_app_preference
INSERT INTO silence VALUES (?, ?, ?);

-- name: preferences_of_user
SELECT wishes FROM preference WHERE user=?;

-- name: delete_preferences
DELETE FROM preference WHERE user=?;

-- name: has_in_app_preferences
SELECT EXISTS (SELECT 1 FROM silence);
