import type { Requests } from "./requests.js";
import { type Store, Value } from "./store.js";

/** What is shown of a resource. */
export interface ResourceView<T> {
  /** What the server sent last; undefined before that. */
  readonly data: T | undefined;
  /** Why the last request failed; undefined if it did not. */
  readonly error: unknown;
}

/** A response of the server that is fetched again now and then while somebody subscribes to it and the page is visible. */
export interface Resource<T> extends Store<ResourceView<T>> {
  /** Fetch it now. A failure is in `error`. */
  refetch(): Promise<void>;
  /**
   * Show a change at once, and send it. `send` may resolve to the new response; without one, it is the changed one. A failure
   * takes the change back and rejects.
   */
  change(apply: (data: T) => T, send: () => Promise<T | undefined>): Promise<void>;
  /** Forget it: the user has signed out. */
  clear(): void;
}

/** Each wait is up to so much longer, so that many pages do not ask together. */
const JITTER = 0.1;
/** The longest wait after failures, in times of the normal one. */
const LONGEST = 8;

/** A resource of a path with its query; `everyMs` is the time between two requests. */
export function resource<T>(requests: Requests, address: string, everyMs: number, signal: AbortSignal): Resource<T> {
  const { runtime } = requests;
  const view = new Value<ResourceView<T>>({ data: undefined, error: undefined });
  let confirmed: T | undefined;
  let error: unknown;
  let etag = "";
  let changes: ((data: T) => T)[] = [];
  /** Changes whenever what is under way may be older than what is confirmed. */
  let version = 0;
  let users = 0;
  let failures = 0;
  let cancel = (): void => undefined;
  let unwatch = (): void => undefined;

  const show = (): void => {
    let data = confirmed;
    for (const apply of changes) data &&= apply(data);
    view.set({ data, error });
  };
  const refetch = async (): Promise<void> => {
    const began = ++version;
    try {
      const response = await requests.whole(address, {
        headers: etag ? { "if-none-match": etag } : {},
        accept: [304],
        signal,
      });
      if (began !== version) return;
      const changed = response.status !== 304;
      if (changed) {
        confirmed = (await response.json()) as T;
        etag = response.headers.get("etag") ?? "";
      }
      failures = 0;
      if (!changed && error === undefined) return;
      error = undefined;
    } catch (reason) {
      if (began !== version) return;
      failures += 1;
      error = reason;
    }
    show();
  };
  const turn = (): void => {
    cancel();
    if (!users || signal.aborted || !runtime.visible()) return;
    void refetch().then(() => {
      const times = Math.min(2 ** failures, LONGEST) * (1 + runtime.random() * JITTER);
      cancel();
      if (users) cancel = runtime.after(everyMs * times, turn);
    });
  };
  return {
    get: () => view.get(),
    subscribe(listener) {
      const end = view.subscribe(listener);
      if (++users === 1) {
        unwatch = runtime.watch(turn);
        turn();
      }
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        end();
        if (--users) return;
        cancel();
        unwatch();
      };
    },
    refetch,
    clear() {
      version += 1;
      confirmed = undefined;
      etag = "";
      show();
    },
    async change(apply, send) {
      changes = [...changes, apply];
      show();
      try {
        const reply = await send();
        version += 1; // what is under way may be older
        etag = "";
        confirmed &&= reply ?? apply(confirmed);
      } finally {
        changes = changes.filter((other) => other !== apply);
        show();
      }
    },
  };
}
