import type { Query, Requests } from "./requests.js";
import type { sleep } from "./runtime.js";
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

/** The same for a transport that is loaded later; it gets what it would import. */
export type Fallback = (
  ...parameters: [...Parameters<Receive>, ended: (why: string) => Ended, sleep: typeof sleep]
) => Promise<never>;

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
