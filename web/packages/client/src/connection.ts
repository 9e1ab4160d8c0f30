import type { RequestError } from "./problem.js";
import type { Query, Requests } from "./requests.js";
import { type PageEvent, sleep } from "./runtime.js";
import type { DrainFrame } from "./schemas.js";
import { type Store, value } from "./store.js";
import { Ended, type Fallback, type Frame, receiveStream, type TransportName } from "./transports.js";

/** The state of the connection, as an application may show it. */
export interface ConnectionState {
  /**
   * `connecting`; `live`: changes arrive at once; `polling`: they arrive with a delay; `waiting`: for the next attempt, after
   * `error`; `paused`: the page is hidden, or nothing needs a connection; `stopped`: not started, or the server refuses the
   * credential (`error`).
   */
  readonly status: "connecting" | "live" | "polling" | "waiting" | "paused" | "stopped";
  readonly transport?: TransportName;
  /** Why the last attempt failed. */
  readonly error?: string;
  /** When the next attempt begins, in milliseconds since the Unix epoch. */
  readonly retryAt?: number;
}

/** What a connection delivers to. */
export interface Sink {
  /** The path below which the transports are. */
  readonly _path: string;
  /** The parameters of the next connection, with the cursor in `last_event_id`; undefined while none is needed. */
  _query(): Query | undefined;
  _frame(frame: Frame): Promise<void>;
  /** Fetch the first pages again, if they have changed. */
  _poll(): Promise<void>;
  /** Whether the user was active within the last minute. */
  _active(): boolean;
}

export interface Connection extends Store<ConnectionState> {
  /** Connect, and stay connected. */
  _start(): void;
  /** Disconnect. */
  _stop(error?: string): void;
  /** Connect anew at once: what is wanted of the connection has changed. */
  _restart(): void;
}

/** Consecutive attempts that end before the first frame, after which the next transport is tried; one once all have failed. */
const FAILURES = 3;
/** Milliseconds after which the best transport is tried again, while another one is in use. */
const UPGRADE_MS = 60_000;
/** The same for the first time: perhaps the server was away for a moment, and all transports with it. */
const FIRST_UPGRADE_MS = 5_000;
/** Milliseconds to the first frame, which a server sends within 100 ms. */
const HELLO_MS = 10_000;
/** Milliseconds of silence after which a connection is dead: two and a half heartbeats of 20 s. */
const SILENCE_MS = 50_000;
/** Milliseconds: the bound of the first wait; it doubles with each failure, and each wait is random below it. */
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const SHORTEST_WAIT_MS = 100;
/** Milliseconds for which a connection must last before the next failure counts as the first again. */
const HEALTHY_MS = 60_000;
/** Milliseconds for which a page may be hidden with an open connection: users switch between tabs. */
const HIDDEN_MS = 30_000;
/** Milliseconds between two lists: normally, after the user was active, and after no other transport has worked for long. */
const LIST_MS = 30_000;
const ACTIVE_LIST_MS = 10_000;
const IDLE_LIST_MS = 60_000;
const IDLE_AFTER_MS = 300_000;

/** Ends that the client itself decides on, and that are not shown: for a better transport, for another query, for a pause. */
const UPGRADE = new Ended("", 0, true);
const RESTART = new Ended("", 0, true);
const PAUSE = new Ended("", 0, true);

/** Keeps one connection, by the best transport that works. */
export function createConnection(requests: Requests, transports: readonly TransportName[], sink: Sink): Connection {
  const { _runtime: runtime } = requests;
  const state = value<ConnectionState>({ status: "stopped" });
  let stopping: AbortController | undefined;
  let attempt: AbortController | undefined;
  let waking: AbortController | undefined;
  let retryMs = FIRST_WAIT_MS;
  let failures = 0;
  /** When the first list was fetched since another transport worked. */
  let listsSince: number | undefined;
  let left = false;
  let cancelHidden = (): void => undefined;

  const isShown = (): boolean => !left && runtime.visible();
  const wait = (ms?: number): Promise<void> => {
    waking = new AbortController();
    return sleep(runtime, ms, waking.signal);
  };
  const stop = (error?: string): void => {
    stopping?.abort();
    stopping = undefined;
    attempt?.abort(PAUSE);
    waking?.abort();
    state._set({ status: "stopped", ...(error !== undefined && { error }) });
  };
  const onPage = (event: PageEvent, signal: AbortSignal): void => {
    cancelHidden();
    if (event === "hidden") {
      cancelHidden = runtime.after(HIDDEN_MS, () => {
        if (!signal.aborted) attempt?.abort(PAUSE);
      });
      return;
    }
    left = event === "leave"; // an open connection would keep the page out of the cache for "back"
    if (left) attempt?.abort(PAUSE);
    else waking?.abort();
  };
  /** Receive by one transport until it ends, or until `upgradeAt`. Returns whether it began, and why it ended. */
  const receive = async (transport: TransportName, query: Query, upgradeAt?: number): Promise<[boolean, Ended]> => {
    const own = new AbortController();
    const { signal } = own;
    attempt = own;
    let greetedAt: number | undefined;
    let cancelSilence = (): void => undefined;
    const cancelUpgrade =
      upgradeAt === undefined ? undefined : runtime.after(upgradeAt - runtime.now(), () => own.abort(UPGRADE));
    /** The connection is dead after so many milliseconds, unless something arrives. */
    const expect = (ms: number): void => {
      cancelSilence();
      cancelSilence = runtime.after(ms, () => own.abort(new Ended("the server sends nothing")));
    };
    const greet = (): void => {
      greetedAt ??= runtime.now();
      // A poll waits for a change too, but in turns.
      state._set({ status: transport === "stream" || transport === "websocket" ? "live" : "polling", transport });
    };
    if (state.get().status !== "polling") state._set({ status: "connecting", transport });
    try {
      if (transport !== "list") {
        expect(HELLO_MS);
        // A request of the module that gets no response must not hold up the next attempt.
        const aborted = new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        });
        aborted.catch(() => undefined);
        const frames: Fallback =
          transport === "stream" ? receiveStream : (await Promise.race([import("./fallbacks.js"), aborted]))[transport];
        await frames(
          requests,
          sink._path,
          query,
          {
            _alive: () => expect(SILENCE_MS),
            _retry: (ms) => (retryMs = ms),
            async _frame(frame) {
              if (signal.aborted) throw signal.reason; // the next connection begins after the last frame that was applied
              if (frame.event === "hello") {
                listsSince = undefined;
                greet();
              }
              await sink._frame(frame);
              if (frame.event === "drain") {
                throw new Ended("the server asks the client to reconnect", (frame.data as DrainFrame).retry_ms, true);
              }
            },
          },
          signal,
          (why) => new Ended(why),
          sleep,
        );
      }
      // The last resort: the lists, which the server answers with 304 while nothing has changed.
      listsSince ??= runtime.now();
      for (;;) {
        await sink._poll();
        if (signal.aborted) throw signal.reason;
        greet();
        const idle = runtime.now() - listsSince > IDLE_AFTER_MS;
        await sleep(runtime, sink._active() ? ACTIVE_LIST_MS : idle ? IDLE_LIST_MS : LIST_MS, signal);
        if (signal.aborted) throw signal.reason;
      }
    } catch (error) {
      if (greetedAt !== undefined && runtime.now() - greetedAt >= HEALTHY_MS) failures = 0;
      const { reason } = signal; // an abort has one of ours
      const { message = String(error), retryAfterMs } = error as Partial<RequestError>;
      return [
        greetedAt !== undefined,
        reason ?? (error instanceof Ended ? error : new Ended(message, retryAfterMs, false, error)),
      ];
    } finally {
      cancelUpgrade?.();
      cancelSilence();
      own.abort();
    }
  };
  /** Transports have levels: 0 is the best one. A fallback goes to the next level, an upgrade to the best one. */
  const run = async (signal: AbortSignal): Promise<void> => {
    const last = transports.length - 1;
    let level = 0;
    let working = 0; // the level to fall back to when an upgrade fails
    let refused = 0; // consecutive attempts without a first frame, on this level
    let rounds = 0; // how often all transports have failed: the server is away
    let upgradeMs = FIRST_UPGRADE_MS;
    let upgradeAt: number | undefined;
    while (!signal.aborted) {
      const query = isShown() ? sink._query() : undefined;
      if (!query) {
        state._set({ status: "paused" });
        await wait();
        continue;
      }
      const [greeted, ended] = await receive(transports[level] ?? "list", query, upgradeAt);
      if (signal.aborted) return;
      const { status, message } = (ended._cause ?? {}) as Partial<RequestError>;
      if (status === 401 || status === 403) return stop(message);
      if (ended === UPGRADE) {
        level = 0;
        refused = FAILURES - 1; // one more failure, and the level that worked is used again
        upgradeMs = UPGRADE_MS;
        upgradeAt = undefined;
        continue;
      }
      if (!ended._planned) {
        failures += 1;
        refused += 1;
      }
      if (greeted) {
        refused = rounds = 0;
        if (!level) {
          working = 0;
          upgradeMs = FIRST_UPGRADE_MS;
        }
      } else if (refused >= (rounds || level === last ? 1 : FAILURES)) {
        if (level < last) {
          upgradeAt = runtime.now() + upgradeMs;
          level = working = Math.max(level + 1, working);
        } else {
          level = working = 0;
          upgradeAt = undefined;
          rounds += 1;
        }
        refused = 0;
        failures = rounds * FAILURES;
        if (level) continue;
      }
      if (ended === RESTART || ended === PAUSE) continue;
      const bound = Math.min(LONGEST_WAIT_MS, retryMs * 2 ** Math.max(0, failures - 1));
      const ms = ended._retryMs ?? Math.max(SHORTEST_WAIT_MS, runtime.random() * bound);
      state._set({ status: "waiting", error: ended._why, retryAt: runtime.now() + ms });
      await wait(ms);
    }
  };
  return {
    ...state,
    _start() {
      if (stopping) return;
      stopping = new AbortController();
      const { signal } = stopping;
      signal.addEventListener(
        "abort",
        runtime.watch((event) => onPage(event, signal)),
      );
      void run(signal);
    },
    _stop: stop,
    _restart() {
      attempt?.abort(RESTART);
      waking?.abort();
    },
  };
}
