-- Notification types and preferences.

-- name: delete_notification_type
DELETE FROM notification_type WHERE name=?;

-- name: set_notification_type
INSERT OR REPLACE INTO notification_type VALUES (?, ?);

-- name: notification_types
SELECT name, definition FROM notification_type;

-- name: set_preferences
INSERT OR REPLACE INTO preference VALUES (?, ?);

-- name: delete_in_app_preferences
DELETE FROM in_app_preference WHERE user=?;

-- name: insert_in_app_preference
INSERT INTO in_app_preference VALUES (?, ?, ?);

-- name: preferences_of_user
SELECT document FROM preference WHERE user=?;

-- name: delete_preferences
DELETE FROM preference WHERE user=?;

-- name: has_in_app_preferences
SELECT EXISTS (SELECT 1 FROM in_app_preference);
