import {
  type Inbox,
  type InboxCounts,
  type InboxView,
  isUnread,
  type Notification,
  type NotificationFilter,
  type TidingsClient,
  type Undo,
} from "@tidings/client";
import { useCallback, useEffect, useRef } from "react";
import { useClient } from "./client-provider.js";
import { useStore, useStoreValue } from "./store.js";

/** What an inbox has before the server has answered. */
const EMPTY: InboxView = {
  items: [],
  fresh: [],
  unread_count: 0,
  unread_items: 0,
  unseen_count: 0,
  seq: 0,
  epoch: "",
  next_cursor: null,
  status: "empty",
  loadingMore: false,
};

/** The exact counts of the whole inbox. */
export function useUnread(): InboxCounts {
  const { inbox } = useClient();
  const unread_count = useStoreValue(inbox, (view) => view.unread_count, 0);
  const unread_items = useStoreValue(inbox, (view) => view.unread_items, 0);
  const unseen_count = useStoreValue(inbox, (view) => view.unseen_count, 0);
  return { unread_count, unread_items, unseen_count };
}

/** A list of notifications and what the user does with it. */
export interface Notifications extends InboxView {
  /** The list itself, with the methods for marks. */
  readonly inbox: Inbox;
  loadMore(): Promise<void>;
}

/** The notifications of the inbox, or those of another list: archived, snoozed, of a type. Counts are those of the whole inbox. */
export function useNotifications(filter?: NotificationFilter): Notifications {
  const client = useClient();
  const inbox = filter ? client.notifications(filter) : client.inbox; // equal lists are one object
  const view = useStore(inbox, EMPTY);
  const loadMore = useCallback(() => inbox.loadMore(), [inbox]);
  return { ...view, inbox, loadMore };
}

/** One of the loaded notifications. */
export function useNotification(id: string): Notification | undefined {
  const { inbox } = useClient();
  return useStoreValue(inbox, (view) => view.items.find((item) => item.id === id), undefined);
}

/** Mark all notifications read that are shown now, or those of one type. Resolves to a function that undoes it. */
export function useMarkAllRead(type?: string): () => Promise<Undo> {
  const { inbox } = useClient();
  return useCallback(() => inbox.readAll(type), [inbox, type]);
}

/** A frame about a notification: it arrived, changed, or was removed. */
export type NotificationChange = Parameters<Parameters<TidingsClient["onArrival"]>[0]>[0];

/** Whether a change brought something new that the user has not read, rather than a mark. */
export function isArrival(change: NotificationChange): change is NotificationChange & Notification {
  return !("deleted" in change) && change.order === change.seq && isUnread(change as Notification);
}

/** Call `listener` for each notification that arrives or changes while the component is shown. */
export function useNotificationEvents(listener: (change: NotificationChange) => void): void {
  const client = useClient();
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => client.onArrival((change) => latest.current(change)), [client]);
}
