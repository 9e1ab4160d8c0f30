-- Merges of users, in steps (user_merges.py, user_merge_inbox.py).

-- name: begin_user_merge
-- A merge of the same two users that ended begins again.
INSERT INTO user_merge (source, target, head, last_reminder, counts) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (source, target) DO UPDATE SET phase=0, at=-1, head=excluded.head, last_seq=0,
  last_reminder=excluded.last_reminder, made=0, ended=0
RETURNING id;

-- name: user_merge_of
SELECT id, ended FROM user_merge WHERE source=? AND target=?;

-- name: takes_part_in_user_merge
-- Whether another merge is under way, whose source is one of these two users, or whose destination is the source.
SELECT EXISTS (SELECT 1 FROM user_merge WHERE source=?1 AND target<>?2 AND NOT ended)
  OR EXISTS (SELECT 1 FROM user_merge WHERE source=?2 AND NOT ended)
  OR EXISTS (SELECT 1 FROM user_merge INDEXED BY user_merge_target WHERE target=?1 AND NOT ended);

-- name: forget_old_user_merges
DELETE FROM user_merge WHERE id<=? AND ended;

-- name: user_merge_to_continue
SELECT id, source, target, phase, at, head, last_seq, last_reminder, made, counts FROM user_merge WHERE id=?;

-- name: save_user_merge
UPDATE user_merge SET phase=?, at=?, head=?, last_seq=?, made=?, counts=?, ended=? WHERE id=?;

-- name: user_merge
SELECT m.source, m.target, m.ended, m.counts, (SELECT j.dead_lettered FROM fanout_job j INDEXED BY fanout_job_merge_users
  WHERE j.kind='merge_users' AND j.subject=m.id)
FROM user_merge m WHERE m.id=?;

-- name: delete_jobs_of_user_merges
DELETE FROM fanout_job WHERE kind='merge_users' AND subject IN (SELECT id FROM user_merge WHERE source=?1 OR target=?1);

-- name: delete_user_merges
DELETE FROM user_merge WHERE source=?1 OR target=?1;

-- name: endpoints_to_move
SELECT e.number, e.confirmed, (SELECT t.number FROM endpoint t
  WHERE t.user=?2 AND t.channel=e.channel AND t.address=e.address)
FROM endpoint e WHERE e.user=?1 ORDER BY e.number;

-- name: move_endpoint
UPDATE endpoint SET user=? WHERE number=?;

-- name: confirm_merged_endpoint
UPDATE endpoint SET confirmed=max(confirmed, ?) WHERE number=?;

-- name: move_deliveries_of_endpoint
UPDATE delivery SET endpoint=? WHERE endpoint=?;

-- name: next_reminder_to_move
SELECT number, key, due_at, event, users, topic, recurrence, time_zone, first_at FROM reminder_user CROSS JOIN reminder
ON number=reminder WHERE user=? AND reminder>? AND reminder<=? AND key IS NOT NULL ORDER BY reminder LIMIT 1;

-- name: relations_to_move
SELECT topic, kind FROM relation WHERE viewer=? AND kind IN (0, 1) ORDER BY topic, kind LIMIT ?;

-- name: blockers_after
SELECT topic FROM relation WHERE viewer=? AND topic>? AND kind=2 ORDER BY topic LIMIT ?;

-- name: topics_to_adopt
SELECT DISTINCT topic FROM follow WHERE follower=? AND topic>? ORDER BY topic LIMIT ?;

-- name: follow_intervals
SELECT from_position, backfill_from_key, until_position, created_at FROM follow WHERE follower=? AND topic=?;

-- name: adopt_follow
INSERT INTO follow VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)
ON CONFLICT (follower, topic, from_position) DO UPDATE SET
  backfill_from_key=min(backfill_from_key, excluded.backfill_from_key), created_at=min(created_at, excluded.created_at),
  until_position=iif(until_position IS NULL OR excluded.until_position IS NULL, NULL, max(until_position, excluded.until_position));

-- name: followers_after
SELECT follower FROM follow INDEXED BY follow_topic WHERE topic=? AND follower>? AND until_position IS NULL
ORDER BY follower LIMIT ?;

-- name: follows_to_end
SELECT topic, from_position, until_position IS NULL FROM follow WHERE follower=? AND from_position<=? LIMIT ?;

-- name: set_targets
UPDATE event_{n} SET targets=? WHERE key=?;

-- name: move_out_of_order_entry
INSERT OR IGNORE INTO out_of_order_entry SELECT ?2, position, key FROM out_of_order_entry WHERE timeline=?1 AND position=?3;

-- name: delete_out_of_order_entry
DELETE FROM out_of_order_entry WHERE timeline=? AND position=?;

-- name: feed_marks_after
SELECT key, position, at FROM feed_read WHERE user=? AND key>? ORDER BY key LIMIT ?;

-- name: add_feed_reads
INSERT OR IGNORE INTO feed_read VALUES {rows};

-- name: add_activity_read_alls
-- Of each list that has read-alls, the first of the furthest, if it goes further than those of the other user.
INSERT OR IGNORE INTO feed_read_watermark (user, list, up_to, made, at)
SELECT ?2, s.list, s.up_to, min(s.made), s.at FROM feed_read_watermark s WHERE s.user=?1 AND s.list<>0 GROUP BY s.list, s.up_to
HAVING s.up_to = (SELECT max(k.up_to) FROM feed_read_watermark k WHERE k.user=?1 AND k.list=s.list)
  AND s.up_to > coalesce((SELECT max(k.up_to) FROM feed_read_watermark k WHERE k.user=?2 AND k.list=s.list), 0);

-- name: has_inbox_rows
SELECT EXISTS (SELECT 1 FROM inbox_{n} WHERE user=?);

-- name: inbox_rows_up
SELECT i.seq, i.key, i.type, i.group_number, i.changed, i.unread_since, i.seen_at, i.read_at, i.archived_at, i.deleted,
  i.snoozed_until, i.pinned_at, i.acted
FROM inbox_{n} i WHERE user=? AND seq>? AND seq<=? ORDER BY seq LIMIT ?;

-- name: members_of_groups
SELECT m.group_id, m.key, m.actor FROM carray(?) c CROSS JOIN inbox_member m ON m.group_id=c.value ORDER BY m.group_id, m.seq;

-- name: rows_of_events
-- The rows of a user whose newest item is one of these events.
SELECT i.key, coalesce(i.group_number, i.seq) FROM inbox_{n} i
WHERE i.user=?1 AND i.deleted IS NULL AND i.key IN (SELECT value FROM carray(?2));

-- name: groups_of_events
SELECT m.key, g.group_number FROM inbox_group g CROSS JOIN inbox_member m ON m.group_id=g.id
WHERE g.user=?1 AND m.key IN (SELECT value FROM carray(?2));

-- name: delete_inbox_rows
DELETE FROM inbox_{n} WHERE user=? AND seq IN (SELECT value FROM carray(?));

-- name: delete_changes
DELETE FROM inbox_changelog WHERE user=? AND seq IN (SELECT value FROM carray(?));

-- name: delete_members_of_groups
DELETE FROM inbox_member WHERE group_id IN (SELECT value FROM carray(?));

-- name: delete_groups
DELETE FROM inbox_group WHERE id IN (SELECT value FROM carray(?));

-- name: delete_snoozes
DELETE FROM snooze WHERE user=? AND group_number IN (SELECT value FROM carray(?));

-- name: insert_merged_rows
INSERT INTO inbox_{n} (user, seq, key, type, group_number, changed, unread_since, seen_at, read_at, archived_at, deleted,
  snoozed_until, pinned_at, acted) VALUES {rows};

-- name: insert_merged_group
INSERT INTO inbox_group (user, group_number, current_seq, first_event_key, size, actors) VALUES (?, ?, ?, ?, ?, ?) RETURNING id;

-- name: insert_members
INSERT INTO inbox_member (group_id, seq, key, actor) VALUES {rows};

-- name: add_to_inbox
INSERT INTO inbox (user, seq, unread, unread_items, unseen) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (user) DO UPDATE SET seq=seq+excluded.seq, unread=unread+excluded.unread,
  unread_items=unread_items+excluded.unread_items, unseen=unseen+excluded.unseen;

-- name: move_deliveries
-- Those of a notification to the endpoints of the destination, which were the source's; not where one is queued already.
UPDATE delivery SET user=:target, group_number=:new WHERE endpoint IN (SELECT number FROM endpoint WHERE user=:target)
  AND group_number=:old AND user=:source AND NOT EXISTS (SELECT 1 FROM delivery d
    WHERE d.endpoint=delivery.endpoint AND d.group_number=:new AND d.user=:target AND d.dead_lettered=0);

-- name: delete_deliveries_of_notification
DELETE FROM delivery WHERE endpoint IN (SELECT number FROM endpoint WHERE user=?1) AND group_number=?2 AND user=?3;

-- name: delete_covered_read_alls
DELETE FROM read_watermark WHERE user=? AND undone=0 AND up_to<=?;

-- name: delete_followed_entries
DELETE FROM timeline_{n} WHERE (timeline, key) IN (SELECT timeline, key FROM timeline_{n} WHERE timeline=? AND origin<>0 LIMIT ?);

-- name: follows_something
SELECT EXISTS (SELECT 1 FROM follow WHERE follower=?);

-- name: has_broadcasts_of_its_own
-- Whether a user may have broadcasts that not all have, or deliveries of one.
SELECT EXISTS (SELECT 1 FROM follow WHERE follower=?1) OR EXISTS (SELECT 1 FROM endpoint WHERE user=?1);

-- name: has_feed_marks
SELECT EXISTS (SELECT 1 FROM feed_read WHERE user=?1) OR EXISTS (SELECT 1 FROM feed_read_watermark WHERE user=?1);

-- name: clear_read_state
UPDATE feed_state SET has_read_state=0, version=version+1 WHERE user=? AND has_read_state<>0;
