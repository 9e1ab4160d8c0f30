import { type ConnectionState, createConnection } from "./connection.js";
import { isListed } from "./filters.js";
import { createFirstPaint, type States } from "./first-paint.js";
import { createInbox, type Inbox } from "./inbox.js";
import type { Context, LiveList } from "./list.js";
import type { FrameData } from "./list-state.js";
import { createRequests, type RequestOptions, type Sent } from "./requests.js";
import { browser, type PageEvent, type Runtime, sleep } from "./runtime.js";
import type { HelloFrame, NotificationFrame, RemovalFrame, ResetFrame } from "./schemas.js";
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

/** Milliseconds for which a stream may take to bring a confirmed change, before the list is fetched. */
const FRAME_MS = 3_000;
/** Milliseconds for which the user counts as active after doing something. */
const ACTIVE_MS = 60_000;
/** The longest wait after a reset that a server can request. */
const LONGEST_SPREAD_MS = 30_000;

const NOTIFICATIONS = "/v1/notifications";

/** What a client of any kind has: the inbox of one user, and the connection that keeps it and other lists current. */
export interface InboxApi {
  readonly user: string | undefined;
  readonly inbox: Inbox;
  /** The state of the connection, of whichever tab holds it. */
  readonly connectionState: Store<ConnectionState>;
  /** Show what is stored, fetch the lists, and keep them current until `stop`. */
  readonly start: () => void;
  /** Disconnect for good. */
  readonly stop: () => void;
  /** Forget the user, here and in all tabs. The application removes its own credential. */
  readonly signOut: () => void;
  /** Call `listener` for each notification that arrives while the page is open. */
  readonly onArrival: (listener: ArrivalListener) => () => void;
  /** A request of any route. The JSON of the response, or RequestError. */
  readonly request: <T>(path: string, sent?: Sent) => Promise<T>;
  /** The user did something: while only lists are polled, they are polled more often for a minute. */
  readonly active: () => void;
}

/** A client, as the modules of the package use it. */
export interface Core extends InboxApi {
  readonly _context: Context;
  /** The lists by their keys. */
  readonly _lists: Map<string, LiveList>;
  /** Add a list, with what is stored of it. */
  readonly _add: (list: LiveList) => void;
  readonly _background: (work: Promise<unknown>) => void;
  /** What to do when the user has signed out. */
  readonly _forgetting: Set<() => void>;
}

export function createCore(options: ClientOptions): Core {
  const { user, url = "", token, visitor = user === undefined && token === undefined, onError } = options;
  const runtime = options.runtime ?? browser;
  const requests = createRequests(runtime, options);
  const tab = runtime.random().toString(36).slice(2);
  // Two users, or two servers, never share a name: it begins with their address.
  const name = user === undefined ? undefined : `tidings:${url}:${user}`;
  const ending = new AbortController();
  const { signal } = ending;
  const lists = new Map<string, LiveList>();
  const forgetting = new Set<() => void>();
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
  const isLive = (list: LiveList): boolean => list._inUse() && !(visitor && list._kind._inbox);
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
  const add = (list: LiveList): void => {
    const { _key: key } = list;
    lists.set(key, list);
    const state = stored[key];
    if (state) list._restore(state);
  };

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
    const live = inUse();
    return {
      include: [...(visitor ? [] : ["notifications"]), ...live.flatMap((list) => list._include ?? [])],
      topics: live.flatMap((list) => list._topic ?? []),
      visible: runtime.visible(),
    };
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

  const main = createInbox(context, {}, {}, isListed);
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
    for (const list of lists.values()) list._clear();
    for (const forgotten of forgetting) forgotten();
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
  add(main);
  main.subscribe(() => {
    if (!signal.aborted) firstPaint._changed();
  });

  return {
    user,
    inbox: main,
    connectionState: shown,
    start() {
      if (started) return;
      started = true;
      stored = firstPaint._stored();
      for (const list of lists.values()) add(list);
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
    onArrival(listener) {
      arrivals.add(listener);
      return () => arrivals.delete(listener);
    },
    request: requests._json,
    active,
    _context: context,
    _lists: lists,
    _add: add,
    _background: background,
    _forgetting: forgetting,
  };
}
