/** The tabs of one browser: locks, channels and storage that they share, in virtual time. */
import type { Channel, Locks } from "../src/runtime.js";
import { SimulatedRuntime, type VirtualTime } from "./runtime.js";

interface Request {
  readonly tab: Tab;
  readonly held: () => Promise<void>;
  readonly reject: (error: Error) => void;
  readonly resolve: () => void;
}

/** The locks of an origin: one holder of each name, and those who wait. */
class SimulatedLocks {
  private readonly queues = new Map<string, Request[]>();

  of(tab: Tab): Locks {
    return {
      request: (name, { signal, steal }, held) =>
        new Promise<void>((resolve, reject) => {
          const queue = this.queue(name);
          const request: Request = { tab, held, resolve, reject };
          if (steal) {
            const robbed = queue.shift();
            queue.unshift(request);
            robbed?.tab.when(() => robbed.reject(new DOMException("stolen", "AbortError")));
          } else queue.push(request);
          signal?.addEventListener("abort", () => {
            if (queue.indexOf(request) < 1) return; // a lock that is held is not aborted
            queue.splice(queue.indexOf(request), 1);
            reject(new DOMException("aborted", "AbortError"));
          });
          if (queue[0] === request) this.grant(name);
        }),
    };
  }

  private queue(name: string): Request[] {
    const queue = this.queues.get(name) ?? [];
    this.queues.set(name, queue);
    return queue;
  }

  private grant(name: string): void {
    const queue = this.queue(name);
    const first = queue[0];
    first?.tab.when(() => {
      void first.held().then(() => {
        first.resolve();
        if (queue[0] !== first) return;
        queue.shift();
        this.grant(name);
      });
    });
  }
}

class SimulatedStorage {
  private readonly items = new Map<string, string>();

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }
}

export class Browser {
  readonly locks = new SimulatedLocks();
  readonly channels = new Set<{ tab: Tab; name: string; channel: Channel }>();
  readonly items = new SimulatedStorage();

  constructor(
    readonly time: VirtualTime,
    readonly random: () => number,
    readonly fetch: (url: string, init: RequestInit) => Promise<Response>,
  ) {}

  open(): Tab {
    return new Tab(this);
  }
}

/** A tab. A frozen one does nothing; what reaches it waits until it thaws. */
export class Tab extends SimulatedRuntime {
  override readonly storage: Storage;
  override readonly locks: Locks;
  private frozen = false;
  private waiting: (() => void)[] = [];

  constructor(private readonly browser: Browser) {
    super(browser.time, browser.random, browser.fetch);
    this.locks = browser.locks.of(this);
    this.storage = browser.items as unknown as Storage;
  }

  /** Run something in this tab: at once, or when it thaws. */
  when(run: () => void): void {
    if (this.frozen) this.waiting.push(run);
    else run();
  }

  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    for (const run of this.waiting.splice(0)) run();
  }

  override after(ms: number, run: () => void): () => void {
    let cancelled = false;
    const cancel = super.after(ms, () => this.when(() => cancelled || run()));
    return () => {
      cancelled = true;
      cancel();
    };
  }

  override openChannel(name: string): Channel {
    const channel: Channel = {
      onmessage: null,
      close: () => void this.browser.channels.delete(entry),
      postMessage: (message) => {
        for (const other of this.browser.channels) {
          if (other === entry || other.name !== name) continue;
          const data = structuredClone(message);
          this.browser.time.after(0, () => other.tab.when(() => other.channel.onmessage?.({ data } as MessageEvent)));
        }
      },
    };
    const entry = { tab: this as Tab, name, channel };
    this.browser.channels.add(entry);
    return channel;
  }
}
