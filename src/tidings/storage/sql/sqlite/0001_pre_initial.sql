-- Everything that is not partitioned. Partitioned families (event_N, timeline_N, inbox_N) are created from
-- queries.sql by partitions.py; `part` lists them.

CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Every topic, and so every person (user:…), has a number; timelines are numbered from it.
CREATE TABLE name (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE verb (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- family: event | timeline | inbox. Rows whose bound is >= low belong here, up to the next partition's low.
-- `into_part` is set while this partition's rows are being moved into a merged one.
CREATE TABLE part (
  family TEXT NOT NULL, id INTEGER NOT NULL, low INTEGER NOT NULL, rows INTEGER NOT NULL,
  into_part INTEGER, PRIMARY KEY (family, id)
) WITHOUT ROWID;

-- The order of commit. `high` is the greatest key up to here, NULL when that is this event's own key.
CREATE TABLE log (position INTEGER PRIMARY KEY, key INTEGER NOT NULL, verb INTEGER NOT NULL, high INTEGER);

-- Entries of events that came late (key below the greatest one), found by position instead of by key.
CREATE TABLE late (timeline INTEGER, position INTEGER, key INTEGER NOT NULL, PRIMARY KEY (timeline, position)) WITHOUT ROWID;

CREATE TABLE idempotency (
  key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, event INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;

-- One row per interval in which a follow stood. `until` is NULL while it stands, the last position after a keeping
-- unfollow. `pushed` is 0 while the follower is dormant.
CREATE TABLE follow (
  follower INTEGER, topic INTEGER, since INTEGER, since_key INTEGER NOT NULL, until INTEGER, pushed INTEGER NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (follower, topic, since)
) WITHOUT ROWID;
CREATE INDEX follow_topic ON follow (topic, follower, since, until, pushed);

-- state: 0 pushed, 1 merged at read (events after `hot_from` were not pushed), 2 pushed again, merged until backfilled.
CREATE TABLE topic (id INTEGER PRIMARY KEY, followers INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, hot_from INTEGER);

-- kind: 0 mute, 1 block, 2 blocked by.
CREATE TABLE mask (viewer INTEGER, topic INTEGER, kind INTEGER, PRIMARY KEY (viewer, topic, kind)) WITHOUT ROWID;

-- reads: there are rows in feed_read or feed_floor.
-- version: counts what changed this feed other than events that arrived in order.
-- careful: rows in this user's home may be invisible (unfollowed, muted, blocked), so each is explained when read.
CREATE TABLE viewer (
  user INTEGER PRIMARY KEY, version INTEGER NOT NULL DEFAULT 0, careful INTEGER NOT NULL DEFAULT 0, reads INTEGER NOT NULL DEFAULT 0, seen_day INTEGER NOT NULL DEFAULT 0, dormant_from INTEGER
);
CREATE INDEX viewer_seen ON viewer (seen_day) WHERE dormant_from IS NULL;

CREATE TABLE feed_read (user INTEGER, key INTEGER, at INTEGER NOT NULL, PRIMARY KEY (user, key)) WITHOUT ROWID;
CREATE TABLE feed_floor (user INTEGER, position INTEGER, at INTEGER NOT NULL, PRIMARY KEY (user, position)) WITHOUT ROWID;

CREATE TABLE inbox_head (user INTEGER PRIMARY KEY, seq INTEGER NOT NULL, unread INTEGER NOT NULL);
-- A read-all: everything that became unread up to `up_to` is read; it took `seq`.
CREATE TABLE inbox_floor (
  user INTEGER, up_to INTEGER, seq INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (user, up_to)
) WITHOUT ROWID;
-- Rows changed after they arrived, by their last change.
CREATE TABLE inbox_change (user INTEGER, seq INTEGER, row INTEGER NOT NULL, PRIMARY KEY (user, seq)) WITHOUT ROWID;

-- Fan-out that is still owed; see debts.py. `turn` rotates so that one large debt does not hold up the others.
CREATE TABLE debt (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
  at_key INTEGER NOT NULL, at_user INTEGER NOT NULL, turn INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT, dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX debt_turn ON debt (dead, turn);
