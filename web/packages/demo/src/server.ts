/** Requests of the application, which publishes and declares. In dev mode they need no credential. */

/** The address of the server, with its prefix. */
export const BASE = new URL(".", document.baseURI).href.replace(/\/$/, "");

/** Milliseconds before a request that the server could not take is repeated. */
const AGAIN_MS = 500;
const ATTEMPTS = 6;

interface Sent {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  query?: Readonly<Record<string, string>>;
  signal?: AbortSignal | undefined;
}

/** The JSON of a response; repeated while the server is busy. Throws an Error with the detail of the problem. */
export async function server<T>(path: string, { method = "GET", body, query = {}, signal }: Sent = {}): Promise<T> {
  const parameters = new URLSearchParams(query).toString();
  for (let attempt = 1; ; attempt += 1) {
    const response = await fetch(`${BASE}${path}${parameters && `?${parameters}`}`, {
      method,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    const text = await response.text();
    if (response.ok) return (text ? JSON.parse(text) : undefined) as T;
    if (![429, 503].includes(response.status) || attempt === ATTEMPTS)
      throw new Error(detailOf(text) ?? response.statusText);
    await pause(AGAIN_MS * attempt, signal);
  }
}

function detailOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { detail?: string }).detail;
  } catch {
    return undefined;
  }
}

/** Wait; a signal that aborts rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** An event as `POST /v1/events` takes it. */
export interface NewEvent {
  actor_id: string;
  verb: string;
  object_type: string;
  object_id: string;
  actor_name?: string;
  object_title?: string;
  title?: string;
  description?: string;
  message?: string;
  target_user_ids?: readonly string[];
  topics?: readonly string[];
  created_at?: string;
  visibility?: "public" | "followers" | "recipients";
  actions?: readonly { id: string; label: string; style?: string }[];
  metadata?: Readonly<Record<string, unknown>>;
  idempotency_key?: string;
  notify?: boolean;
}

/** Publish events, all or none. */
export function publish(events: readonly NewEvent[], signal?: AbortSignal): Promise<unknown> {
  return server("/v1/events", { method: "POST", body: events, signal });
}

export function follow(user: string, topic: string, backfill = 20, signal?: AbortSignal): Promise<unknown> {
  const path = `/v1/users/${encodeURIComponent(user)}/follows/${encodeURIComponent(topic)}`;
  return server(path, { method: "PUT", body: { backfill }, signal });
}

export function unfollow(user: string, topic: string): Promise<unknown> {
  return server(`/v1/users/${encodeURIComponent(user)}/follows/${encodeURIComponent(topic)}`, { method: "DELETE" });
}

/** Declare a type of notifications. */
export function declare(type: string, rule: object, signal?: AbortSignal): Promise<unknown> {
  return server(`/v1/admin/types/${type}`, { method: "PUT", body: rule, signal });
}

/** A part of an id that no other event has. */
export function fresh(): string {
  return crypto.getRandomValues(new Uint32Array(2)).join("");
}

/** One of some values, by chance. */
export function one<T>(values: readonly T[]): T {
  return values[Math.floor(Math.random() * values.length)] as T;
}
