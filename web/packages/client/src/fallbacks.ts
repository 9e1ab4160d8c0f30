/**
 * The transports after the first one. They are loaded when that fails, so that pages are small; they import nothing, so that
 * this takes one request.
 */
import type { Polled } from "./schemas.js";
import type { Fallback } from "./transports.js";

/** Seconds for which the server holds a poll: below the 30 s at which many proxies cut a silent request. */
const WAIT_S = 25;
/** Milliseconds for the response after that. */
const MARGIN_MS = 30_000;
/** Milliseconds between two polls without changes that the server does not hold. */
const IDLE_MS = 1_000;

/** The same frames over a WebSocket. A browser's cannot send a credential: the cookie of `PUT /v1/session` is needed. */
export const websocket: Fallback = async (requests, path, query, receiver, signal, ended) => {
  await requests._whole("/v1/session", { method: "PUT", signal }).catch((error: Error) => {
    throw ended(error.message); // whether the credential is refused, the other transports find out
  });
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
    socket.onclose = ({ code }) => end(ended(`the WebSocket was closed with ${code}`));
    socket.onerror = () => end(ended("the WebSocket failed"));
    signal.addEventListener("abort", () => end(signal.reason));
    if (signal.aborted) end(signal.reason);
  });
};

/** The same frames by long polls. */
export const poll: Fallback = async (requests, path, query, receiver, signal, _, sleep) => {
  const { _runtime: runtime } = requests;
  let last = query.last_event_id;
  for (;;) {
    const began = runtime.now();
    const polled: Polled = await requests._json(`${path}/poll`, {
      query: { ...query, last_event_id: last, wait: last === undefined ? 0 : WAIT_S },
      timeoutMs: WAIT_S * 1_000 + MARGIN_MS,
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
