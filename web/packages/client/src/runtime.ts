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

/** The browser. It touches nothing until it is used, so that a server may import and render it. */
export const browser: Runtime = {
  fetch: (url, init) => fetch(url, init),
  now: () => Date.now(),
  random: () => Math.random(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  visible: () => globalThis.document?.visibilityState !== "hidden",
  watch(run) {
    const end = new AbortController();
    const listener = ({ type, persisted }: Event & { persisted?: boolean }): void => {
      if (type === "pageshow") persisted && run("restore");
      else run(type === "pagehide" ? "leave" : type === "online" ? type : browser.visible() ? "visible" : "hidden");
    };
    for (const type of ["visibilitychange", "pagehide", "pageshow", "online"]) {
      globalThis.addEventListener?.(type, listener, end);
    }
    return () => end.abort();
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
  openChannel: (name) => globalThis.BroadcastChannel && new BroadcastChannel(name),
};

/** Wait `ms` milliseconds, or until the signal aborts. Without `ms`, until that alone. */
export function sleep(runtime: Runtime, ms: number | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = ms === undefined ? undefined : runtime.after(ms, () => done());
    const done = (): void => {
      cancel?.();
      signal.removeEventListener("abort", done);
      resolve();
    };
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
