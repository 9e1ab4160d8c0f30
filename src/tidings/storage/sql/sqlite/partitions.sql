-- Partitioned tables.

-- name: partition_tables
SELECT name FROM sqlite_schema WHERE type='table' AND name GLOB ?;

-- name: partitions
SELECT id, lower_bound, rows, merging_into FROM partition WHERE family=? ORDER BY lower_bound, merging_into IS NULL, id;

-- name: set_partition_rows
UPDATE partition SET rows=? WHERE family=? AND id=?;

-- name: next_partition_id
SELECT coalesce(max(id), 0) + 1 FROM partition WHERE family=?;

-- name: insert_partition
INSERT INTO partition VALUES (?, ?, ?, ?, NULL);

-- name: set_merging_into
UPDATE partition SET merging_into=? WHERE family=? AND id=?;

-- name: delete_partition
DELETE FROM partition WHERE family=? AND id=?;

-- name: drop_table
DROP TABLE IF EXISTS {table};

-- name: count_rows
SELECT count(*) FROM {table};

-- name: rows_to_merge
SELECT * FROM {table} WHERE {first} > ?1 AND {first} <= ?2;

-- name: merge_timeline
-- A follow may have added to the target an entry that a source has as addressed to that user (`origin` 0); this origin must
-- be kept, because erasing a user depends on it.
INSERT INTO timeline_{n} {rows} ORDER BY 1, 2 ON CONFLICT DO UPDATE SET origin=0 WHERE excluded.origin=0;

-- name: merge_inbox
INSERT INTO inbox_{n} {rows} ORDER BY 1, 2 ON CONFLICT DO NOTHING;

-- name: nth_bound
SELECT {first} FROM {table} WHERE {first} > ? ORDER BY {first} LIMIT 1 OFFSET ?;

-- name: subquery
SELECT * FROM ({rows});
