"""How feeds and inboxes share a read state: what every back-end promises, and the bounds of the work.

An item that arrives unread while the rule of its type has ``read_together`` is *shared*: its event is read too once its
group is. A group that becomes unread has its shared events unread. In the other direction, marks by ids and read-alls of
feeds and activity mark READ the groups whose shared events are all read by then; a read-all of a whole feed is a read-all of
each of these types, up to the last seq. MarkFeedUnread marks the groups of the events UNREAD; their other events stay read.
UndoMarkFeedRead undoes what its read-all changed of the inbox, of groups if they were not changed since. A change of groups
that changes events takes a position too: a FeedMark with their ids, or a FeedReset for many, an undo or merged read-alls.
``feed`` and ``inbox`` of the outcomes state such changes. Items that a merge of users moves are shared no more.
"""

LISTED_EVENTS = 1_000
"""Events of notifications whose change a frame lists, and whose own rows a transaction writes, some 20 ms; if there are
more, streams start again."""
CHECKED_EVENTS = 5_000
"""Events that are looked at to find out which groups a mark in the feed reads, some 20 ms."""
CHECKED_GROUPS = 500
"""Unread notifications, the newest, that are looked at after a read-all, and that one writes, some 20 ms."""
CHECKED_SEQS = 20_000
"""Seqs of an inbox, the last, among which those are, some 10 ms."""
COUNTED_SEQS = 60_000
"""Seqs after the last read-all of all types up to which a read-all of a whole feed is one of each type too: it counts the
unread notifications of each, some 30 ms."""
