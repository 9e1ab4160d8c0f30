-- Everything that is not partitioned. The partitioned tables (event_N, timeline_N, inbox_N) are created from the named statements
-- beside this file by partitions.py; `partition` lists them.

CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- The symbol table. Every topic, and so every user (user:…), has an id. A name that begins with a colon is no topic but a keyed
-- digest of one: the tombstone of an erased user (symbols.py).
CREATE TABLE symbol (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
-- Ids for verbs, and for the names of notification types.
CREATE TABLE verb (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- family: event | timeline | inbox. Rows whose key is >= lower_bound belong here, up to the next partition's lower bound.
-- `merging_into` is set while the rows of this partition are copied into a merged one.
CREATE TABLE partition (
  family TEXT NOT NULL, id INTEGER NOT NULL, lower_bound INTEGER NOT NULL, rows INTEGER NOT NULL,
  merging_into INTEGER, PRIMARY KEY (family, id)
) WITHOUT ROWID;

-- Events by position. `max_key_so_far` is the greatest key up to here, NULL when that is the key of this event.
CREATE TABLE log (position INTEGER PRIMARY KEY, key INTEGER NOT NULL, verb INTEGER NOT NULL, max_key_so_far INTEGER);

-- Timeline entries of events whose key was below the greatest one when they were published, by position instead of by key.
CREATE TABLE out_of_order_entry (
  timeline INTEGER, position INTEGER, key INTEGER NOT NULL, PRIMARY KEY (timeline, position)
) WITHOUT ROWID;

-- Ranges of keys of a timeline within which it has no public entry, so that pages of public events jump over them
-- (hidden_ranges.py). Timeline 0 has all events, and -1 all events by position.
CREATE TABLE hidden_range (
  timeline INTEGER, bottom INTEGER, top INTEGER NOT NULL, PRIMARY KEY (timeline, bottom)
) WITHOUT ROWID;

CREATE TABLE idempotency (
  key BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, event INTEGER NOT NULL, position INTEGER NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;

-- One row for each interval of a follow. `until_position` is NULL while the follow lasts, and the last position of it after an
-- unfollow that keeps history. `fanout_on_write` is 0 while the follower is dormant.
CREATE TABLE follow (
  follower INTEGER, topic INTEGER, from_position INTEGER, backfill_from_key INTEGER NOT NULL, until_position INTEGER,
  fanout_on_write INTEGER NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (follower, topic, from_position)
) WITHOUT ROWID;
CREATE INDEX follow_topic ON follow (topic, follower, from_position, until_position, fanout_on_write);

-- fanout_mode: 0 on write, 1 on read (events after `fanout_on_read_since` have no entries in user feeds), 2 on write again, and
-- merged on read until the entries are written.
CREATE TABLE topic (
  id INTEGER PRIMARY KEY, followers INTEGER NOT NULL, fanout_mode INTEGER NOT NULL DEFAULT 0, fanout_on_read_since INTEGER
);

-- kind: 0 mute, 1 block, 2 blocked by.
CREATE TABLE relation (viewer INTEGER, topic INTEGER, kind INTEGER, PRIMARY KEY (viewer, topic, kind)) WITHOUT ROWID;
CREATE INDEX relation_topic ON relation (topic, kind, viewer);

-- version: counts what changed this feed other than events that arrived in order.
-- has_hidden_rows: entries of this feed may be invisible (unfollowed, muted, blocked), so each is checked when it is read.
-- has_read_state: 1 if there are rows in feed_read or feed_read_watermark, 2 if some of these are read-alls of activity.
-- changes_deleted_to: the position up to which feed_change has no rows any more; read_undone_at: the position at which a read-all
-- was last undone, or read-alls were merged; last_merged_read_all: the position of the last read-all that was among these.
CREATE TABLE feed_state (
  user INTEGER PRIMARY KEY, version INTEGER NOT NULL DEFAULT 0, has_hidden_rows INTEGER NOT NULL DEFAULT 0,
  has_read_state INTEGER NOT NULL DEFAULT 0, last_visit_day INTEGER NOT NULL DEFAULT 0, dormant_since_position INTEGER,
  changes_deleted_to INTEGER NOT NULL DEFAULT 0, read_undone_at INTEGER NOT NULL DEFAULT 0,
  last_merged_read_all INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX feed_state_changes_deleted ON feed_state (changes_deleted_to) WHERE changes_deleted_to > 0;
CREATE INDEX feed_state_last_visit ON feed_state (last_visit_day) WHERE dormant_since_position IS NULL;

-- Events whose state differs from that of the read-alls: read at a time, or (NULL) unread. `made` is the position of the
-- change; of an event that a read-all read after it was marked unread, the position of the read-all.
CREATE TABLE feed_read (
  user INTEGER, key INTEGER, position INTEGER NOT NULL, made INTEGER NOT NULL, at INTEGER, PRIMARY KEY (user, key)
) WITHOUT ROWID;
CREATE INDEX feed_unread ON feed_read (user, position) WHERE at IS NULL;
-- Read-alls: everything up to a position is read, of the list that has the event: 0 of the feed, -1 of the activity of all
-- users, otherwise of this topic.
CREATE TABLE feed_read_watermark (
  user INTEGER, list INTEGER, up_to INTEGER, made INTEGER, at INTEGER NOT NULL, PRIMARY KEY (user, list, up_to, made)
) WITHOUT ROWID;
CREATE INDEX feed_read_watermark_made ON feed_read_watermark (user, made);

-- The latest changes of users' read state, for streams that resume: of these items (packed keys), of all of a list up to a
-- position, or (neither) the undoing of a read-all. Each takes a position of the log; `number` is dense for a user.
CREATE TABLE feed_change (
  user INTEGER, position INTEGER, number INTEGER NOT NULL, at INTEGER, up_to INTEGER, keys BLOB, list INTEGER NOT NULL,
  PRIMARY KEY (user, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX feed_change_position ON feed_change (position);
-- The latest retractions, for the same, with the columns that decide in whose feeds the event was. `number` is dense.
CREATE TABLE retraction (position INTEGER PRIMARY KEY, number INTEGER NOT NULL, key INTEGER NOT NULL, topics BLOB, targets BLOB);

-- Notification types that were set over the API, above those of the settings; `definition` is JSON.
CREATE TABLE notification_type (name TEXT PRIMARY KEY, definition BLOB NOT NULL) WITHOUT ROWID;

-- The counters of an inbox. unread: groups; unread_items: the items in them; unseen: those of the groups that were not seen.
-- broadcast_cursor: the last broadcast that was materialised. base_seq: if an inbox of the same name was erased, the seq at
-- which this one began, above all of that one. last_merged_read_all: the seq of the last read-all or seen-all that was merged
-- with others. seen_up_to: how far the seen-alls go.
CREATE TABLE inbox (
  user INTEGER PRIMARY KEY, seq INTEGER NOT NULL, unread INTEGER NOT NULL, unread_items INTEGER NOT NULL,
  broadcast_cursor INTEGER NOT NULL DEFAULT 0, base_seq INTEGER NOT NULL DEFAULT 0,
  last_merged_read_all INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0, seen_up_to INTEGER NOT NULL DEFAULT 0
);
-- A read-all: the notifications that became unread up to `up_to`, of one type (0: of all), are read; it took `seq`. undone:
-- 1 if it was undone at `seq`; the groups that it closed stay closed. Of each type there is at most one undone row, which
-- goes as far as the furthest; one with up_to 0 says that read-alls were merged at `seq`. A row of the type -1 is a seen-all:
-- those of all types are seen, and not read.
CREATE TABLE read_watermark (
  user INTEGER, seq INTEGER, undone INTEGER NOT NULL, type INTEGER NOT NULL, up_to INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (user, seq)
) WITHOUT ROWID;
-- Of one type, each that is not undone goes further than those before it.
CREATE INDEX read_watermark_reach ON read_watermark (user, undone, type, up_to);
-- Rows that changed after they arrived, by their last change.
CREATE TABLE inbox_changelog (user INTEGER, seq INTEGER, row INTEGER NOT NULL, PRIMARY KEY (user, seq)) WITHOUT ROWID;

-- The groups that are snoozed, and until when.
CREATE TABLE snooze (
  user INTEGER, group_number INTEGER, until INTEGER NOT NULL, PRIMARY KEY (user, group_number)
) WITHOUT ROWID;
CREATE INDEX snooze_until ON snooze (until);

-- The newest group of each grouping key and user; `actor` is the actor of its first item, last_item_at NULL while it is the
-- only item. `group_topic` is the topic that the key is about, or 0. It comes first in the key: the rows of users who are
-- notified of one event are adjacent, and near those of other new events, so events do not dirty a page for each user.
CREATE TABLE open_group (
  group_topic INTEGER, key INTEGER, user INTEGER, group_number INTEGER NOT NULL, actor INTEGER NOT NULL,
  opened_at INTEGER NOT NULL, last_item_at INTEGER, PRIMARY KEY (group_topic, key, user)
) WITHOUT ROWID;
-- Groups that ever had two items: the seq of their current row, the key of their first event, and their counts. Groups that
-- one event creates have adjacent ids, and their members are stored by id: later items for the same users are adjacent too,
-- so they do not dirty a page for each user.
CREATE TABLE inbox_group (
  id INTEGER PRIMARY KEY, user INTEGER NOT NULL, group_number INTEGER NOT NULL, current_seq INTEGER NOT NULL,
  first_event_key INTEGER NOT NULL, size INTEGER NOT NULL, actors INTEGER NOT NULL, UNIQUE (user, group_number)
);
CREATE TABLE inbox_member (
  group_id INTEGER, seq INTEGER, key INTEGER NOT NULL, actor INTEGER NOT NULL, PRIMARY KEY (group_id, seq)
) WITHOUT ROWID;
CREATE INDEX inbox_member_actor ON inbox_member (group_id, actor);
-- Items that are read together with the feed: the event, and its group.
CREATE TABLE shared_item (
  user INTEGER, key INTEGER, group_number INTEGER NOT NULL, PRIMARY KEY (user, key)
) WITHOUT ROWID;
-- What the read-all of a feed that took the position `made` changed of the inbox: the seqs of read-alls of one type, with a
-- `group_number` of 0, and of groups.
CREATE TABLE shared_read_all (
  user INTEGER, made INTEGER, seq INTEGER, group_number INTEGER NOT NULL, PRIMARY KEY (user, made, seq)
) WITHOUT ROWID;
-- When a user was last notified under a duplicate key, and of which event. The window ends when that is retracted.
CREATE TABLE dedup_window (
  group_topic INTEGER, key INTEGER, user INTEGER, at INTEGER NOT NULL, event INTEGER NOT NULL,
  PRIMARY KEY (group_topic, key, user)
) WITHOUT ROWID;
-- Users who were notified of an event (by its key) without being its targets: packed ids, the first of them also as a column.
CREATE TABLE event_recipient_chunk (
  key INTEGER, first_user INTEGER, users BLOB NOT NULL, PRIMARY KEY (key, first_user)
) WITHOUT ROWID;

-- Fan-out jobs (fanout_queue.py). `run_order` rotates, so that one large job does not hold up the others.
CREATE TABLE fanout_job (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, subject INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
  progress_key INTEGER NOT NULL, progress_user INTEGER NOT NULL, run_order INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, error TEXT, dead_lettered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX fanout_job_order ON fanout_job (dead_lettered, run_order);
CREATE INDEX fanout_job_position ON fanout_job (low) WHERE kind IN ('fan_out', 'notify') AND dead_lettered = 0;
CREATE INDEX fanout_job_block ON fanout_job (subject) WHERE kind = 'block';
CREATE INDEX fanout_job_backfill ON fanout_job (subject) WHERE kind = 'backfill';
CREATE INDEX fanout_job_merge_users ON fanout_job (subject) WHERE kind = 'merge_users';

-- Backfills, with their progress (backfills.py). `user` is 0 for all users. `head`: the position of the log when they
-- began. `created`, `notified` and `users` are counts; counted: 1 if `at_user` is among the users. An id is never reused.
CREATE TABLE backfill (
  id INTEGER PRIMARY KEY AUTOINCREMENT, user INTEGER NOT NULL, head INTEGER NOT NULL, since INTEGER NOT NULL,
  until INTEGER NOT NULL, dry_run INTEGER NOT NULL, notify INTEGER NOT NULL,
  created INTEGER NOT NULL DEFAULT 0, notified INTEGER NOT NULL DEFAULT 0, users INTEGER NOT NULL DEFAULT 0,
  at_user INTEGER NOT NULL DEFAULT 0, at_topic INTEGER NOT NULL DEFAULT 0, at_key INTEGER NOT NULL DEFAULT 0,
  counted INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0
);

-- Merges of users: what the file has of `source` moves to `target`, in steps; the progress is that of
-- user_merges.MergeProgress. `counts`: what all merges of the two have moved, as JSON. An id is never reused.
CREATE TABLE user_merge (
  id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL, target INTEGER NOT NULL,
  phase INTEGER NOT NULL DEFAULT 0, at INTEGER NOT NULL DEFAULT -1, head INTEGER NOT NULL DEFAULT 0,
  last_seq INTEGER NOT NULL DEFAULT 0, last_reminder INTEGER NOT NULL DEFAULT 0, made INTEGER NOT NULL DEFAULT 0,
  counts BLOB NOT NULL, ended INTEGER NOT NULL DEFAULT 0, UNIQUE (source, target)
);
CREATE INDEX user_merge_target ON user_merge (target);

-- The preferences of a user, as JSON; and, derived from it, the in-app preferences: `type` 0 stands for all types without a
-- row.
CREATE TABLE preference (user INTEGER PRIMARY KEY, document BLOB NOT NULL);
CREATE TABLE in_app_preference (user INTEGER, type INTEGER, wanted INTEGER NOT NULL, PRIMARY KEY (user, type)) WITHOUT ROWID;

-- The display names of users. `at`: the time (ms) of what gave the name: the `created_at` of an event, or of the request that
-- set it. Later events with the same name do not change the row, unless they are retracted (display_names.py).
CREATE TABLE display_name (user INTEGER PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL);

-- The delivery endpoints of users; endpoints.py numbers the channels. failures: consecutive deliveries refused permanently.
-- disabled_at: 0 while the endpoint is enabled. vouched: the application registered it. revision: the number of times that it
-- was registered again, enabled or given another secret. previous_secret: the one before, which signs as well until
-- previous_until (ms). last_error: why the last attempt failed, at last_error_at (ms); '' and 0 if it succeeded.
CREATE TABLE endpoint (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL, user INTEGER NOT NULL, channel INTEGER NOT NULL, address TEXT NOT NULL,
  secret TEXT NOT NULL, created_at INTEGER NOT NULL, sent_at INTEGER NOT NULL, confirmed INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0, disabled_at INTEGER NOT NULL DEFAULT 0, disabled_reason TEXT NOT NULL DEFAULT '',
  vouched INTEGER NOT NULL DEFAULT 0, revision INTEGER NOT NULL DEFAULT 0,
  previous_secret TEXT NOT NULL DEFAULT '', previous_until INTEGER NOT NULL DEFAULT 0,
  last_error TEXT NOT NULL DEFAULT '', last_error_at INTEGER NOT NULL DEFAULT 0,
  UNIQUE (user, channel, address)
);
CREATE INDEX endpoint_id ON endpoint (id);
-- Confirmation mails that count towards a limit, each until a time: keyed digests of the user who caused it and of the
-- address. An erasure leaves them, or users could reset their limit by erasing themselves.
CREATE TABLE confirmation (
  number INTEGER PRIMARY KEY, user_digest BLOB NOT NULL, address_digest BLOB NOT NULL, until INTEGER NOT NULL
);
CREATE INDEX confirmation_until ON confirmation (until);
CREATE INDEX confirmation_address ON confirmation (address_digest);
CREATE INDEX confirmation_user ON confirmation (user_digest);

-- Queued deliveries: the group `group_number` of `user` to an endpoint. An id is never reused, because receivers recognise
-- repetitions by it. held: quiet hours, a digest or a snooze defers it. priority: see delivery_priority.py.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint INTEGER NOT NULL, user INTEGER NOT NULL, group_number INTEGER NOT NULL,
  type INTEGER NOT NULL, due_at INTEGER NOT NULL, created_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT, dead_lettered INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0, priority INTEGER NOT NULL
);
CREATE INDEX delivery_endpoint ON delivery (endpoint, group_number, dead_lettered);
CREATE INDEX delivery_due ON delivery (priority, due_at, id, endpoint) WHERE dead_lettered = 0;
CREATE INDEX delivery_dead_lettered ON delivery (id) WHERE dead_lettered <> 0;
CREATE INDEX delivery_held ON delivery (user) WHERE held <> 0;

-- `users` is a JSON array of names; reminder_user finds the reminders of a user, who need not have an id yet. `topic` is the
-- topic whose followers are reminded, or empty. A number is never reused: reminders that were set after an erasure began
-- have greater ones. A reminder without a key and a time is cancelled: it is kept until its rows of reminder_user are
-- deleted.
CREATE TABLE reminder (
  number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE, due_at INTEGER, event BLOB NOT NULL,
  users TEXT NOT NULL, topic TEXT NOT NULL, recurrence TEXT NOT NULL, time_zone TEXT NOT NULL, first_at INTEGER NOT NULL
);
CREATE INDEX reminder_due ON reminder (due_at, key);
CREATE TABLE reminder_user (user TEXT, reminder INTEGER, PRIMARY KEY (user, reminder)) WITHOUT ROWID;
-- Reminders whose rows of reminder_user a fan-out job writes, or deletes (reminders.py): only users up to `named_to`, in the
-- order of their names, have theirs.
CREATE TABLE reminder_unsettled (reminder INTEGER PRIMARY KEY, named_to TEXT NOT NULL);

-- One row for a whole audience: a topic, or 0 for all users. `active` is 0 from some time after it expired: it is kept for
-- as long as its event can be retracted. It has a row in broadcast_topic for each topic by which it can be muted.
CREATE TABLE broadcast (
  position INTEGER PRIMARY KEY, actor INTEGER NOT NULL, verb INTEGER NOT NULL, audience INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, active INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX broadcast_active ON broadcast (position) WHERE active;
CREATE INDEX broadcast_expires ON broadcast (expires_at) WHERE active;
CREATE TABLE broadcast_topic (position INTEGER, topic INTEGER, PRIMARY KEY (position, topic)) WITHOUT ROWID;

-- Users who were erased, while a fan-out job deletes their data from the file (erasure_job.py): events up to this position
-- may have the name in their text, which readers replace by the alias; so may reminders up to the number `last_reminder`.
CREATE TABLE erasure (
  user INTEGER PRIMARY KEY, name TEXT NOT NULL, alias TEXT NOT NULL, position INTEGER NOT NULL, last_reminder INTEGER NOT NULL
);
-- Events that show such a user, and the users who may have been notified of them.
CREATE TABLE erasure_event (user INTEGER, key INTEGER, PRIMARY KEY (user, key)) WITHOUT ROWID;
CREATE TABLE erasure_recipient (user INTEGER, recipient INTEGER, PRIMARY KEY (user, recipient)) WITHOUT ROWID;
