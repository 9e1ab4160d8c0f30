-- Everything that is not partitioned. Partitioned families (event_N, timeline_N, inbox_N) are created from
-- the named statements beside this by partitions.py; `part` lists them.

CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Every topic, and so every person (user:…), has a number; timelines are numbered from it. A name that begins with a colon
-- is no topic, but a keyed digest of one: the place of a person who was erased (symbols.py).
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
CREATE INDEX mask_topic ON mask (topic, kind, viewer);

-- reads: there are rows in feed_read or feed_floor.
-- forgotten: the position up to which changes of the read state are not in feed_change any more; undone: that at which a
-- read-all was last taken back, or read-alls were merged; merged_up_to: that of the last read-all that was among these.
-- version: counts what changed this feed other than events that arrived in order.
-- careful: rows in this user's home may be invisible (unfollowed, muted, blocked), so each is explained when read.
CREATE TABLE viewer (
  user INTEGER PRIMARY KEY, version INTEGER NOT NULL DEFAULT 0, careful INTEGER NOT NULL DEFAULT 0, reads INTEGER NOT NULL DEFAULT 0, seen_day INTEGER NOT NULL DEFAULT 0, dormant_from INTEGER,
  forgotten INTEGER NOT NULL DEFAULT 0, undone INTEGER NOT NULL DEFAULT 0, merged_up_to INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX viewer_forgotten ON viewer (forgotten) WHERE forgotten > 0;
CREATE INDEX viewer_seen ON viewer (seen_day) WHERE dormant_from IS NULL;

-- Read-alls up to a position, and items for which something else holds: read at a time, or (NULL) unread. `made` is the
-- position that the mark took, of an item that a read-all read after it was marked unread, that of the read-all.
CREATE TABLE feed_read (
  user INTEGER, key INTEGER, position INTEGER NOT NULL, made INTEGER NOT NULL, at INTEGER, PRIMARY KEY (user, key)
) WITHOUT ROWID;
CREATE INDEX feed_unread ON feed_read (user, position) WHERE at IS NULL;
CREATE TABLE feed_floor (
  user INTEGER, up_to INTEGER, made INTEGER, at INTEGER NOT NULL, PRIMARY KEY (user, up_to, made)
) WITHOUT ROWID;

-- The latest changes of what users have read, for streams that resume: of these items (packed keys), of all up to a
-- position, or (neither) a read-all that was taken back. Each takes a position of the log; `number` is dense for a user.
CREATE TABLE feed_change (
  user INTEGER, position INTEGER, number INTEGER NOT NULL, at INTEGER, up_to INTEGER, keys BLOB, PRIMARY KEY (user, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX feed_change_position ON feed_change (position);
-- The latest retractions, for the same, with what says in whose feed the event was. `number` is dense.
CREATE TABLE retraction (position INTEGER PRIMARY KEY, number INTEGER NOT NULL, key INTEGER NOT NULL, topics BLOB, targets BLOB);

-- Types that were declared over those of the settings; `rule` is JSON.
CREATE TABLE type (name TEXT PRIMARY KEY, rule BLOB NOT NULL) WITHOUT ROWID;

-- unread: groups; items: those in them. taken: the last broadcast that was taken up. born: where an inbox of the same
-- name was erased, the seq at which this one began, above all of that one. merged_up_to: the seq of the last read-all that
-- was merged with others.
CREATE TABLE inbox_head (
  user INTEGER PRIMARY KEY, seq INTEGER NOT NULL, unread INTEGER NOT NULL, items INTEGER NOT NULL,
  taken INTEGER NOT NULL DEFAULT 0, born INTEGER NOT NULL DEFAULT 0, merged_up_to INTEGER NOT NULL DEFAULT 0
);
-- A read-all: what had become unread up to `up_to`, of one type (0: of all), is read; it took `seq`. kind: 0 it stands,
-- 1 it was undone at `seq`; what it closed stays closed. Of each type there is one undone row at most, which goes as far as
-- the furthest; one with up_to 0 says that read-alls were merged at `seq`.
CREATE TABLE inbox_mark (
  user INTEGER, seq INTEGER, kind INTEGER NOT NULL, type INTEGER NOT NULL, up_to INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (user, seq)
) WITHOUT ROWID;
-- Of one type, each that stands goes further than those before it.
CREATE INDEX inbox_mark_reach ON inbox_mark (user, type, up_to) WHERE kind = 0;
-- Rows changed after they arrived, by their last change.
CREATE TABLE inbox_change (user INTEGER, seq INTEGER, row INTEGER NOT NULL, PRIMARY KEY (user, seq)) WITHOUT ROWID;

-- The newest group of each grouping key and user; `actor` is that of its first item, last_at NULL while it is the only
-- one. `about` is the topic that the key is about, or 0. By that first: those who are told of one event lie together, and
-- beside those of other new things, so events do not dirty a page for each.
CREATE TABLE inbox_open (
  about INTEGER, key INTEGER, user INTEGER, number INTEGER NOT NULL, actor INTEGER NOT NULL, opened_at INTEGER NOT NULL,
  last_at INTEGER, PRIMARY KEY (about, key, user)
) WITHOUT ROWID;
-- Groups that ever had two items: the seq of their row now, the key of their first event, and what is in them. Those that
-- one event founds have ids side by side, and their members by that: what comes to the same people again lies together too,
-- so it does not dirty a page for each of them.
CREATE TABLE inbox_group (
  id INTEGER PRIMARY KEY, user INTEGER NOT NULL, number INTEGER NOT NULL, row INTEGER NOT NULL, first INTEGER NOT NULL,
  size INTEGER NOT NULL, actors INTEGER NOT NULL, UNIQUE (user, number)
);
CREATE TABLE inbox_member (
  group_id INTEGER, seq INTEGER, key INTEGER NOT NULL, actor INTEGER NOT NULL, PRIMARY KEY (group_id, seq)
) WITHOUT ROWID;
CREATE INDEX inbox_member_actor ON inbox_member (group_id, actor);
-- When something was last told under a duplicate key.
CREATE TABLE inbox_repeat (
  about INTEGER, key INTEGER, user INTEGER, at INTEGER NOT NULL, PRIMARY KEY (about, key, user)
) WITHOUT ROWID;
-- Who was told of an event (by its key) without being addressed: packed numbers, the first of them also as a column.
CREATE TABLE told (key INTEGER, first INTEGER, users BLOB NOT NULL, PRIMARY KEY (key, first)) WITHOUT ROWID;

-- Fan-out that is still owed; see fanout_queue.py. `turn` rotates so that one large debt does not hold up the others.
CREATE TABLE debt (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
  at_key INTEGER NOT NULL, at_user INTEGER NOT NULL, turn INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT, dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX debt_turn ON debt (dead, turn);
CREATE INDEX debt_block ON debt (subject) WHERE kind = 'block';

-- What a user wants, as JSON; and from it what they want in the application: `type` 0 is for all that have no row.
CREATE TABLE preference (user INTEGER PRIMARY KEY, wishes BLOB NOT NULL);
CREATE TABLE silence (user INTEGER, type INTEGER, wanted INTEGER NOT NULL, PRIMARY KEY (user, type)) WITHOUT ROWID;

-- Where a user is reached outside; endpoints.py numbers the channels. failures: deliveries refused for good in a row.
-- disabled_at: 0 while deliveries go there.
CREATE TABLE endpoint (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL, user INTEGER NOT NULL, channel INTEGER NOT NULL, address TEXT NOT NULL,
  secret TEXT NOT NULL, created_at INTEGER NOT NULL, sent_at INTEGER NOT NULL, confirmed INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0, disabled_at INTEGER NOT NULL DEFAULT 0, disabled_reason TEXT NOT NULL DEFAULT '',
  UNIQUE (user, channel, address)
);
CREATE INDEX endpoint_id ON endpoint (id);
-- Confirmation mails that count towards a limit, each until a time: keyed digests of the user who caused it and of the
-- address. An erasure leaves them, or users could lift their limit by erasing themselves.
CREATE TABLE confirmation (
  number INTEGER PRIMARY KEY, user_digest BLOB NOT NULL, address_digest BLOB NOT NULL, until INTEGER NOT NULL
);
CREATE INDEX confirmation_until ON confirmation (until);
CREATE INDEX confirmation_address ON confirmation (address_digest);
CREATE INDEX confirmation_user ON confirmation (user_digest);

-- What is to leave: news of the group `number` of `user`. An id is never given twice, for receivers go by it.
-- held: it waits for quiet hours or a digest of the user.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint INTEGER NOT NULL, user INTEGER NOT NULL, number INTEGER NOT NULL,
  type INTEGER NOT NULL, due_at INTEGER NOT NULL, created_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT, dead INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX delivery_endpoint ON delivery (endpoint, number, dead);
CREATE INDEX delivery_due ON delivery (due_at) WHERE dead = 0;
CREATE INDEX delivery_dead ON delivery (id) WHERE dead <> 0;
CREATE INDEX delivery_held ON delivery (user) WHERE held <> 0;

-- `users` is a JSON array of names; reminder_user finds the reminders that name a person, who need not be known yet.
CREATE TABLE reminder (
  key TEXT PRIMARY KEY, due_at INTEGER NOT NULL, event BLOB NOT NULL, users TEXT NOT NULL, audience TEXT NOT NULL,
  every TEXT NOT NULL, time_zone TEXT NOT NULL, first_at INTEGER NOT NULL
);
CREATE INDEX reminder_due ON reminder (due_at, key);
CREATE TABLE reminder_user (user TEXT, reminder TEXT, PRIMARY KEY (user, reminder)) WITHOUT ROWID;

-- One row for all of an audience: a topic, or 0 for everyone. `live` is 0 from some time after it expired: it is kept
-- for as long as its event can be retracted. A mute is of one of its topics.
CREATE TABLE broadcast (
  position INTEGER PRIMARY KEY, actor INTEGER NOT NULL, verb INTEGER NOT NULL, audience INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, live INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX broadcast_live ON broadcast (position) WHERE live;
CREATE INDEX broadcast_expires ON broadcast (expires_at) WHERE live;
CREATE TABLE broadcast_topic (position INTEGER, topic INTEGER, PRIMARY KEY (position, topic)) WITHOUT ROWID;

-- Users who were erased, while a fan-out job still takes what they left out of the file (erasure_job.py): events up to this
-- position may have the name in their text, which readers replace by the alias.
CREATE TABLE erasure (user INTEGER PRIMARY KEY, name TEXT NOT NULL, alias TEXT NOT NULL, position INTEGER NOT NULL);
-- Events that show such a user, and the users who may have been notified of them.
CREATE TABLE erasure_event (user INTEGER, key INTEGER, PRIMARY KEY (user, key)) WITHOUT ROWID;
CREATE TABLE erasure_recipient (user INTEGER, recipient INTEGER, PRIMARY KEY (user, recipient)) WITHOUT ROWID;
