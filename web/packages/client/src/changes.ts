import type { Runtime } from "./runtime.js";

/** A change that the user made and that is shown before the server has confirmed it. */
interface Pending<S> {
  /** The state with the change; it returns its argument if there is nothing to change. */
  readonly apply: (state: S) => S;
  /** Where the confirmed state has the change: a seq or a position. Undefined until the server has answered. */
  confirmedAt?: number;
}

/**
 * The changes that the server has not confirmed yet, in their order. They are applied to each new confirmed state anew, so
 * that neither a frame that arrives meanwhile nor a failure leaves a wrong count behind.
 */
export class PendingChanges<S> {
  private list: Pending<S>[] = [];

  constructor(
    /** The current confirmed state, and where it is: its seq or position. */
    private readonly confirmed: () => { state: S; at: number },
    private readonly publish: (state: S) => void,
  ) {}

  /**
   * Show a change at once, and send it. It is shown until the confirmed state has it; if `send` fails, it is taken back.
   * `send` resolves to where the server has it. Throws what `send` throws.
   */
  async make(apply: (state: S) => S, send: () => Promise<number>): Promise<void> {
    const change: Pending<S> = { apply };
    this.list.push(change);
    this.show();
    try {
      change.confirmedAt = await send();
    } catch (error) {
      this.list = this.list.filter((other) => other !== change);
      throw error;
    } finally {
      this.show();
    }
  }

  /** Publish the confirmed state with the changes that it does not have yet. */
  show(): void {
    const { state, at } = this.confirmed();
    this.list = this.list.filter((change) => change.confirmedAt === undefined || change.confirmedAt > at);
    this.publish(this.list.reduce((shown, change) => change.apply(shown), state));
  }

  /** The confirmed state was fetched anew: it has all that was confirmed, whatever its number. */
  refetched(): void {
    this.list = this.list.filter((change) => change.confirmedAt === undefined);
    this.show();
  }
}

/** Milliseconds for which marks are collected into one request. */
const COLLECT_MS = 100;
/** Ids in one request; more are sent at once. */
const COLLECT_MAX = 50;

/** Collects ids of single marks, and sends them together. */
export class Batch {
  private ids: string[] = [];
  private waiting: ((outcome: Promise<number>) => void)[] = [];
  private cancel: (() => void) | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly send: (ids: string[]) => Promise<number>,
  ) {}

  /** Resolves to what `send` returned for the request with these ids. */
  add(ids: readonly string[]): Promise<number> {
    this.ids.push(...ids);
    if (this.ids.length >= COLLECT_MAX) queueMicrotask(() => this.flush());
    else this.cancel ??= this.runtime.after(COLLECT_MS, () => this.flush());
    return new Promise<number>((resolve) => this.waiting.push(resolve));
  }

  /** Send now what was collected: the page is about to go. */
  flush(): void {
    this.cancel?.();
    this.cancel = undefined;
    const { ids, waiting } = this;
    if (!waiting.length) return;
    this.ids = [];
    this.waiting = [];
    const parts: Promise<number>[] = [];
    for (let at = 0; at < ids.length; at += COLLECT_MAX) parts.push(this.send(ids.slice(at, at + COLLECT_MAX)));
    const outcome = Promise.all(parts).then((all) => Math.max(...all));
    outcome.catch(() => undefined); // each caller gets it
    for (const resolve of waiting) resolve(outcome);
  }
}
