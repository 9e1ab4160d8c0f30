import { type ConnectionState, createConnection } from "./connection.js";
import { createFeed, type Feed, type Groups } from "./feed.js";
import { type EventFilter, type EventList, escaped, type NotificationFilter, parametersOf, pathOf } from "./filters.js";
import { createFirstPaint, type States } from "./first-paint.js";
import { createInbox, type Inbox } from "./inbox.js";
import type { Context, LiveList } from "./list.js";
import type { FrameData } from "./list-state.js";
import { createRequests, type Query, type RequestOptions, type Sent } from "./requests.js";
import { createResource, type OwnResource, type Resource } from "./resource.js";
import { browser, type PageEvent, type Runtime, sleep } from "./runtime.js";
import type {
  FollowsPage,
  HelloFrame,
  NotificationFrame,
  Preferences,
  PreferencesPatch,
  RemovalFrame,
  ResetFrame,
  Summary,
  Top,
  Topic,
  TopSeries,
} from "./schemas.js";
import { guarded, type Store, value } from "./store.js";
import { createTabs, type Message, REPEAT_MS, type Want } from "./tabs.js";
import type { Frame, TransportName } from "./transports.js";

export interface ClientOptions extends RequestOptions {
  /** A visitor has no credential, and sees what the setting `public_reads` permits. Default: true without `user` and `token`. */
  visitor?: boolean;
  /** The transports, from the best one down. Default: stream, websocket, poll, list. */
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
export type ArrivalListener = (change: NotificationFrame | RemovalFrame) => void;

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

/** Milliseconds for which a stream may take to bring a confirmed change, before the list is fetched. */
const FRAME_MS = 3_000;
/** Milliseconds for which the user counts as active after doing something. */
const ACTIVE_MS = 60_000;
/** Milliseconds between two requests of trends, and of what changes seldom. */
const TREND_MS = 10_000;
const SELDOM_MS = 60_000;
/** The longest wait after a reset that a server can request. */
const LONGEST_SPREAD_MS = 30_000;
/** Lists and resources that are kept, beside those in use. */
const KEPT_STORES = 50;

const NOTIFICATIONS = "/v1/notifications";
const PREFERENCES = "/v1/preferences";

/** Everything of one user: the inbox, feeds, and the connection that keeps them current. */
export class TidingsClient {
  declare readonly user: string | undefined;
  declare readonly inbox: Inbox;
  /** The state of the connection, of whichever tab holds it. */
  declare readonly connectionState: Store<ConnectionState>;
  /** Show what is stored, fetch the lists, and keep them current until {@link stop}. */
  declare readonly start: () => void;
  /** Disconnect for good. */
  declare readonly stop: () => void;
  /** Forget the user, here and in all tabs. The application removes its own credential. */
  declare readonly signOut: () => void;
  /** Notifications with a filter. Equal filters are one object; it is kept current while somebody subscribes to it. */
  declare readonly notifications: (filter?: NotificationFilter) => Inbox;
  /** A list of events. Equal lists with equal filters are one object; it is kept current while somebody subscribes to it. */
  declare readonly feed: (list?: EventList, filter?: EventFilter) => Feed;
  /** The same in groups of similar events. */
  declare readonly groups: (list?: EventList, filter?: EventFilter) => Groups;
  /** Call `listener` for each notification that arrives while the page is open. */
  declare readonly onArrival: (listener: ArrivalListener) => () => void;
  /** A request of any route. The JSON of the response, or RequestError. */
  declare readonly request: <T>(path: string, sent?: Sent) => Promise<T>;
  /** The user did something: while only lists are polled, they are polled more often for a minute. */
  declare readonly active: () => void;
  /** The response of any GET route as a store. Equal paths with equal queries are one object. */
  declare readonly resource: <T>(path: string, query?: Query, everyMs?: number) => Resource<T>;
  /** The preferences of the user. */
  declare readonly preferences: Resource<Preferences>;
  /** Change some preferences; null removes a setting. They are shown as the server replies. */
  declare readonly setPreferences: (patch: PreferencesPatch) => Promise<void>;
  /** A topic: the number of its followers, and in `viewer.follows` whether the user is one. */
  declare readonly topic: (topic: string) => Resource<Topic>;
  /** The first 100 topics that the user follows. */
  declare readonly follows: Resource<FollowsPage>;
  /** Follow a topic; its page shows it at once. */
  declare readonly follow: (topic: string) => Promise<void>;
  /** Unfollow a topic; what it brought to the feed is hidden, or kept. */
  declare readonly unfollow: (topic: string, history?: "hide" | "keep") => Promise<void>;
  declare readonly mute: (topic: string) => Promise<void>;
  declare readonly unmute: (topic: string) => Promise<void>;
  /** Block a user, named by id. */
  declare readonly block: (userId: string) => Promise<void>;
  declare readonly unblock: (userId: string) => Promise<void>;
  /** The exact counts of the user's feed, and its newest items. */
  declare readonly summary: Resource<Summary>;
  /** The most frequent objects, verbs, types or actors of a window. */
  declare readonly top: (query?: TopQuery) => Resource<Top>;
  /** The events of a window over its time. */
  declare readonly series: (query?: SeriesQuery) => Resource<TopSeries>;

  constructor(options: ClientOptions = {}) {
    Object.assign(this, createClient(options));
  }
}

function createClient(options: ClientOptions): TidingsClient {
  const { user, url = "", token, visitor = user === undefined && token === undefined, onError } = options;
  const runtime = options.runtime ?? browser;
  const requests = createRequests(runtime, options);
  const tab = runtime.random().toString(36).slice(2);
  // Two users, or two servers, never share a name: it begins with their address.
  const name = user === undefined ? undefined : `tidings:${url}:${user}`;
  const ending = new AbortController();
  const { signal } = ending;
  const lists = new Map<string, LiveList>();
  const resources = new Map<string, OwnResource<unknown>>();
  const arrivals = new Set<ArrivalListener>();
  const shown = value<ConnectionState>({ status: "stopped" });
  /** Lists that came into use since the last hello: until then the stream may not have what they need. */
  const unheard = new Set<LiveList>();
  /** The last requests of lists. */
  let fetching: Promise<unknown> = Promise.resolve();
  let stored: States = {};
  let started = false;
  let cursor = "";
  let activeUntil = 0;
  /** What the tabs want of the connection, as of its start. */
  let connected = "";
  /** The leader that this tab last sent its want, and when. */
  let wantSent = "";
  let wantSentAt = 0;

  const background = (work: Promise<unknown>): void => {
    work.catch((error: unknown) => onError?.(error));
  };
  const active = (): void => {
    activeUntil = runtime.now() + ACTIVE_MS;
  };

  // --- the lists -----------------------------------------------------------------------------------------------

  /** A visitor has no inbox. */
  const isLive = (list: LiveList): boolean =>
    list._kind._inbox ? !visitor && (list === main || list._inUse()) : list._inUse();
  const inUse = (): LiveList[] => [...lists.values()].filter(isLive);
  const refetch = (): Promise<unknown> => {
    fetching = Promise.all(inUse().map((list) => list.refetch()));
    return fetching;
  };
  const poll = async (): Promise<void> => {
    if (tabs._leads()) tabs._post({ kind: "poll" });
    await refetch();
  };
  const context: Context = {
    _requests: requests,
    _signal: signal,
    _used(list, used) {
      lists.set(list._key, list);
      if (!started || signal.aborted) return;
      if (used && isLive(list)) {
        unheard.add(list);
        fetching = list.refetch();
        background(fetching);
      }
      postWant();
      wantsChanged();
    },
    _refetchIf(missing) {
      active();
      runtime.after(shown.get().status === "live" ? FRAME_MS : 0, () => {
        if (missing() && !signal.aborted) background(refetch());
      });
    },
    async _make(list, step, send) {
      let sent: Promise<number> | undefined;
      const once = (): Promise<number> => (sent ??= send());
      const others = inUse().filter((other) => other !== list && other._kind._inbox === list._kind._inbox);
      await Promise.all([list, ...others].map((one) => one._make(step, once)));
    },
    _refetch: refetch,
  };
  /** The store of this key. Unused ones are dropped, the oldest first, where they are too many. */
  const held = <V extends { readonly _inUse: () => boolean }>(stores: Map<string, V>, key: string, make: () => V): V => {
    let store = stores.get(key);
    if (!store) {
      for (const [old, { _inUse }] of stores) {
        if (stores.size >= KEPT_STORES && !_inUse() && old !== main?._key) stores.delete(old);
      }
      store = make();
      stores.set(key, store);
    }
    return store;
  };
  const listOf = <L extends LiveList>(path: string, query: Query, make: () => L): L => {
    const key = requests._address(path, query);
    return held<LiveList>(lists, key, () => {
      const list = make();
      const state = stored[key];
      if (state) list._restore(state);
      return list;
    }) as L;
  };
  const notifications = (filter: NotificationFilter = {}): Inbox & LiveList =>
    listOf(NOTIFICATIONS, parametersOf(filter), () => createInbox(context, filter));
  const events = (list: EventList = "feed", filter: EventFilter = {}, group?: true): Feed & Groups & LiveList =>
    listOf(pathOf(list), { ...parametersOf(filter), group }, () => createFeed(context, list, filter, group));

  // --- what arrives --------------------------------------------------------------------------------------------

  const apply = async ({ event, data }: Frame): Promise<void> => {
    const { resumed, seq = 0, after_ms: ms = 0 } = data as Partial<HelloFrame & ResetFrame>;
    if (event === "hello") {
      // Without a cursor the stream begins here: what the lists have from before is fetched.
      const heard = resumed ? unheard : new Set(inUse());
      if (!tabs._leads() || !resumed) {
        await fetching.catch(() => undefined);
        const behind = ({ _kind: { _at: at }, _confirmed }: LiveList): boolean =>
          ((data as FrameData)[at] as number) > _confirmed()[at];
        if ([...heard].some(behind)) await refetch();
      }
      unheard.clear();
    } else if (event === "reset") {
      // After a reset of many clients at once, each waits for its own time before it fetches.
      if (ms) await sleep(runtime, Math.min(ms, LONGEST_SPREAD_MS), signal);
      await refetch();
    } else if (event === "heartbeat") {
      if (seq > main._confirmed().seq) await main.refetch(); // a frame is missing
    } else if (event === "reauth" && requests._renew() && tabs._leads()) connection._restart();
    for (const list of inUse()) list._apply(event, data as FrameData);
    if (event === "notification") for (const listener of arrivals) guarded(() => listener(data as NotificationFrame));
  };

  // --- the connection, and the tabs that share it --------------------------------------------------------------

  const ownWant = (): Want => {
    const include = visitor ? [] : ["notifications"];
    const topics: string[] = [];
    for (const { list } of inUse() as (LiveList & { list?: EventList })[]) {
      if (list === "feed") include.push("activity");
      else if (list === "activity") include.push("activity:all");
      else if (list) topics.push(escaped(list.topic));
    }
    return { include, topics, visible: runtime.visible() };
  };
  const postWant = (want = ownWant()): void => tabs._post({ kind: "want", tab, want });
  /** Connect anew, if the tabs want something else of the connection than when it began. */
  const wantsChanged = (): void => {
    const wanted = String(tabs._wanted(ownWant()));
    if (!tabs._leads() || wanted === connected) return;
    connected = wanted;
    connection._restart();
  };
  const connection = createConnection(
    requests,
    options.transports ?? (visitor ? ["stream", "list"] : ["stream", "websocket", "poll", "list"]),
    {
      _path: visitor ? "/v1/activity" : NOTIFICATIONS,
      _query() {
        const wanted = tabs._wanted(ownWant());
        const [include, topics] = wanted;
        connected = String(wanted);
        if (visitor && !connected[1]) return undefined;
        return {
          ...(visitor ? {} : { include }),
          topic: (!(visitor && include) && topics) || undefined,
          last_event_id: cursor || undefined,
        };
      },
      async _frame(frame) {
        tabs._post({ kind: "frame", frame });
        await apply(frame);
        // Not before: if a refetch fails, the next connection begins where this one did.
        if (frame.id) cursor = frame.id;
      },
      _poll: poll,
      _active: () => runtime.now() < activeUntil,
    },
  );
  const postState = (): void => tabs._post({ kind: "state", leader: tab, state: connection.get() });
  const received = (message: Message): void => {
    const { kind } = message;
    if (kind === "signed-out") forget();
    else if (kind === "want") wantsChanged();
    else if (tabs._leads()) return;
    else if (kind === "frame") background(apply(message.frame));
    else if (kind === "poll") background(poll());
    else {
      const { leader, state } = message;
      shown._set(state);
      if (wantSent === leader && runtime.now() < wantSentAt + REPEAT_MS) return;
      wantSent = leader;
      wantSentAt = runtime.now();
      postWant();
    }
  };
  const tabs = createTabs(runtime, options.shareTabs === false ? undefined : name, {
    _lead: () => connection._start(),
    _resign() {
      connection._stop();
      if (tabs._shared) shown._set({ status: "paused" }); // until the next leader says how it is
    },
    _received: received,
    _heartbeat: postState,
  });
  connection.subscribe(() => {
    const state = connection.get();
    if (!tabs._leads() && state.status === "stopped" && state.error === undefined) return;
    shown._set(state);
    postState();
  });

  // --- the first paint, and the end ----------------------------------------------------------------------------

  const main = notifications();
  const firstPaint = createFirstPaint(runtime, options.cache === false ? undefined : name, () =>
    Object.fromEntries(
      [...lists].filter(([, list]) => list.get().status !== "empty").map(([key, list]) => [key, list._confirmed()]),
    ),
  );
  const flush = (): void => {
    for (const list of lists.values()) list._flush();
    firstPaint._flush();
  };
  const stop = (): void => {
    flush();
    postWant({ include: [], topics: [], visible: false });
    tabs._stop();
    connection._stop();
    ending.abort();
    shown._set({ status: "stopped" });
  };
  const forget = (): void => {
    stop();
    firstPaint._remove();
    stored = {};
    for (const store of [...lists.values(), ...resources.values()]) store._clear();
    requests._close();
  };
  const onPage = (event: PageEvent): void => {
    if (event === "leave") flush();
    else if (event !== "hidden") {
      if (firstPaint._removed()) forget();
      // A tab that was frozen may have missed what others sent it.
      else if (!tabs._leads()) background(poll());
    }
  };
  main.subscribe(() => {
    if (!signal.aborted) firstPaint._changed();
  });

  // --- what the user follows, mutes, blocks and prefers --------------------------------------------------------

  const resource = <T>(path: string, query: Query = {}, everyMs = SELDOM_MS): Resource<T> => {
    const address = requests._address(path, query);
    return held(resources, address, () => {
      const made: OwnResource<unknown> = createResource(requests, path, query, everyMs, signal, () =>
        resources.set(address, made),
      );
      return made;
    }) as OwnResource<T>;
  };
  const own = (what: string): string => `/v1/users/${encodeURIComponent(user ?? "")}/${what}`;
  const put = async (what: string, of: string, method: "PUT" | "DELETE", query: Query = {}): Promise<undefined> => {
    if (user === undefined) throw new TypeError("the option user is needed");
    await requests._change(`${own(what)}/${encodeURIComponent(of)}`, { method, query }, signal);
    background(refetch()); // past events come and go with it
  };
  const topicOf = (topic: string): Resource<Topic> => resource(`/v1/topics/${encodeURIComponent(topic)}`);
  const follows: Resource<FollowsPage> = resource(own("follows"), { limit: 100 });
  const followed = async (topic: string, follow: boolean, query?: Query): Promise<void> => {
    await topicOf(topic).change(
      (now) => ({
        ...now,
        followers: now.followers + Number(follow) - Number(now.viewer?.follows ?? follow),
        ...(now.viewer && { viewer: { ...now.viewer, follows: follow } }),
      }),
      () => put("follows", topic, follow ? "PUT" : "DELETE", query),
    );
    await follows.refetch();
  };
  const preferences: Resource<Preferences> = resource(PREFERENCES);

  return {
    user,
    inbox: main,
    connectionState: shown,
    start() {
      if (started) return;
      started = true;
      stored = firstPaint._stored();
      for (const [key, list] of lists) {
        const state = stored[key];
        if (state) list._restore(state);
      }
      background(refetch());
      signal.addEventListener("abort", runtime.watch(onPage));
      if (tabs._shared) shown._set({ status: runtime.visible() ? "connecting" : "paused" });
      tabs._start();
      postWant();
    },
    stop,
    signOut() {
      tabs._post({ kind: "signed-out" });
      forget();
    },
    notifications,
    feed: events,
    groups: (list, filter) => events(list, filter, true),
    onArrival(listener) {
      arrivals.add(listener);
      return () => arrivals.delete(listener);
    },
    request: requests._json,
    active,
    resource,
    preferences,
    setPreferences: (patch) =>
      preferences.change(
        (now) => merged(now, patch) as Preferences,
        () => requests._change(PREFERENCES, { method: "PATCH", body: patch }, signal),
      ),
    topic: topicOf,
    follows,
    follow: (topic) => followed(topic, true),
    unfollow: (topic, history = "hide") => followed(topic, false, { history }),
    mute: (topic) => put("mutes", topic, "PUT"),
    unmute: (topic) => put("mutes", topic, "DELETE"),
    block: (userId) => put("blocks", userId, "PUT"),
    unblock: (userId) => put("blocks", userId, "DELETE"),
    summary: resource("/v1/feed/summary"),
    top: (query) => resource("/v1/top", { ...query }, TREND_MS),
    series: (query) => resource("/v1/top/series", { ...query }, TREND_MS),
  };
}

/** A document with a JSON merge patch; what the patch removes is null until the server has said what holds instead. */
function merged(now: unknown, patch: unknown): unknown {
  if (!patch || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const next = { ...(now as Record<string, unknown>) };
  for (const [name, value] of Object.entries(patch)) next[name] = merged(next[name], value);
  return next;
}
