import type { InboxCounts, InboxState, Patch } from "./inbox-state.js";
import * as states from "./inbox-state.js";
import { type ListContext, LiveList, PAGE, type Undo, type View } from "./live-list.js";
import type { InboxPage, Notification, ReadFrame, SeenFrame } from "./schemas.js";

/** What is shown of an inbox. */
export type InboxView = View<InboxState>;

const PATH = "/v1/notifications";

/** The inbox of the user: the newest notifications, the counts, and what the user does with them. */
export class Inbox extends LiveList<InboxState, InboxPage> {
  protected readonly allPath = "read-all";
  private etag = "";

  constructor(context: ListContext) {
    const { fromPage, withPage, EMPTY: empty } = states;
    super(context, { path: PATH, marks: PATH, query: {}, empty, fromPage, withPage, at: (state) => state.seq }, "ids");
  }

  // --- what the user does: shown at once, and taken back if the server refuses it -------------------------

  /** Mark notifications read. Marks of a tenth of a second are sent together. */
  markRead(...ids: readonly string[]): Promise<void> {
    const patch = this.readPatch();
    return this.pending.make(
      (state) => states.patched(state, ids, patch),
      () => this.reads.add(ids),
    );
  }

  markUnread(...ids: readonly string[]): Promise<void> {
    return this.change("unread", ids, { read_at: null });
  }

  archive(...ids: readonly string[]): Promise<void> {
    return this.change("archive", ids, { archived_at: this.time() });
  }

  /** Bring archived notifications back into the list. They appear when the server has confirmed it. */
  unarchive(...ids: readonly string[]): Promise<void> {
    return this.change("unarchive", ids, {});
  }

  pin(...ids: readonly string[]): Promise<void> {
    return this.change("pin", ids, { pinned_at: this.time() });
  }

  unpin(...ids: readonly string[]): Promise<void> {
    return this.change("unpin", ids, { pinned_at: null });
  }

  /** Hide notifications until a time; they return unread. */
  snooze(until: Date, ...ids: readonly string[]): Promise<void> {
    return this.change("snooze", ids, { snoozed_until: until.toISOString() }, { until: until.toISOString() });
  }

  /** Take an action of a notification, which marks it read. */
  act(id: string, actionId: string): Promise<void> {
    const read = this.readPatch();
    const acted = { action_id: actionId, at: this.time(), by: "user" } as const;
    const patch: Patch = (item) => ({ ...read(item), acted: item.acted ?? acted });
    const what = `${encodeURIComponent(id)}/actions/${encodeURIComponent(actionId)}`;
    return this.pending.make(
      (state) => states.patched(state, [id], patch),
      () => this.mark(what, {}),
    );
  }

  /** Mark all read that are shown now; what arrives meanwhile stays unread. With `type`, those of one type. */
  readAll(type?: string): Promise<Undo> {
    const at = this.time();
    return this.markAll({ type }, (state) => states.allRead(state, at, type));
  }

  /** Mark all seen: the badge clears when the user opens the list. */
  seeAll(): Promise<void> {
    if (this.get().unseen_count === 0) return Promise.resolve();
    const at = this.time();
    const body = { up_to: this.confirmed.seq };
    return this.pending.make(
      (state) => states.allSeen(state, at),
      () => this.mark("seen-all", body),
    );
  }

  // --- what the server sends ---------------------------------------------------------------------------------

  /** Fetch the first page, if it has changed since the last time. */
  async poll(): Promise<void> {
    let etag = "";
    const taken = await this.refetching(async () => {
      const response = await this.context.requests.whole(PATH, {
        query: { limit: PAGE },
        headers: this.etag ? { "if-none-match": this.etag } : {},
        accept: [304],
      });
      if (response.status === 304) return undefined;
      // A rename changes the tag and not the seq.
      const state = await this.extended((await response.json()) as InboxPage);
      etag = response.headers.get("etag") ?? "";
      return state;
    });
    if (taken) this.etag = etag;
  }

  changed(change: states.Change): void {
    this.advance((state) => states.changed(state, change));
  }

  read(frame: ReadFrame): void {
    this.advance((state) => states.read(state, frame));
  }

  seen(frame: SeenFrame): void {
    this.advance((state) => states.seen(state, frame));
  }

  counted(counts: InboxCounts & { readonly seq: number }): void {
    this.advance((state) => states.counted(state, counts));
  }

  override clear(): void {
    this.etag = "";
    super.clear();
  }

  private change(what: string, ids: readonly string[], members: Partial<Notification>, body: object = {}): Promise<void> {
    const patch: Patch = (item) => ({ ...item, ...members });
    return this.pending.make(
      (state) => states.patched(state, ids, patch),
      () => this.mark(what, { ids, ...body }),
    );
  }

  private readPatch(): Patch {
    const at = this.time();
    return (item) => ({ ...item, read_at: item.read_at ?? at, seen_at: item.seen_at ?? at });
  }
}
