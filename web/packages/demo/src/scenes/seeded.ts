/** What all scenes need: whether they are on the server already, and people who act. */
import { type NewEvent, pause, publish, server } from "../server.js";

/** Whether the server has events of a scene: then its history is not published again. */
export async function isSeeded(topic: string, signal: AbortSignal): Promise<boolean> {
  const page = await server<{ items: unknown[] }>("/v1/activity", { query: { topic, limit: "1" }, signal });
  return page.items.length > 0;
}

/** Publish a history in pieces, so that its progress can be seen. */
export async function publishAll(
  events: readonly NewEvent[],
  signal: AbortSignal,
  progress: (done: number) => void,
): Promise<void> {
  const size = 20;
  for (let at = 0; at < events.length; at += size) {
    await publish(events.slice(at, at + size), signal);
    progress(Math.min(1, (at + size) / events.length));
  }
}

/** Publish events one by one, with a pause between them, as people would. */
export async function act(events: readonly NewEvent[], everyMs: number): Promise<void> {
  for (const event of events) {
    await publish([event]);
    await pause(everyMs);
  }
}

export function one<T>(values: readonly T[]): T {
  return values[Math.floor(Math.random() * values.length)] as T;
}

/** A time so many minutes ago. */
export const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

/** An actor with a name: "Ada Lind" is ada-lind. */
export const person = (name: string): { actor_id: string; actor_name: string } => ({
  actor_id: name.toLowerCase().replaceAll(" ", "-"),
  actor_name: name,
});
