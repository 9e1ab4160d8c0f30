-- The newest known display names of users.

-- name: display_names_of
SELECT c.value, d.name, coalesce(d.at, 0) FROM carray(?) c LEFT JOIN display_name d ON d.user=c.value;

-- name: insert_display_names
INSERT OR REPLACE INTO display_name VALUES {rows};

-- name: advance_display_name
UPDATE display_name SET at=max(at, ?) WHERE user=?;

-- name: delete_display_name
DELETE FROM display_name WHERE user=?;
