import type { Store } from "@tidings/client";
import { type ReactNode, useEffect } from "react";
import { isArrival, useNotificationEvents } from "./hooks/inbox.js";
import { useStore } from "./hooks/store.js";
import { useUi } from "./provider.js";

/** What was said last. `failure` shows it to sighted users as well. */
export interface Announcement {
  readonly text: string;
  readonly failure: boolean;
}

export const SILENCE: Announcement = { text: "", failure: false };

/** Milliseconds for which arrivals are counted before they are announced, and between two announcements of them. */
const COLLECT_MS = 1_000;
const EVERY_MS = 10_000;

/** What screen readers are told, by the one live region of the page. */
export class Announcer implements Store<Announcement> {
  private value = SILENCE;
  private readonly listeners = new Set<() => void>();
  private arrivals = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private saidAt = 0;

  get(): Announcement {
    return this.value;
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  say(text: string, failure = false): void {
    // The same text again would not be read: a space makes it another one.
    this.value = { text: text === this.value.text ? `${text} ` : text, failure };
    for (const listener of [...this.listeners]) listener();
  }

  /** Something arrived: say soon how much, and not again before ten seconds are over. */
  arrived(textOf: (count: number) => string): void {
    this.arrivals += 1;
    this.timer ??= setTimeout(
      () => {
        this.say(textOf(this.arrivals));
        this.saidAt = Date.now();
        this.stop();
      },
      Math.max(COLLECT_MS, this.saidAt + EVERY_MS - Date.now()),
    );
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.arrivals = 0;
  }
}

/** The polite live region. It exists and is empty before anything is said, as screen readers require. */
export function LiveRegion(): ReactNode {
  const { announcer, texts } = useUi();
  const { text } = useStore(announcer, SILENCE);
  useNotificationEvents((change) => {
    if (isArrival(change)) announcer.arrived((count) => texts.plural(texts.messages.newNotifications, count));
  });
  useEffect(() => () => announcer.stop(), [announcer]);
  return (
    <div className="tidings-hidden" role="status" aria-live="polite">
      {text}
    </div>
  );
}
