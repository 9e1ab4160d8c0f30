import "./main.css";
import { TidingsClient } from "@tidings/client";
import { type ReactNode, StrictMode, useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";

/** The user of the sample whose repositories others star and comment on most. */
const FIRST_USER = "lunar-wren-942";
/** The address of the server, with its prefix. */
const BASE = new URL(".", document.baseURI).href.replace(/\/$/, "");

function useStore<T>(store: { get(): T; subscribe(listener: () => void): () => void }): T {
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener), [store]);
  return useSyncExternalStore(subscribe, () => store.get());
}

function Demo(): ReactNode {
  const user = new URLSearchParams(location.search).get("user") ?? FIRST_USER;
  const [client] = useState(() => new TidingsClient({ url: BASE, user }));
  useEffect(() => client.start(), [client]);
  const inbox = useStore(client.inbox);
  const feed = useStore(client.feed());
  const { status } = useStore(client.connectionState);
  return (
    <main>
      <h1>{user}</h1>
      <p role="status">
        {inbox.unread_count} unread, {status}
      </p>
      <h2>Notifications</h2>
      <ol>
        {inbox.items.map(({ id, message }) => (
          <li key={id}>{message}</li>
        ))}
      </ol>
      <h2>Feed</h2>
      <ol>
        {feed.items.map(({ event_id, actor_name, verb, object_title }) => (
          <li key={event_id}>
            {actor_name} {verb} {object_title}
          </li>
        ))}
      </ol>
    </main>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Demo />
    </StrictMode>,
  );
}
