import { Connection, type ConnectionState } from "./connection.js";
import type { Feed } from "./feed.js";
import type { EventFilter, EventList } from "./filters.js";
import { FirstPaint } from "./first-paint.js";
import type { Inbox } from "./inbox.js";
import { type ArrivalListener, Lists } from "./lists.js";
import { persistent, type Query, type RequestOptions, Requests, type Sent } from "./requests.js";
import { type Resource, resource } from "./resource.js";
import { browser, type PageEvent, type Runtime } from "./runtime.js";
import type { FollowsPage, Preferences, PreferencesPatch, Summary, Top, Topic, TopSeries } from "./schemas.js";
import type { ServerEvent } from "./sse.js";
import { type Store, Value } from "./store.js";
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

/** Milliseconds for which a stream may take to bring a confirmed change, before the list is fetched. */
const FRAME_MS = 3_000;
/** Milliseconds for which the user counts as active after doing something. */
const ACTIVE_MS = 60_000;
/** Milliseconds between two requests of trends, and of what changes seldom. */
const TREND_MS = 10_000;
const SELDOM_MS = 60_000;

/** What is counted in trends. */
export interface TopQuery {
  readonly window?: string;
  readonly by?: "object" | "verb" | "object_type" | "actor";
  readonly object_type?: string;
  readonly topic?: string;
  readonly limit?: number;
  /** With the ranks and counts of the window before. */
  readonly compare?: "previous";
}

/** Of which key, or of all, a series is. */
export type SeriesQuery = Omit<TopQuery, "limit" | "compare"> & { readonly key?: string };

/** Everything of one user: the inbox, feeds, and the connection that keeps them current. */
export class TidingsClient {
  readonly inbox: Inbox;
  private readonly requests: Requests;
  private readonly runtime: Runtime;
  private readonly lists: Lists;
  private readonly firstPaint: FirstPaint;
  private readonly connection: Connection;
  private readonly shown = new Value<ConnectionState>({ status: "stopped" });
  private readonly tabs: Tabs;
  private readonly tab: string;
  private readonly wants = new Wants();
  private readonly resources = new Map<string, Resource<unknown>>();
  /** The leader that this tab last sent its want, and when. */
  private wantSent = { leader: "", at: 0 };
  /** What the tabs want of the connection, as of its start. */
  private connected: Query = {};
  private readonly ending = new AbortController();
  private cursor = "";
  private started = false;
  private activeUntil = 0;

  constructor(private readonly options: ClientOptions = {}) {
    this.runtime = options.runtime ?? browser;
    this.requests = new Requests(this.runtime, options);
    this.tab = this.runtime.random().toString(36).slice(2);
    // Two users, or two servers, never share a name: it begins with their address.
    const name = options.user === undefined ? undefined : `tidings:${options.url ?? ""}:${options.user}`;
    this.lists = new Lists(
      { requests: this.requests, signal: this.ending.signal, refetchIf: (missing) => this.refetchIf(missing) },
      (feed, inUse) => this.used(feed, inUse),
    );
    this.inbox = this.lists.inbox;
    this.firstPaint = new FirstPaint(this.runtime, options.cache === false ? undefined : name, this.lists);
    this.connection = new Connection(this.requests, options.transports ?? ["stream", "poll", "list"], {
      query: () => this.query(),
      frame: (event) => this.frameReceived(event),
      poll: () => this.poll(),
      active: () => this.runtime.now() < this.activeUntil,
    });
    this.tabs = new Tabs(this.runtime, options.shareTabs === false ? undefined : name, {
      lead: () => this.connection.start(),
      resign: () => this.resigned(),
      others: () => this.wants.visible(this.runtime.now()),
      received: (message) => this.messageReceived(message),
      heartbeat: () => this.tabs.post({ kind: "state", leader: this.tab, state: this.connection.get() }),
    });
    this.connection.subscribe(() => this.connectionChanged());
    this.inbox.subscribe(() => {
      if (!this.ending.signal.aborted) this.firstPaint.changed();
    });
  }

  /** Show what is stored, fetch the lists, and keep them current until {@link stop}. */
  start(): void {
    if (this.started) return;
    this.started = true;
    this.firstPaint.restore();
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
    return this.lists.feed(list, filter);
  }

  /** Call `listener` for each notification that arrives while the page is open. */
  onArrival(listener: ArrivalListener): () => void {
    return this.lists.onArrival(listener);
  }

  // --- what the user follows, mutes, blocks and prefers ----------------------------------------------------------

  /** The preferences of the user. */
  get preferences(): Resource<Preferences> {
    return this.resource<Preferences>("/v1/preferences");
  }

  /** Change some preferences; null removes a setting. They are shown as the server replies. */
  async setPreferences(patch: PreferencesPatch): Promise<void> {
    const send = (): Promise<Preferences> => this.request("/v1/preferences", { method: "PATCH", body: patch });
    await this.preferences.change((now) => now, send);
  }

  /** A topic: the number of its followers, and in `viewer.follows` whether the user is one. */
  topic(topic: string): Resource<Topic> {
    return this.resource<Topic>(`/v1/topics/${encodeURIComponent(topic)}`);
  }

  /** The first 100 topics that the user follows. */
  get follows(): Resource<FollowsPage> {
    return this.resource<FollowsPage>(this.own("follows"), { limit: 100 });
  }

  /** Follow a topic; its page shows it at once. */
  follow(topic: string): Promise<void> {
    return this.followed(topic, true);
  }

  /** Unfollow a topic; what it brought to the feed is hidden, or kept. */
  unfollow(topic: string, history: "hide" | "keep" = "hide"): Promise<void> {
    return this.followed(topic, false, { history });
  }

  mute(topic: string): Promise<void> {
    return this.put("mutes", topic);
  }

  unmute(topic: string): Promise<void> {
    return this.put("mutes", topic, "DELETE");
  }

  /** Block a user, named by id. */
  block(userId: string): Promise<void> {
    return this.put("blocks", userId);
  }

  unblock(userId: string): Promise<void> {
    return this.put("blocks", userId, "DELETE");
  }

  /** The exact counts of the user's feed, and its newest items. */
  get summary(): Resource<Summary> {
    return this.resource<Summary>("/v1/feed/summary");
  }

  /** The most frequent objects, verbs, types or actors of a window. */
  top(query: TopQuery = {}): Resource<Top> {
    return this.resource<Top>("/v1/top", { ...query }, TREND_MS);
  }

  /** The events of a window over its time. */
  series(query: SeriesQuery = {}): Resource<TopSeries> {
    return this.resource<TopSeries>("/v1/top/series", { ...query }, TREND_MS);
  }

  /** The response of any GET route as a store. Equal paths with equal queries are one object. */
  resource<T>(path: string, query: Query = {}, everyMs = SELDOM_MS): Resource<T> {
    const parameters = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    );
    const text = new URLSearchParams(parameters.sort()).toString();
    const address = path + (text && `?${text}`);
    let held = this.resources.get(address) as Resource<T> | undefined;
    if (!held) {
      held = resource<T>(this.requests, address, everyMs, this.ending.signal);
      this.resources.set(address, held as Resource<unknown>);
    }
    return held;
  }

  private own(what: string): string {
    const { user } = this.options;
    if (user === undefined) throw new TypeError("the option user is needed");
    return `/v1/users/${encodeURIComponent(user)}/${what}`;
  }

  private async put(what: string, of: string, method: "PUT" | "DELETE" = "PUT", query: Query = {}): Promise<void> {
    const path = `${this.own(what)}/${encodeURIComponent(of)}`;
    await persistent(this.runtime, this.ending.signal, () => this.requests.whole(path, { method, query }));
    this.background(this.lists.refetch()); // past events come and go with it
  }

  private async followed(topic: string, follows: boolean, query: Query = {}): Promise<void> {
    const apply = (now: Topic): Topic => {
      const change = Number(follows) - Number(now.viewer?.follows ?? !follows);
      return { ...now, followers: now.followers + change, ...(now.viewer && { viewer: { ...now.viewer, follows } }) };
    };
    const send = async (): Promise<undefined> => {
      await this.put("follows", topic, follows ? "PUT" : "DELETE", query);
    };
    await this.topic(topic).change(apply, send);
    await this.follows.refetch();
  }

  /** A request of any route. The JSON of the response, or RequestError. */
  request<T>(path: string, sent?: Sent): Promise<T> {
    return this.requests.json<T>(path, sent);
  }

  /** The user did something: while only lists are polled, they are polled more often for a minute. */
  active(): void {
    this.activeUntil = this.runtime.now() + ACTIVE_MS;
  }

  // --- the connection ------------------------------------------------------------------------------------------

  private query(): Query {
    this.connected = this.wants.query(this.ownWant(), this.runtime.now());
    return { ...this.connected, last_event_id: this.cursor || undefined };
  }

  /** Connect anew, if the tabs want something else of the connection than when it began. */
  private wantsChanged(): void {
    const wanted = this.wants.query(this.ownWant(), this.runtime.now());
    const { include, topic } = this.connected;
    if (!this.tabs.leads || (wanted.include === include && wanted.topic === topic)) return;
    this.connected = wanted;
    this.connection.restart();
  }

  private ownWant(): Want {
    return { ...this.lists.wanted(), visible: this.runtime.visible() };
  }

  private used(feed: Feed, inUse: boolean): void {
    if (inUse) this.background(feed.refetch());
    this.postWant();
    this.wantsChanged();
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

  private messageReceived(message: Message): void {
    if (message.kind === "signed-out") this.forget();
    else if (message.kind === "want") this.wanted(message.tab, message.want);
    else if (this.tabs.leads) return;
    else if (message.kind === "state") this.leaderState(message.leader, message.state);
    else if (message.kind === "poll") this.background(this.poll());
    else this.background(this.apply(message.frame));
  }

  private leaderState(leader: string, state: ConnectionState): void {
    this.shown.set(state);
    const now = this.runtime.now();
    if (this.wantSent.leader === leader && now < this.wantSent.at + REPEAT_MS) return;
    this.wantSent = { leader, at: now };
    this.postWant();
  }

  private wanted(tab: string, want: Want): void {
    this.wants.set(tab, want, this.runtime.now());
    this.wantsChanged();
  }

  private async frameReceived(event: ServerEvent): Promise<void> {
    this.tabs.post({ kind: "frame", frame: event });
    await this.apply(event);
    // Not before: if a refetch fails, the next connection begins where this one did.
    if (event.id) this.cursor = event.id;
  }

  private async poll(): Promise<void> {
    if (this.tabs.leads) this.tabs.post({ kind: "poll" });
    await this.lists.poll();
  }

  private async apply(event: ServerEvent): Promise<void> {
    if (event.event === "reauth") this.renew();
    else await this.lists.apply(event);
  }

  private renew(): void {
    if (!this.requests.renewable) return;
    this.requests.renew();
    if (this.tabs.leads) this.connection.restart();
  }

  /** A change was confirmed that no frame has brought yet: after a while the lists are fetched. */
  private refetchIf(missing: () => boolean): void {
    this.active();
    const ms = this.shown.get().status === "live" ? FRAME_MS : 0;
    this.runtime.after(ms, () => {
      if (missing() && !this.ending.signal.aborted) this.background(this.lists.refetch());
    });
  }

  private background(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.options.onError?.(error));
  }

  private flush(): void {
    this.lists.flush();
    this.firstPaint.flush();
  }

  private forget(): void {
    this.stop();
    this.firstPaint.remove();
    this.lists.clear();
    for (const one of this.resources.values()) one.clear();
    this.requests.renew();
  }
}
