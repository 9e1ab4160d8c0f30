import { problemOf, RequestError } from "./problem.js";
import { type Runtime, sleep } from "./runtime.js";

/** A value of a query parameter; undefined leaves it out, a list is sent as one value with commas. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface RequestOptions {
  /** The address of the server, with its prefix: `https://example.com/tidings`. Default: the page's own origin. */
  url?: string;
  /** The user, where the credential does not name one (an API key in a server, or `tidings serve --dev`). */
  user?: string;
  /** The user's token, or a function that fetches a new one: it is called at first, and when the server refuses the last. */
  token?: string | (() => string | Promise<string>);
}

export interface Sent {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Query;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  /** Milliseconds for the response. */
  timeoutMs?: number;
}

/** Milliseconds for a response, without the time for which the server holds a poll. */
const RESPONSE_MS = 30_000;

/** Sends requests for one user. */
export interface Requests {
  readonly _runtime: Runtime;
  _address(path: string, query?: Query): string;
  /** The response as soon as its head is here, after one renewal of a refused token. Throws {@link RequestError}. */
  _send(path: string, sent?: Sent): Promise<Response>;
  /** The response with its whole body, within `timeoutMs`. Throws {@link RequestError}. */
  _whole(path: string, sent?: Sent): Promise<Response>;
  /** The JSON of the response, within `timeoutMs`. Throws {@link RequestError}. */
  _json<T>(path: string, sent?: Sent): Promise<T>;
  /** The JSON of the response to a change that may be repeated without harm; it is, while it fails for a temporary reason. */
  _change<T>(path: string, sent: Sent, signal: AbortSignal): Promise<T>;
  /** Forget the token; the next request fetches a new one. Returns whether there is a way to. */
  _renew(): boolean;
  /** The user has signed out: nothing more is sent. */
  _close(): void;
}

/** Milliseconds: half the bound of the random wait before the first repetition of a change; it doubles with each failure. */
const REPEAT_MS = 1_000;
/** Attempts in all: afterwards the user should see that the change did not happen. */
const ATTEMPTS = 3;

/** Routes that take no `user_id`, and refuse it: the path names the user, or they are for servers alone. */
const WITHOUT_USER = /^\/v1\/(users\/|admin\/|reminders|follows$|broadcasts$|events$)/;

export function createRequests(runtime: Runtime, { url = "", user, token }: RequestOptions): Requests {
  let held: Promise<string | undefined> | undefined;
  let closed = false;

  const failed = (detail: unknown): RequestError => new RequestError(0, "", String(detail));
  const address = (path: string, query: Query = {}): string => {
    const parameters = new URLSearchParams();
    const named = WITHOUT_USER.test(path) ? undefined : user;
    for (const [name, value] of Object.entries({ user_id: named, ...query }).sort()) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    const text = String(parameters);
    return url.replace(/\/+$/, "") + path + (text && `?${text}`);
  };
  const once = async (path: string, { method = "GET", query, body, headers, signal }: Sent): Promise<Response> => {
    if (closed) throw failed("The user has signed out");
    held ??= Promise.resolve()
      .then(() => (typeof token === "function" ? token() : token))
      .catch((error) => {
        held = undefined;
        throw failed(`No token: ${error}`);
      });
    const own = held;
    const credential = await own;
    try {
      const response = await runtime.fetch(address(path, query), {
        method,
        credentials: "include",
        headers: {
          ...(credential && { authorization: `Bearer ${credential}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        // A mark must not be lost when the user follows the link of the notification.
        keepalive: method !== "GET",
        ...(signal && { signal }),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      if (response.status === 401 && held === own) held = undefined; // another request may have a newer one already
      return response;
    } catch (error) {
      throw failed(signal?.aborted ? "The server did not respond in time" : error);
    }
  };
  const send = async (path: string, sent: Sent = {}): Promise<Response> => {
    let response = await once(path, sent);
    if (response.status === 401 && typeof token === "function") response = await once(path, sent);
    if (response.ok || response.status === 304) return response;
    throw await problemOf(response);
  };
  const whole = async (path: string, sent: Sent = {}): Promise<Response> => {
    const abort = new AbortController();
    const leave = (): void => abort.abort();
    const cancel = runtime.after(sent.timeoutMs ?? RESPONSE_MS, leave);
    sent.signal?.addEventListener("abort", leave);
    if (sent.signal?.aborted) leave();
    try {
      const response = await send(path, { ...sent, signal: abort.signal });
      // A 204 and a 304 have no body, and none may be constructed for them, not even an empty one.
      return new Response((await response.text()) || null, response);
    } catch (error) {
      throw error instanceof RequestError ? error : failed(error);
    } finally {
      cancel();
      sent.signal?.removeEventListener("abort", leave);
    }
  };
  const json = async <T>(path: string, sent?: Sent): Promise<T> => {
    const text = await (await whole(path, sent)).text();
    return (text ? JSON.parse(text) : undefined) as T;
  };
  return {
    _runtime: runtime,
    _address: address,
    _send: send,
    _whole: whole,
    _json: json,
    async _change(path, sent, signal) {
      for (let failures = 1; ; failures += 1) {
        try {
          return await json(path, sent);
        } catch (error) {
          const { temporary, retryAfterMs } = error as RequestError;
          if (!temporary || failures === ATTEMPTS || signal.aborted) throw error;
          await sleep(runtime, retryAfterMs ?? runtime.random() * REPEAT_MS * 2 ** failures, signal);
        }
      }
    },
    _renew() {
      held = undefined;
      return typeof token === "function";
    },
    _close() {
      closed = true;
    },
  };
}
