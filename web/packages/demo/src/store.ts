import type { Store } from "@tidings/client";
import { useCallback, useSyncExternalStore } from "react";

/** A value that components can subscribe to. */
export class Value<T> implements Store<T> {
  private readonly listeners = new Set<() => void>();

  constructor(private current: T) {}

  get(): T {
    return this.current;
  }

  set(next: T): void {
    if (Object.is(next, this.current)) return;
    this.current = next;
    for (const listener of [...this.listeners]) listener();
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export function useValue<T>(store: Store<T>): T {
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener), [store]);
  return useSyncExternalStore(subscribe, () => store.get());
}

/** What this browser remembers of the demo; nothing where the user forbids storage. */
export function remembered(name: string): string | undefined {
  try {
    return localStorage.getItem(`tidings-demo:${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(name: string, text: string | undefined): void {
  try {
    if (text === undefined) localStorage.removeItem(`tidings-demo:${name}`);
    else localStorage.setItem(`tidings-demo:${name}`, text);
  } catch {
    // it is forgotten with the page
  }
}
