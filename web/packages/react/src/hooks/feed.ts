import type { EventFilter, EventList, Feed, FeedView, ResourceView, Summary } from "@tidings/client";
import { useCallback } from "react";
import { useClient } from "./client-provider.js";
import { useResource, useStore } from "./store.js";

const EMPTY: FeedView = { items: [], fresh: [], position: 0, next_cursor: null, status: "empty", loadingMore: false };
const NO_FILTER: EventFilter = {};

/** A list of events and what the user does with it. */
export interface ActivityFeedState extends FeedView {
  /** The list itself, with the methods for marks. */
  readonly feed: Feed;
  loadMore(): Promise<void>;
}

/** A list of events: the user's feed, all activity, or that of a topic. It is current while a component uses it. */
export function useActivityFeed(list: EventList = "feed", filter: EventFilter = NO_FILTER): ActivityFeedState {
  const feed = useClient().feed(list, filter); // equal lists are one object
  const view = useStore(feed, EMPTY);
  const loadMore = useCallback(() => feed.loadMore(), [feed]);
  return { ...view, feed, loadMore };
}

/** The user's feed. */
export function useFeed(filter?: EventFilter): ActivityFeedState {
  return useActivityFeed("feed", filter);
}

/** The public activity of all users. */
export function useGlobalActivity(filter?: EventFilter): ActivityFeedState {
  return useActivityFeed("activity", filter);
}

/** The summary of the user's feed: how many events, how many of them unread, and by verb. */
export function useFeedSummary(): ResourceView<Summary> {
  return useResource(useClient().summary);
}
