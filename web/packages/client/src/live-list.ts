import { Batch, PendingChanges } from "./changes.js";
import { persistent, type Query, type Requests } from "./requests.js";
import { type Store, Value } from "./store.js";

/** What is shown of a list: its state, and how it was obtained. */
export type View<S> = S & Loading;

/** How a list was obtained. */
export interface Loading {
  /** `empty`: nothing was loaded yet. `cached`: shown from storage. `loaded`: the server has sent it. */
  readonly status: "empty" | "cached" | "loaded";
  readonly loadingMore: boolean;
}

/** Where the server has a change: the seq of an inbox, or the position of a list of events. */
interface Confirmation {
  readonly seq?: number;
  readonly position?: number;
}

/** Undoes what was done, once. */
export type Undo = () => Promise<void>;

/** Where a list gets its pages and sends its changes. */
export interface ListContext {
  readonly requests: Requests;
  /** Ends repetitions of requests. */
  readonly signal: AbortSignal;
  /** Called when a change was confirmed that the stream may not bring: fetches the lists if it is still missing later. */
  refetchIf(missing: () => boolean): void;
}

/** What the lists of an inbox and of events have in common. `S` is a state, `P` a page of the server. */
export interface Shape<S, P> {
  readonly empty: S;
  readonly path: string;
  /** Where marks are sent. */
  readonly marks: string;
  readonly query: Query;
  fromPage(page: P): S;
  withPage(state: S, page: P): S;
  /** The seq or position of a state: a later one has all that an earlier one has. */
  at(state: S): number;
}

interface Pages {
  readonly items: readonly unknown[];
  readonly next_cursor: string | null;
}

/** Items of a page. */
export const PAGE = 20;
/** Items that are fetched again at most when a state cannot be continued: more than a user scrolls through. */
const REFETCHED = 100;

/** A list that is loaded page by page, kept current by frames, and changed by the user before the server confirms it. */
export abstract class LiveList<S extends Pages, P> implements Store<View<S>> {
  protected confirmed: S;
  private readonly view: Value<View<S>>;
  private status: Loading["status"] = "empty";
  private loadingMore: Promise<void> | undefined;
  /** The steps since each refetch began that is under way. */
  private readonly missed = new Set<((state: S) => S)[]>();
  private refetches = 0;
  /** The number of the last refetch whose state was taken. */
  private taken = 0;
  protected readonly pending: PendingChanges<S>;
  protected readonly reads: Batch;

  constructor(
    protected readonly context: ListContext,
    private readonly shape: Shape<S, P>,
    /** The member of a request with the ids of items that were read. */
    ids: string,
  ) {
    this.confirmed = shape.empty;
    this.view = new Value<View<S>>({ ...shape.empty, status: "empty", loadingMore: false });
    this.pending = new PendingChanges(
      () => ({ state: this.confirmed, at: shape.at(this.confirmed) }),
      (state) => this.view.set({ ...state, status: this.status, loadingMore: this.loadingMore !== undefined }),
    );
    this.reads = new Batch(context.requests.runtime, (read) => this.mark("read", { [ids]: read }));
  }

  get(): View<S> {
    return this.view.get();
  }

  subscribe(listener: () => void): () => void {
    return this.view.subscribe(listener);
  }

  /** Load the next page, if there is one. */
  loadMore(): Promise<void> {
    const cursor = this.confirmed.next_cursor;
    if (cursor === null) return Promise.resolve();
    this.loadingMore ??= this.page({ cursor })
      .then((page) => {
        if (this.confirmed.next_cursor === cursor) this.confirmed = this.shape.withPage(this.confirmed, page);
      })
      .finally(() => {
        this.loadingMore = undefined;
        this.pending.show();
      });
    this.pending.show();
    return this.loadingMore;
  }

  /** The last confirmed state. */
  get snapshot(): S {
    return this.confirmed;
  }

  /** Show a stored state until the server has sent the current one. */
  restore(state: S): void {
    if (this.status !== "empty") return;
    this.status = "cached";
    this.confirmed = state;
    this.pending.show();
  }

  /** Fetch the first pages again, as many as are loaded, in place of the state. */
  async refetch(): Promise<void> {
    await this.refetching(async () => this.extended(await this.page()));
  }

  /** The state of a first page, and of so many more that the user does not lose what was loaded. */
  protected async extended(first: P): Promise<S> {
    const wanted = Math.min(REFETCHED, this.confirmed.items.length);
    let state = this.shape.fromPage(first);
    while (state.next_cursor !== null && state.items.length < wanted) {
      state = this.shape.withPage(state, await this.page({ cursor: state.next_cursor }));
    }
    return state;
  }

  /** Forget everything: the user has signed out. */
  clear(): void {
    this.confirmed = this.shape.empty;
    this.status = "empty";
    this.taken = this.refetches; // what is under way is of the user who left
    this.pending.refetched();
  }

  /** Send the marks that are being collected: the page is about to go. */
  flush(): void {
    this.reads.flush();
  }

  /** Apply a step; while the state is fetched anew, it is applied to the fetched state too, which may be older. */
  protected advance(step: (state: S) => S): void {
    for (const steps of this.missed) steps.push(step);
    const state = step(this.confirmed);
    if (state === this.confirmed) return;
    this.confirmed = state;
    this.pending.show();
  }

  /** Put a fetched state in place of this one; undefined keeps it. Returns whether it was taken. */
  protected async refetching(fetch: () => Promise<S | undefined>): Promise<boolean> {
    this.refetches += 1;
    const number = this.refetches;
    const missed: ((state: S) => S)[] = [];
    this.missed.add(missed);
    try {
      const state = await fetch();
      if (!state || number <= this.taken) return false; // one that began later has more
      this.taken = number;
      this.status = "loaded";
      this.confirmed = missed.reduce((after, step) => step(after), state);
      this.pending.refetched();
      return true;
    } finally {
      this.missed.delete(missed);
    }
  }

  protected page(query: Query = {}): Promise<P> {
    const { path, query: own } = this.shape;
    return this.context.requests.json<P>(path, { query: { limit: PAGE, ...own, ...query } });
  }

  /** Send a mark; resolves to the seq or position at which the server has it. */
  protected async mark(what: string, body: object): Promise<number> {
    return this.confirm(await this.send<Confirmation>(what, body));
  }

  protected send<T>(what: string, body: object = {}): Promise<T> {
    const { requests, signal } = this.context;
    const path = `${this.shape.marks}/${what}`;
    return persistent(requests.runtime, signal, () => requests.json<T>(path, { method: "POST", body }));
  }

  private confirm(reply: Confirmation): number {
    const at = reply.seq ?? reply.position ?? 0;
    const missing = (): boolean => this.shape.at(this.confirmed) < at;
    if (missing()) this.context.refetchIf(missing);
    return at;
  }

  /** Mark all read up to where the list is; `apply` shows it at once. */
  protected async markAll(what: object, apply: (state: S) => S): Promise<Undo> {
    let undo: string | null | undefined;
    const body = { ...what, up_to: this.shape.at(this.confirmed) };
    await this.pending.make(apply, async () => {
      const reply = await this.send<Confirmation & { undo?: string | null }>(this.allPath, body);
      undo = reply.undo;
      return this.confirm(reply);
    });
    return async () => {
      if (!undo) return;
      await this.send("undo", { undo });
      undo = undefined;
      await this.refetch();
    };
  }

  /** The last part of the path of {@link markAll}. */
  protected abstract readonly allPath: string;

  protected time(): string {
    return new Date(this.context.requests.runtime.now()).toISOString();
  }
}
