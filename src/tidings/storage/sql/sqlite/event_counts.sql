-- Counts of events for trends.

-- name: is_counted
-- Whether trends count an event `e`: retracted ones have no body.
e.body IS NOT NULL AND e.visibility <= :narrowest

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

-- name: counts_by_column
SELECT {column} AS id, count(*) AS n FROM ({events}) GROUP BY {column}

-- name: counts_by_object_type
SELECT substr(s.name, 1, instr(s.name, ':') - 1) AS id, sum(o.n) AS n FROM ({objects}) o CROSS JOIN symbol s ON s.id = o.id GROUP BY 1

-- name: names_of_object
SELECT s.name AS key, c.n FROM c CROSS JOIN symbol s ON s.id = c.id

-- name: names_of_actor
-- The name of a user's symbol begins with user:.
SELECT substr(s.name, 6) AS key, c.n FROM c CROSS JOIN symbol s ON s.id = c.id

-- name: names_of_verb
SELECT v.name AS key, c.n FROM c CROSS JOIN verb v ON v.id = c.id

-- name: names_of_object_type
SELECT c.id AS key, c.n FROM c

-- name: first_keys
-- Names that match :alias, of erased users, are no keys. Only the first are held while all are read.
SELECT key, n FROM ({names}) WHERE key NOT GLOB :alias ORDER BY n DESC, key LIMIT :first

-- name: these_keys
SELECT * FROM (
  SELECT key, n, row_number() OVER (ORDER BY n DESC, key) AS rank FROM ({names}) WHERE key NOT GLOB :alias
) WHERE key IN (SELECT value FROM carray(:keys)) ORDER BY rank

-- name: top_keys
-- First the number of all events.
WITH c AS MATERIALIZED ({counts}) SELECT '', coalesce(sum(n), 0) FROM c UNION ALL SELECT * FROM ({keys});

-- name: ranks_of_keys
-- The same, with a rank of 0.
WITH c AS MATERIALIZED ({counts}) SELECT '', coalesce(sum(n), 0), 0 FROM c UNION ALL SELECT * FROM ({keys});

-- name: of_key
-- By one of the columns that name an event's keys.
SELECT e.* FROM ({events}) e WHERE e.{column} = :key

-- name: counts_by_point
SELECT ((key >> 20) - :since) / :step AS point, count(*) FROM ({events}) GROUP BY point;
