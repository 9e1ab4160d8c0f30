import type {
  EventFilter,
  EventGroup,
  EventList,
  Feed,
  FeedState,
  FeedView,
  Groups,
  ResourceView,
  Summary,
  View,
} from "@tidings/client";
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

/** A list of groups of similar events and what the user does with it. */
export interface ActivityGroupsState extends View<FeedState<EventGroup>> {
  readonly groups: Groups;
  loadMore(): Promise<void>;
}

const NO_GROUPS: View<FeedState<EventGroup>> = { ...EMPTY, items: [], fresh: [] };

/** The events of a list in groups: "5 users commented on it". It is fetched again soon after an event that belongs to it. */
export function useActivityGroups(list: EventList = "feed", filter: EventFilter = NO_FILTER): ActivityGroupsState {
  const groups = useClient().groups(list, filter);
  const view = useStore(groups, NO_GROUPS);
  const loadMore = useCallback(() => groups.loadMore(), [groups]);
  return { ...view, groups, loadMore };
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
