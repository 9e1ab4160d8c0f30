import { Feed, keyOf } from "./feed.js";
import type { FeedState } from "./feed-state.js";
import { type EventFilter, type EventItem, type EventList, escaped } from "./filters.js";
import { Inbox } from "./inbox.js";
import type { Change, InboxState } from "./inbox-state.js";
import type { ListContext } from "./live-list.js";
import { sleep } from "./runtime.js";
import type {
  FeedReadFrame,
  HeartbeatFrame,
  HelloFrame,
  ReadFrame,
  ResetFrame,
  RetractedFrame,
  SeenFrame,
} from "./schemas.js";
import type { ServerEvent } from "./sse.js";
import { guarded } from "./store.js";
import type { Want } from "./wants.js";

/** A notification that has just arrived or changed, for toasts and sounds. */
export type ArrivalListener = (change: Change) => void;

/** The confirmed states of lists; those of feeds by their keys. */
export interface ListStates {
  readonly inbox: InboxState;
  readonly feeds: Readonly<Record<string, FeedState>>;
}

/** The longest wait after a reset that a server can request. */
const LONGEST_SPREAD_MS = 30_000;

/** The lists of one user, and what each frame changes in them. */
export class Lists {
  readonly inbox: Inbox;
  private readonly feeds = new Map<string, Feed>();
  private readonly arrivals = new Set<ArrivalListener>();
  private stored: ListStates | undefined;

  constructor(
    private readonly context: ListContext,
    /** Called when a feed gets its first listener, and when it loses the last one. */
    private readonly used: (feed: Feed, inUse: boolean) => void,
  ) {
    this.inbox = new Inbox(context);
  }

  feed(list: EventList, filter: EventFilter): Feed {
    const key = keyOf(list, filter);
    let feed = this.feeds.get(key);
    if (!feed) {
      feed = new Feed(this.context, list, filter, this.used);
      this.feeds.set(key, feed);
      const stored = this.stored?.feeds[key];
      if (stored) feed.restore(stored);
    }
    return feed;
  }

  onArrival(listener: ArrivalListener): () => void {
    this.arrivals.add(listener);
    return () => this.arrivals.delete(listener);
  }

  /** What the lists in use need of a stream. */
  wanted(): Pick<Want, "include" | "topics"> {
    const include = ["notifications"];
    const topics: string[] = [];
    for (const { list } of this.inUse()) {
      if (list === "feed") include.push("activity");
      else if (list === "activity") include.push("activity:all");
      else topics.push(escaped(list.topic));
    }
    return { include, topics };
  }

  /** Fetch the lists in use again; the inbox only if it has changed. */
  poll(): Promise<unknown> {
    return this.fetched(this.inbox.poll());
  }

  /** Fetch the lists in use again. */
  refetch(): Promise<unknown> {
    return this.fetched(this.inbox.refetch());
  }

  /** Apply a frame; one of a newer server that this client does not know is ignored. */
  async apply({ event, data }: ServerEvent): Promise<void> {
    const parsed: unknown = JSON.parse(data);
    for (const feed of this.inUse()) applyTo(feed, event, parsed);
    if (event === "read") this.inbox.read(parsed as ReadFrame);
    else if (event === "seen") this.inbox.seen(parsed as SeenFrame);
    else if (event === "hello") await this.hello(parsed as HelloFrame);
    else if (event === "reset") await this.reset(parsed as ResetFrame);
    else if (event === "heartbeat") await this.heartbeat(parsed as HeartbeatFrame);
    else if (event === "notification") {
      this.inbox.changed(parsed as Change);
      for (const listener of this.arrivals) guarded(() => listener(parsed as Change));
    }
  }

  /** Send the marks that are being collected: the page is about to go. */
  flush(): void {
    for (const list of this.all()) list.flush();
  }

  /** Forget everything: the user has signed out. */
  clear(): void {
    this.stored = undefined;
    for (const list of this.all()) list.clear();
  }

  /** Show stored states until the server has sent the current ones. */
  restore(stored: ListStates): void {
    this.stored = stored;
    this.inbox.restore(stored.inbox);
    for (const [key, feed] of this.feeds) if (stored.feeds[key]) feed.restore(stored.feeds[key]);
  }

  /** The states that the server has sent; undefined before it has sent the inbox. */
  loaded(): ListStates | undefined {
    if (this.inbox.get().status !== "loaded") return undefined;
    const feeds: Record<string, FeedState> = {};
    for (const [key, feed] of this.feeds) if (feed.get().status === "loaded") feeds[key] = feed.snapshot;
    return { inbox: this.inbox.snapshot, feeds };
  }

  private all(): (Inbox | Feed)[] {
    return [this.inbox, ...this.feeds.values()];
  }

  private inUse(): Feed[] {
    return [...this.feeds.values()].filter((feed) => feed.inUse);
  }

  private fetched(inbox: Promise<void>): Promise<unknown> {
    return Promise.all([inbox, ...this.inUse().map((feed) => feed.refetch())]);
  }

  private async hello(hello: HelloFrame): Promise<void> {
    const { seq, unread_count, unread_items, unseen_count } = hello;
    if (seq === undefined) return;
    // Without a cursor the stream begins here: what the lists have from before is fetched.
    const behind = this.inbox.snapshot.seq < seq || this.inUse().some((feed) => feed.snapshot.position < hello.position);
    if (!hello.resumed && behind) await this.refetch();
    if (unread_count === undefined || unread_items === undefined || unseen_count === undefined) return;
    this.inbox.counted({ seq, unread_count, unread_items, unseen_count });
  }

  /** After a reset of many clients at once, each waits for its own time before it fetches. */
  private async reset({ after_ms: ms = 0 }: ResetFrame): Promise<void> {
    const { requests, signal } = this.context;
    if (ms) await sleep(requests.runtime, Math.min(ms, LONGEST_SPREAD_MS), signal);
    await this.refetch();
  }

  private async heartbeat({ seq }: HeartbeatFrame): Promise<void> {
    if (seq > this.inbox.snapshot.seq) await this.inbox.refetch(); // a frame is missing
  }
}

function applyTo(feed: Feed, event: string, data: unknown): void {
  if (event === "activity") feed.arrived(data as EventItem);
  else if (event === "feed_read") feed.read(data as FeedReadFrame);
  else if (event === "retracted") {
    const { event_id: id, position } = data as RetractedFrame;
    feed.retracted(id, position);
  }
}
