import { type EventItem, isUnread } from "./filters.js";
import type {
  FeedGroup,
  FeedReadFrame,
  HelloFrame,
  Notification,
  NotificationFrame,
  ReadFrame,
  RemovalFrame,
  ResetFrame,
  RetractedFrame,
  SeenFrame,
} from "./schemas.js";

/** The counts of an inbox. They are those of the whole inbox, however many notifications are loaded. */
export interface InboxCounts {
  readonly unread_count: number;
  readonly unread_items: number;
  readonly unseen_count: number;
}

/** What all lists have. */
export interface ListState<T> {
  /** Newest first. */
  readonly items: readonly T[];
  /** Items that arrived while the list was held, newest first: they are shown when the user asks for them. */
  readonly fresh: readonly T[];
  /** The cursor of the next page; null if all are loaded, "" if the oldest have fallen off a list that was full. */
  readonly next_cursor: string | null;
}

/** The loaded part of an inbox, as of one seq. */
export interface InboxState extends InboxCounts, ListState<Notification> {
  readonly seq: number;
  readonly epoch: string;
}

/** The loaded part of a list of events or of groups of them, as of one position. */
export interface FeedState<T = EventItem> extends ListState<T> {
  readonly position: number;
}

type Members<T> = T extends unknown ? keyof T : never;
type MemberOf<T, K> = T extends unknown ? (K extends keyof T ? T[K] : never) : never;
/** A member for each of those that some of the types have. */
type AnyOf<T> = { readonly [K in Members<T>]?: MemberOf<T, K> };

/** An item of any list. */
export type Item = Omit<AnyOf<Notification | EventItem | FeedGroup>, "items">;

/** The state of any list. */
export interface State extends Omit<InboxState, "items" | "fresh">, ListState<Item> {
  readonly position: number;
}

/** What frames have. */
export type FrameData = AnyOf<
  | NotificationFrame
  | RemovalFrame
  | ReadFrame
  | SeenFrame
  | EventItem
  | FeedReadFrame
  | RetractedFrame
  | HelloFrame
  | ResetFrame
> & { readonly group_id?: never };

/** Changes a state: one that is not confirmed yet, on top of the confirmed one; or a frame, on the confirmed one. */
export type Step = (state: State, kind: Kind) => State;

/** What distinguishes lists of notifications, of events and of groups. */
export interface Kind {
  readonly _inbox: boolean;
  /** The member that tells items apart. */
  readonly _id: "id" | "event_id" | "group_id";
  /** The member by which items are sorted, the greatest first. An event's id begins with its time. */
  readonly _order: "order" | "event_id" | "created_at";
  /** The number of a state: a later one has all that an earlier one has. */
  readonly _at: "seq" | "position";
  /** The frames: of an item, and of others. */
  readonly _frames: readonly string[];
  /** Whether the list has a live item. */
  _has(item: Item): boolean;
  /** Whether a frame of marks is about a list that has the item. */
  _covers(data: FrameData, item: Item): boolean;
}

export const EMPTY: State = {
  items: [],
  fresh: [],
  next_cursor: null,
  seq: 0,
  position: 0,
  epoch: "",
  unread_count: 0,
  unread_items: 0,
  unseen_count: 0,
};

const countsOf = ({ unread_count, unread_items, unseen_count }: InboxCounts): InboxCounts => ({
  unread_count,
  unread_items,
  unseen_count,
});

/** The state with the items of one more page, which may be newer: those that moved meanwhile are kept once, the newest. */
export const withPage = (kind: Kind, state: State, page: State): State => ({
  ...state,
  items: page.items.reduce((loaded, item) => put(kind, loaded, item), state.items),
  next_cursor: page.next_cursor,
});

function put({ _id: id, _order: order, _at: at }: Kind, items: readonly Item[], item: Item): readonly Item[] {
  const known = items.find((other) => other[id] === item[id]);
  if (known && (known[at] as number) >= (item[at] as number)) return items;
  const rest = items.filter((other) => other !== known);
  const below = rest.findIndex((other) => (other[order] as string) < (item[order] as string));
  return rest.toSpliced(below < 0 ? rest.length : below, 0, item);
}

/** The state in which the items that waited are in the list. */
export const released = (kind: Kind, state: State): State => ({
  ...state,
  items: state.fresh.reduce((items, item) => put(kind, items, item), state.items),
  fresh: [],
});

/** What reading does to an item: one that was read before stays as it is. */
export const readAt =
  (at: string) =>
  (item: Item): Item => ({
    ...item,
    read_at: item.read_at ?? at,
    ...("seen_at" in item && { seen_at: item.seen_at ?? at }),
  });

/** The state after a frame. One that was applied before, or of another list, changes nothing. */
export function after(kind: Kind, state: State, event: string, data: FrameData, held: boolean): State {
  const { _inbox: inbox, _id: id, _order: order, _at: at, _frames: frames } = kind;
  const now = data[at] as number;
  // The counts of a hello hold for the state if it is of the same seq.
  if (event === "hello" && inbox && now === state[at] && data.unread_count !== undefined) {
    return { ...state, ...countsOf(data as InboxCounts) };
  }
  if (!frames.includes(event) || !(now > state[at])) return state;
  const next = { ...state, [at]: now, ...(inbox && countsOf(data as InboxCounts)) };
  const { items, fresh } = state;
  if (event !== frames[0] && event !== "retracted") {
    const change = (item: Item): Item => marked(kind, item, event, data, now);
    const all = items.map(change);
    return { ...next, items: inbox ? all.filter((item) => kind._has(item)) : all, fresh: fresh.map(change) };
  }
  const same = (other: Item): boolean => other[id] === data[id];
  const known = items.find(same);
  if ((known?.[at] as number) >= now) return next; // a page that was loaded since has it
  const { unread_count, unread_items, unseen_count, ...item } = data;
  const others = (list: readonly Item[]): readonly Item[] => list.filter((other) => !same(other));
  next.items = others(items);
  next.fresh = others(fresh);
  const lowest = state.next_cursor === null ? undefined : items.at(-1)?.[order];
  // An item below the loaded ones belongs to a later page.
  const below = lowest !== undefined && (data[order] as string) < (lowest as string);
  if (event !== "retracted" && !data.deleted && !below && kind._has(item as Item)) {
    const list = held && !known ? "fresh" : "items";
    next[list] = put(kind, next[list], item as Item);
  }
  return next;
}

/** An item after a frame of marks. */
function marked(kind: Kind, item: Item, event: string, data: FrameData, now: number): Item {
  const { event_id: eventId = "" } = item;
  const at = kind._at;
  const newer = data.items?.find((other) => other.id !== undefined && other.id === item.id);
  if (newer) return (newer.seq as number) > (item.seq as number) ? newer : item;
  if (data.event_ids?.includes(eventId)) return { ...item, read_at: data.read_at ?? null };
  const mark = event === "seen" ? "seen_at" : "read_at";
  const time = data[mark];
  return time &&
    item[mark] == null &&
    (item.unread_seq ?? (item.position as number)) <= (data.up_to as number) &&
    (item[at] as number) < now &&
    (data.type ?? item.type) === item.type &&
    kind._covers(data, item)
    ? mark === "seen_at"
      ? { ...item, seen_at: time }
      : readAt(time)(item)
    : item;
}

/**
 * The state in which a mark that is not confirmed yet was made on some items. The counts change by what the loaded items
 * among them change by: the server's reply has the exact ones.
 */
export function patched(kind: Kind, state: State, wanted: (item: Item) => boolean, patch: (item: Item) => Item): State {
  const { _inbox: inbox } = kind;
  const counts = { ...countsOf(state) };
  const change = (item: Item): readonly Item[] => {
    if (!wanted(item)) return [item];
    const now = patch(item);
    if (!inbox) return [now];
    const unread = unreadOf(now) - unreadOf(item);
    counts.unread_count += unread;
    counts.unread_items += unread * (item.count as number);
    counts.unseen_count += unseenOf(now) - unseenOf(item);
    return kind._has(now) ? [now] : [];
  };
  const next = { ...state, items: state.items.flatMap(change), fresh: state.fresh.flatMap(change) };
  if (!inbox) return next;
  // While a client catches up, its counts are newer than its items: the same mark may be in them already.
  for (const name of Object.keys(counts) as (keyof InboxCounts)[]) next[name] = Math.max(0, counts[name]);
  return next;
}

const unreadOf = (item: Item): number => Number(isUnread(item as Notification));
const unseenOf = (item: Item): number => Number(item.seen_at === null) * unreadOf(item);
