import type { State } from "./list-state.js";
import type { Runtime } from "./runtime.js";

/** The form of what is stored; a state of another form is ignored. */
const VERSION = 2;
/** Items of each list that are stored. */
const ITEMS = 20;
/** Milliseconds between a change and its storage. */
const STORE_MS = 1_000;

/** States of lists by their keys. */
export type States = Readonly<Record<string, State>>;

/** Keeps the last states of the lists in storage, for the first paint of the next page. */
export interface FirstPaint {
  /** What is stored. */
  _stored(): States;
  /** The lists have changed. */
  _changed(): void;
  /** Store what has changed: the page is about to go. */
  _flush(): void;
  /** Whether what this tab stored was removed: the user has signed out in another tab. */
  _removed(): boolean;
  /** Remove what is stored: the user has signed out. */
  _remove(): void;
}

/** `key` is undefined if nothing is to be stored; `states` returns those that the server has sent. */
export function createFirstPaint(runtime: Runtime, key: string | undefined, states: () => States): FirstPaint {
  const storage = key === undefined ? undefined : runtime.storage;
  const name = key as string;
  let cancel: (() => void) | undefined;
  let written = false;

  const flush = (): void => {
    if (!cancel) return;
    cancel();
    cancel = undefined;
    const lists: Record<string, State> = {};
    for (const [key, { items, next_cursor, ...state }] of Object.entries(states())) {
      const cut = items.length > ITEMS;
      lists[key] = { ...state, items: items.slice(0, ITEMS), fresh: [], next_cursor: cut ? "" : next_cursor };
    }
    try {
      storage?.setItem(name, JSON.stringify({ version: VERSION, lists }));
      written = !!storage;
    } catch {
      // the storage is full: the next page starts without a first paint
    }
  };
  return {
    _stored() {
      try {
        const { version, lists } = JSON.parse(storage?.getItem(name) ?? "{}");
        if (version === VERSION && Object.values(lists as States).every(isState)) return lists;
      } catch {
        // a person or another script has changed it: the lists are fetched anyway
      }
      return {};
    },
    _changed() {
      cancel ??= runtime.after(STORE_MS, flush);
    },
    _flush: flush,
    _removed: () => written && storage?.getItem(name) === null,
    _remove() {
      cancel?.();
      cancel = undefined;
      storage?.removeItem(name);
    },
  };
}

const isState = ({ items, fresh, seq, position }: State): boolean =>
  Array.isArray(items) && Array.isArray(fresh) && Number.isInteger(seq ?? position);
