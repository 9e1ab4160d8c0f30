import {
  type EventFilter,
  type EventItem,
  type EventList,
  escaped,
  isIn,
  matches,
  parametersOf,
  pathOf,
} from "./filters.js";
import { type Context, createList, type List, type LiveList, type Undo, type View } from "./list.js";
import { type FeedState, type FrameData, type Item, type Kind, patched, readAt } from "./list-state.js";
import type { Query } from "./requests.js";
import type { FeedGroup } from "./schemas.js";

/** What is shown of a list of events. */
export type FeedView = View<FeedState>;

/** A group of a feed; those of activity have neither reasons nor, for visitors, a read state. */
export type EventGroup = Omit<FeedGroup, "items" | "read_at" | "unread_count"> &
  Partial<Pick<FeedGroup, "read_at" | "unread_count">> & { readonly items: readonly EventItem[] };

/** What lists of events and lists of groups have in common. */
interface Events<S> extends List<S> {
  readonly list: EventList;
  readonly filter: EventFilter;
  /** Mark all events of the list read that are shown now; what arrives meanwhile stays unread. */
  readAll(): Promise<Undo>;
}

/** A list of events: the user's feed, all activity, or that of one topic, with a filter. */
export interface Feed extends Events<FeedState> {
  /** Mark events read. Marks of a tenth of a second are sent together. */
  markRead(...eventIds: readonly string[]): Promise<void>;
  markUnread(...eventIds: readonly string[]): Promise<void>;
}

/** A list of groups of events. It is fetched again a second after an event that belongs to it. */
export interface Groups extends Events<FeedState<EventGroup>> {
  /** Mark all events of a group read. */
  markRead(group: EventGroup): Promise<void>;
}

const FRAMES = ["activity", "feed_read", "retracted"];

/** Milliseconds after an event until groups are fetched again. */
const REGROUP_MS = 1_000;
/** Events of a group that are fetched together: the most that a page has. */
const PAGE = 100;

/** The list that a frame names. */
const listOf = (activity: string | undefined): EventList =>
  activity === undefined ? "feed" : activity === "all" ? "activity" : { topic: activity };

/** A list of events, or with `group` in the query of groups of them. */
export function createFeed(context: Context, list: EventList, filter: EventFilter, query: Query): Feed & Groups & LiveList {
  const { group } = query;
  const kind: Kind = {
    _inbox: false,
    _id: group ? "group_id" : "event_id",
    _order: group ? "created_at" : "event_id",
    _at: "position",
    _frames: FRAMES,
    _covers: (data, item) => isIn(listOf(data.activity), item as EventItem),
    _has: (item) => !item.verb || matches(list, filter, item as EventItem),
  };
  const path = pathOf(list);
  // Those of a topic are marks of activity.
  const marks = list === "feed" ? "/v1/feed" : "/v1/activity";
  const events = createList(context, kind, path, marks, query);
  const requests = context._requests;
  let regrouping = false;
  const now = (): string => new Date(requests._runtime.now()).toISOString();
  const set = (ids: readonly string[], read_at: string | null, send: () => Promise<number>): Promise<void> =>
    context._make(
      events,
      (state, kind) =>
        patched(
          kind,
          state,
          (item) => ids.includes(item.event_id ?? ""),
          (item) => ({ ...item, read_at }),
        ),
      send,
    );
  const readGroup = async ({ verb, object_type, object_id, window }: EventGroup): Promise<number> => {
    const one = parametersOf({ ...filter, verb, object_type, object_id, ...window });
    let cursor: string | undefined;
    let at = 0;
    do {
      const page: FeedState = await requests._json(path, { query: { ...one, limit: PAGE, cursor } });
      const event_ids = page.items.map((item) => item.event_id);
      if (event_ids[0]) at = await events._mark("read", { event_ids });
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    return at;
  };
  return Object.assign(events as unknown as Feed & Groups & LiveList, {
    list,
    filter,
    _include: list === "feed" ? "activity" : list === "activity" ? "activity:all" : undefined,
    _topic: typeof list === "object" ? escaped(list.topic) : undefined,
    markRead(...marked: readonly (string | EventGroup)[]) {
      const [first] = marked;
      if (typeof first !== "object") return set(marked as string[], now(), () => events._read(marked as string[]));
      const read = readAt(now());
      return context._make(
        events,
        (state, kind) =>
          patched(
            kind,
            state,
            (item) => item.group_id === first.group_id,
            (item) => ({ ...read(item), unread_count: 0 }),
          ),
        () => readGroup(first),
      );
    },
    ...(group && {
      _apply(event: string, data: FrameData) {
        if (regrouping || !FRAMES.includes(event) || !kind._has(data as Item)) return;
        regrouping = true;
        requests._runtime.after(REGROUP_MS, () => {
          regrouping = false;
          if (!context._signal.aborted) events.refetch().catch(() => undefined);
        });
      },
    }),
    markUnread: (...ids: readonly string[]) => set(ids, null, () => events._mark("unread", { event_ids: ids })),
    readAll() {
      const read = readAt(now());
      const { position } = events.get();
      const wanted = (item: Item): boolean =>
        item.read_at == null && (!!group || ((item.position as number) <= position && isIn(list, item as EventItem)));
      const topic = typeof list === "object" ? list : {};
      return events._markAll("read", { all: true, ...topic }, (state, kind) =>
        patched(kind, state, wanted, (item) => ({ ...read(item), ...(group && { unread_count: 0 }) })),
      );
    },
  });
}
