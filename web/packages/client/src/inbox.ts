import type { NotificationFilter } from "./filters.js";
import { type Context, createList, type List, type LiveList, type Undo, type View } from "./list.js";
import { type InboxCounts, type InboxState, type Item, patched, readAt, type Step } from "./list-state.js";
import type { Query } from "./requests.js";
import type { Notification } from "./schemas.js";

/** What is shown of an inbox. */
export type InboxView = View<InboxState>;

/** Notifications, the counts of the whole inbox, and what the user does: shown at once, and taken back if it is refused. */
export interface Inbox extends List<InboxState> {
  readonly filter: NotificationFilter;
  /** Mark notifications read. Marks of a tenth of a second are sent together. */
  markRead(...ids: readonly string[]): Promise<void>;
  markUnread(...ids: readonly string[]): Promise<void>;
  archive(...ids: readonly string[]): Promise<void>;
  /** Bring archived notifications back into the list. They appear when the server has confirmed it. */
  unarchive(...ids: readonly string[]): Promise<void>;
  pin(...ids: readonly string[]): Promise<void>;
  unpin(...ids: readonly string[]): Promise<void>;
  /** Hide notifications until a time; they return unread. */
  snooze(until: Date, ...ids: readonly string[]): Promise<void>;
  /** Bring snoozed notifications back now. */
  unsnooze(...ids: readonly string[]): Promise<void>;
  /** Take an action of a notification, which marks it read. */
  act(id: string, actionId: string): Promise<void>;
  /** Mark all read that are shown now; what arrives meanwhile stays unread. With `type`, those of one type. */
  readAll(type?: string): Promise<Undo>;
  /** Mark all seen: the badge clears when the user opens the list. */
  seeAll(): Promise<void>;
}

export const PATH = "/v1/notifications";
const NOTHING: InboxCounts = { unread_count: 0, unread_items: 0, unseen_count: 0 };

/** A list of notifications. */
export function createInbox(
  context: Context,
  filter: NotificationFilter,
  query: Query,
  has: (item: Notification) => boolean,
): Inbox & LiveList {
  const list = createList(
    context,
    {
      _inbox: true,
      _id: "id",
      _order: "order",
      _at: "seq",
      _frames: ["notification", "read", "seen"],
      _covers: () => true,
      _has: (item) => has(item as Notification),
    },
    PATH,
    PATH,
    query,
  );
  const now = (): string => new Date(context._requests._runtime.now()).toISOString();
  const change = (ids: readonly string[], patch: (item: Item) => Item, send: () => Promise<number>): Promise<void> =>
    context._make(list, (state, kind) => patched(kind, state, ({ id = "" }) => ids.includes(id), patch), send);
  const set =
    (what: string, members: () => Partial<Notification>) =>
    (...ids: readonly string[]): Promise<void> => {
      const now = members();
      return change(
        ids,
        (item) => ({ ...item, ...now }),
        () => list._mark(what, { ids }),
      );
    };
  return Object.assign(list as unknown as Inbox & LiveList, {
    filter,
    markRead: (...ids: readonly string[]) => change(ids, readAt(now()), () => list._read(ids)),
    markUnread: set("unread", () => ({ read_at: null })),
    archive: set("archive", () => ({ archived_at: now() })),
    unarchive: set("unarchive", () => ({ archived_at: null })),
    pin: set("pin", () => ({ pinned_at: now() })),
    unpin: set("unpin", () => ({ pinned_at: null })),
    unsnooze: set("unsnooze", () => ({ snoozed_until: null })),
    snooze(until: Date, ...ids: readonly string[]) {
      const snoozed_until = until.toISOString();
      return change(
        ids,
        (item) => ({ ...item, snoozed_until }),
        () => list._mark("snooze", { ids, until: snoozed_until }),
      );
    },
    act(id: string, actionId: string) {
      const at = now();
      const read = readAt(at);
      return change(
        [id],
        (item) => ({ ...read(item), acted: item.acted ?? { action_id: actionId, at, by: "user" } }),
        () => list._mark(`${encodeURIComponent(id)}/actions/${encodeURIComponent(actionId)}`, {}),
      );
    },
    readAll(type = typeof filter.type === "string" ? filter.type : undefined) {
      const read = readAt(now());
      const step: Step = (state, kind) => {
        const known = patched(kind, state, (item) => type === undefined || item.type === type, read);
        return type === undefined ? { ...known, ...NOTHING } : known;
      };
      return list._markAll("read-all", { type }, step);
    },
    async seeAll() {
      const { seq: up_to, unseen_count } = list.get();
      if (!unseen_count) return;
      const seen_at = now();
      const see = (item: Item): Item => (item.seen_at === null ? { ...item, seen_at } : item);
      await context._make(
        list,
        (state) => ({ ...state, items: state.items.map(see), unseen_count: 0 }),
        () => list._mark("seen-all", { up_to }),
      );
    },
  });
}
