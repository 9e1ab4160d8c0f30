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
const CLIMB_MS = 60_000;
/** The same for the first time: perhaps the whole server was away, and all transports with it. */
const FIRST_CLIMB_MS = 5_000;
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
const CLIMB = new Ended("a better transport is tried", 0, true);
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
    if (event === "hidden") this.requests.runtime.after(HIDDEN_MS, () => signal.aborted || this.pauseIf(!this.shown));
    else {
      this.left = event === "leave"; // an open connection would keep the page out of the cache for "back"
      this.pauseIf(this.left);
      if (!this.left) this.waking?.abort();
    }
  }

  private get shown(): boolean {
    return !this.left && this.requests.runtime.visible();
  }

  private pauseIf(leaving: boolean): void {
    if (leaving) this.attempt?.abort(PAUSE);
  }

  private async run(signal: AbortSignal): Promise<void> {
    let rung = 0; // of the transports
    let lowest = 0; // the rung that worked
    let refused = 0; // attempts without a first frame, on this rung
    let climbAt = Number.POSITIVE_INFINITY;
    let falls = 0;
    while (!signal.aborted) {
      if (!this.shown) {
        this.state.set({ status: "paused" });
        await this.wait(Number.POSITIVE_INFINITY, signal);
        continue;
      }
      const { greeted, ended } = await this.receive(rung, rung ? climbAt : Number.POSITIVE_INFINITY, signal);
      if (signal.aborted) return;
      if (this.refusedForGood(ended)) return;
      if (ended === CLIMB) {
        rung = 0;
        refused = FAILURES - 1; // one more failure, and the rung that worked is used again
        continue;
      }
      refused = greeted ? 0 : refused + Number(!ended.planned);
      if (refused >= FAILURES && rung < this.transports.length - 1) {
        rung = Math.max(rung + 1, lowest);
        lowest = rung;
        refused = 0;
        falls += 1;
        climbAt = this.requests.runtime.now() + (falls > 1 ? CLIMB_MS : FIRST_CLIMB_MS);
        continue;
      }
      if (greeted && rung === 0) lowest = falls = 0;
      if (ended !== RESTART && ended !== PAUSE) await this.pauseAfter(ended, signal);
    }
  }

  /** Receive by one transport until it ends, or until `climbAt`. */
  private async receive(rung: number, climbAt: number, signal: AbortSignal): Promise<{ greeted: boolean; ended: Ended }> {
    const { runtime } = this.requests;
    const transport = this.transports[rung] ?? "list";
    const attempt = new AbortController();
    this.attempt = attempt;
    const leave = (): void => attempt.abort(PAUSE);
    signal.addEventListener("abort", leave);
    let greetedAt: number | undefined;
    const cancelClimb = Number.isFinite(climbAt)
      ? runtime.after(Math.max(0, climbAt - runtime.now()), () => attempt.abort(CLIMB))
      : (): void => undefined;
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
      cancelClimb();
      signal.removeEventListener("abort", leave);
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

  private async pauseAfter(ended: Ended, signal: AbortSignal): Promise<void> {
    const { runtime } = this.requests;
    if (!ended.planned) this.failures += 1;
    const bound = Math.min(LONGEST_WAIT_MS, this.retryMs * 2 ** Math.max(0, this.failures - 1));
    const ms = ended.retryMs ?? Math.max(SHORTEST_WAIT_MS, runtime.random() * bound);
    this.state.set({ status: "waiting", error: ended.why, retryAt: runtime.now() + ms });
    await this.wait(ms, signal);
  }

  /** Wait so long, or until the page is shown or the network is back. */
  private async wait(ms: number, signal: AbortSignal): Promise<void> {
    const waking = new AbortController();
    this.waking = waking;
    const leave = (): void => waking.abort();
    signal.addEventListener("abort", leave);
    if (Number.isFinite(ms)) await sleep(this.requests.runtime, ms, waking.signal);
    else await new Promise<void>((resolve) => waking.signal.addEventListener("abort", () => resolve()));
    signal.removeEventListener("abort", leave);
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
  const ended = new Ended(error instanceof Error ? error.message : String(error), retryOf(error));
  ended.cause = error;
  return ended;
}

function retryOf(error: unknown): number | undefined {
  return error instanceof RequestError ? error.retryAfterMs : undefined;
}
