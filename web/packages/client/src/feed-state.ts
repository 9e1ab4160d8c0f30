import { type EventItem, type EventList, isIn, nameOf } from "./filters.js";
import type { FeedReadFrame } from "./schemas.js";

/** A page of events, of any list. */
export interface EventPage {
  readonly items: readonly EventItem[];
  readonly position: number;
  readonly next_cursor: string | null;
  readonly partial?: boolean;
}

/** The loaded part of a list of events, as of one position. */
export interface FeedState {
  /** Newest first. */
  readonly items: readonly EventItem[];
  /** Items that arrived while the list was held, newest first: they are shown when the user asks for them. */
  readonly fresh: readonly EventItem[];
  readonly position: number;
  /** The cursor of the next page; null if all are loaded. */
  readonly next_cursor: string | null;
}

export const EMPTY: FeedState = { items: [], fresh: [], position: 0, next_cursor: null };

/** The state of a first page. */
export function fromPage(page: EventPage): FeedState {
  return { items: page.items, fresh: [], position: page.position, next_cursor: page.next_cursor };
}

/** The state with the next page. */
export function withPage(state: FeedState, page: EventPage): FeedState {
  const held = new Set(state.items.map((item) => item.event_id));
  const further = page.items.filter((item) => !held.has(item.event_id));
  return { ...state, items: [...state.items, ...further], next_cursor: page.next_cursor };
}

/**
 * The state after a live item that belongs to the list. `held`: the user reads further down, so that the list must not
 * move; the item waits in `fresh`. An item below the loaded ones belongs to a later page.
 */
export function arrived(state: FeedState, item: EventItem, held: boolean): FeedState {
  if (item.position <= state.position) return state;
  const next = { ...state, position: item.position };
  if ([...state.items, ...state.fresh].some((other) => other.event_id === item.event_id)) return next;
  const last = state.items.at(-1);
  if (state.next_cursor !== null && last && item.event_id < last.event_id) return next;
  return held ? { ...next, fresh: put(state.fresh, item) } : { ...next, items: put(state.items, item) };
}

/** The order of a list: an id begins with the time of its event. */
function put(items: readonly EventItem[], item: EventItem): readonly EventItem[] {
  const below = items.findIndex((other) => other.event_id < item.event_id);
  return below < 0 ? [...items, item] : items.toSpliced(below, 0, item);
}

/** The state in which the items that waited are in the list. */
export function released(state: FeedState): FeedState {
  if (!state.fresh.length) return state;
  return { ...state, items: state.fresh.reduce((items, item) => put(items, item), state.items), fresh: [] };
}

/** The state after something at this position that does not concern the list. */
export function advanced(state: FeedState, position: number): FeedState {
  return position > state.position ? { ...state, position } : state;
}

/** The state in which the items of these ids were read at a time, or (null) are unread. */
export function marked(state: FeedState, eventIds: readonly string[], readAt: string | null): FeedState {
  const wanted = new Set(eventIds);
  return mapped(state, (item) => (wanted.has(item.event_id) ? { ...item, read_at: readAt } : item));
}

/** The state in which all unread items of a list up to a position were read. */
export function markedUpTo(state: FeedState, upTo: number, readAt: string, list: EventList): FeedState {
  return mapped(state, (item) =>
    item.read_at == null && item.position <= upTo && isIn(list, item) ? { ...item, read_at: readAt } : item,
  );
}

/** The state after a frame `feed_read`. */
export function read(state: FeedState, frame: FeedReadFrame): FeedState {
  if (frame.position <= state.position) return state;
  const next = advanced(state, frame.position);
  const { event_ids: ids = [], up_to: upTo, activity, read_at: readAt } = frame;
  const byId = ids.length ? marked(next, ids, readAt) : next;
  if (upTo === undefined || readAt === null) return byId;
  return markedUpTo(byId, upTo, readAt, listOf(activity));
}

/** The list that a frame names. */
function listOf(activity: string | undefined): EventList {
  if (activity === undefined) return "feed";
  return activity === nameOf("activity") ? "activity" : { topic: activity };
}

/** The state without a retracted event. */
export function retracted(state: FeedState, eventId: string, position: number): FeedState {
  if (position <= state.position) return state;
  const kept = (item: EventItem): boolean => item.event_id !== eventId;
  return { ...state, position, items: state.items.filter(kept), fresh: state.fresh.filter(kept) };
}

function mapped(state: FeedState, change: (item: EventItem) => EventItem): FeedState {
  return { ...state, items: state.items.map(change), fresh: state.fresh.map(change) };
}
