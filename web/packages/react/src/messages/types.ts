/** A text that depends on a number: one form for each plural category of the language, `other` for the rest. `{n}` is the number. */
export type Plural = Readonly<Partial<Record<Intl.LDMLPluralRule, string>>> & { readonly other: string };

/** The texts of one language. `{name}` stands for a value. */
export interface Messages {
  /** The language, as a BCP 47 tag: plural rules, lists, numbers and times are those of it. */
  readonly locale: string;
  readonly notifications: string;
  /** The accessible name of the bell. */
  readonly bell: Plural;
  readonly all: string;
  readonly unread: string;
  readonly archived: string;
  readonly snoozed: string;
  readonly pinned: string;
  readonly markAllRead: string;
  readonly allMarkedRead: string;
  readonly markRead: string;
  readonly markUnread: string;
  readonly archive: string;
  readonly unarchive: string;
  readonly pin: string;
  readonly unpin: string;
  readonly snoozeHour: string;
  readonly snoozeTomorrow: string;
  readonly snoozeWeek: string;
  readonly muteThread: string;
  readonly threadMuted: string;
  readonly moreActions: string;
  readonly actionTaken: string;
  readonly undo: string;
  readonly close: string;
  readonly seeAll: string;
  readonly loading: string;
  readonly loadMore: string;
  readonly failed: string;
  readonly retry: string;
  /** A change that the user made was refused and is no longer shown. */
  readonly notSaved: string;
  readonly empty: string;
  readonly emptyHint: string;
  readonly emptyUnread: string;
  readonly emptyFeed: string;
  readonly emptyFeedHint: string;
  /** The pill above a list. */
  readonly newItems: Plural;
  /** What the live region says. */
  readonly newNotifications: Plural;
  readonly newDivider: string;
  readonly activity: string;
  readonly hideRead: string;
  readonly total: Plural;
  readonly unreadTotal: Plural;
  /** The last element of a list of names: "Ann, Bo and 3 others". */
  readonly others: Plural;
  readonly follow: string;
  readonly following: string;
  readonly trending: string;
  readonly events: Plural;
  readonly rankUp: Plural;
  readonly rankDown: Plural;
  readonly rankNew: string;
  readonly live: string;
  readonly connecting: string;
  readonly polling: string;
  readonly offline: string;
  readonly paused: string;
  readonly stopped: string;
  readonly preferences: string;
  readonly type: string;
  readonly otherTypes: string;
  readonly alwaysOn: string;
  readonly inApp: string;
  readonly email: string;
  readonly webPush: string;
  readonly quietHours: string;
  readonly from: string;
  readonly to: string;
  readonly emailsAtMost: string;
  readonly immediately: string;
  readonly hourly: string;
  readonly daily: string;
  readonly saved: string;
}
