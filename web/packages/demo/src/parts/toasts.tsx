import type { EventItem } from "@tidings/client";
import { useActivityFeed } from "@tidings/react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Avatar } from "./basics.js";
import { Sentence } from "./card.js";

/** Milliseconds for which a toast is shown, and how many there are at most: a storm must not cover the page. */
const SHOWN_MS = 6_000;
const MOST = 3;

/** What has just come into the feed, at the edge of the page. */
export function Toasts(): ReactNode {
  const { items, fresh, position, status } = useActivityFeed();
  const [toasts, setToasts] = useState<readonly EventItem[]>([]);
  const known = useRef<number>(undefined);
  useEffect(() => {
    if (status !== "loaded") return;
    const before = known.current;
    known.current = position;
    if (before === undefined) return;
    const arrived = [...fresh, ...items.slice(0, MOST)].filter((item) => item.position > before);
    if (!arrived.length) return;
    setToasts((shown) => [...arrived, ...shown].slice(0, MOST));
    const gone = new Set(arrived.map((item) => item.event_id));
    setTimeout(() => setToasts((shown) => shown.filter((item) => !gone.has(item.event_id))), SHOWN_MS);
  }, [items, fresh, position, status]);
  return (
    <div className="toasts" role="log" aria-live="polite" aria-label="New in the feed">
      {toasts.map((item) => (
        <div key={item.event_id} className="toast">
          <Avatar id={item.actor_id} name={item.actor_name ?? item.actor_id} />
          <p>
            <span className="toast__actor">{item.actor_name ?? item.actor_id}</span>
            <Sentence item={item} />
          </p>
          <button
            type="button"
            className="toast__close"
            aria-label="Close"
            onClick={() => setToasts(toasts.filter((other) => other !== item))}
          >
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
