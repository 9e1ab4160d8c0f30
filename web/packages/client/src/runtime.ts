/** What the client needs of its surroundings. Tests pass a simulated one; {@link browser} is the real one. */
export interface Runtime {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** A number from 0 up to, but not including, 1. */
  random(): number;
  /** Call `run` after `ms` milliseconds; the result cancels the call. */
  after(ms: number, run: () => void): () => void;
  visible(): boolean;
  /** Call `run` when the page is shown, hidden, restored or left, or the network returns; the result ends that. */
  watch(run: (event: PageEvent) => void): () => void;
  openSocket(url: string): WebSocket;
  /** The storage of the first paint; undefined where the page may not store anything. */
  readonly storage: Storage | undefined;
  readonly locks: Locks | undefined;
  openChannel(name: string): Channel | undefined;
}

export type PageEvent = "visible" | "hidden" | "leave" | "restore" | "online";

/** The part of `navigator.locks` that the election of a leader uses. */
export interface Locks {
  request(name: string, options: { signal?: AbortSignal; steal?: boolean }, held: () => Promise<void>): Promise<void>;
}

/** The part of a `BroadcastChannel` that tabs use. */
export interface Channel {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<unknown>) => unknown) | null;
  close(): void;
}

const PAGE_EVENTS: readonly (readonly [target: "document" | "window", type: string])[] = [
  ["document", "visibilitychange"],
  ["window", "pagehide"],
  ["window", "pageshow"],
  ["window", "online"],
];

/** The browser. It touches nothing until it is used, so that a server may import and render it. */
export const browser: Runtime = {
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  random: () => Math.random(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  visible: () => typeof document === "undefined" || document.visibilityState === "visible",
  watch(run) {
    if (typeof window === "undefined") return () => undefined;
    const listener = (event: Event): void => {
      if (event.type === "visibilitychange") run(browser.visible() ? "visible" : "hidden");
      else if (event.type === "pagehide") run("leave");
      else if (event.type === "online") run("online");
      else if ((event as PageTransitionEvent).persisted) run("restore");
    };
    const targets = { document, window };
    for (const [target, type] of PAGE_EVENTS) targets[target].addEventListener(type, listener);
    return () => {
      for (const [target, type] of PAGE_EVENTS) targets[target].removeEventListener(type, listener);
    };
  },
  openSocket: (url) => new WebSocket(url),
  get storage() {
    try {
      return globalThis.localStorage;
    } catch {
      return undefined; // the user forbids storage
    }
  },
  get locks() {
    return globalThis.navigator?.locks as Locks | undefined;
  },
  openChannel: (name) => (typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(name)),
};

/** Wait `ms` milliseconds, or until the signal aborts. */
export function sleep(runtime: Runtime, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = runtime.after(ms, done);
    signal.addEventListener("abort", done);
  });
}
