/** A server with one inbox, over simulated HTTP: the rules of docs/concepts/inbox.md, as few as the client relies on. */
import { isAmong, type NotificationFilter } from "../src/filters.js";
import type { InboxPage, InboxUpdateResult, Notification } from "../src/schemas.js";
import type { VirtualTime } from "./runtime.js";

/** How the network behaves. */
export interface Network {
  /** Milliseconds of each way. */
  delay(): number;
  /** Whether this message is lost: the request, or only its response. */
  fails(): "request" | "response" | undefined;
}

interface Stream {
  seq: number;
  readonly send: (text: string) => void;
  readonly end: () => void;
}

interface Mark {
  readonly seq: number;
  readonly upTo: number;
  readonly at: string;
  undone: boolean;
}

const EPOCH = "e1";
const PAGE = 20;
const HEARTBEAT_MS = 20_000;

export class SimulatedServer {
  seq = 0;
  /** Newer resumptions only: an undo has no frame. */
  private resetBefore = 0;
  private readonly rows = new Map<string, Notification>();
  /** The newest notification about each thing. */
  private readonly newest = new Map<string, string>();
  private readonly marks: Mark[] = [];
  private readonly streams = new Set<Stream>();
  /** The query of each stream. */
  readonly queries: URLSearchParams[] = [];
  up = true;
  private renames = 0;
  /** Connections stay open, and nothing is sent on them. */
  silent = false;

  constructor(
    private readonly time: VirtualTime,
    public network: Network,
  ) {}

  // --- what happens ---------------------------------------------------------------------------------------------

  /** An event about something: it joins the newest notification about it if that is unread. */
  notify(about: string, type: string): void {
    const seq = ++this.seq;
    const newest = this.rows.get(this.newest.get(about) ?? "");
    const joined = newest && this.isUnread(newest) ? newest : undefined;
    const id = joined?.id ?? `${about}#${seq}`;
    const count = (joined?.count ?? 0) + 1;
    const fresh = { ...blank(id, type, this.now()), count, seq, order: seq, unread_seq: seq };
    this.rows.set(id, fresh);
    this.newest.set(about, id);
    this.push();
  }

  set(ids: readonly string[], change: (row: Notification) => Partial<Notification>): number {
    let updated = 0;
    for (const id of ids) {
      const row = this.rows.get(id);
      if (!row) continue;
      const shown = this.shown(row);
      const members = change(shown);
      if (Object.entries(members).every(([name, value]) => shown[name as keyof Notification] === value)) continue;
      const seq = ++this.seq;
      this.rows.set(id, { ...shown, ...members, seq, ...(members.read_at === null ? { unread_seq: seq } : {}) });
      updated += 1;
    }
    this.push();
    return updated;
  }

  readAll(upTo: number): { undo: string | null } {
    if (![...this.rows.values()].some((row) => this.isUnread(row) && row.unread_seq <= upTo)) return { undo: null };
    this.seq += 1;
    this.marks.push({ seq: this.seq, upTo, at: this.now(), undone: false });
    this.push();
    return { undo: String(this.seq) };
  }

  undo(seq: number): number {
    const mark = this.marks.find((one) => one.seq === seq && !one.undone);
    if (!mark) return 0;
    mark.undone = true;
    this.resetBefore = this.seq += 1;
    this.push();
    return 1;
  }

  /** The number of open streams. */
  get streaming(): number {
    return this.streams.size;
  }

  /** Messages change, as after a rename of their actor: it takes no seq. */
  rename(message: string): void {
    for (const [id, row] of this.rows) this.rows.set(id, { ...row, message });
    this.renames += 1;
  }

  /** Every client starts again, each after its own time. */
  reset(afterMs: number): void {
    for (const stream of this.streams)
      stream.send(frame("reset", { reason: "erased", after_ms: afterMs }, this.id(this.seq)));
  }

  /** All connections end. */
  cut(): void {
    for (const stream of [...this.streams]) stream.end();
  }

  // --- what is shown ----------------------------------------------------------------------------------------------

  page(limit: number, before = Number.POSITIVE_INFINITY, filter: NotificationFilter = {}): InboxPage {
    const all = [...this.rows.values()].map((row) => this.shown(row));
    const unread = all.filter((row) => row.read_at === null && row.archived_at === null);
    const below = all.filter((row) => row.order < before && isAmong(filter, row)).sort((a, b) => b.order - a.order);
    const items = below.slice(0, limit);
    return {
      items,
      next_cursor: below.length > limit ? String(items.at(-1)?.order) : null,
      has_more: below.length > limit,
      unread_count: unread.length,
      unread_items: unread.reduce((sum, row) => sum + row.count, 0),
      unseen_count: unread.filter((row) => row.seen_at === null).length,
      seq: this.seq,
      read_up_to: 0,
      epoch: EPOCH,
    };
  }

  private counts(): Pick<InboxPage, "unread_count" | "unread_items" | "unseen_count"> {
    const { unread_count, unread_items, unseen_count } = this.page(0);
    return { unread_count, unread_items, unseen_count };
  }

  private readAt(row: Notification): string | null {
    if (row.read_at !== null) return row.read_at;
    return this.marks.find((mark) => !mark.undone && row.unread_seq <= mark.upTo && row.seq < mark.seq)?.at ?? null;
  }

  private isUnread(row: Notification): boolean {
    return this.readAt(row) === null && row.archived_at === null;
  }

  private shown(row: Notification): Notification {
    const readAt = this.readAt(row);
    return { ...row, read_at: readAt, seen_at: row.seen_at ?? readAt };
  }

  private now(): string {
    return new Date(this.time.now).toISOString();
  }

  // --- HTTP -----------------------------------------------------------------------------------------------------------

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { pathname, searchParams } = new URL(url, "http://tidings.test");
    const signal = init.signal ?? undefined;
    const failure = this.network.fails();
    await this.wait(signal);
    if (!this.up || failure === "request") throw new TypeError("fetch failed");
    const response = this.respond(pathname, searchParams, init, signal);
    await this.wait(signal);
    if (!this.up || failure === "response") throw new TypeError("fetch failed");
    return response;
  };

  private wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.time.after(this.network.delay(), resolve);
      const leave = (): void => {
        cancel();
        reject(new DOMException("aborted", "AbortError"));
      };
      if (signal?.aborted) leave();
      signal?.addEventListener("abort", leave);
    });
  }

  private respond(path: string, query: URLSearchParams, init: RequestInit, signal: AbortSignal | undefined): Response {
    const headers = new Headers(init.headers);
    if (namesUserTwice(path, query)) return unknownParameter();
    if (path.endsWith("/stream")) {
      this.queries.push(query);
      return this.stream(headers.get("last-event-id"), signal);
    }
    if (path.endsWith("/activity") || path.endsWith("/feed"))
      return Response.json({ items: [], position: 0, next_cursor: null });
    if (path.endsWith("/poll")) return this.poll(query.get("last_event_id"));
    if (init.method === "GET") return this.list(query, headers.get("if-none-match"));
    const body = JSON.parse(String(init.body ?? "{}")) as { ids?: string[]; up_to?: number; undo?: string };
    const result = this.post(path.split("/").at(-1) ?? "", body);
    return Response.json({ ...result, ...this.counts(), seq: this.seq });
  }

  private post(what: string, body: { ids?: string[]; up_to?: number; undo?: string }): Partial<InboxUpdateResult> & object {
    const at = this.now();
    const { ids = [] } = body;
    switch (what) {
      case "read":
        return { updated: this.set(ids, (row) => ({ read_at: row.read_at ?? at, seen_at: row.seen_at ?? at })) };
      case "unread":
        return { updated: this.set(ids, () => ({ read_at: null })) };
      case "archive":
        return { updated: this.set(ids, (row) => ({ archived_at: row.archived_at ?? at })) };
      case "unarchive":
        return { updated: this.set(ids, () => ({ archived_at: null })) };
      case "read-all":
        return { updated: 0, ...this.readAll(body.up_to ?? this.seq) };
      case "seen-all":
        return { updated: this.set([...this.rows.keys()], (row) => ({ seen_at: row.seen_at ?? at })) };
      case "undo":
        return { updated: this.undo(Number(body.undo)) };
      default:
        throw new Error(`no route ${what}`);
    }
  }

  private list(query: URLSearchParams, known: string | null): Response {
    const etag = `"${this.seq}.${this.renames}"`;
    if (known === etag) return new Response(null, { status: 304 });
    const cursor = query.get("cursor");
    const filter = Object.fromEntries(query) as NotificationFilter;
    const page = this.page(Number(query.get("limit") ?? PAGE), cursor === null ? undefined : Number(cursor), filter);
    return Response.json(page, { headers: { etag } });
  }

  private poll(last: string | null): Response {
    const frames: string[] = [];
    const stream = this.join(
      last,
      (text) => frames.push(text),
      () => undefined,
    );
    this.streams.delete(stream);
    const parsed = frames.map((text) => ({
      event: /event: (.*)/.exec(text)?.[1],
      data: JSON.parse(/data: (.*)/.exec(text)?.[1] ?? "null") as unknown,
      id: /id: (.*)/.exec(text)?.[1] ?? null,
    }));
    return Response.json({ frames: parsed, last_event_id: this.id(stream.seq) });
  }

  private stream(last: string | null, signal: AbortSignal | undefined): Response {
    let leave = (): void => undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const bytes = new TextEncoder();
        let arrival = 0;
        const send = (text: string): void => {
          arrival = Math.max(arrival, this.time.now + this.network.delay()); // bytes keep their order
          this.time.after(arrival - this.time.now, () => {
            if (this.streams.has(stream) && !this.silent) controller.enqueue(bytes.encode(text));
          });
        };
        const stream = this.join(last, send, () => {
          if (this.streams.delete(stream)) controller.error(new TypeError("cut"));
        });
        leave = stream.end;
      },
      cancel: () => leave(),
    });
    signal?.addEventListener("abort", () => leave());
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  private join(last: string | null, send: (text: string) => void, end: () => void): Stream {
    const from = last === null ? this.seq : Number(last.split(".")[1]);
    const resumed = last !== null && from >= this.resetBefore && from <= this.seq;
    const stream: Stream = { seq: last === null || !resumed ? this.seq : from, send, end };
    this.streams.add(stream);
    const hello = { user_id: "u", ...this.counts(), seq: this.seq, position: 0, resumed };
    send(frame("hello", hello, this.id(stream.seq)));
    if (last !== null && !resumed) send(frame("reset", { reason: "undone" }, this.id(this.seq)));
    this.advance(stream);
    this.time.after(HEARTBEAT_MS, () => this.beat(stream));
    return stream;
  }

  private beat(stream: Stream): void {
    if (!this.streams.has(stream)) return;
    stream.send(frame("heartbeat", { seq: stream.seq, position: 0 }, ""));
    this.time.after(HEARTBEAT_MS, () => this.beat(stream));
  }

  private push(): void {
    for (const stream of [...this.streams]) this.advance(stream);
  }

  private advance(stream: Stream): void {
    if (stream.seq < this.resetBefore) {
      stream.seq = this.seq;
      stream.send(frame("reset", { reason: "undone" }, this.id(this.seq)));
    }
    const rows = [...this.rows.values()]
      .filter((row) => row.seq > stream.seq)
      .map((row) => rowFrame(stream.seq, this.shown(row), this.counts()));
    const marks = this.marks
      .filter((mark) => !mark.undone && mark.seq > stream.seq)
      .map((mark) => ({
        seq: mark.seq,
        name: "read",
        data: { up_to: mark.upTo, read_at: mark.at, ...this.counts(), seq: mark.seq },
      }));
    for (const { seq, name, data } of [...rows, ...marks].sort((a, b) => a.seq - b.seq)) {
      stream.send(frame(name, data, this.id(seq)));
      stream.seq = seq;
    }
  }

  private id(seq: number): string {
    return `${EPOCH}.${seq}.`;
  }
}

/** Whether a request names the user where the path does: the server refuses parameters that a route does not take. */
export function namesUserTwice(path: string, query: URLSearchParams): boolean {
  return path.startsWith("/v1/users/") && query.has("user_id");
}

export function unknownParameter(): Response {
  const errors = [{ field: "user_id", message: "unknown parameter" }];
  return Response.json({ type: "urn:tidings:problem:invalid_request", status: 400, errors }, { status: 400 });
}

function rowFrame(after: number, row: Notification, counts: object): { seq: number; name: string; data: object } {
  const { seq, read_at: readAt } = row;
  const known = row.order <= after && readAt !== null && row.archived_at === null;
  const data = known ? { ids: [row.id], items: [row], read_at: readAt, ...counts, seq } : { ...row, ...counts };
  return { seq, name: known ? "read" : "notification", data };
}

function frame(name: string, data: object, id: string): string {
  return `event: ${name}\n${id && `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}

function blank(id: string, type: string, at: string): Notification {
  return {
    id,
    seq: 0,
    order: 0,
    unread_seq: 0,
    type,
    message: id,
    title: null,
    description: null,
    url: null,
    actor_name: null,
    actor_image: null,
    object_title: null,
    object_image: null,
    parts: { actors: [], others: 0, object: { type: "o", id, title: null, image: null }, count: 1 },
    count: 1,
    actors: [],
    actor_count: 1,
    object_type: "o",
    object_id: id,
    event_ids: [],
    metadata: {},
    created_at: at,
    updated_at: at,
    seen_at: null,
    read_at: null,
    archived_at: null,
    snoozed_until: null,
    pinned_at: null,
    actions: [],
    acted: null,
  };
}
