/** A value that changes. `get` returns the same object until the next change, as `useSyncExternalStore` requires. */
export interface Store<T> {
  get(): T;
  /** Call `listener` after each change; the result ends that. */
  subscribe(listener: () => void): () => void;
}

/** A store that its owner sets. */
export interface Value<T> extends Store<T> {
  _set(next: T): void;
}

/** `used` is called when the first listener comes, and when the last one goes. */
export function value<T>(current: T, used?: (inUse: boolean) => void): Value<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => current,
    subscribe(listener) {
      const own = (): void => listener(); // the same function may listen twice
      if (listeners.add(own).size === 1) used?.(true);
      return () => {
        if (listeners.delete(own) && !listeners.size) used?.(false);
      };
    },
    _set(next) {
      if (next === current) return;
      current = next;
      for (const listener of [...listeners]) guarded(listener);
    },
  };
}

/** Call a function of the application: what it throws is reported, and does not end the connection. */
export function guarded(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
