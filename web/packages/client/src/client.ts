import { Connection, type ConnectionState } from "./connection.js";
import { Feed, keyOf } from "./feed.js";
import type { FeedState } from "./feed-state.js";
import type { EventFilter, EventItem, EventList } from "./filters.js";
import { Inbox } from "./inbox.js";
import type { Change, InboxState } from "./inbox-state.js";
import type { ListContext } from "./live-list.js";
import { type Query, type RequestOptions, Requests, type Sent } from "./requests.js";
import { browser, type PageEvent, type Runtime, sleep } from "./runtime.js";
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
import { guarded, type Store, Value } from "./store.js";
import { type Message, Tabs } from "./tabs.js";
import type { TransportName } from "./transports.js";
import { REPEAT_MS, type Want, Wants } from "./wants.js";

export interface ClientOptions extends RequestOptions {
  /** The transports, from the best one down. Default: stream, poll, list; "websocket" needs the cookie of `PUT /v1/session`. */
  transports?: readonly TransportName[];
  /** Keep the last state in storage for the first paint. Default: true if `user` is named. */
  cache?: boolean;
  /** Use one connection for all tabs of a browser. Default: true if `user` is named. */
  shareTabs?: boolean;
  /** Called when a request in the background failed. A change that is refused rejects the promise of its method. */
  onError?: (error: unknown) => void;
  /** The surroundings; tests pass simulated ones. */
  runtime?: Runtime;
}

/** A notification that has just arrived or changed, for toasts and sounds. */
export type ArrivalListener = (change: Change) => void;

interface Stored {
  readonly version: number;
  readonly inbox: InboxState;
  readonly feeds: Readonly<Record<string, FeedState>>;
}

/** The form of what is stored; a state of another form is ignored. */
const STORED_VERSION = 1;
/** Items of each list that are stored: a first paint. */
const STORED_ITEMS = 20;
/** Milliseconds between a change and its storage. */
const STORE_MS = 1_000;
/** Milliseconds for which a stream may take to bring a confirmed change, before the list is fetched. */
const LACKING_MS = 3_000;
/** The longest wait after a reset that a server can ask for. */
const LONGEST_SPREAD_MS = 30_000;
/** Milliseconds for which the user counts as active after doing something. */
const ACTIVE_MS = 60_000;

/** Everything of one user: the inbox, feeds, and the connection that keeps them current. */
export class TidingsClient {
  readonly inbox: Inbox;
  private readonly requests: Requests;
  private readonly runtime: Runtime;
  private readonly context: ListContext;
  private readonly feeds = new Map<string, Feed>();
  private readonly connection: Connection;
  private readonly shown = new Value<ConnectionState>({ status: "stopped" });
  private readonly tabs: Tabs;
  private readonly name: string | undefined;
  private readonly tab: string;
  private readonly wants = new Wants();
  /** Which leader was told when what this tab wants. */
  private toldLeader = { leader: "", at: 0 };
  private readonly arrivals = new Set<ArrivalListener>();
  private readonly ending = new AbortController();
  private cursor = "";
  private stored: Stored | undefined;
  private started = false;
  private activeUntil = 0;
  private cancelStore: (() => void) | undefined;

  constructor(private readonly options: ClientOptions = {}) {
    this.runtime = options.runtime ?? browser;
    this.requests = new Requests(this.runtime, options);
    this.tab = this.runtime.random().toString(36).slice(2);
    // Two users, or two servers, never share a name: it begins with their address.
    this.name = options.user === undefined ? undefined : `tidings:${options.url ?? ""}:${options.user}`;
    this.context = {
      requests: this.requests,
      signal: this.ending.signal,
      lacking: (missing) => this.lacking(missing),
    };
    this.inbox = new Inbox(this.context);
    this.connection = new Connection(this.requests, options.transports ?? ["stream", "poll", "list"], {
      query: () => this.query(),
      frame: (event) => this.received(event),
      poll: () => this.poll(),
      active: () => this.runtime.now() < this.activeUntil,
    });
    this.tabs = new Tabs(this.runtime, options.shareTabs === false ? undefined : this.name, {
      lead: () => this.connection.start(),
      resign: () => this.resigned(),
      others: () => this.wants.visible(this.runtime.now()),
      heard: (message) => this.heard(message),
      signOfLife: () => this.tabs.post({ kind: "state", leader: this.tab, state: this.connection.get() }),
    });
    this.connection.subscribe(() => this.connectionChanged());
    this.inbox.subscribe(() => this.storeSoon());
  }

  /** Show what is stored, fetch the lists, and keep them current until {@link stop}. */
  start(): void {
    if (this.started) return;
    this.started = true;
    this.restore();
    this.background(this.inbox.poll());
    this.ending.signal.addEventListener(
      "abort",
      this.runtime.watch((event) => this.page(event)),
    );
    if (this.tabs.shared) this.shown.set({ status: this.runtime.visible() ? "connecting" : "paused" });
    this.tabs.start();
    this.postWant();
  }

  private resigned(): void {
    this.connection.stop();
    if (this.tabs.shared) this.shown.set({ status: "paused" }); // until the next leader says how it is
  }

  private page(event: PageEvent): void {
    if (event === "leave") this.flush();
    // A tab that was frozen may have missed what others sent it.
    else if (event !== "hidden" && !this.tabs.leads) this.background(this.poll());
  }

  /** Disconnect for good. */
  stop(): void {
    this.flush();
    this.postWant({ include: [], topics: [], visible: false });
    this.tabs.stop();
    this.connection.stop();
    this.ending.abort();
    this.shown.set({ status: "stopped" });
  }

  /** Forget the user, here and in all tabs. The application removes its own credential. */
  signOut(): void {
    this.tabs.post({ kind: "signed-out" });
    this.forget();
  }

  /** The state of the connection, of whichever tab holds it. */
  get connectionState(): Store<ConnectionState> {
    return this.shown;
  }

  /** A list of events. Equal lists with equal filters are one object; it is kept current while somebody subscribes to it. */
  feed(list: EventList = "feed", filter: EventFilter = {}): Feed {
    const key = keyOf(list, filter);
    let feed = this.feeds.get(key);
    if (!feed) {
      feed = new Feed(this.context, list, filter, (one, inUse) => this.used(one, inUse));
      this.feeds.set(key, feed);
      const stored = this.stored?.feeds[key];
      if (stored) feed.restore(stored);
    }
    return feed;
  }

  /** Call `listener` for each notification that arrives while the page is open. */
  onArrival(listener: ArrivalListener): () => void {
    this.arrivals.add(listener);
    return () => this.arrivals.delete(listener);
  }

  /** A request of any route: preferences, follows, trends. The JSON of the response, or RequestError. */
  request<T>(path: string, sent?: Sent): Promise<T> {
    return this.requests.json<T>(path, sent);
  }

  /** The user did something: while only lists are polled, they are polled more often for a minute. */
  active(): void {
    this.activeUntil = this.runtime.now() + ACTIVE_MS;
  }

  // --- the connection ------------------------------------------------------------------------------------------

  private query(): Query {
    return {
      ...this.wants.query(this.ownWant(), this.runtime.now()),
      last_event_id: this.cursor || undefined,
    };
  }

  private ownWant(): Want {
    const include = ["notifications"];
    const topics: string[] = [];
    for (const feed of this.feeds.values()) {
      if (!feed.inUse) continue;
      if (feed.list === "feed") include.push("activity");
      else if (feed.list === "activity") include.push("activity:all");
      else topics.push(feed.list.topic.replace(/[\\,]/g, "\\$&"));
    }
    return { include, topics, visible: this.runtime.visible() };
  }

  private used(feed: Feed, inUse: boolean): void {
    if (inUse) this.background(feed.refetch());
    this.postWant();
    if (this.tabs.leads) this.connection.restart();
  }

  private connectionChanged(): void {
    const state = this.connection.get();
    if (!this.tabs.leads && state.status === "stopped" && state.error === undefined) return;
    this.shown.set(state);
    this.tabs.post({ kind: "state", leader: this.tab, state });
  }

  private postWant(want = this.ownWant()): void {
    this.tabs.post({ kind: "want", tab: this.tab, want });
  }

  private heard(message: Message): void {
    if (message.kind === "signed-out") this.forget();
    else if (message.kind === "want") this.wanted(message.tab, message.want);
    else if (this.tabs.leads) return;
    else if (message.kind === "state") this.heardLeader(message.leader, message.state);
    else if (message.kind === "poll") this.background(this.poll());
    else this.background(Promise.resolve(this.applied(message.frame)));
  }

  private heardLeader(leader: string, state: ConnectionState): void {
    this.shown.set(state);
    const now = this.runtime.now();
    const { toldLeader } = this;
    if (toldLeader.leader === leader && now < toldLeader.at + REPEAT_MS) return;
    this.toldLeader = { leader, at: now };
    this.postWant();
  }

  private wanted(tab: string, want: Want): void {
    const before = this.query();
    this.wants.set(tab, want, this.runtime.now());
    const after = this.query();
    if (this.tabs.leads && (before.include !== after.include || before.topic !== after.topic)) this.connection.restart();
  }

  private async received(event: ServerEvent): Promise<void> {
    this.tabs.post({ kind: "frame", frame: event });
    await this.applied(event);
    // Not before: if a refetch fails, the next connection begins where this one did.
    if (event.id) this.cursor = event.id;
  }

  private async poll(): Promise<void> {
    if (this.tabs.leads) this.tabs.post({ kind: "poll" });
    await Promise.all([this.inbox.poll(), ...this.inUse().map((feed) => feed.refetch())]);
  }

  private inUse(): Feed[] {
    return [...this.feeds.values()].filter((feed) => feed.inUse);
  }

  private refetch(): Promise<unknown> {
    return Promise.all([this.inbox.refetch(), ...this.inUse().map((feed) => feed.refetch())]);
  }

  /** Apply a frame; one of a newer server that this client does not know is ignored. */
  private async applied({ event, data }: ServerEvent): Promise<void> {
    const parsed: unknown = JSON.parse(data);
    for (const feed of this.inUse()) appliedTo(feed, event, parsed);
    if (event === "read") this.inbox.read(parsed as ReadFrame);
    else if (event === "seen") this.inbox.seen(parsed as SeenFrame);
    else if (event === "hello") await this.greeted(parsed as HelloFrame);
    else if (event === "reset") await this.restarted(parsed as ResetFrame);
    else if (event === "heartbeat") await this.beat(parsed as HeartbeatFrame);
    else if (event === "reauth") this.renew();
    else if (event === "notification") {
      this.inbox.changed(parsed as Change);
      for (const listener of this.arrivals) guarded(() => listener(parsed as Change));
    }
  }

  /** After a reset of many clients at once, each waits for its own time before it fetches. */
  private async restarted({ after_ms: ms = 0 }: ResetFrame): Promise<void> {
    if (ms) await sleep(this.runtime, Math.min(ms, LONGEST_SPREAD_MS), this.ending.signal);
    await this.refetch();
  }

  private renew(): void {
    if (!this.requests.renewable) return;
    this.requests.renew();
    if (this.tabs.leads) this.connection.restart();
  }

  private async greeted(hello: HelloFrame): Promise<void> {
    const { seq, unread_count, unread_items, unseen_count } = hello;
    if (seq === undefined) return;
    // Without a cursor the stream begins here: what the lists have from before is fetched.
    const behind = this.inbox.snapshot.seq < seq || this.inUse().some((feed) => feed.snapshot.position < hello.position);
    if (!hello.resumed && behind) await this.refetch();
    if (unread_count === undefined || unread_items === undefined || unseen_count === undefined) return;
    this.inbox.counted({ seq, unread_count, unread_items, unseen_count });
  }

  private async beat({ seq }: HeartbeatFrame): Promise<void> {
    if (seq > this.inbox.snapshot.seq) await this.inbox.refetch(); // a frame is missing
  }

  /** A change was confirmed that no frame has brought yet: after a while its list is fetched. */
  private lacking(still: () => boolean): void {
    this.active();
    const ms = this.shown.get().status === "live" ? LACKING_MS : 0;
    this.runtime.after(ms, () => {
      if (still() && !this.ending.signal.aborted) this.background(this.refetch());
    });
  }

  private background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.options.onError?.(error));
  }

  // --- the first paint -------------------------------------------------------------------------------------------

  private get storage(): Storage | undefined {
    return this.options.cache === false || this.name === undefined ? undefined : this.runtime.storage;
  }

  private restore(): void {
    try {
      const stored = JSON.parse(this.storage?.getItem(this.name ?? "") ?? "null") as Stored | null;
      if (!isStored(stored)) return;
      this.stored = stored;
      this.inbox.restore(stored.inbox);
      for (const [key, feed] of this.feeds) if (stored.feeds[key]) feed.restore(stored.feeds[key]);
    } catch {
      // what is stored is no state of ours: the lists are fetched anyway
    }
  }

  private storeSoon(): void {
    this.cancelStore ??= this.runtime.after(STORE_MS, () => this.store());
  }

  private store(): void {
    this.cancelStore?.();
    this.cancelStore = undefined;
    if (this.inbox.get().status !== "loaded" || this.ending.signal.aborted) return;
    const { snapshot } = this.inbox;
    const feeds: Record<string, FeedState> = {};
    for (const [key, feed] of this.feeds) {
      const state = feed.snapshot;
      if (feed.get().status === "loaded") feeds[key] = { ...state, fresh: [], items: state.items.slice(0, STORED_ITEMS) };
    }
    const stored: Stored = {
      version: STORED_VERSION,
      inbox: { ...snapshot, items: snapshot.items.slice(0, STORED_ITEMS) },
      feeds,
    };
    try {
      this.storage?.setItem(this.name ?? "", JSON.stringify(stored));
    } catch {
      // the storage is full: the next page starts without a first paint
    }
  }

  private flush(): void {
    this.inbox.flush();
    for (const feed of this.feeds.values()) feed.flush();
    if (this.cancelStore) this.store();
  }

  private forget(): void {
    this.stop();
    this.storage?.removeItem(this.name ?? "");
    this.inbox.clear();
    for (const feed of this.feeds.values()) feed.clear();
    this.requests.renew();
  }
}

/** Whether what the storage has was written by {@link TidingsClient}: a person or another script may have changed it. */
function isStored(value: Stored | null): value is Stored {
  const lists: unknown[] = [value?.inbox, ...Object.values(value?.feeds ?? {})];
  return value?.version === STORED_VERSION && lists.every(isStoredList);
}

function isStoredList(list: unknown): boolean {
  const { items, fresh = [], seq, position } = (list ?? {}) as Partial<InboxState & FeedState>;
  return Array.isArray(items) && Array.isArray(fresh) && Number.isInteger(seq ?? position);
}

function appliedTo(feed: Feed, event: string, data: unknown): void {
  if (event === "activity") feed.arrived(data as EventItem);
  else if (event === "feed_read") feed.read(data as FeedReadFrame);
  else if (event === "retracted") {
    const { event_id: id, position } = data as RetractedFrame;
    feed.retracted(id, position);
  }
}
