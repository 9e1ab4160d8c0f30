-- Which of the connected users an event is for.

-- name: followers_of_topics
-- Who follows these topics, as far as it can cover an event after a position. `from_position` (and `backfill_from_key`) are NULL where
-- the follow began before it, so that only `until_position` can end it; a plain follow has NULL in all three.
SELECT f.topic, f.follower, iif(f.from_position > :after, f.from_position, NULL),
  CASE WHEN f.from_position > :after THEN
    (SELECT g.backfill_from_key FROM follow g WHERE g.follower = f.follower AND g.topic = f.topic AND g.from_position = f.from_position)
  END, f.until_position
FROM carray(:topics) t CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = t.value
WHERE f.until_position IS NULL OR f.until_position > :after;

-- name: followers_of_topics_among
-- The same, asked of the users in question: for topics with more followers than these are.
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
-- The same, asked of the users in question: for topics that many masked.
SELECT m.viewer, m.topic, m.kind FROM carray(:topics) t CROSS JOIN carray(:users) u
CROSS JOIN relation m ON m.viewer = u.value AND m.topic = t.value;
