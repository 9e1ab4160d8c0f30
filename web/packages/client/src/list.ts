import {
  after,
  EMPTY,
  type FrameData,
  type Item,
  type Kind,
  released,
  type State,
  type Step,
  withPage,
} from "./list-state.js";
import type { Query, Requests } from "./requests.js";
import { type Store, value } from "./store.js";

/** What is shown of a list: its state, and how it was obtained. */
export type View<S> = S & Loading;

/** How a list was obtained. */
export interface Loading {
  /** `empty`: nothing was loaded yet. `cached`: shown from storage. `loaded`: the server has sent it. */
  readonly status: "empty" | "cached" | "loaded";
  readonly loadingMore: boolean;
}

/** Undoes what was done, once. */
export type Undo = () => Promise<void>;

/** What all lists can do. */
export interface List<S> extends Store<View<S>> {
  /** Load the next page, if there is one. */
  loadMore(): Promise<void>;
  /** Fetch the first pages again, as many as are loaded; nothing is sent twice if the server says that it has not changed. */
  refetch(): Promise<void>;
  /** While held, new items wait in `fresh`: the user reads further down, and the list must not move. */
  hold(held: boolean): void;
  /** Show the items that waited. */
  showFresh(): void;
}

/** Sends a change; resolves to the seq or position at which the server has it. */
export type Send = () => Promise<number>;

/** A list, as the others of the client use it. */
export interface LiveList extends List<State> {
  readonly _kind: Kind;
  /** Equal lists with equal filters have the same key. */
  readonly _key: string;
  readonly _inUse: () => boolean;
  /** What the list needs of a stream: a kind of frames, or a topic. */
  readonly _include?: string | undefined;
  readonly _topic?: string | undefined;
  /** The last confirmed state. */
  readonly _confirmed: () => State;
  _apply(event: string, data: FrameData): void;
  _make(step: Step, send: Send): Promise<void>;
  /** Show a stored state until the server has sent the current one. */
  _restore(state: State): void;
  /** Forget everything: the user has signed out. */
  _clear(): void;
  /** Send the marks that are being collected: the page is about to go. */
  _flush(): void;
  /** Collects ids of items that were read; those of a tenth of a second are sent together. */
  _read(ids: readonly string[]): Promise<number>;
  _mark(what: string, body: object): Promise<number>;
  /** Mark all read up to where the list is. */
  _markAll(what: string, body: object, step: Step): Promise<Undo>;
}

/** What lists need of the client. */
export interface Context {
  readonly _requests: Requests;
  /** Ends repetitions of requests. */
  readonly _signal: AbortSignal;
  /** Called when a list gets its first listener, and when it loses the last one. */
  _used(list: LiveList, inUse: boolean): void;
  /** Called when a change was confirmed that the stream may not bring: fetches the lists if it is still missing later. */
  _refetchIf(missing: () => boolean): void;
  /** Show a change in all lists that may have the item, and send it. */
  _make(list: LiveList, step: Step, send: Send): Promise<void>;
  _refetch(): Promise<unknown>;
}

/** Items of a page. */
const PAGE = 20;
/** Items of a page, at most. */
const LONGEST_PAGE = 100;
/** Items that are fetched again at most when a state cannot be continued: more than a user scrolls through. */
const REFETCHED = 100;
/** Items that a list keeps while new ones arrive, if the user has not loaded more: the oldest fall off. */
export const KEPT = 500;
/** Milliseconds for which marks are collected into one request. */
const COLLECT_MS = 100;
/** Ids in one request; more are sent at once. */
const COLLECT_MAX = 50;

/** A change that is shown before the server has confirmed it. */
interface Pending {
  readonly _step: Step;
  /** Where the server has it; undefined until it has answered. */
  _at?: number;
}

/** A list that is loaded page by page, kept current by frames, and changed by the user before the server confirms it. */
export function createList(context: Context, kind: Kind, path: string, marks: string, query: Query): LiveList {
  const { _requests: requests, _signal: signal } = context;
  const { _at, _order, _id } = kind;
  const { _runtime: runtime } = requests;
  let confirmed = EMPTY;
  let status: Loading["status"] = "empty";
  let loading: Promise<void> | undefined;
  let inUse = false;
  let held = false;
  let kept = KEPT;
  /** The changes that are not confirmed yet, in their order: they are applied to each new confirmed state anew. */
  let pending: Pending[] = [];
  /** The frames since each refetch began that is under way: they are applied to the fetched state, which may be older. */
  const missed = new Set<Step[]>();
  let refetches = 0;
  /** The number of the last refetch whose state was taken. */
  let taken = 0;
  let etag = "";
  const ids: string[] = [];
  let outcome: Promise<number>;
  let settle: ((outcome: Promise<number>) => void) | undefined;
  let cancel: () => void;

  const view = value<View<State>>({ ...EMPTY, status, loadingMore: false }, (used) => {
    inUse = used;
    context._used(list, used);
  });
  const show = (): void => {
    pending = pending.filter((change) => !((change._at as number) <= confirmed[_at]));
    const shown = pending.reduce((state, change) => change._step(state, kind), confirmed);
    view._set({ ...shown, status, loadingMore: !!loading });
  };
  /** The oldest items fall off, where they are too many. */
  const take = (state: State): void => {
    if (state === confirmed) return;
    const { items, fresh } = state;
    const full = items.length > kept;
    confirmed = full || fresh.length > kept ? { ...state, items: items.slice(0, kept), fresh: fresh.slice(0, kept) } : state;
    if (full) confirmed = { ...confirmed, next_cursor: "" };
    show();
  };
  const advance = (step: Step): void => {
    for (const steps of missed) steps.push(step);
    take(step(confirmed, kind));
  };
  const fetched = (more: Query): Promise<State> => requests._json(path, { query: { limit: PAGE, ...query, ...more } });
  const refetch = async (): Promise<void> => {
    const number = ++refetches;
    const steps: Step[] = [];
    missed.add(steps);
    try {
      const first = await requests._whole(path, {
        query: { limit: PAGE, ...query },
        headers: etag ? { "if-none-match": etag } : {},
      });
      if (first.status === 304) return;
      let state: State = { ...(await first.json()), fresh: [] };
      const wanted = Math.min(REFETCHED, confirmed.items.length);
      while (state.next_cursor && state.items.length < wanted) {
        state = withPage(kind, state, await fetched({ cursor: state.next_cursor }));
      }
      if (number <= taken) return; // one that began later has more
      const top = confirmed.items[0]?.[_order];
      if (held && top !== undefined) {
        const isFresh = (item: Item): boolean => (item[_order] as string) > (top as string);
        state = { ...state, fresh: state.items.filter(isFresh), items: state.items.filter((item) => !isFresh(item)) };
      }
      taken = number;
      etag = first.headers.get("etag") ?? "";
      status = "loaded";
      kept = KEPT;
      confirmed = steps.reduce((now, step) => step(now, kind), state);
      // It has all that was confirmed, whatever its number.
      pending = pending.filter((change) => change._at === undefined);
      show();
    } finally {
      missed.delete(steps);
    }
  };
  /** The page after the loaded ones. Where the oldest have fallen off, it is looked for from the first one on. */
  const more = async (cursor: string): Promise<void> => {
    const last = (): string => confirmed.items.at(-1)?.[_order] as string;
    const from = last();
    let page = await fetched(cursor ? { cursor } : { limit: LONGEST_PAGE });
    while (!cursor && page.next_cursor && (page.items.at(-1)?.[_order] as string) >= from) {
      page = await fetched({ cursor: page.next_cursor, limit: LONGEST_PAGE });
    }
    if (confirmed.next_cursor !== cursor || (!cursor && last() !== from)) return;
    confirmed = withPage(kind, confirmed, page);
    kept = Math.max(KEPT, confirmed.items.length);
  };
  const send = <T>(what: string, body: object): Promise<T> =>
    requests._change(`${marks}/${what}`, { method: "POST", body }, signal);
  const confirm = (reply: { seq?: number; position?: number }): number => {
    const at = reply[_at] ?? 0;
    const missing = (): boolean => confirmed[_at] < at;
    if (missing()) context._refetchIf(missing);
    return at;
  };
  const mark = async (what: string, body: object): Promise<number> => confirm(await send(what, body));
  const flush = (): void => {
    if (!settle) return;
    cancel();
    const parts: Promise<number>[] = [];
    while (ids.length) parts.push(mark("read", { [`${_id}s`]: ids.splice(0, COLLECT_MAX) }));
    settle(Promise.all(parts).then((all) => Math.max(...all)));
    settle = undefined;
  };
  const list: LiveList = {
    ...view,
    _kind: kind,
    _key: requests._address(path, query),
    _inUse: () => inUse,
    _confirmed: () => confirmed,
    refetch,
    loadMore() {
      const { next_cursor: cursor } = confirmed;
      if (cursor === null) return Promise.resolve();
      loading ??= more(cursor).finally(() => {
        loading = undefined;
        show();
      });
      show();
      return loading;
    },
    hold(hold) {
      held = hold;
    },
    showFresh() {
      if (confirmed.fresh.length) advance((state) => released(kind, state));
    },
    _apply(event, data) {
      // Whether it is held now, not when a refetch is done.
      const isHeld = held;
      advance((state) => after(kind, state, event, data, isHeld));
    },
    async _make(step, send) {
      const change: Pending = { _step: step };
      pending.push(change);
      show();
      try {
        change._at = await send();
      } catch (error) {
        pending = pending.filter((other) => other !== change);
        throw error;
      } finally {
        show();
      }
    },
    _restore(state) {
      if (status !== "empty") return;
      status = "cached";
      confirmed = state;
      show();
    },
    _clear() {
      confirmed = EMPTY;
      status = "empty";
      etag = "";
      taken = refetches; // what is under way is of the user who left
      pending = [];
      show();
    },
    _flush: flush,
    _read(more) {
      ids.push(...more);
      if (!settle) {
        outcome = new Promise((resolve) => (settle = resolve));
        cancel = runtime.after(COLLECT_MS, flush);
      }
      if (ids.length >= COLLECT_MAX) queueMicrotask(flush);
      return outcome;
    },
    _mark: mark,
    async _markAll(what, body, step) {
      const up_to = confirmed[_at];
      let undo: string | null | undefined;
      await context._make(list, step, async () => {
        const reply = await send<{ seq?: number; position?: number; undo?: string | null }>(what, { ...body, up_to });
        undo = reply.undo;
        return confirm(reply);
      });
      return async () => {
        if (!undo) return;
        await send("undo", { undo });
        undo = undefined;
        await context._refetch();
      };
    },
  };
  return list;
}
