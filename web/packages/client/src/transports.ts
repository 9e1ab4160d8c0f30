import { type Query, RESPONSE_MS, type Requests } from "./requests.js";
import { sleep } from "./runtime.js";
import type { Polled } from "./schemas.js";
import { createParser } from "./sse.js";

/** A way to receive frames, from the best one down. `list` fetches the first pages again now and then. */
export type TransportName = "stream" | "websocket" | "poll" | "list";

/** A frame of the server, by whichever transport. */
export interface Frame {
  readonly event: string;
  readonly data: unknown;
  readonly id?: string | null;
}

/** Why receiving ended. */
export class Ended {
  constructor(
    readonly _why: string,
    /** Milliseconds after which the server wants the next attempt; undefined if it does not say. */
    readonly _retryMs?: number | undefined,
    /** Whether this is no failure: the server asked for it. */
    readonly _planned = false,
    readonly _cause?: unknown,
  ) {}
}

/** What a transport does with what it receives. */
export interface Receiver {
  /** A frame; `hello` is the first. */
  _frame(frame: Frame): Promise<void>;
  /** Something arrived: the connection is alive. */
  _alive(): void;
  /** The server set the time before a reconnection. */
  _retry(ms: number): void;
}

/** Receives frames until the signal aborts; the promise always rejects, with an Ended or a RequestError. */
export type Receive = (
  requests: Requests,
  path: string,
  query: Query,
  receiver: Receiver,
  signal: AbortSignal,
) => Promise<never>;

/** Seconds for which the server holds a poll: below the 30 s at which many proxies cut a silent request. */
const WAIT_S = 25;
/** Milliseconds between two polls without changes that the server does not hold. */
const IDLE_MS = 1_000;

/** Server-sent events, read with fetch: unlike EventSource it can send a credential and see a status. */
export const receiveStream: Receive = async (requests, path, { last_event_id: last, ...query }, receiver, signal) => {
  const { headers, body } = await requests._send(`${path}/stream`, {
    query,
    headers: { accept: "text/event-stream", ...(last !== undefined && { "last-event-id": String(last) }) },
    signal,
  });
  if (!body || !headers.get("content-type")?.startsWith("text/event-stream")) throw new Ended("the response is no stream");
  const parse = createParser(receiver._retry);
  const reader = body.getReader();
  const text = new TextDecoder();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Ended("the stream ended");
      receiver._alive();
      for (const event of parse(text.decode(value, { stream: true }))) {
        await receiver._frame({ ...event, data: JSON.parse(event.data) });
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
};

/** The same frames over a WebSocket. A browser's cannot send a credential: the cookie of `PUT /v1/session` is needed. */
export const receiveSocket: Receive = async (requests, path, query, receiver, signal) => {
  await requests._whole("/v1/session", { method: "PUT", signal });
  return new Promise<never>((_, reject) => {
    const address = new URL(requests._address(`${path}/ws`, query), globalThis.location?.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = requests._runtime.openSocket(address.href);
    const end = (error: unknown): void => {
      socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
      reject(error);
    };
    let turn = Promise.resolve();
    socket.onmessage = ({ data }) => {
      receiver._alive();
      // Frames keep their order: a reset fetches lists before the next one is applied.
      turn = turn.then(() => receiver._frame(JSON.parse(data))).catch(end);
    };
    socket.onclose = ({ code }) => end(new Ended(`the WebSocket was closed with ${code}`));
    socket.onerror = () => end(new Ended("the WebSocket failed"));
    signal.addEventListener("abort", () => end(signal.reason));
    if (signal.aborted) end(signal.reason);
  });
};

/** The same frames by long polls. */
export const receivePolls: Receive = async (requests, path, query, receiver, signal) => {
  const { _runtime: runtime } = requests;
  let last = query.last_event_id;
  for (;;) {
    const began = runtime.now();
    const polled: Polled = await requests._json(`${path}/poll`, {
      query: { ...query, last_event_id: last, wait: last === undefined ? 0 : WAIT_S },
      timeoutMs: WAIT_S * 1_000 + RESPONSE_MS,
      signal,
    });
    receiver._alive();
    for (const frame of polled.frames) await receiver._frame(frame);
    last = polled.last_event_id;
    // A server without a free slot for waiting answers at once.
    if (polled.frames.length < 2 && runtime.now() - began < IDLE_MS) {
      await sleep(runtime, IDLE_MS * (1 + runtime.random()), signal);
    }
  }
};
