"use client";
export { ActionButtons } from "./components/actions.js";
export { ActivityCard, type ActivityCardProps, type ActivitySlots } from "./components/activity-card.js";
export { ActivityFeed, type ActivityFeedProps } from "./components/activity-feed.js";
export { Bell, type BellProps } from "./components/bell.js";
export { Dropdown, type DropdownProps } from "./components/dropdown.js";
export {
  ConnectionStatus,
  FollowButton,
  HideReadSwitch,
  NewItemsPill,
  SummaryHeader,
  Switch,
} from "./components/feed-controls.js";
export { GlobalActivity, type GlobalActivityProps } from "./components/global-activity.js";
export { InboxList, type InboxListProps } from "./components/inbox-list.js";
export { InboxPage, type InboxPageProps } from "./components/inbox-page.js";
export { NotificationItem, type NotificationItemProps, type NotificationSlots } from "./components/notification.js";
export { PreferencesPanel, type PreferencesPanelProps, type PreferenceType } from "./components/preferences-panel.js";
export { EmptyState, type EmptyStateProps, Skeleton, UnreadDivider } from "./components/states.js";
export { Toaster, type ToasterProps } from "./components/toaster.js";
export { TopList, type TopListProps, TrendChart, type TrendChartProps } from "./components/trends.js";
// Each by its name: Next.js with webpack accepts no `export *` in a module that server components import.
export {
  type ActivityFeedState,
  type ActivityGroupsState,
  ClientProvider,
  type ClientProviderProps,
  type Follow,
  isArrival,
  type NotificationChange,
  type Notifications,
  type PreferencesState,
  useActivityFeed,
  useActivityGroups,
  useClient,
  useConnection,
  useFeed,
  useFeedSummary,
  useFollow,
  useGlobalActivity,
  useMarkAllRead,
  useNotification,
  useNotificationEvents,
  useNotifications,
  usePreferences,
  useTop,
  useTopSeries,
  useUnread,
} from "./hooks/index.js";
export { en } from "./messages/en.js";
export type { Messages, Plural } from "./messages/types.js";
export { type LinkProps, TidingsProvider, type TidingsProviderProps } from "./provider.js";
export { Texts } from "./text.js";
