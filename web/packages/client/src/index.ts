export { TidingsClient } from "./client.js";
export type { ConnectionState } from "./connection.js";
export type { ArrivalListener, ClientOptions, InboxApi } from "./core.js";
export type { EventGroup, Feed, FeedView, Groups } from "./feed.js";
export {
  type EventFilter,
  type EventItem,
  type EventList,
  isUnread,
  type Names,
  type NotificationFilter,
} from "./filters.js";
export type { Inbox, InboxView } from "./inbox.js";
export type { List, Loading, Undo, View } from "./list.js";
export type { FeedState, InboxCounts, InboxState, ListState } from "./list-state.js";
export { RequestError } from "./problem.js";
export type { Query, RequestOptions, Sent } from "./requests.js";
export type { Resource, ResourceView } from "./resource.js";
export type { SeriesQuery, TopQuery } from "./resources.js";
export { browser, type Runtime } from "./runtime.js";
export type * from "./schemas.js";
export type { Store } from "./store.js";
export type { TransportName } from "./transports.js";
