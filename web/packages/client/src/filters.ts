import type { Query } from "./requests.js";
import type { ActivityEvent, FeedItem, Notification } from "./schemas.js";

/** An item of a list of events: `reason` says why it is in the user's feed, `read_at` is absent for visitors. */
export type EventItem = ActivityEvent & Partial<Pick<FeedItem, "reason">>;

/** Values of which one must match, or with `not` none may. */
export type Names = string | readonly string[] | { readonly not: string | readonly string[] };

/** Which events a list has. */
export interface EventFilter {
  readonly verb?: Names;
  readonly object_type?: Names;
  readonly object_id?: string;
  readonly actor_id?: Names;
  readonly topic?: Names;
  /** Only those that the user has read, or has not. */
  readonly read?: boolean;
  /** Events created from this time on, in RFC 3339. */
  readonly from?: string;
  /** Events created before this time. */
  readonly to?: string;
}

/** Which notifications a list has. */
export interface NotificationFilter {
  /** Default: `inbox`, those that are neither archived nor snoozed. */
  readonly state?: "inbox" | "archived" | "snoozed" | "pinned" | "all";
  readonly type?: Names;
  readonly unread_only?: boolean;
}

/** Which list of events: the user's feed, all public activity, or that of one topic (`market:42`). */
export type EventList = "feed" | "activity" | { readonly topic: string };

/** The topics of an event: its actor, its object, and those that it names. */
const topicsOf = (item: EventItem): readonly string[] => [
  `user:${item.actor_id}`,
  `${item.object_type}:${item.object_id}`,
  ...item.topics,
];

/** The path of a list. */
export const pathOf = (list: EventList): string =>
  `/v1/${typeof list === "string" ? list : `topics/${encodeURIComponent(list.topic)}/activity`}`;

/** A name in a value of a query parameter that has several, with commas in between. */
export const escaped = (name: string): string => name.replace(/[\\,]/g, "\\$&");

const excluded = (names: Names): boolean => (names as { not?: unknown }).not !== undefined;

const valuesOf = (names: Names): readonly string[] =>
  [excluded(names) ? (names as { not: string | readonly string[] }).not : (names as string | readonly string[])].flat();

/** Filters that have one value, which is sent as it is. */
const SINGLE = /^(object_id|read|from|to|state|unread_only)$/;

/** The filter as query parameters. */
export const parametersOf = (filter: EventFilter | NotificationFilter): Query =>
  Object.fromEntries(
    Object.entries(filter).map(([name, value]: [string, Names]) => [
      name,
      value === undefined || SINGLE.test(name)
        ? value
        : valuesOf(value)
            .map((one) => (excluded(value) ? "-" : "") + escaped(one).replace(/^-/, "\\-"))
            .join(","),
    ]),
  ) as Query;

const passes = (names: Names, has: readonly string[]): boolean =>
  valuesOf(names).some((one) => has.includes(one)) !== excluded(names);

/** Whether a live item belongs to a list with this filter, as the server would decide. */
export const matches = (list: EventList, filter: EventFilter, item: EventItem): boolean =>
  isIn(list, item) &&
  Object.entries(filter).every(([name, value]) =>
    value === undefined
      ? true
      : name === "read"
        ? value === (item.read_at != null)
        : name === "from"
          ? Date.parse(item.created_at) >= Date.parse(value)
          : name === "to"
            ? Date.parse(item.created_at) < Date.parse(value)
            : passes(value, name === "topic" ? topicsOf(item) : [item[name as "verb"]]),
  );

/** Whether a list has an item: a feed those with a reason, activity the public ones. */
export function isIn(list: EventList, item: EventItem): boolean {
  const { visibility = "public", reason } = item;
  if (list === "feed") return reason !== undefined;
  const shown = visibility === "public";
  if (list === "activity") return shown;
  const followed = visibility === "followers" && reason?.topic === list.topic;
  return topicsOf(item).includes(list.topic) && (shown || followed);
}

/** Whether the inbox shows a notification. */
export const isListed = (item: Notification): boolean => item.archived_at === null && item.snoozed_until === null;

/** Whether it counts as unread. */
export const isUnread = (item: Notification): boolean => item.read_at === null && isListed(item);

/** Whether a notification belongs to a list with this filter. */
export const isAmong = ({ state = "inbox", type, unread_only }: NotificationFilter, item: Notification): boolean =>
  (state === "archived"
    ? item.archived_at !== null
    : state === "snoozed"
      ? item.snoozed_until !== null
      : state === "all" || (isListed(item) && (state !== "pinned" || item.pinned_at !== null))) &&
  (type === undefined || passes(type, [item.type])) &&
  (!unread_only || item.read_at === null);
