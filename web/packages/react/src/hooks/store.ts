import type { Resource, ResourceView, Store } from "@tidings/client";
import { useCallback, useSyncExternalStore } from "react";

/**
 * What a store has now. `server` is what it has on the server and in the first render of the browser, which must agree: the
 * browser shows its own state in the render after it.
 */
export function useStore<T>(store: Store<T>, server: T): T {
  return useStoreValue(store, (value) => value, server);
}

/** A part of what a store has: the component renders again only if that part changes. */
export function useStoreValue<T, S>(store: Store<T>, select: (value: T) => S, server: S): S {
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener), [store]);
  return useSyncExternalStore(
    subscribe,
    () => select(store.get()),
    () => server,
  );
}

const NOTHING: ResourceView<never> = { data: undefined, error: undefined };

/** What was fetched last, and why the last attempt failed. */
export function useResource<T>(resource: Resource<T>): ResourceView<T> {
  return useStore(resource, NOTHING);
}
