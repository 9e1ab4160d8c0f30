import { useSyncExternalStore } from "react";

/** Milliseconds between two changes of times on the page. */
const TICK_MS = 30_000;

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let current = 0;

function tick(): void {
  current = Date.now();
  for (const listener of [...listeners]) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function snapshot(): number {
  if (!timer || !current) current = Math.max(current, Math.floor(Date.now() / TICK_MS) * TICK_MS);
  return current;
}

/** The time, by one clock for the whole page; 0 on the server and in the first render, which must agree. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, snapshot, () => 0);
}
