import type { FeedState } from "./feed-state.js";
import type { InboxState } from "./inbox-state.js";
import type { ListStates, Lists } from "./lists.js";
import type { Runtime } from "./runtime.js";

interface Stored extends ListStates {
  readonly version: number;
}

/** The form of what is stored; a state of another form is ignored. */
const VERSION = 1;
/** Items of each list that are stored. */
const ITEMS = 20;
/** Milliseconds between a change and its storage. */
const STORE_MS = 1_000;

/** Keeps the last states of the lists in storage, for the first paint of the next page. */
export class FirstPaint {
  private cancel: (() => void) | undefined;

  constructor(
    private readonly runtime: Runtime,
    /** The key in the storage; undefined if nothing is to be stored. */
    private readonly key: string | undefined,
    private readonly lists: Lists,
  ) {}

  /** Show what is stored. */
  restore(): void {
    if (this.key === undefined) return;
    try {
      const stored = JSON.parse(this.runtime.storage?.getItem(this.key) ?? "null") as Stored | null;
      if (isStored(stored)) this.lists.restore(stored);
    } catch {
      // what is stored is no state of ours: the lists are fetched anyway
    }
  }

  /** The lists have changed. */
  changed(): void {
    this.cancel ??= this.runtime.after(STORE_MS, () => this.flush());
  }

  /** Store what has changed: the page is about to go. */
  flush(): void {
    if (!this.cancel) return;
    this.cancel();
    this.cancel = undefined;
    const states = this.lists.loaded();
    if (this.key === undefined || !states) return;
    const feeds: Record<string, FeedState> = {};
    for (const [key, feed] of Object.entries(states.feeds)) feeds[key] = { ...shortened(feed), fresh: [] };
    const stored: Stored = { version: VERSION, inbox: shortened(states.inbox), feeds };
    try {
      this.runtime.storage?.setItem(this.key, JSON.stringify(stored));
    } catch {
      // the storage is full: the next page starts without a first paint
    }
  }

  /** Remove what is stored: the user has signed out. */
  remove(): void {
    if (this.key !== undefined) this.runtime.storage?.removeItem(this.key);
  }
}

function shortened<S extends InboxState | FeedState>(state: S): S {
  return { ...state, items: state.items.slice(0, ITEMS) };
}

/** Whether what the storage has was written by {@link FirstPaint}: a person or another script may have changed it. */
function isStored(value: Stored | null): value is Stored {
  const lists: unknown[] = [value?.inbox, ...Object.values(value?.feeds ?? {})];
  return value?.version === VERSION && lists.every(isStoredList);
}

function isStoredList(list: unknown): boolean {
  const { items, fresh = [], seq, position } = (list ?? {}) as Partial<InboxState & FeedState>;
  return Array.isArray(items) && Array.isArray(fresh) && Number.isInteger(seq ?? position);
}
