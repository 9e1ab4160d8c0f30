/** What all scenes need: whether they are on the server already, and people who act. */
import type { Step } from "../parts/seed.js";
import { type NewEvent, pause, publish, server } from "../server.js";

/** Whether the server has events of a scene: then its history is not published again. */
async function isSeeded(topic: string, signal: AbortSignal): Promise<boolean> {
  const page = await server<{ items: unknown[] }>("/v1/activity", { query: { topic, limit: "1" }, signal });
  return page.items.length > 0;
}

/** Publish the history of a scene, unless the server has it. */
export const history = (label: string, topic: string, events: () => readonly NewEvent[]): Step => ({
  label,
  run: async (signal, progress) => {
    if (!(await isSeeded(topic, signal))) await publishAll(events(), signal, progress);
  },
});

/** So many events, spread over the last minutes. */
export const spread = (count: number, minutes: number, make: (at: number) => NewEvent): NewEvent[] =>
  Array.from({ length: count }, (_, at) => ({ ...make(at), created_at: minutesAgo((minutes * (count - at)) / count) }));

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

/** A time so many minutes ago. */
export const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

/** An actor with a name: "Ada Lind" is ada-lind. */
export const person = (name: string): { actor_id: string; actor_name: string } => ({
  actor_id: name.toLowerCase().replaceAll(" ", "-"),
  actor_name: name,
});

/** The topic of a person with this name. */
export const topicOf = (name: string): string => `user:${person(name).actor_id}`;
