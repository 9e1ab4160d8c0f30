import { useClient } from "@tidings/react";
import { useCallback, useSyncExternalStore } from "react";

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** What a route answers, asked for again after each interval while it is shown. */
export function useLive<T>(path: string, query: Query, everyMs: number): T | undefined {
  const resource = useClient().resource<T>(path, query, everyMs); // equal queries are one object
  const subscribe = useCallback((listener: () => void) => resource.subscribe(listener), [resource]);
  return useSyncExternalStore(subscribe, () => resource.get().data);
}
