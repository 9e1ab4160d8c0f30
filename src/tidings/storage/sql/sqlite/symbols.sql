-- The symbol table: ids for names.

-- name: user_names
SELECT c.value, substr(name.name, ?) FROM carray(?) c CROSS JOIN name ON name.id=c.value;

-- name: symbol_id
SELECT id FROM name WHERE name=?;

-- name: symbol_text
SELECT name FROM name WHERE id=?;

-- name: verb_id
SELECT id FROM verb WHERE name=?;

-- name: verb_text
SELECT name FROM verb WHERE id=?;

-- name: insert_verb
INSERT INTO verb(name) VALUES (?) RETURNING id;

-- name: insert_symbol
INSERT INTO name(name) VALUES (?) RETURNING id;

-- name: insert_symbols
INSERT OR IGNORE INTO name(name) SELECT value FROM carray(?);

-- name: symbol_ids
SELECT name.id, name.name FROM carray(?) c CROSS JOIN name ON name.name=c.value;

-- name: has_tombstones
SELECT EXISTS (SELECT 1 FROM name WHERE name>=? AND name<?);
