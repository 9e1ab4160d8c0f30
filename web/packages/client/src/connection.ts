import { RequestError } from "./problem.js";
import type { Query, Requests } from "./requests.js";
import { type PageEvent, sleep } from "./runtime.js";
import type { DrainFrame } from "./schemas.js";
import type { ServerEvent } from "./sse.js";
import { type Store, Value } from "./store.js";
import {
  Ended,
  type Receive,
  type Receiver,
  receivePolls,
  receiveSocket,
  receiveStream,
  type TransportName,
} from "./transports.js";

/** The state of the connection, as an application may show it. */
export interface ConnectionState {
  /**
   * `connecting`; `live`: changes arrive at once; `polling`: they arrive with a delay; `waiting`: for the next attempt, after
   * `error`; `paused`: the page is hidden; `stopped`: not started, or the server refuses the credential (`error`).
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
  /** The parameters of the next connection: `include`, `topic` and the cursor in `last_event_id`. */
  query(): Query;
  frame(event: ServerEvent): void | Promise<void>;
  /** Fetch the first pages again, if they have changed. */
  poll(): Promise<void>;
  /** Whether the user was active within the last minute. */
  active(): boolean;
}

/** Consecutive attempts that end before the first frame, after which the next transport is tried. */
const FAILURES = 3;
/** Milliseconds after which the best transport is tried again, while another one is in use. */
const UPGRADE_MS = 60_000;
/** The same for the first time: perhaps the whole server was away, and all transports with it. */
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
const LIST_MS = { normal: 30_000, active: 10_000, idle: 60_000 };
const IDLE_AFTER_MS = 300_000;

/** The transports by which a change arrives at once. A poll waits for it too, but in turns. */
const LIVE: ReadonlySet<TransportName> = new Set(["stream", "websocket"]);

/** Ends that the client itself decides on. */
const UPGRADE = new Ended("a better transport is tried", 0, true);
const RESTART = new Ended("the connection is opened anew", 0, true);
const PAUSE = new Ended("the page is hidden", 0, true);

type Streaming = Exclude<TransportName, "list">;

const RECEIVERS: Readonly<Record<Streaming, Receive>> = {
  stream: receiveStream,
  websocket: receiveSocket,
  poll: receivePolls,
};

/** Keeps one connection, by the best transport that works. */
export class Connection implements Store<ConnectionState> {
  private readonly state = new Value<ConnectionState>({ status: "stopped" });
  private stopping: AbortController | undefined;
  private attempt: AbortController | undefined;
  private waking: AbortController | undefined;
  private retryMs = FIRST_WAIT_MS;
  private failures = 0;
  /** When the first list was fetched since another transport worked. */
  private listsSince: number | undefined;
  private left = false;

  constructor(
    private readonly requests: Requests,
    private readonly transports: readonly TransportName[],
    private readonly sink: Sink,
  ) {}

  get(): ConnectionState {
    return this.state.get();
  }

  subscribe(listener: () => void): () => void {
    return this.state.subscribe(listener);
  }

  /** Connect, and stay connected. */
  start(): void {
    if (this.stopping) return;
    this.stopping = new AbortController();
    const { signal } = this.stopping;
    const end = this.requests.runtime.watch((event) => this.onPageEvent(event, signal));
    signal.addEventListener("abort", end);
    void this.run(signal);
  }

  /** Disconnect. */
  stop(error?: string): void {
    this.stopping?.abort();
    this.stopping = undefined;
    this.attempt?.abort(PAUSE);
    this.waking?.abort();
    this.state.set({ status: "stopped", ...(error === undefined ? {} : { error }) });
  }

  /** Connect anew at once: what is wanted of the connection has changed. */
  restart(): void {
    this.attempt?.abort(RESTART);
    this.waking?.abort();
  }

  private onPageEvent(event: PageEvent, signal: AbortSignal): void {
    if (event === "hidden") {
      this.requests.runtime.after(HIDDEN_MS, () => {
        if (!signal.aborted && !this.shown) this.attempt?.abort(PAUSE);
      });
      return;
    }
    this.left = event === "leave"; // an open connection would keep the page out of the cache for "back"
    if (this.left) this.attempt?.abort(PAUSE);
    else this.waking?.abort();
  }

  private get shown(): boolean {
    return !this.left && this.requests.runtime.visible();
  }

  /** Transports have levels: 0 is the best one. A fallback goes to the next level, an upgrade to the best one. */
  private async run(signal: AbortSignal): Promise<void> {
    let level = 0;
    let working = 0; // the level to fall back to when an upgrade fails
    let refused = 0; // consecutive attempts without a first frame, on this level
    let upgradeAt: number | undefined;
    while (!signal.aborted) {
      if (!this.shown) {
        this.state.set({ status: "paused" });
        await this.wait();
        continue;
      }
      const { greeted, ended } = await this.receive(this.transports[level] ?? "list", upgradeAt);
      if (signal.aborted || this.refusedForGood(ended)) return;
      if (ended === UPGRADE) {
        level = 0;
        refused = FAILURES - 1; // one more failure, and the level that worked is used again
        upgradeAt = undefined;
        continue;
      }
      refused = greeted ? 0 : refused + Number(!ended.planned);
      if (refused >= FAILURES && level < this.transports.length - 1) {
        upgradeAt = this.requests.runtime.now() + (working ? UPGRADE_MS : FIRST_UPGRADE_MS);
        level = working = Math.max(level + 1, working);
        refused = 0;
        continue;
      }
      if (greeted && level === 0) working = 0;
      if (ended !== RESTART && ended !== PAUSE) await this.pauseAfter(ended);
    }
  }

  /** Receive by one transport until it ends, or until `upgradeAt`. */
  private async receive(transport: TransportName, upgradeAt?: number): Promise<{ greeted: boolean; ended: Ended }> {
    const { runtime } = this.requests;
    const attempt = new AbortController();
    this.attempt = attempt;
    let greetedAt: number | undefined;
    const cancelUpgrade =
      upgradeAt === undefined ? undefined : runtime.after(upgradeAt - runtime.now(), () => attempt.abort(UPGRADE));
    const greet = (): void => {
      greetedAt ??= runtime.now();
      this.state.set({ status: LIVE.has(transport) ? "live" : "polling", transport });
    };
    if (this.get().status !== "polling") this.state.set({ status: "connecting", transport });
    try {
      return await (transport === "list" ? this.lists(greet, attempt.signal) : this.frames(transport, greet, attempt));
    } catch (error) {
      if (greetedAt !== undefined && runtime.now() - greetedAt >= HEALTHY_MS) this.failures = 0;
      return { greeted: greetedAt !== undefined, ended: endOf(error, attempt.signal) };
    } finally {
      cancelUpgrade?.();
      attempt.abort();
    }
  }

  /** Receive frames until the transport ends, or the server sends nothing any more. */
  private async frames(transport: Streaming, greet: () => void, attempt: AbortController): Promise<never> {
    const { runtime } = this.requests;
    const silent = (): void => attempt.abort(new Ended("the server sends nothing"));
    let cancelSilence = runtime.after(HELLO_MS, silent);
    const receiver: Receiver = {
      alive: () => {
        cancelSilence();
        cancelSilence = runtime.after(SILENCE_MS, silent);
      },
      retry: (ms) => (this.retryMs = ms),
      frame: async (event) => {
        if (event.event === "hello") {
          this.listsSince = undefined;
          greet();
        }
        await this.sink.frame(event);
        if (event.event === "drain") throw drained(event);
      },
    };
    try {
      return await RECEIVERS[transport](this.requests, this.sink.query(), receiver, attempt.signal);
    } finally {
      cancelSilence();
    }
  }

  /** The last resort: the lists, which the server answers with 304 while nothing has changed. */
  private async lists(greet: () => void, signal: AbortSignal): Promise<never> {
    const { runtime } = this.requests;
    this.listsSince ??= runtime.now();
    for (;;) {
      await this.sink.poll();
      signal.throwIfAborted();
      greet();
      const idle = runtime.now() - this.listsSince > IDLE_AFTER_MS;
      await sleep(runtime, this.sink.active() ? LIST_MS.active : idle ? LIST_MS.idle : LIST_MS.normal, signal);
      signal.throwIfAborted();
    }
  }

  private refusedForGood(ended: Ended): boolean {
    const refusal = ended.cause;
    if (!(refusal instanceof RequestError) || refusal.temporary || ![401, 403].includes(refusal.status)) return false;
    this.stop(refusal.message);
    return true;
  }

  private async pauseAfter(ended: Ended): Promise<void> {
    const { runtime } = this.requests;
    if (!ended.planned) this.failures += 1;
    const bound = Math.min(LONGEST_WAIT_MS, this.retryMs * 2 ** Math.max(0, this.failures - 1));
    const ms = ended.retryMs ?? Math.max(SHORTEST_WAIT_MS, runtime.random() * bound);
    this.state.set({ status: "waiting", error: ended.why, retryAt: runtime.now() + ms });
    await this.wait(ms);
  }

  /** Wait so long, or for ever, but no longer than until the page is shown or the network is back. */
  private async wait(ms?: number): Promise<void> {
    const waking = new AbortController();
    this.waking = waking;
    if (ms !== undefined) await sleep(this.requests.runtime, ms, waking.signal);
    else await new Promise((resolve) => waking.signal.addEventListener("abort", resolve));
  }
}

function drained(event: ServerEvent): Ended {
  const { retry_ms: retryMs } = JSON.parse(event.data) as DrainFrame;
  return new Ended("the server asks the client to reconnect", retryMs, true);
}

/** The end of an attempt; the reason of an abort is one. */
function endOf(error: unknown, signal: AbortSignal): Ended {
  if (signal.reason instanceof Ended) return signal.reason;
  if (error instanceof Ended) return error;
  const retryMs = error instanceof RequestError ? error.retryAfterMs : undefined;
  const ended = new Ended(error instanceof Error ? error.message : String(error), retryMs);
  ended.cause = error;
  return ended;
}
