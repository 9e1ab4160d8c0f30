-- Which of the connected users an event is for.

-- name: followers_of
-- Who follows these topics, as far as it can cover an event after a position. `since` (and `since_key`) are NULL where
-- the follow began before it, so that only `until` can end it; a plain follow has NULL in all three.
SELECT f.topic, f.follower, iif(f.since > :after, f.since, NULL),
  CASE WHEN f.since > :after THEN
    (SELECT g.since_key FROM follow g WHERE g.follower = f.follower AND g.topic = f.topic AND g.since = f.since)
  END, f.until
FROM carray(:topics) t CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = t.value
WHERE f.until IS NULL OR f.until > :after;

-- name: followers_among
-- The same, asked of the users in question: for topics with more followers than these are.
SELECT f.topic, f.follower, iif(f.since > :after, f.since, NULL),
  CASE WHEN f.since > :after THEN
    (SELECT g.since_key FROM follow g WHERE g.follower = f.follower AND g.topic = f.topic AND g.since = f.since)
  END, f.until
FROM carray(:topics) t CROSS JOIN carray(:users) u
CROSS JOIN follow f INDEXED BY follow_topic ON f.topic = t.value AND f.follower = u.value
WHERE f.until IS NULL OR f.until > :after;

-- name: masks_of
SELECT m.viewer, m.topic, m.kind FROM carray(:topics) t CROSS JOIN mask m INDEXED BY mask_topic ON m.topic = t.value
LIMIT :limit;

-- name: masks_among
-- The same, asked of the users in question: for topics that many masked.
SELECT m.viewer, m.topic, m.kind FROM carray(:topics) t CROSS JOIN carray(:users) u
CROSS JOIN mask m ON m.viewer = u.value AND m.topic = t.value;
