import type { EventPage, FeedState } from "./feed-state.js";
import * as states from "./feed-state.js";
import { type EventFilter, type EventItem, type EventList, matches, nameOf, parametersOf, pathOf } from "./filters.js";
import { type ListContext, LiveList, type Undo, type View } from "./live-list.js";
import type { FeedReadFrame } from "./schemas.js";

/** What is shown of a list of events. */
export type FeedView = View<FeedState>;

/** A list of events: the user's feed, all activity, or that of one topic, with a filter. */
export class Feed extends LiveList<FeedState, EventPage> {
  protected readonly allPath = "read";
  private held = false;
  private users = 0;

  constructor(
    context: ListContext,
    readonly list: EventList,
    readonly filter: EventFilter,
    /** Called when the first listener comes, and when the last one goes. */
    private readonly used: (feed: Feed, inUse: boolean) => void,
  ) {
    const { fromPage, withPage, EMPTY: empty } = states;
    // Those of a topic are marks of activity.
    const marks = list === "feed" ? "/v1/feed" : "/v1/activity";
    const query = parametersOf(filter);
    const at = (state: FeedState): number => state.position;
    super(context, { path: pathOf(list), marks, query, empty, fromPage, withPage, at }, "event_ids");
  }

  override subscribe(listener: () => void): () => void {
    const end = super.subscribe(listener);
    this.users += 1;
    if (this.users === 1) this.used(this, true);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      end();
      this.users -= 1;
      if (this.users === 0) this.used(this, false);
    };
  }

  get inUse(): boolean {
    return this.users > 0;
  }

  // --- what the user does ------------------------------------------------------------------------------------

  /** While held, new items wait in `fresh`: the user reads further down, and the list must not move. */
  hold(held: boolean): void {
    this.held = held;
  }

  /** Show the items that waited. */
  showFresh(): void {
    this.advance(states.released);
  }

  /** Mark events read. Marks of a tenth of a second are sent together. */
  markRead(...eventIds: readonly string[]): Promise<void> {
    const at = this.time();
    return this.pending.make(
      (state) => states.marked(state, eventIds, at),
      () => this.reads.add(eventIds),
    );
  }

  markUnread(...eventIds: readonly string[]): Promise<void> {
    const send = (): Promise<number> => this.mark("unread", { event_ids: eventIds });
    return this.pending.make((state) => states.marked(state, eventIds, null), send);
  }

  /** Mark all events of the list read that are shown now; what arrives meanwhile stays unread. */
  readAll(): Promise<Undo> {
    const at = this.time();
    const { position } = this.confirmed;
    const topic = typeof this.list === "object" ? { topic: nameOf(this.list) } : {};
    return this.markAll({ all: true, ...topic }, (state) => states.markedUpTo(state, position, at, this.list));
  }

  // --- what the server sends ---------------------------------------------------------------------------------

  arrived(item: EventItem): void {
    const ours = matches(this.list, this.filter, item);
    const { held } = this;
    this.advance((state) => (ours ? states.arrived(state, item, held) : states.advanced(state, item.position)));
  }

  read(frame: FeedReadFrame): void {
    this.advance((state) => states.read(state, frame));
  }

  retracted(eventId: string, position: number): void {
    this.advance((state) => states.retracted(state, eventId, position));
  }
}

/** A name for a list and its filter: equal ones share one feed. */
export function keyOf(list: EventList, filter: EventFilter): string {
  return JSON.stringify([list, Object.entries(parametersOf(filter)).sort()]);
}
