import type { Core, InboxApi } from "./core.js";
import { heldOf } from "./held.js";
import type { Query } from "./requests.js";
import { createResource, type OwnResource, type Resource } from "./resource.js";
import type { FollowsPage, Preferences, PreferencesPatch, Summary, Top, Topic, TopSeries } from "./schemas.js";

/** What is counted in trends. */
export interface TopQuery {
  readonly window?: string;
  readonly by?: "object" | "verb" | "object_type" | "actor";
  readonly object_type?: string;
  readonly topic?: string;
  readonly limit?: number;
  /** With the ranks and counts of the window before. */
  readonly compare?: "previous";
}

/** Of which key, or of all, a series is. */
export type SeriesQuery = Omit<TopQuery, "limit" | "compare"> & { readonly key?: string };

/** Milliseconds between two requests of trends, and of what changes seldom. */
const TREND_MS = 10_000;
const SELDOM_MS = 60_000;

const PREFERENCES = "/v1/preferences";

/** Trends and topics, and what the user follows, mutes, blocks and prefers. */
export interface ResourcesApi {
  /** The response of any GET route as a store. Equal paths with equal queries are one object. */
  readonly resource: <T>(path: string, query?: Query, everyMs?: number) => Resource<T>;
  /** The preferences of the user. */
  readonly preferences: Resource<Preferences>;
  /** Change some preferences; null removes a setting. They are shown as the server replies. */
  readonly setPreferences: (patch: PreferencesPatch) => Promise<void>;
  /** A topic: the number of its followers, and in `viewer.follows` whether the user is one. */
  readonly topic: (topic: string) => Resource<Topic>;
  /** The first 100 topics that the user follows. */
  readonly follows: Resource<FollowsPage>;
  /** Follow a topic; its page shows it at once. */
  readonly follow: (topic: string) => Promise<void>;
  /** Unfollow a topic; what it brought to the feed is hidden, or kept. */
  readonly unfollow: (topic: string, history?: "hide" | "keep") => Promise<void>;
  readonly mute: (topic: string) => Promise<void>;
  readonly unmute: (topic: string) => Promise<void>;
  /** Block a user, named by id. */
  readonly block: (userId: string) => Promise<void>;
  readonly unblock: (userId: string) => Promise<void>;
  /** The exact counts of the user's feed, and its newest items. */
  readonly summary: Resource<Summary>;
  /** The most frequent objects, verbs, types or actors of a window. */
  readonly top: (query?: TopQuery) => Resource<Top>;
  /** The events of a window over its time. */
  readonly series: (query?: SeriesQuery) => Resource<TopSeries>;
}

/** The resources of a client. */
export function resourcesOf(client: InboxApi): ResourcesApi {
  const { user, _context, _background, _forgetting } = client as Core;
  const { _requests, _signal, _refetch } = _context;
  const resources = new Map<string, OwnResource<unknown>>();
  _forgetting.add(() => {
    for (const one of resources.values()) one._clear();
  });
  const resource = <T>(path: string, query: Query = {}, everyMs = SELDOM_MS): Resource<T> => {
    const address = _requests._address(path, query);
    return heldOf(resources, address, () => {
      const made: OwnResource<unknown> = createResource(_requests, path, query, everyMs, _signal, () =>
        resources.set(address, made),
      );
      return made;
    }) as OwnResource<T>;
  };
  const own = (what: string): string => `/v1/users/${encodeURIComponent(user ?? "")}/${what}`;
  const put = async (what: string, of: string, method: "PUT" | "DELETE", query: Query = {}): Promise<undefined> => {
    if (user === undefined) throw new TypeError("the option user is needed");
    await _requests._change(`${own(what)}/${encodeURIComponent(of)}`, { method, query }, _signal);
    _background(_refetch()); // past events come and go with it
  };
  const topicOf = (topic: string): Resource<Topic> => resource(`/v1/topics/${encodeURIComponent(topic)}`);
  const follows: Resource<FollowsPage> = resource(own("follows"), { limit: 100 });
  const followed = async (topic: string, follow: boolean, query?: Query): Promise<void> => {
    await topicOf(topic).change(
      (now) => ({
        ...now,
        followers: now.followers + Number(follow) - Number(now.viewer?.follows ?? follow),
        ...(now.viewer && { viewer: { ...now.viewer, follows: follow } }),
      }),
      () => put("follows", topic, follow ? "PUT" : "DELETE", query),
    );
    await follows.refetch();
  };
  const preferences: Resource<Preferences> = resource(PREFERENCES);

  return {
    resource,
    preferences,
    setPreferences: (patch) =>
      preferences.change(
        (now) => merged(now, patch) as Preferences,
        () => _requests._change(PREFERENCES, { method: "PATCH", body: patch }, _signal),
      ),
    topic: topicOf,
    follows,
    follow: (topic) => followed(topic, true),
    unfollow: (topic, history = "hide") => followed(topic, false, { history }),
    mute: (topic) => put("mutes", topic, "PUT"),
    unmute: (topic) => put("mutes", topic, "DELETE"),
    block: (userId) => put("blocks", userId, "PUT"),
    unblock: (userId) => put("blocks", userId, "DELETE"),
    summary: resource("/v1/feed/summary"),
    top: (query) => resource("/v1/top", { ...query }, TREND_MS),
    series: (query) => resource("/v1/top/series", { ...query }, TREND_MS),
  };
}

/** A document with a JSON merge patch; what the patch removes is null until the server has said what holds instead. */
function merged(now: unknown, patch: unknown): unknown {
  if (!patch || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const next = { ...(now as Record<string, unknown>) };
  for (const [name, value] of Object.entries(patch)) next[name] = merged(next[name], value);
  return next;
}
