-- Counts of events for trends.

-- name: is_counted
-- Whether trends count an event `e`: retracted ones have no body.
e.body IS NOT NULL

-- name: counted_events
SELECT e.key, e.actor, e.object, e.verb FROM event_{n} e WHERE e.key > :above AND e.key < :before AND {is_counted}

-- name: counted_topic_events
-- The keys are a page of a topic's timeline.
SELECT e.key, e.actor, e.object, e.verb FROM ({keys}) k CROSS JOIN event_{n} e ON e.key = k.key WHERE {is_counted}

-- name: examined_events
SELECT count(*) FROM (SELECT 1 FROM event_{n} WHERE key > :above AND key < :before LIMIT :limit);

-- name: examined_entries
SELECT count(*) FROM ({keys});

-- name: of_object_type
-- Names of this type and no others are between type: and type; (the next character).
SELECT e.* FROM ({events}) e CROSS JOIN symbol s ON s.id = e.object WHERE s.name >= :type || ':' AND s.name < :type || ';'

-- name: counts_by_object
SELECT s.name AS key, c.n FROM (SELECT object, count(*) AS n FROM ({events}) GROUP BY object) c
CROSS JOIN symbol s ON s.id = c.object

-- name: counts_by_actor
-- The name of a user's symbol begins with user:.
SELECT substr(s.name, 6) AS key, c.n FROM (SELECT actor, count(*) AS n FROM ({events}) GROUP BY actor) c
CROSS JOIN symbol s ON s.id = c.actor

-- name: counts_by_verb
SELECT v.name AS key, c.n FROM (SELECT verb, count(*) AS n FROM ({events}) GROUP BY verb) c
CROSS JOIN verb v ON v.id = c.verb

-- name: counts_by_object_type
SELECT substr(s.name, 1, instr(s.name, ':') - 1) AS key, sum(c.n) AS n
FROM (SELECT object, count(*) AS n FROM ({events}) GROUP BY object) c CROSS JOIN symbol s ON s.id = c.object
GROUP BY 1

-- name: ranked
-- Names that match :alias, of erased users, are no keys.
SELECT key, n, row_number() OVER (ORDER BY n DESC, key) AS rank FROM c WHERE key NOT GLOB :alias

-- name: first_keys
{ranked} ORDER BY rank LIMIT :first

-- name: these_keys
SELECT * FROM ({ranked}) WHERE key IN (SELECT value FROM carray(:keys)) ORDER BY rank

-- name: ranked_keys
-- First the number of all events, with rank 0.
WITH c AS MATERIALIZED ({counts}) SELECT '', coalesce(sum(n), 0), 0 FROM c UNION ALL SELECT * FROM ({keys});

-- name: of_key
-- By one of the columns that name an event's keys.
SELECT e.* FROM ({events}) e WHERE e.{column} = :key

-- name: counts_by_point
SELECT ((key >> 20) - :since) / :step AS point, count(*) FROM ({events}) GROUP BY point;
