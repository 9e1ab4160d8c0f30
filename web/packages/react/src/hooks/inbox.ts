import {
  type Inbox,
  type InboxCounts,
  type InboxView,
  isUnread,
  type Notification,
  type TidingsClient,
  type Undo,
} from "@tidings/client";
import { useCallback, useEffect, useMemo, useRef } from "react";
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

/** Which of the loaded notifications a list shows. */
export interface NotificationFilter {
  /** Only unread ones. */
  readonly unread?: boolean;
  /** Only those of these types. */
  readonly type?: string | readonly string[];
}

/** An inbox and what the user does with it. */
export interface Notifications extends InboxView {
  /** The inbox itself, with the methods for marks. */
  readonly inbox: Inbox;
  loadMore(): Promise<void>;
}

/** The notifications, or those that a filter lets through; the counts are those of the whole inbox. */
export function useNotifications({ unread = false, type }: NotificationFilter = {}): Notifications {
  const { inbox } = useClient();
  const view = useStore(inbox, EMPTY);
  const types = type === undefined ? undefined : [type].flat().join("\n");
  const items = useMemo(() => {
    const wanted = types?.split("\n");
    return view.items.filter((item) => (!unread || isUnread(item)) && (!wanted || wanted.includes(item.type)));
  }, [view.items, unread, types]);
  const loadMore = useCallback(() => inbox.loadMore(), [inbox]);
  useEnough(items.length, view, loadMore);
  return { ...view, items, inbox, loadMore };
}

/** Notifications that a list should show: with a filter, a page may have fewer. */
const ENOUGH = 10;

function useEnough(shown: number, view: InboxView, loadMore: () => Promise<void>): void {
  const { status, next_cursor, loadingMore } = view;
  const more = status === "loaded" && next_cursor !== null && !loadingMore && shown < ENOUGH;
  useEffect(() => {
    if (more) loadMore().catch(() => undefined); // the list offers to try again
  }, [more, loadMore]);
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
