-- The symbol table: ids for names.

-- name: user_names
SELECT c.value, substr(symbol.name, ?) FROM carray(?) c CROSS JOIN symbol ON symbol.id=c.value;

-- name: symbol_id
SELECT id FROM symbol WHERE name=?;

-- name: symbol_text
SELECT name FROM symbol WHERE id=?;

-- name: verb_id
SELECT id FROM verb WHERE name=?;

-- name: verb_text
SELECT name FROM verb WHERE id=?;

-- name: insert_verb
INSERT INTO verb(name) VALUES (?) RETURNING id;

-- name: insert_symbol
INSERT INTO symbol(name) VALUES (?) RETURNING id;

-- name: insert_symbols
INSERT OR IGNORE INTO symbol(name) SELECT value FROM carray(?);

-- name: symbol_ids
SELECT symbol.id, symbol.name FROM carray(?) c CROSS JOIN symbol ON symbol.name=c.value;

-- name: has_tombstones
SELECT EXISTS (SELECT 1 FROM symbol WHERE name>=? AND name<?);
