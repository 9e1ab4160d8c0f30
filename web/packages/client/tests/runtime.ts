/** A browser in virtual time: nothing happens until {@link SimulatedRuntime.run} lets time pass. */
import "../src/fallbacks.js"; // loaded before, so that no test waits for it in real time
import type { Channel, Locks, PageEvent, Runtime } from "../src/runtime.js";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Seeded numbers from 0 to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The clock and the timers that all tabs of a test share. */
export class VirtualTime {
  private timers: Timer[] = [];
  private order = 0;
  now = Date.UTC(2026, 0, 1);

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.now + Math.max(0, ms), order: ++this.order, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Let so many milliseconds pass. */
  async run(ms: number): Promise<void> {
    const end = this.now + ms;
    await settled();
    for (;;) {
      const next = this.timers.reduce<Timer | undefined>(
        (first, timer) => (sooner(timer, first) ? timer : first),
        undefined,
      );
      if (!next || next.at > end) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.now = Math.max(this.now, next.at);
      next.run();
      await settled();
    }
    this.now = end;
  }
}

function sooner(timer: Timer, other: Timer | undefined): boolean {
  return !other || timer.at < other.at || (timer.at === other.at && timer.order < other.order);
}

/** All promises that can settle without a timer have settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class SimulatedRuntime implements Runtime {
  shown = true;
  readonly storage: Storage | undefined = undefined;
  readonly locks: Locks | undefined = undefined;
  private readonly watchers = new Set<(event: PageEvent) => void>();

  constructor(
    readonly time: VirtualTime,
    readonly random: () => number,
    readonly fetch: (url: string, init: RequestInit) => Promise<Response>,
  ) {}

  now(): number {
    return this.time.now;
  }

  after(ms: number, run: () => void): () => void {
    return this.time.after(ms, run);
  }

  visible(): boolean {
    return this.shown;
  }

  watch(run: (event: PageEvent) => void): () => void {
    this.watchers.add(run);
    return () => this.watchers.delete(run);
  }

  /** What the browser reports to the page. */
  report(event: PageEvent): void {
    if (event === "hidden" || event === "visible") this.shown = event === "visible";
    for (const run of [...this.watchers]) run(event);
  }

  openSocket(): WebSocket {
    throw new Error("no WebSocket here");
  }

  openChannel(_name: string): Channel | undefined {
    return undefined;
  }
}
