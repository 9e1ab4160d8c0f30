"use client";
export { ClientProvider, type ClientProviderProps, useClient } from "./client-provider.js";
export { useConnection } from "./connection.js";
export {
  type ActivityFeedState,
  type ActivityGroupsState,
  useActivityFeed,
  useActivityGroups,
  useFeed,
  useFeedSummary,
  useGlobalActivity,
} from "./feed.js";
export { type Follow, useFollow } from "./follow.js";
export {
  isArrival,
  type NotificationChange,
  type Notifications,
  useMarkAllRead,
  useNotification,
  useNotificationEvents,
  useNotifications,
  useUnread,
} from "./inbox.js";
export { type PreferencesState, usePreferences } from "./preferences.js";
export { useTop, useTopSeries } from "./trends.js";
