/** Lists and resources that are kept, beside those in use. */
const KEPT_STORES = 50;

interface Held {
  readonly _inUse: () => boolean;
}

/** The store of a key. Unused ones are dropped, the oldest first, where they are too many. */
export function heldOf<V extends Held>(stores: Map<string, V>, key: string, make: () => V): V {
  for (const [old, { _inUse }] of stores) {
    if (stores.size >= KEPT_STORES && !stores.has(key) && !_inUse()) stores.delete(old);
  }
  const store = stores.get(key) ?? make();
  stores.set(key, store);
  return store;
}
