import type { ResourceView, SeriesQuery, Top, TopQuery, TopSeries } from "@tidings/client";
import { useClient } from "./client-provider.js";
import { useResource } from "./store.js";

/** The most frequent objects, verbs, types or actors of a sliding window. */
export function useTop(query: TopQuery = {}): ResourceView<Top> {
  return useResource(useClient().top(query)); // equal queries are one object
}

/** The number of events in each sixtieth of a sliding window: of one key, or of all. */
export function useTopSeries(query: SeriesQuery = {}): ResourceView<TopSeries> {
  return useResource(useClient().series(query));
}
