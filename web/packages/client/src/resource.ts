import type { Query, Requests } from "./requests.js";
import { type Store, value } from "./store.js";

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
}

/** A resource, as the client uses it. */
export interface OwnResource<T> extends Resource<T> {
  readonly _inUse: () => boolean;
  /** Forget it: the user has signed out. */
  _clear(): void;
}

/** Each wait is up to so much longer, so that many pages do not ask together. */
const JITTER = 0.1;
/** The longest wait after failures, in times of the normal one. */
const LONGEST = 8;

/** A resource of a path with its query; `everyMs` is the time between two requests. */
export function createResource<T>(
  requests: Requests,
  path: string,
  query: Query,
  everyMs: number,
  signal: AbortSignal,
  used: (inUse: boolean) => void,
): OwnResource<T> {
  const { _runtime: runtime } = requests;
  let confirmed: T | undefined;
  let error: unknown;
  let etag = "";
  let changes: ((data: T) => T)[] = [];
  /** Changes whenever what is under way may be older than what is confirmed. */
  let version = 0;
  let inUse = false;
  let failures = 0;
  let cancel = (): void => undefined;
  let unwatch: () => void;

  const view = value<ResourceView<T>>({ data: undefined, error }, (now) => {
    inUse = now;
    used(now);
    if (now) {
      unwatch = runtime.watch(turn);
      turn();
    } else {
      cancel();
      unwatch();
    }
  });
  const show = (): void => {
    let data = confirmed;
    for (const apply of changes) data &&= apply(data);
    const shown = view.get();
    if (data !== shown.data || error !== shown.error) view._set({ data, error });
  };
  const refetch = async (): Promise<void> => {
    const began = ++version;
    try {
      const response = await requests._whole(path, { query, headers: etag ? { "if-none-match": etag } : {}, signal });
      if (began !== version) return;
      if (response.status !== 304) {
        confirmed = (await response.json()) as T;
        etag = response.headers.get("etag") ?? "";
      }
      failures = 0;
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
    if (!inUse || signal.aborted || !runtime.visible()) return;
    void refetch().then(() => {
      cancel();
      if (inUse) {
        cancel = runtime.after(everyMs * Math.min(2 ** failures, LONGEST) * (1 + runtime.random() * JITTER), turn);
      }
    });
  };
  return {
    ...view,
    refetch,
    async change(apply, send) {
      changes = [...changes, apply];
      show();
      try {
        const reply = await send();
        version += 1; // what is under way may be older
        etag = "";
        confirmed = reply ?? (confirmed && apply(confirmed));
        if (!confirmed) turn(); // the first response was under way
      } finally {
        changes = changes.filter((other) => other !== apply);
        show();
      }
    },
    _inUse: () => inUse,
    _clear() {
      version += 1;
      confirmed = undefined;
      etag = "";
      show();
    },
  };
}
