-- The audience of events among connected users.

-- name: followers_of_topics
-- The followers of these topics whose follow can cover an event after a position. `from_position` (and `backfill_from_key`)
-- are NULL if the follow began before it, so that only `until_position` can end it; a plain follow has NULL in all three.
SELECT f.topic, f.follower, iif(f.from_position > :after, f.from_position, NULL),
  CASE WHEN f.from_position > :after THEN
    (SELECT g.backfill_from_key FROM follow g WHERE g.follower = f.follower AND g.topic = f.topic AND g.from_position = f.from_position)
  END, f.until_position
FROM carray(:topics) t CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = t.value
WHERE f.until_position IS NULL OR f.until_position > :after;

-- name: followers_of_topics_among
-- The same, looked up by user: for topics with more followers than there are users in question.
SELECT f.topic, f.follower, iif(f.from_position > :after, f.from_position, NULL),
  CASE WHEN f.from_position > :after THEN
    (SELECT g.backfill_from_key FROM follow g WHERE g.follower = f.follower AND g.topic = f.topic AND g.from_position = f.from_position)
  END, f.until_position
FROM carray(:topics) t CROSS JOIN carray(:users) u
CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = t.value AND f.follower = u.value
WHERE f.until_position IS NULL OR f.until_position > :after;

-- name: relations_of_topics
SELECT m.viewer, m.topic, m.kind FROM carray(:topics) t CROSS JOIN relation m INDEXED BY relation_topic ON m.topic = t.value
LIMIT :limit;

-- name: relations_of_topics_and_users
-- The same, looked up by user: for topics with many mutes or blocks.
SELECT m.viewer, m.topic, m.kind FROM carray(:topics) t CROSS JOIN carray(:users) u
CROSS JOIN relation m ON m.viewer = u.value AND m.topic = t.value;

-- name: current_followers_among
SELECT f.follower FROM carray(?2) u CROSS JOIN follow f ON f.follower = u.value AND f.topic = ?1 AND f.until_position IS NULL;
