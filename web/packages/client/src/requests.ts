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
  /** Statuses besides 2xx that are returned, not thrown. */
  accept?: readonly number[];
}

/** Milliseconds for a response, without the time for which the server holds a poll. */
export const RESPONSE_MS = 30_000;

/** Sends requests for one user. */
export class Requests {
  private token: Promise<string> | undefined;
  private readonly base: string;

  constructor(
    readonly runtime: Runtime,
    private readonly options: RequestOptions,
  ) {
    this.base = (options.url ?? "").replace(/\/+$/, "");
  }

  get renewable(): boolean {
    return typeof this.options.token === "function";
  }

  address(path: string, query: Query = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries({ user_id: this.options.user, ...query })) {
      if (value !== undefined) parameters.set(name, String(value));
    }
    const text = parameters.toString();
    return `${this.base}${path}${text && (path.includes("?") ? "&" : "?") + text}`;
  }

  /** The JSON of the response, within `timeoutMs`. Throws {@link RequestError}. */
  async json<T>(path: string, sent: Sent = {}): Promise<T> {
    const response = await this.whole(path, sent);
    return response.json() as Promise<T>;
  }

  /** The response with its whole body, within `timeoutMs`. Throws {@link RequestError}. */
  async whole(path: string, sent: Sent = {}): Promise<Response> {
    const abort = new AbortController();
    const leave = (): void => abort.abort();
    const cancel = this.runtime.after(sent.timeoutMs ?? RESPONSE_MS, leave);
    sent.signal?.addEventListener("abort", leave);
    if (sent.signal?.aborted) leave();
    try {
      const response = await this.send(path, { ...sent, signal: abort.signal });
      // A 204 and a 304 have no body, and none may be constructed for them, not even an empty one.
      const body = (await response.text()) || null;
      return new Response(body, { status: response.status, headers: response.headers });
    } catch (error) {
      if (error instanceof RequestError) throw error;
      throw new RequestError(0, "", `The response was cut: ${String(error)}`);
    } finally {
      cancel();
      sent.signal?.removeEventListener("abort", leave);
    }
  }

  /** The response as soon as its head is here, after one renewal of a refused token. Throws {@link RequestError}. */
  async send(path: string, sent: Sent = {}): Promise<Response> {
    let response = await this.once(path, sent);
    if (response.status === 401 && this.renewable) {
      this.token = undefined;
      response = await this.once(path, sent);
    }
    if (response.ok || sent.accept?.includes(response.status)) return response;
    throw await problemOf(response);
  }

  /** Forget the token; the next request fetches a new one. */
  renew(): void {
    this.token = undefined;
  }

  private async once(path: string, sent: Sent): Promise<Response> {
    const { method = "GET", query, body, headers, signal } = sent;
    const token = await this.credential();
    try {
      return await this.runtime.fetch(this.address(path, query), {
        method,
        credentials: "include",
        headers: {
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(signal ? { signal } : {}),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // A mark must not be lost when the user follows the link of the notification.
        ...(method === "GET" ? {} : { keepalive: true }),
      });
    } catch (error) {
      throw new RequestError(0, "", signal?.aborted ? "The server did not respond in time" : String(error));
    }
  }

  private async credential(): Promise<string | undefined> {
    const { token } = this.options;
    if (typeof token !== "function") return token;
    this.token ??= Promise.resolve(token());
    try {
      return await this.token;
    } catch (error) {
      this.token = undefined;
      throw new RequestError(0, "", `No token: ${String(error)}`);
    }
  }
}

/** Milliseconds: half the bound of the random wait before the first repetition of a change; it doubles with each failure. */
const REPEAT_MS = 1_000;
/** Attempts in all: afterwards the user should see that the change did not happen. */
const ATTEMPTS = 3;

/** Repeat a change that may be repeated without harm, while it fails for a temporary reason. */
export async function persistent<T>(runtime: Runtime, signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      const temporary = error instanceof RequestError && error.temporary;
      if (!temporary || failures === ATTEMPTS || signal.aborted) throw error;
      await sleep(runtime, error.retryAfterMs ?? runtime.random() * REPEAT_MS * 2 ** failures, signal);
    }
  }
}
