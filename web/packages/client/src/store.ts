/** A value that changes. `get` returns the same object until the next change, as `useSyncExternalStore` requires. */
export interface Store<T> {
  get(): T;
  /** Call `listener` after each change; the result ends that. */
  subscribe(listener: () => void): () => void;
}

/** A store that its owner sets. */
export class Value<T> implements Store<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private current: T) {}

  get(): T {
    return this.current;
  }

  subscribe(listener: () => void): () => void {
    const own = (): void => listener(); // the same function may listen twice
    this.listeners.add(own);
    return () => this.listeners.delete(own);
  }

  set(next: T): void {
    if (Object.is(next, this.current)) return;
    this.current = next;
    for (const listener of [...this.listeners]) guarded(listener);
  }
}

/** Call a function of the application: what it throws is reported, and does not end the connection. */
export function guarded(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}
