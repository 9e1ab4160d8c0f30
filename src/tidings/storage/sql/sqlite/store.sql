-- The store itself.
--
-- Named statements, as in all files beside this one but the migrations: {n} is the number of the partition that is read or
-- written, {ev} that of the events' partition. carray(?) is an array of 64-bit integers; if several numbers are packed into
-- one, the comment describes it.

-- name: is_ours
SELECT count(*) FROM meta WHERE name IN ('salt', 'epoch');

-- name: has_a_table
SELECT 1 FROM sqlite_schema LIMIT 1;

-- name: insert_meta
INSERT INTO meta VALUES (?, ?);

-- name: set_epoch
UPDATE meta SET value=? WHERE name='epoch';

-- name: set_generation
UPDATE meta SET value=? WHERE name='generation';

-- name: set_position
UPDATE meta SET value=? WHERE name='position';

-- name: set_renames
UPDATE meta SET value=? WHERE name='renames';

-- name: meta_value
SELECT value FROM meta WHERE name=?;

-- name: take_snapshot
SELECT 1 FROM meta LIMIT 1;

-- name: file_bytes
SELECT page_count * page_size FROM pragma_page_count, pragma_page_size;

-- name: generation_and_epoch
SELECT name, value FROM meta WHERE name IN ('generation', 'epoch');

-- name: root_page_of_meta
SELECT rootpage FROM sqlite_schema WHERE name='meta';

-- name: all_meta
SELECT name, value FROM meta;
