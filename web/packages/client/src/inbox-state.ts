import type { InboxPage, Notification, NotificationFrame, ReadFrame, RemovalFrame, SeenFrame } from "./schemas.js";

/** The counts of an inbox. They are those of the whole inbox, however many notifications are loaded. */
export interface InboxCounts {
  readonly unread_count: number;
  readonly unread_items: number;
  readonly unseen_count: number;
}

/** The loaded part of an inbox, as of one seq. */
export interface InboxState extends InboxCounts {
  /** Newest content first. */
  readonly items: readonly Notification[];
  readonly seq: number;
  readonly epoch: string;
  /** The cursor of the next page; null if all are loaded. */
  readonly next_cursor: string | null;
}

const NOTHING: InboxCounts = { unread_count: 0, unread_items: 0, unseen_count: 0 };

export const EMPTY: InboxState = { ...NOTHING, items: [], seq: 0, epoch: "", next_cursor: null };

export type Change = NotificationFrame | RemovalFrame;

const isRemoval = (change: Change): change is RemovalFrame => "deleted" in change;
const listed = (item: Notification): boolean => item.archived_at === null && item.snoozed_until === null;
/** The lowest order that is loaded: an item below it belongs to a page that is not loaded yet. */
const lowestLoaded = (state: InboxState): number => (state.next_cursor === null ? 0 : (state.items.at(-1)?.order ?? 0));

/** The state of the first page, or of the first pages together. */
export function fromPage(page: InboxPage): InboxState {
  const { items, seq, epoch, next_cursor } = page;
  return { ...countsOf(page), items, seq, epoch, next_cursor };
}

/** The state with one more page, which may be of a later seq: items that moved meanwhile are kept once, the newest state. */
export function withPage(state: InboxState, page: InboxPage): InboxState {
  const items = page.items.reduce((loaded, item) => put(loaded, item), state.items);
  return { ...state, items, next_cursor: page.next_cursor };
}

function put(items: readonly Notification[], item: Notification): readonly Notification[] {
  const held = items.find((other) => other.id === item.id);
  if (held && held.seq >= item.seq) return items;
  const rest = items.filter((other) => other !== held);
  if (!listed(item)) return rest;
  const below = rest.findIndex((other) => other.order < item.order);
  return below < 0 ? [...rest, item] : rest.toSpliced(below, 0, item);
}

/** After a frame `notification`. One that was applied before changes nothing. */
export function changed(state: InboxState, change: Change): InboxState {
  if (change.seq <= state.seq) return state;
  const { unread_count, unread_items, unseen_count, ...item } = change;
  const items =
    isRemoval(change) || change.order < lowestLoaded(state)
      ? state.items.filter((other) => other.id !== change.id)
      : put(state.items, item as Notification);
  return { ...state, unread_count, unread_items, unseen_count, seq: change.seq, items };
}

/** After a frame `read`. */
export function read(state: InboxState, frame: ReadFrame): InboxState {
  if (frame.seq <= state.seq) return state;
  let items = (frame.items ?? []).reduce(
    (all, item) => (all.some((other) => other.id === item.id) ? put(all, item) : all),
    state.items,
  );
  const { up_to: upTo, type } = frame;
  if (upTo !== undefined) {
    items = items.map((item) =>
      item.read_at === null && item.unread_seq <= upTo && item.seq < frame.seq && (type ?? item.type) === item.type
        ? { ...item, read_at: frame.read_at, seen_at: item.seen_at ?? frame.read_at }
        : item,
    );
  }
  return { ...state, ...countsOf(frame), seq: frame.seq, items };
}

/** After a frame `seen`. */
export function seen(state: InboxState, frame: SeenFrame): InboxState {
  if (frame.seq <= state.seq) return state;
  const items = state.items.map((item) =>
    item.seen_at === null && item.unread_seq <= frame.up_to && item.seq < frame.seq
      ? { ...item, seen_at: frame.seen_at }
      : item,
  );
  return { ...state, ...countsOf(frame), seq: frame.seq, items };
}

/** After a frame `hello`, which has the counts of a seq; they hold for the state if it is of the same one. */
export function counted(state: InboxState, counts: InboxCounts & { readonly seq: number }): InboxState {
  return counts.seq === state.seq ? { ...state, ...countsOf(counts) } : state;
}

function countsOf({ unread_count, unread_items, unseen_count }: InboxCounts): InboxCounts {
  return { unread_count, unread_items, unseen_count };
}

/** What a mark does to an item. */
export type Patch = (item: Notification) => Notification;

/**
 * The state in which a mark that is not confirmed yet was made on the items of these ids. The counts change by what the
 * loaded items among them change by: the server's reply has the exact ones.
 */
export function patched(state: InboxState, ids: readonly string[], patch: Patch): InboxState {
  const wanted = new Set(ids);
  let { unread_count, unread_items, unseen_count } = state;
  const items = state.items.flatMap((item) => {
    if (!wanted.has(item.id)) return [item];
    const after = patch(item);
    const unread = Number(isUnread(after)) - Number(isUnread(item));
    unread_count += unread;
    unread_items += unread * item.count;
    unseen_count += Number(isUnseen(after)) - Number(isUnseen(item));
    return listed(after) ? [after] : [];
  });
  // While a client catches up, its counts are newer than its items: the same mark may be in them already.
  return {
    ...state,
    items,
    unread_count: Math.max(0, unread_count),
    unread_items: Math.max(0, unread_items),
    unseen_count: Math.max(0, unseen_count),
  };
}

/** Whether it counts as unread. */
export const isUnread = (item: Notification): boolean => item.read_at === null && listed(item);
const isUnseen = (item: Notification): boolean => item.seen_at === null && isUnread(item);

/** The state in which all, or those of one type, were read, before the server has confirmed it. */
export function allRead(state: InboxState, at: string, type?: string): InboxState {
  const ids = state.items.filter((item) => type === undefined || item.type === type).map((item) => item.id);
  const known = patched(state, ids, (item) => ({ ...item, read_at: item.read_at ?? at, seen_at: item.seen_at ?? at }));
  return type === undefined ? { ...known, ...NOTHING } : known;
}

/** The state in which all were seen, before the server has confirmed it. */
export function allSeen(state: InboxState, at: string): InboxState {
  const items = state.items.map((item) => (item.seen_at === null ? { ...item, seen_at: at } : item));
  return { ...state, items, unseen_count: 0 };
}
