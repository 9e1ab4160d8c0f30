/** Publishes the sample of the demo as if it happened now. One tab does; the others show and change how fast. */
import { browser } from "@tidings/client";
import { BASE, follow, fresh, type NewEvent, pause, publish } from "./server.js";
import { remember, remembered, Value } from "./store.js";

export interface ReplayState {
  readonly running: boolean;
  /** Events a second. */
  readonly speed: number;
  /** Whether this tab publishes. */
  readonly here: boolean;
  /** Events that this tab has published. */
  readonly published: number;
  /** Why the last attempt failed. */
  readonly error?: string | undefined;
}

export const SPEEDS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50] as const;
const LOCK = "tidings-demo:replay";
const TICK_MS = 250;
/** Events in one request at most: what a tab in the background has missed is not made up for. */
const MOST = 50;
const AGAIN_MS = 2_000;

type Settings = Pick<ReplayState, "running" | "speed">;

class Replay {
  readonly state = new Value<ReplayState>({ running: true, speed: 2, here: false, published: 0 });
  private readonly channel = browser.openChannel(LOCK);
  private events: readonly NewEvent[] = [];
  private started = false;

  /** Take part; the tab whose lock it is publishes until it is closed. */
  start(): void {
    if (this.started) return;
    this.started = true;
    if (location.hash === "#paused") this.change({ running: false });
    if (this.channel) this.channel.onmessage = ({ data }) => this.change(data as Settings);
    if (navigator.locks) void navigator.locks.request(LOCK, () => this.run());
    else void this.run();
  }

  set(settings: Partial<Settings>): void {
    this.change(settings);
    const { running, speed } = this.state.get();
    this.channel?.postMessage({ running, speed });
  }

  private change(settings: Partial<Settings>): void {
    this.state.set({ ...this.state.get(), ...settings });
  }

  private async run(): Promise<never> {
    this.state.set({ ...this.state.get(), here: true });
    let due = 0;
    let last = Date.now();
    for (;;) {
      await pause(TICK_MS);
      const { running, speed } = this.state.get();
      const now = Date.now();
      due = running ? Math.min(MOST, due + ((now - last) / 1_000) * speed) : 0;
      last = now;
      const count = Math.floor(due);
      due -= count;
      if (count) await this.step(count);
    }
  }

  private async step(count: number): Promise<void> {
    try {
      if (!this.events.length) this.events = await load();
      const [pass, at] = place();
      const batch = this.events.slice(at, at + count);
      await publish(batch.map((event) => ({ ...event, idempotency_key: `${pass}:${event.idempotency_key}` })));
      const next = at + batch.length;
      remember("replay", next < this.events.length ? `${pass} ${next}` : undefined);
      this.state.set({ ...this.state.get(), published: this.state.get().published + batch.length, error: undefined });
      // A star makes its author follow the repository, as in the first sample.
      for (const { actor_id, object_id, verb } of batch)
        if (verb === "watch") await follow(actor_id, `repository:${object_id}`, 0);
    } catch (error) {
      this.state.set({ ...this.state.get(), error: error instanceof Error ? error.message : String(error) });
      await pause(AGAIN_MS);
    }
  }
}

/** Which pass over the sample it is, and the next event of it: a page that is loaded anew goes on. */
function place(): [pass: string, at: number] {
  const [pass, at] = remembered("replay")?.split(" ") ?? [];
  if (pass && at) return [pass, Number(at)];
  const begun = fresh();
  remember("replay", `${begun} 0`);
  return [begun, 0];
}

async function load(): Promise<NewEvent[]> {
  const response = await fetch(`${BASE}/static/sample.ndjson`);
  const lines = (await response.text()).split("\n").filter(Boolean);
  return lines.map((line) => {
    const { created_at: _, ...event } = JSON.parse(line) as NewEvent;
    return event;
  });
}

export const replay = new Replay();
