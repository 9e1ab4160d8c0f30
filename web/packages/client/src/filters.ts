import type { Query } from "./requests.js";
import type { ActivityEvent, FeedItem } from "./schemas.js";

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
}

/** Which list of events: the user's feed, all public activity, or that of one topic (`market:42`). */
export type EventList = "feed" | "activity" | { readonly topic: string };

type Test = (item: EventItem) => readonly string[];

const MEMBERS: Readonly<Record<"verb" | "object_type" | "object_id" | "actor_id" | "topic", Test>> = {
  verb: (item) => [item.verb],
  object_type: (item) => [item.object_type],
  object_id: (item) => [item.object_id],
  actor_id: (item) => [item.actor_id],
  topic: (item) => topicsOf(item),
};

/** The topics of an event: its actor, its object, and those that it names. */
function topicsOf(item: EventItem): readonly string[] {
  return [`user:${item.actor_id}`, `${item.object_type}:${item.object_id}`, ...item.topics];
}

/** The path of a list. */
export function pathOf(list: EventList): string {
  if (typeof list === "string") return `/v1/${list}`;
  return `/v1/topics/${encodeURIComponent(list.topic)}/activity`;
}

/** The name of a list in frames: a topic, or "all"; undefined for the feed. */
export function nameOf(list: EventList): string | undefined {
  if (list === "feed") return undefined;
  return list === "activity" ? "all" : list.topic;
}

/** The filter as query parameters. */
export function parametersOf(filter: EventFilter): Query {
  const { read, object_id, ...names } = filter;
  const query: Record<string, string | boolean | undefined> = { read, object_id };
  for (const [name, value] of Object.entries(names)) query[name] = namesText(value as Names);
  return query;
}

function namesText(names: Names): string {
  const excluded = typeof names === "object" && "not" in names;
  return valuesOf(names)
    .map((name) => (excluded ? "-" : "") + escaped(name).replace(/^-/, "\\-"))
    .join(",");
}

/** A name in a value of a query parameter that has several, with commas in between. */
export function escaped(name: string): string {
  return name.replace(/[\\,]/g, "\\$&");
}

function valuesOf(names: Names): readonly string[] {
  const values = typeof names === "object" && "not" in names ? names.not : names;
  return typeof values === "string" ? [values] : values;
}

/** Whether a live item belongs to a list with this filter, as the server would decide. */
export function matches(list: EventList, filter: EventFilter, item: EventItem): boolean {
  if (!isIn(list, item)) return false;
  if (filter.read !== undefined && filter.read !== (item.read_at != null)) return false;
  return Object.entries(MEMBERS).every(([name, test]) => {
    const names = filter[name as keyof typeof MEMBERS];
    if (names === undefined) return true;
    const found = valuesOf(names).some((value) => test(item).includes(value));
    return found !== (typeof names === "object" && "not" in names);
  });
}

/** Whether a list has an item: a feed those with a reason, activity the public ones. */
export function isIn(list: EventList, item: EventItem): boolean {
  if (list === "feed") return item.reason !== undefined;
  const shown = (item.visibility ?? "public") === "public";
  if (list === "activity") return shown;
  const followed = item.visibility === "followers" && item.reason?.topic === list.topic;
  return topicsOf(item).includes(list.topic) && (shown || followed);
}
