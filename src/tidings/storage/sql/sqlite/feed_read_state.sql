-- The read state of events for a user. `list` as in the schema.

-- name: merge_feed_read_alls
-- Of a user's read-alls up to the position :last, all but the first of those of each list that go furthest: it covers what
-- they cover. Items that one of them read after they were marked unread have their own rows.
-- The + makes the key the index, which has the rows by list: no sorter.
DELETE FROM feed_read_watermark WHERE user = :user AND made <= :last AND made NOT IN (
  SELECT (SELECT min(made) FROM feed_read_watermark w
    WHERE w.user = :user AND w.list = f.list AND w.up_to = f.furthest AND w.made <= :last)
  FROM (SELECT list, max(up_to) AS furthest FROM feed_read_watermark WHERE user = :user AND +made <= :last GROUP BY list) f);

-- name: last_feed_read_all
SELECT up_to FROM feed_read_watermark WHERE user=? AND list=? AND made<>? ORDER BY up_to DESC LIMIT 1;

-- name: count_topics_with_read_alls
SELECT count(DISTINCT list) FROM feed_read_watermark WHERE user=? AND list>0;

-- name: feed_read_all_reach
SELECT up_to, list FROM feed_read_watermark WHERE user=? AND made=?;

-- name: marked_items
SELECT f.key FROM carray(?) c CROSS JOIN feed_read f ON f.user=? AND f.key=c.value;

-- name: set_has_read_state
INSERT INTO feed_state (user, has_read_state, last_visit_day) VALUES (?, ?, ?)
ON CONFLICT (user) DO UPDATE SET has_read_state=max(has_read_state, excluded.has_read_state), version=version+1;

-- name: unread_items_up_to
SELECT key FROM feed_read WHERE user=? AND at IS NULL AND position<=?;

-- name: insert_feed_read_all
INSERT INTO feed_read_watermark VALUES (?, ?, ?, ?, ?);

-- name: read_unread_items
UPDATE feed_read SET made=?, at=? WHERE user=? AND at IS NULL AND key IN (SELECT value FROM carray(?));

-- name: set_feed_read_undone
UPDATE feed_state SET read_undone_at=? WHERE user=?;

-- name: items_read_by_read_all
SELECT key, position FROM feed_read WHERE user=? AND made=? ORDER BY position;

-- name: item_read_times
SELECT key, at FROM feed_read WHERE user=? AND key BETWEEN ? AND ?;

-- name: feed_read_alls
SELECT up_to, made, at FROM feed_read_watermark WHERE user=? AND list=? AND up_to>=? AND made>? ORDER BY up_to DESC, made DESC;

-- name: activity_read_alls
SELECT w.list, w.up_to, w.made, w.at FROM carray(?) c CROSS JOIN feed_read_watermark w
ON w.user=? AND w.list=c.value AND w.up_to>=? AND w.made>? ORDER BY w.list, w.up_to DESC, w.made DESC;

-- name: nth_feed_read_all
SELECT made FROM feed_read_watermark WHERE user=? AND made>? ORDER BY made LIMIT 1 OFFSET ?;

-- name: delete_feed_read_all
DELETE FROM feed_read_watermark WHERE user=?1 AND made=?2 AND made>(SELECT last_merged_read_all FROM feed_state WHERE user=?1)
RETURNING up_to, list;

-- name: count_feed_read_alls
SELECT count(*) FROM feed_read_watermark WHERE user=? AND made>?;

-- name: set_feed_read_alls_merged
UPDATE feed_state SET last_merged_read_all=? WHERE user=?;

-- name: feed_read_alls_merged
SELECT last_merged_read_all FROM feed_state WHERE user=?;

-- name: insert_feed_reads
INSERT OR REPLACE INTO feed_read VALUES {rows};

-- name: count_some_feed_reads
SELECT count(*) FROM (SELECT 1 FROM feed_read WHERE user=? LIMIT ?);
