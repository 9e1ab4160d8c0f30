-- Retracting an event.

-- name: delete_entry
DELETE FROM timeline_{n} WHERE timeline=? AND key=?;

-- name: delete_event_text
UPDATE event_{n} SET body=NULL, topics=NULL, targets=NULL WHERE key=?;

-- name: recipients_of_event
SELECT users FROM event_recipient_chunk WHERE key=?;

-- name: delete_recipients_of_event
DELETE FROM event_recipient_chunk WHERE key=?;

-- name: delete_member
DELETE FROM inbox_member WHERE group_id=? AND key=? RETURNING actor;

-- name: actor_is_member
SELECT EXISTS (SELECT 1 FROM inbox_member WHERE group_id=? AND actor=?);

-- name: shrink_group
UPDATE inbox_group SET size=size-1, actors=actors-? WHERE id=?;
