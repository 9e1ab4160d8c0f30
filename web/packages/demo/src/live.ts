import type { Query } from "@tidings/client";
import { useClient } from "@tidings/react";
import { useValue } from "./store.js";

/** What a route answers, asked for again after each interval while it is shown. */
export function useLive<T>(path: string, query: Query, everyMs: number): T | undefined {
  return useValue(useClient().resource<T>(path, query, everyMs)).data; // equal queries are one object
}
