import { type Query, RESPONSE_MS, type Requests } from "./requests.js";
import { sleep } from "./runtime.js";
import type { Polled } from "./schemas.js";
import { EventParser, type ServerEvent } from "./sse.js";

/** A way to receive frames, from the best one down. `list` fetches the first pages again now and then. */
export type TransportName = "stream" | "websocket" | "poll" | "list";

/** Why receiving ended. */
export class Ended extends Error {
  override readonly name = "Ended";

  constructor(
    readonly why: string,
    /** Milliseconds after which the server wants the next attempt; undefined if it does not say. */
    readonly retryMs?: number,
    /** Whether this is no failure: the server asked for it. */
    readonly planned = false,
  ) {
    super(why);
  }
}

/** What a transport does with what it receives. */
export interface Receiver {
  /** A frame; `hello` is the first. */
  frame(event: ServerEvent): void | Promise<void>;
  /** Something arrived: the connection is alive. */
  alive(): void;
  /** The server set the time before a reconnection. */
  retry(ms: number): void;
}

/** Receives frames until the signal aborts; the promise always rejects, with an Ended or a RequestError. */
export type Receive = (requests: Requests, query: Query, receiver: Receiver, signal: AbortSignal) => Promise<never>;

const PATH = "/v1/notifications";
/** Seconds for which the server holds a poll: below the 30 s at which many proxies cut a silent request. */
const WAIT_S = 25;

/** Milliseconds between two polls without changes that the server does not hold. */
const IDLE_MS = 1_000;

/** Server-sent events, read with fetch: unlike EventSource it can send a credential and see a status. */
export const receiveStream: Receive = async (requests, query, receiver, signal) => {
  const { last_event_id: last, ...others } = query;
  const response = await requests.send(`${PATH}/stream`, {
    query: others,
    headers: { accept: "text/event-stream", ...(last === undefined ? {} : { "last-event-id": String(last) }) },
    signal,
  });
  if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
    throw new Ended("the response is no stream");
  }
  const parser = new EventParser();
  const reader = response.body.getReader();
  const text = new TextDecoder();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Ended("the stream ended");
      receiver.alive();
      const events = parser.feed(text.decode(value, { stream: true }));
      if (parser.retryMs !== undefined) receiver.retry(parser.retryMs);
      for (const event of events) await receiver.frame(event);
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
};

/** The same frames over a WebSocket. A browser's cannot send a credential: the cookie of `PUT /v1/session` is needed. */
export const receiveSocket: Receive = (requests, query, receiver, signal) =>
  requests.send("/v1/session", { method: "PUT", signal }).then(
    () =>
      new Promise<never>((_, reject) => {
        const address = new URL(requests.address(`${PATH}/ws`, query), globalThis.location?.href);
        address.protocol = address.protocol.replace("http", "ws");
        const socket = requests.runtime.openSocket(address.href);
        const end = (error: Error): void => {
          socket.onmessage = socket.onclose = socket.onerror = null;
          socket.close();
          reject(error);
        };
        let turn: void | Promise<void>;
        socket.onmessage = ({ data }) => {
          receiver.alive();
          // Frames keep their order: a reset fetches lists before the next one is applied.
          turn = Promise.resolve(turn)
            .then(() => receiver.frame(eventOf(JSON.parse(String(data)))))
            .catch(end);
        };
        socket.onclose = ({ code }) => end(new Ended(`the WebSocket was closed with ${code}`));
        socket.onerror = () => end(new Ended("the WebSocket failed"));
        signal.addEventListener("abort", () => end(new Ended("stopped", undefined, true)));
      }),
  );

/** The same frames by long polls. */
export const receivePolls: Receive = async (requests, query, receiver, signal) => {
  const { runtime } = requests;
  let last = query.last_event_id;
  for (;;) {
    const began = runtime.now();
    const polled = await requests.json<Polled>(`${PATH}/poll`, {
      query: { ...query, last_event_id: last, wait: last === undefined ? 0 : WAIT_S },
      timeoutMs: WAIT_S * 1_000 + RESPONSE_MS,
      signal,
    });
    receiver.alive();
    for (const frame of polled.frames) await receiver.frame(eventOf(frame));
    last = polled.last_event_id;
    // A server without a free slot for waiting answers at once.
    if (polled.frames.length <= 1 && runtime.now() - began < IDLE_MS) {
      await sleep(runtime, IDLE_MS * (1 + runtime.random()), signal);
    }
  }
};

function eventOf(frame: { event: string; data: unknown; id?: string | null }): ServerEvent {
  return { event: frame.event, data: JSON.stringify(frame.data), id: frame.id ?? "" };
}
